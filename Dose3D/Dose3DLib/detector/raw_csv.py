"""Tables of a readout: raw readings by channel, repeated or not, and the calibration of the channels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..core.errors import InputError
from .layout import Layout
from .table_text import Table, read_table, read_text

__all__ = ["Channels", "RawReadings", "calibration_of_layout", "read_calibration", "read_raw"]


@dataclass(frozen=True, eq=False)
class RawReadings:
    """Numbers as they were read, in the readout's unit.

    Parameters
    ----------
    names:
        channel or cell, all different.
    values:
        (repeats, n), NaN where a repeat has no reading of a channel.
    notes:
        sentences about how they were read.
    is_simulated:
        True for doses of a simulation, which no channel has read.
    """

    names: tuple[str, ...]
    values: np.ndarray
    notes: tuple[str, ...] = ()
    is_simulated: bool = False


@dataclass(frozen=True, eq=False)
class Channels:
    """What is known of the channels, (n,) each.

    Parameters
    ----------
    names:
        channels, all different.
    cells:
        label of the cell that each reads.
    factor:
        Gy per unit of the reading, NaN where there is none.
    factor_sd:
        relative standard deviation of the factor, NaN where unknown.
    saturation:
        readings from here on are saturated, NaN where unknown.
    state:
        "ok", or "dead": not to be used.
    """

    names: tuple[str, ...]
    cells: tuple[str, ...]
    factor: np.ndarray
    factor_sd: np.ndarray
    saturation: np.ndarray
    state: tuple[str, ...]


def read_raw(paths: Sequence[Path], layout: Layout | None = None) -> RawReadings:
    """Readings of one or several files together: rows of the same channel, columns and files are repeats.

    A table has a column `channel` or `cell` and one or more columns whose names begin with `reading`; an empty field is
    a reading that is missing. Doses that G4RT simulated (see `g4rt_doses`) are readings of cells, placed by `layout`.

    Raises
    ------
    InputError
        no such table; no reading; a number that is not finite; files that differ in their channels.
    """
    found = [_read_one(Path(path), layout) for path in paths]
    first = found[0]
    for path, other in zip(paths[1:], found[1:], strict=True):
        if set(other.names) != set(first.names):
            name = sorted(set(other.names) ^ set(first.names))[0]
            cause = f"differs from {Path(paths[0]).name} in its channels ({name[:40]!r} is in one of them only)"
            raise InputError(path, cause, "give repeats of one measurement")
    order = [[one.names.index(name) for name in first.names] for one in found]
    values = np.concatenate([one.values[:, at] for one, at in zip(found, order, strict=True)])
    notes = tuple(dict.fromkeys(note for one in found for note in one.notes))
    return RawReadings(first.names, values, notes, any(one.is_simulated for one in found))


def _read_one(path: Path, layout: Layout | None) -> RawReadings:
    if path.is_dir():
        return _simulated(path, layout)
    table = _lower(read_table(path, read_text(path)))
    header = table.rows[0]
    if any(name.startswith("x [mm]") for name in header):
        return _simulated(path, layout)
    at = next((header.index(name) for name in ("channel", "cell") if name in header), None)
    columns = [n for n, name in enumerate(header) if name.startswith("reading")]
    if at is None or not columns:
        missing = "channel (or cell)" if at is None else "reading"
        cause = f"has no column {missing}; it has {', '.join(header)[:100]}"
        raise InputError(path, cause, "give a table with columns channel and reading")
    readings = np.stack([_column(table, n) for n in columns], axis=1)
    return RawReadings(*_by_channel(table, [row[at].strip() for row in table.rows[1:]], readings))


def _by_channel(table: Table, names: list[str], readings: np.ndarray) -> tuple[tuple[str, ...], np.ndarray]:
    """Rows of the same channel are repeats, as are columns."""
    if not names:
        raise InputError(table.path, "has no readings", "give a row per channel")
    if "" in names:
        raise table.fault(names.index("") + 1, "the row has no channel", "name the channel")
    unique = {name: n for n, name in enumerate(dict.fromkeys(names))}
    of = np.array([unique[name] for name in names])
    turn = _repeats(of)
    values = np.full((int(turn.max()) + 1, readings.shape[1], len(unique)), np.nan)
    values[turn, :, of] = readings
    values = values.reshape(-1, len(unique))
    return tuple(unique), values[~np.isnan(values).all(axis=1)] if np.isfinite(values).any() else values[:1]


def _repeats(of: np.ndarray) -> np.ndarray:
    """How often each number came before in the list."""
    seen: dict[int, int] = {}
    turn = np.empty(len(of), np.int64)
    for n, number in enumerate(of.tolist()):
        turn[n] = seen.get(number, 0)
        seen[number] = turn[n] + 1
    return turn


def _simulated(path: Path, layout: Layout | None) -> RawReadings:
    from .g4rt_doses import read_g4rt_doses

    found = read_g4rt_doses(path, layout)
    notes = tuple(note for note in found.notes if "detector calibrate" not in note)
    return RawReadings(found.cells.labels, found.dose_gy[None], notes, True)


def read_calibration(path: Path) -> Channels:
    """A table with columns `channel` or `cell` or both, `factor` (Gy per unit of the reading) and any of
    `factor_sd_percent`, `saturation`, `state` (ok, dead).

    Raises
    ------
    InputError
        no such table; a channel or a cell twice; a factor that is not above 0; an unknown state.
    """
    table = _lower(read_table(path, read_text(path)))
    header, rows = table.rows[0], table.rows[1:]
    if "factor" not in header or not {"channel", "cell"} & set(header):
        cause = f"has no columns factor and channel (or cell); it has {', '.join(header)[:100]}"
        raise InputError(path, cause, "give Gy per unit of the reading for each channel")
    cells = _names(table, "cell" if "cell" in header else "channel")
    names = _names(table, "channel" if "channel" in header else "cell")
    numbers = {
        name: _column(table, header.index(name)) if name in header else np.full(len(rows), np.nan)
        for name in ("factor", "factor_sd_percent", "saturation")
    }
    state = _states(table)
    bad = (numbers["factor"] <= 0) | (np.isnan(numbers["factor"]) & (np.array(state) == "ok"))
    if bad.any():
        n = int(bad.argmax()) + 1
        raise table.fault(n, "the factor is not above 0", "give Gy per unit of the reading, or the state dead")
    if (numbers["factor_sd_percent"] < 0).any():
        n = int((numbers["factor_sd_percent"] < 0).argmax()) + 1
        raise table.fault(n, "factor_sd_percent is negative", "give a standard deviation")
    return Channels(names, cells, numbers["factor"], numbers["factor_sd_percent"] / 100, numbers["saturation"], state)


def calibration_of_layout(layout: Layout) -> Channels | None:
    """The channels and factors that a layout itself holds (columns `pmt_chn` and `cal_params` of a mapping workbook).

    Raises
    ------
    InputError
        a factor that is no number above 0, or a channel twice.
    """
    if "cal_params" not in layout.facts:
        return None
    texts = [str(value).strip().replace(",", ".") for value in layout.facts["cal_params"]]
    try:
        factor = np.array([float(text) if text else np.nan for text in texts])
    except ValueError as error:
        raise InputError(layout.name, f"has cal_params that are no numbers ({error})", "mend the column") from error
    if (factor <= 0).any() or np.isinf(factor).any():
        raise InputError(layout.name, "has cal_params that are not above 0", "mend the column")
    channels = [_whole(value) for value in layout.facts.get("pmt_chn", [""] * len(layout))]
    names = [channel or label for channel, label in zip(channels, layout.cells.labels, strict=True)]
    if len(set(names)) < len(names):
        name = next(name for name in names if names.count(name) > 1)
        raise InputError(layout.name, f"has the channel {name[:40]!r} twice", "give each cell a channel of its own")
    unknown, state = np.full(len(names), np.nan), tuple("ok" if value > 0 else "dead" for value in factor)
    return Channels(tuple(names), layout.cells.labels, factor, unknown, unknown, state)


def _whole(value: object) -> str:
    """Channel 12 that became 12.0 in a table of numbers; nothing for NaN."""
    text = str(value).strip()
    if text.lower() in ("", "nan"):
        return ""
    return text[:-2] if text.endswith(".0") and text[:-2].isdigit() else text


def _lower(table: Table) -> Table:
    header = [" ".join(name.lower().split()) for name in table.rows[0]]
    return Table(table.path, table.comments, [header, *table.rows[1:]], table.lines, table.delimiter)


def _column(table: Table, at: int) -> np.ndarray:
    values = table.column(at, table.rows[0][at], missing=np.nan)
    if np.isinf(values).any():
        n = int(np.isinf(values).argmax()) + 1
        raise table.fault(n, f"{table.rows[0][at]} is infinite", "give numbers, or leave the field empty")
    return values


def _names(table: Table, column: str) -> tuple[str, ...]:
    at, first = table.rows[0].index(column), {}
    for n, row in enumerate(table.rows[1:], 1):
        name = row[at].strip()
        if not name or name in first:
            cause = f"the {column} {name[:40]!r} is there already" if name else f"the row has no {column}"
            raise table.fault(n, cause, f"give each {column} one row")
        first[name] = n
    if not first:
        raise InputError(table.path, "has no rows", "give a row per channel")
    return tuple(first)


def _states(table: Table) -> tuple[str, ...]:
    if "state" not in table.rows[0]:
        return ("ok",) * (len(table.rows) - 1)
    states = [row[table.rows[0].index("state")].strip().lower() for row in table.rows[1:]]
    wrong = [n for n, state in enumerate(states, 1) if state not in ("", "ok", "dead")]
    if wrong:
        raise table.fault(wrong[0], f"the state {states[wrong[0] - 1][:20]!r} is unknown", "give ok or dead")
    return tuple(state or "ok" for state in states)
