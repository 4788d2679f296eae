"""How long a segmentation will take and how much memory it needs, before anything is loaded.

Cheap enough for a window's own thread: geometry only, no image, no torch. The constants are fitted to runs of `dose3d
segment run` with the shipped model on 2 cores of a server processor (x86-64, no graphics card; November 2026) on CTs of
2 to 70 million voxels: 9 to 15 s and 0.8 to 1.5 GB in all. `Testing/endtoend/test_segment_estimate.py` holds them
against such runs.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..bundles.bundle import Bundle
from ..core.errors import InputError
from ..geometry.box import box_from_numbers
from ..geometry.grid import Grid
from ..geometry.resample import axial_grid
from .windows import region_grid, window_count

__all__ = ["Estimate", "estimate"]

_START_SECONDS = 7.0
"""Start of the process, loading torch and MONAI, scene and report: whatever the CT."""
_LOADING_SECONDS, _WRITING_SECONDS = 4.0, 3.0
"""Of these: before the image is worked on, and after the structures are found."""
_WINDOW_SECONDS = 0.055
"""One window of 64 x 64 x 64 voxels through the shipped network on 2 cores."""
_MEGAVOXEL_SECONDS = 0.06
"""Reading, body, masks, scene: a million voxels of the CT."""

_BASE_BYTES = 710 << 20
"""The libraries and the network's own work."""
_CT_VOXEL_BYTES = 10
_LOGIT_BYTES = 4
"""Of each organ and voxel of the model's grid."""

_KNOWN_PATCH, _KNOWN_WEIGHTS_BYTES, _KNOWN_CORES = 64**3, 9_504_836, 2
_MOST_CORES = 8
"""Beyond, more cores have not been seen to help a network of this size."""

_BODY_MM = np.array([500.0, 300.0, np.inf])
"""The network sees the box around the body only: wider and deeper than this (x, y) a patient rarely is."""
_MARGIN_MM = np.array([10.0, 10.0, 40.0])


@dataclass(frozen=True)
class Estimate:
    """What a job will need.

    Parameters
    ----------
    seconds:
        from the start of the process to the finished folder, on this machine's processor. Right within a factor of 2.5
        on a quiet machine.
    memory_bytes:
        at its peak. Right within a factor of 2.
    reason:
        what it was computed from, in a sentence.
    """

    seconds: float
    memory_bytes: int
    reason: str

    @property
    def milestones(self) -> tuple[float, float]:
        """Fractions of the time at which the libraries are loaded, and at which the structures are found."""
        return _LOADING_SECONDS / self.seconds, 1 - _WRITING_SECONDS / self.seconds


def estimate(grid: Grid, bundle: Bundle, device: str = "auto", roi: Sequence[float] = ()) -> Estimate:
    """Estimate `segment run` for a CT on this grid.

    `roi` as in `SegmentOptions`; a box that cannot be used is taken for none, since the run itself refuses it. For a
    graphics card the seconds are those of the processor: an upper bound.
    """
    model = _model_grid(grid, bundle, roi)
    patch = tuple(bundle.metadata["dose3d"]["patch"])
    windows, cores = window_count(model.shape, patch), _cores()
    size = np.prod(patch) / _KNOWN_PATCH * _weights_bytes(bundle) / _KNOWN_WEIGHTS_BYTES
    network = windows * _WINDOW_SECONDS * size * _KNOWN_CORES / min(cores, _MOST_CORES)
    voxels = int(np.prod(grid.shape))
    seconds = _START_SECONDS + network + _MEGAVOXEL_SECONDS * voxels / 1e6
    memory = _BASE_BYTES + _CT_VOXEL_BYTES * voxels + _LOGIT_BYTES * len(bundle.organs) * int(np.prod(model.shape))
    return Estimate(float(seconds), int(memory), _reason(windows, cores, device))


def _model_grid(grid: Grid, bundle: Bundle, roi: Sequence[float]) -> Grid:
    """The network's grid, with a body of usual size in the middle of the CT."""
    known = bundle.metadata["dose3d"]
    corners = grid.corners_mm()
    low, high = corners.min(axis=0), corners.max(axis=0)
    half, middle = np.minimum(high - low, _BODY_MM) / 2, (low + high) / 2
    whole = axial_grid(middle - half - _MARGIN_MM, middle + half + _MARGIN_MM, tuple(known["input"]["spacing_mm"]))
    if not roi:
        return whole
    try:
        region = box_from_numbers(roi).clipped_to(grid)
    except InputError:
        return whole
    return region_grid(whole, region, tuple(known["patch"]))


def _reason(windows: int, cores: int, device: str) -> str:
    text = f"{windows} window{'s' * (windows > 1)} of the network on {cores} processor core{'s' * (cores > 1)}"
    if device == "cpu":
        return text
    return text + ("; faster with a graphics card" if device == "auto" else f"; faster on {device}")


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return max(1, len(os.sched_getaffinity(0)))
    return os.cpu_count() or 1


def _weights_bytes(bundle: Bundle) -> int:
    """Size of the weights, a rough measure of the network's work; that of the shipped model where it can't be seen."""
    try:
        return (bundle.path / "models" / "model.safetensors").stat().st_size
    except OSError:
        return _KNOWN_WEIGHTS_BYTES
