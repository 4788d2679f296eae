"""From raw readings to dose: each step is a sentence and its numbers, so that a report can show what was done."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..core.errors import InputError
from .raw_csv import Channels, RawReadings

__all__ = ["Calibrated", "Plan", "Step", "calibrate"]

_STUCK_REPEATS = 3
"""From so many equal repeats on, a channel that never varies is looked at with suspicion."""
_WIDE = 5.0
"""A channel whose repeats spread this many times more than those of the others is named."""


@dataclass(frozen=True)
class Plan:
    """What is done with the readings; the steps are taken in this order.

    Parameters
    ----------
    saturation:
        readings from here on are saturated, for channels of which the calibration says nothing.
    background:
        readings without beam, subtracted by channel; or one number for all channels.
    background_scale:
        what the background is multiplied by: seconds of irradiation over seconds of its measurement.
    dead_below:
        a channel whose mean reading, background included, is below this is dead.
    dead:
        labels of cells, or channels, that are not to be used.
    reading_error:
        relative standard deviation of a single reading, used for channels read once.
    factor:
        Gy per unit for all channels, times each channel's own factor.
    reference:
        label of a cell and the dose in Gy that it received: all doses are scaled so that it has that dose.
    seconds:
        of irradiation.
    is_rate:
        True when readings are per second: doses are rates times seconds.
    fractions:
        fractions that are wanted over fractions that were measured.
    """

    saturation: float | None = None
    background: RawReadings | float | None = None
    background_scale: float = 1.0
    dead_below: float | None = None
    dead: tuple[str, ...] = ()
    reading_error: float | None = None
    factor: float = 1.0
    reference: tuple[str, float] | None = None
    seconds: float | None = None
    is_rate: bool = False
    fractions: float = 1.0


@dataclass(frozen=True)
class Step:
    """What was done, in a sentence, and for how many channels."""

    name: str
    text: str
    channels: int


@dataclass(frozen=True, eq=False)
class Calibrated:
    """Doses of cells and how they came about, (n,) each in the order of `labels`.

    Parameters
    ----------
    labels, channels:
        of cells, and the channel that read each.
    dose_gy, sd_gy:
        NaN where there is no value, or where the error is unknown.
    state:
        "ok", "dead", "saturated" or "missing".
    repeats:
        readings that were averaged.
    raw, background:
        mean reading and what was subtracted, in the readout's unit.
    factor:
        Gy per unit, all steps together.
    steps, warnings:
        for the report.
    """

    labels: tuple[str, ...]
    channels: tuple[str, ...]
    dose_gy: np.ndarray
    sd_gy: np.ndarray
    state: tuple[str, ...]
    repeats: np.ndarray
    raw: np.ndarray
    background: np.ndarray
    factor: np.ndarray
    steps: tuple[Step, ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass
class _Work:
    """Columns on their way, and what was said."""

    labels: tuple[str, ...]
    names: tuple[str, ...]
    values: np.ndarray
    state: np.ndarray
    steps: list[Step]
    warnings: list[str]

    def step(self, name: str, text: str, channels: np.ndarray | int) -> None:
        self.steps.append(Step(name, text, int(np.sum(channels))))

    def named(self, found: np.ndarray) -> str:
        """The first cells of those found, for a sentence."""
        labels = [self.labels[n] for n in np.flatnonzero(found)]
        return ", ".join(labels[:5]) + (" ..." if len(labels) > 5 else "")


def calibrate(raw: RawReadings, channels: Channels | None, plan: Plan) -> Calibrated:
    """Take all steps.

    Parameters
    ----------
    channels:
        what is known of the channels; None: readings are of cells, and `plan.factor` is all there is.

    Raises
    ------
    InputError
        readings of a channel without calibration; a background that lacks a channel; no channel that is left; a
        reference cell without a reading.
    """
    work, own = _start(raw, channels, plan)
    _mark_saturated(work, own, plan)
    mean, sd, count = _averages(work, plan)
    background, background_sd = _background(work, plan)
    _find_dead(work, mean, plan)
    sd = np.hypot(sd, background_sd)
    factor = own.factor * plan.factor
    dose = (mean - background) * factor
    sd = np.hypot(sd * factor, np.where(np.isnan(own.factor_sd), 0.0, own.factor_sd) * np.abs(dose))
    work.step("calibration", _factor_text(own, plan), np.isfinite(factor))
    dose[work.state != "ok"] = sd[work.state != "ok"] = np.nan
    if not np.isfinite(dose).any():
        raise InputError("the readings", "no channel is left with a dose", "look at the limits and at the raw file")
    scale = _scale(work, dose, plan)
    _look_at_doses(work, dose * scale)
    return Calibrated(
        work.labels, work.names, dose * scale, sd * abs(scale), tuple(map(str, work.state)), count, mean,
        background, factor * scale, tuple(work.steps), tuple(work.warnings),
    )  # fmt: skip


def _start(raw: RawReadings, channels: Channels | None, plan: Plan) -> tuple[_Work, Channels]:
    """The channels in the order of the readings, known dead ones marked."""
    own = _unity(raw.names) if channels is None else _chosen(raw, channels)
    work = _Work(own.cells, own.names, raw.values, np.array(own.state, dtype="<U9"), [], [])
    if len(set(own.cells)) < len(own.cells):
        twice = next(cell for cell in own.cells if own.cells.count(cell) > 1)
        raise InputError("the readings", f"two channels read the cell {twice[:40]!r}", "leave one of them out")
    unknown = sorted(set(plan.dead) - set(own.cells) - set(own.names))
    if unknown:
        raise InputError("--dead", f"{unknown[0][:40]!r} is neither a cell nor a channel of the readings", "mend it")
    stated = np.array([cell in plan.dead or name in plan.dead for cell, name in zip(own.cells, own.names, strict=True)])
    work.state[stated] = "dead"
    repeats = len(raw.values)
    work.step("readings", f"{len(raw.names)} channels were read {_times(repeats)}", len(raw.names))
    if channels is not None and len(channels.names) > len(raw.names):
        lacking = len(channels.names) - len(raw.names)
        work.warnings.append(f"{lacking} channels of the calibration have no reading")
    return work, own


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def _unity(names: tuple[str, ...]) -> Channels:
    unknown = np.full(len(names), np.nan)
    return Channels(names, names, np.ones(len(names)), unknown, unknown, ("ok",) * len(names))


def _chosen(raw: RawReadings, channels: Channels) -> Channels:
    """By channel, or where the readings go by cells, by cell."""
    for keys in (channels.names, channels.cells):
        index = {name: n for n, name in enumerate(keys)}
        if all(name in index for name in raw.names):
            at = np.array([index[name] for name in raw.names])
            texts = {key: tuple(getattr(channels, key)[n] for n in at) for key in ("names", "cells", "state")}
            numbers = {key: getattr(channels, key)[at] for key in ("factor", "factor_sd", "saturation")}
            return replace(channels, **texts, **numbers)
    known = set(channels.names) | set(channels.cells)
    name = next((name for name in raw.names if name not in known), raw.names[0])
    raise InputError("the readings", f"the channel {name[:40]!r} has no calibration", "add it to the calibration file")


def _mark_saturated(work: _Work, own: Channels, plan: Plan) -> None:
    """Cells of which a repeat is saturated: their mean would be too low."""
    default = np.inf if plan.saturation is None else plan.saturation
    limit = np.where(np.isnan(own.saturation), default, own.saturation)
    found = (work.values >= limit).any(axis=0) & (work.state == "ok")
    work.state[found] = "saturated"
    if np.isfinite(limit).any():
        text = f"readings from {_span(limit[np.isfinite(limit)])} on are saturated: {int(found.sum())} channels"
        work.step("saturation", text + (f" ({work.named(found)})" if found.any() else ""), found)
    if found.any():
        work.warnings.append(f"{int(found.sum())} cells are saturated and have no value: {work.named(found)}")


def _span(values: np.ndarray) -> str:
    low, high = float(values.min()), float(values.max())
    return f"{low:.6g}" if low == high else f"{low:.6g} to {high:.6g}"


def _averages(work: _Work, plan: Plan) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean of the repeats, standard deviation of that mean, number of repeats."""
    there = np.isfinite(work.values)
    count = there.sum(axis=0)
    mean = np.where(there, work.values, 0.0).sum(axis=0) / np.where(count > 0, count, np.nan)
    squares = np.where(there, (work.values - mean) ** 2, 0.0).sum(axis=0)
    single = np.sqrt(squares / np.where(count > 1, count - 1, np.nan))
    assumed = np.nan if plan.reading_error is None else plan.reading_error * np.abs(mean)
    sd = np.where(count > 1, single, assumed) / np.sqrt(np.where(count > 0, count, np.nan))
    missing = (count == 0) & (work.state == "ok")
    work.state[missing] = "missing"
    if missing.any():
        work.warnings.append(f"{int(missing.sum())} channels have no reading: {work.named(missing)}")
    _say_spread(work, mean, single, count, plan)
    return mean, sd, count


def _say_spread(work: _Work, mean: np.ndarray, single: np.ndarray, count: np.ndarray, plan: Plan) -> None:
    repeated = (count > 1) & (mean != 0)
    if not repeated.any():
        error = (
            f"taken as {100 * plan.reading_error:.3g} % of a reading" if plan.reading_error is not None else "unknown"
        )
        work.step("repeats", f"no channel was read twice; the error of a reading is {error}", 0)
        return
    relative = np.where(repeated, single / np.where(mean == 0, 1.0, np.abs(mean)), np.nan)
    middle, widest = float(np.nanmedian(relative)), float(np.nanmax(relative))
    text = f"means of {_span(count[count > 0])} readings; their spread is {100 * middle:.3g} % (median), at most "
    work.step("repeats", text + f"{100 * widest:.3g} % ({work.labels[int(np.nanargmax(relative))]})", repeated)
    wide = relative > _WIDE * middle if middle > 0 else relative > 0
    if wide.any():
        work.warnings.append(f"the repeats of {work.named(wide)} spread far more than those of the others")
    stuck = (single == 0) & (count >= _STUCK_REPEATS) & (work.state == "ok")
    if stuck.any() and not stuck.all():
        work.warnings.append(f"{work.named(stuck)} read the same number each time: dead channels? (--dead)")


def _background(work: _Work, plan: Plan) -> tuple[np.ndarray, np.ndarray]:
    """What is subtracted from each channel, and its standard deviation (0 where unknown)."""
    count = len(work.labels)
    if plan.background is None:
        work.step("background", "none was subtracted", 0)
        return np.zeros(count), np.zeros(count)
    if not isinstance(plan.background, RawReadings):
        level = plan.background * plan.background_scale
        work.step("background", f"{level:.6g} was subtracted from each channel", count)
        return np.full(count, level), np.zeros(count)
    known = {name: n for n, name in enumerate(plan.background.names)}
    at = [known.get(name, known.get(cell)) for name, cell in zip(work.names, work.labels, strict=True)]
    if None in at:
        name = work.names[at.index(None)]
        raise InputError("the background", f"lacks the channel {name[:40]!r}", "measure it, or give one number for all")
    values = plan.background.values[:, np.array(at)] * plan.background_scale
    repeats = np.isfinite(values).sum(axis=0)
    lacking = (repeats == 0) & (work.state == "ok")
    if lacking.any():
        cause = f"has no reading of the channel {work.named(lacking)}"
        raise InputError("the background", cause, "measure it, or give one number for all")
    level = np.nansum(values, axis=0) / np.maximum(repeats, 1)
    squares = np.nansum((values - level) ** 2, axis=0)
    sd = np.sqrt(squares / np.maximum(repeats - 1, 1) / np.maximum(repeats, 1))
    scaled = "" if plan.background_scale == 1 else f", times {plan.background_scale:.4g} for the time of irradiation"
    work.step("background", f"{_span(level)} was subtracted, read {_times(len(values))}{scaled}", count)
    return level, sd


def _find_dead(work: _Work, mean: np.ndarray, plan: Plan) -> None:
    if plan.dead_below is not None:
        work.state[(mean < plan.dead_below) & (work.state == "ok")] = "dead"
    found = work.state == "dead"
    rule = "" if plan.dead_below is None else f" (below {plan.dead_below:.6g}, or named)"
    names = f"{int(found.sum())}{rule}: {work.named(found)}" if found.any() else f"none{rule}"
    work.step("dead channels", names, found)
    if found.any():
        work.warnings.append(f"{int(found.sum())} cells are dead and have no value: {work.named(found)}")


def _factor_text(own: Channels, plan: Plan) -> str:
    known = own.factor[np.isfinite(own.factor)]
    text = f"times {_span(known * plan.factor) if len(known) else 'nothing'} Gy per unit of the reading"
    errors = own.factor_sd[np.isfinite(own.factor_sd)]
    return text + (f"; the factors' own error is {_span(100 * errors)} %" if len(errors) else "")


def _scale(work: _Work, dose: np.ndarray, plan: Plan) -> float:
    """Reference cell, time and fractions: one number for all cells."""
    scale = 1.0
    if plan.is_rate:
        scale *= plan.seconds
        work.step("dose rate", f"readings are rates: times {plan.seconds:.6g} s of irradiation", len(dose))
    if plan.reference is not None:
        label, wanted = plan.reference
        at = work.labels.index(label) if label in work.labels else None
        if at is None or not dose[at] > 0:
            state = "is not among the readings" if at is None else "has no dose above 0"
            raise InputError("--reference-cell", f"the cell {label[:40]!r} {state}", "choose another cell")
        scale = wanted / float(dose[at])
        work.step("reference", f"times {scale:.6g}, so that {label} has {wanted:.6g} Gy", len(dose))
    if plan.seconds:
        rate = np.nanmax(dose) * scale / plan.seconds * 60
        work.step("time", f"the highest dose rate over {plan.seconds:.6g} s is {rate:.4g} Gy/min", len(dose))
    if plan.fractions != 1:
        scale *= plan.fractions
        work.step("fractions", f"times {plan.fractions:.6g}, fractions wanted over fractions measured", len(dose))
    return scale


def _look_at_doses(work: _Work, dose: np.ndarray) -> None:
    negative = dose < 0
    if negative.any():
        lowest = float(np.nanmin(dose))
        work.warnings.append(
            f"{int(negative.sum())} cells have a negative dose, down to {lowest:.4g} Gy, which is kept: cut off at 0 "
            "the mean would be too high"
        )
    if np.nanmax(dose) > 300:
        work.warnings.append(f"the highest dose would be {np.nanmax(dose):.4g} Gy; are the factors in Gy per unit?")
