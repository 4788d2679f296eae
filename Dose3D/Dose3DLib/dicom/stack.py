"""Frames -> one grid: order along the normal, even distances, shear; or a clear refusal."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..core.errors import InputError
from ..geometry.grid import Grid
from .frames import Frame
from .values import text

__all__ = ["DIRECTION_TOLERANCE", "SAME_PLACE_MM", "SLICE_POSITION_TOLERANCE_MM", "Stack", "make_stack"]

SLICE_POSITION_TOLERANCE_MM = 0.1
"""Scanners round positions to 0.1 mm and tables jitter; within this of the even grid a slice is where it should be.
Thin slices: a fifth of their distance, so that the tolerance never hides a missing slice."""
SAME_PLACE_MM = 0.01
"""Two slices closer than this along the normal are at the same position."""
DIRECTION_TOLERANCE = 1e-4
"""Direction cosines of the slices of a series agree within this (0.05 mm across 500 mm)."""
SPACING_TOLERANCE_MM = 1e-4
MAX_GROWTH = 8
"""Resampling to an even grid makes at most this many times the slices that there are."""
RESAMPLE = "export the missing slices, or interpolate with --resample-slices"
EVEN = "export evenly spaced slices, or interpolate with --resample-slices"


@dataclass(frozen=True, eq=False)
class Stack:
    """Slices in k order on an even grid.

    Parameters
    ----------
    grid:
        k grows along cross(row direction, column direction).
    frames:
        the source slices, sorted along the normal.
    sources:
        for each k the index in `frames` as a float; a fraction means interpolation between its neighbours.
    notes:
        sentences for the user.
    """

    grid: Grid
    frames: tuple[Frame, ...]
    sources: np.ndarray
    notes: tuple[str, ...]

    @property
    def is_interpolated(self) -> bool:
        return bool((self.sources % 1 != 0).any())


def make_stack(frames: list[Frame], resample_slices: bool = False) -> Stack:
    """Sort slices along their normal and check that they are one even stack (oblique and sheared ones too).

    Raises
    ------
    InputError
        one slice only; different size, orientation, pixel spacing or frame of reference; two slices at one position;
        a missing slice or uneven distances (unless `resample_slices`); slices that are shifted sideways.
    """
    _check_alike(frames)
    normal = np.cross(frames[0].orientation[:3], frames[0].orientation[3:])
    normal /= np.linalg.norm(normal)
    frames = sorted(frames, key=lambda frame: (float(normal @ np.array(frame.position)), frame.name))
    places = np.array([frame.position for frame in frames])
    depths = places @ normal
    if len(frames) < 2 or depths[-1] - depths[0] < SAME_PLACE_MM:
        cause = "one slice position only, so the distance of the slices is unknown"
        raise InputError(frames[0].path, cause, "name a series of at least two slices")
    _check_repeats(frames, depths)
    _check_sideways(frames, places, depths)
    sources, notes = _even_sources(frames, depths, resample_slices)
    return Stack(_grid(frames[0], places, len(sources)), tuple(frames), sources, tuple(notes))


def _check_alike(frames: list[Frame]) -> None:
    first = frames[0]
    frame_uid = text(first.file.header, "FrameOfReferenceUID")
    for frame in frames[1:]:
        what = None
        if frame.shape != first.shape:
            what = f"size {frame.shape[0]} x {frame.shape[1]} against {first.shape[0]} x {first.shape[1]} pixels"
        elif np.abs(np.subtract(frame.orientation, first.orientation)).max() > DIRECTION_TOLERANCE:
            what = f"orientation {list(frame.orientation)} against {list(first.orientation)}"
        elif np.abs(np.subtract(frame.pixel_spacing, first.pixel_spacing)).max() > SPACING_TOLERANCE_MM:
            what = f"pixel spacing {list(frame.pixel_spacing)} against {list(first.pixel_spacing)} mm"
        elif text(frame.file.header, "FrameOfReferenceUID") != frame_uid:
            what = "frame of reference"
        if what:
            cause = f"its slice differs from {first.name} in {what}"
            raise InputError(frame.path, cause, "export images of one geometry as a series of their own")


def _check_repeats(frames: list[Frame], depths: np.ndarray) -> None:
    same = np.flatnonzero(np.diff(depths) < SAME_PLACE_MM)
    if same.size == 0:
        return
    starts = np.flatnonzero(np.r_[True, np.diff(depths) >= SAME_PLACE_MM])
    counts = np.diff(np.r_[starts, len(depths)])
    if counts.min() == counts.max() and len(counts) > 1:
        cause = f"each of the {len(counts)} slice positions is there {counts[0]} times (phases or acquisitions)"
        raise InputError(frames[0].path.parent, cause, "export one phase as a series of its own")
    one, two = frames[same[0]], frames[same[0] + 1]
    cause = f"{two.name} is another slice at the same position, {_place(one)}"
    raise InputError(one.path, cause, "remove the wrong one of the two")


def _place(frame: Frame) -> str:
    return "({})".format(", ".join(f"{value:.2f}" for value in frame.position)) + " mm"


def _tolerance(distance: float) -> float:
    return min(SLICE_POSITION_TOLERANCE_MM, 0.2 * distance)


def _check_sideways(frames: list[Frame], places: np.ndarray, depths: np.ndarray) -> None:
    """In a straight stack, tilted gantry or not, positions run along one line."""
    share = (depths - depths[0]) / (depths[-1] - depths[0])
    aside = np.linalg.norm(places - (places[0] + share[:, None] * (places[-1] - places[0])), axis=1)
    worst = int(aside.argmax())
    if aside[worst] > SLICE_POSITION_TOLERANCE_MM:
        cause = f"the slice at {_place(frames[worst])} lies {aside[worst]:.2f} mm beside the line of the others"
        raise InputError(frames[worst].path, cause, "export the series again, or without this slice")


def _even_sources(frames: list[Frame], depths: np.ndarray, resample: bool) -> tuple[np.ndarray, list[str]]:
    """Index in `frames` for each k of the even grid, and notes on how even they are."""
    count = len(frames)
    step = (depths[-1] - depths[0]) / (count - 1)
    off = np.abs(depths - (depths[0] + step * np.arange(count))).max()
    if off <= _tolerance(step):
        notes = [f"slice positions are off an even grid by up to {off:.3f} mm"] if off > SAME_PLACE_MM else []
        return np.arange(count, dtype=float), notes
    if not resample:
        raise _uneven(frames, depths)
    return _resampled_sources(frames, depths)


def _uneven(frames: list[Frame], depths: np.ndarray) -> InputError:
    gaps = np.diff(depths)
    usual = float(np.median(gaps))
    missing = np.rint(gaps / usual).astype(int) - 1
    whole = np.abs(gaps - (missing + 1) * usual) <= _tolerance(usual) * np.maximum(missing + 1, 1)
    if whole.all() and missing.min() >= 0:
        at = int(np.flatnonzero(missing)[0])
        cause = (
            f"{missing.sum()} slice(s) missing, the first between {frames[at].name} at {_place(frames[at])} "
            f"and {frames[at + 1].name} at {_place(frames[at + 1])} (slice distance {usual:.3f} mm)"
        )
        return InputError(frames[0].path.parent, cause, RESAMPLE)
    at = int(np.abs(gaps - usual).argmax())
    cause = (
        f"slices are unevenly spaced, {gaps.min():.3f} to {gaps.max():.3f} mm (most {usual:.3f} mm), "
        f"worst between {frames[at].name} at {_place(frames[at])} and {frames[at + 1].name}"
    )
    return InputError(frames[0].path.parent, cause, EVEN)


def _resampled_sources(frames: list[Frame], depths: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """An even grid between the end slices, as fine as the finest tenth of the distances."""
    wanted = float(np.quantile(np.diff(depths), 0.1, method="lower"))
    extent = float(depths[-1] - depths[0])
    count = round(extent / wanted) + 1
    if count > MAX_GROWTH * len(frames):
        cause = f"an even grid would need {count} slices instead of {len(frames)}"
        raise InputError(frames[0].path.parent, cause, "export evenly spaced slices")
    even = np.linspace(depths[0], depths[-1], count)
    sources = np.interp(even, depths, np.arange(len(frames), dtype=float))
    nearest = np.rint(sources).astype(int)
    there = np.abs(depths[nearest] - even) <= _tolerance(extent / (count - 1))
    sources[there] = nearest[there]
    made = int((~there).sum())
    note = f"slices resampled to an even distance of {extent / (count - 1):.3f} mm: {made} of {count} interpolated"
    return sources, [note]


def _grid(first: Frame, places: np.ndarray, count: int) -> Grid:
    affine = np.eye(4)
    affine[:3, 0] = np.array(first.orientation[:3]) * first.pixel_spacing[1]
    affine[:3, 1] = np.array(first.orientation[3:]) * first.pixel_spacing[0]
    affine[:3, 2] = (places[-1] - places[0]) / (count - 1)
    affine[:3, 3] = places[0]
    return Grid((count, *first.shape), affine)
