"""A detector whose boxes follow the shape of targets: cells in layers of rows that slide freely."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from ..geometry.cells import Cells
from .layout import Layout
from .packing import Packing, frame_filling, pack, with_minimum
from .placement import Placement
from .regions import Region, shares_of_boxes

__all__ = ["Shaped", "shape_layout"]

PARTS = 8
"""Boxes slide by steps of this part of their edge: 1.5 mm for boxes of 12 mm."""


@dataclass(frozen=True, eq=False)
class Shaped:
    """A layout.

    Parameters
    ----------
    dice:
        of its boxes and the target; with several targets of the shape before cells were added, by places that fill it.
    angle_deg:
        that was best.
    added:
        cells that no shape asked for, so that each target has its minimum.
    """

    layout: Layout
    dice: float
    angle_deg: float
    added: int


def shape_layout(
    targets: Sequence[Region],
    places: Iterable[tuple[float, Placement]],
    size_mm: float,
    wall_mm: float,
    most: int | None = None,
    minimum: int = 0,
    tick: Callable[[float], None] = lambda share: None,
) -> Shaped:
    """The cubes with walls that follow the union of targets best.

    Parameters
    ----------
    places:
        angles in degrees and the detector's placements at them, of which the best is taken.
    most:
        cells at most; None for as many as the shape asks for.
    minimum:
        cells of each target, added where the shape alone has fewer.
    """
    box, every, volume = size_mm + 2 * wall_mm, *_union(targets)
    best, chosen, places = None, (0.0, None), list(places)
    for n, (angle, place) in enumerate(places):
        found = pack(frame_filling(every, volume, place.to_lps, box, PARTS), PARTS, most)
        if best is None or found.dice > best.dice:
            best, chosen = found, (angle, place)
        tick((n + 1) / len(places))
    angle, place = chosen
    filled = best
    for target in targets:
        filling = frame_filling(target.filled_mm, target.volume_mm3, place.to_lps, box, PARTS)
        filled = with_minimum(filled, filling, PARTS, minimum)
    added, layout = len(filled.centers_mm) - len(best.centers_mm), _layout(filled, place, size_mm, wall_mm)
    dice = best.dice if len(targets) > 1 else _exact_dice(targets[0], layout)
    return Shaped(layout, dice, angle, added)


def _exact_dice(target: Region, layout: Layout) -> float:
    boxes = (layout.cells.sizes_mm + 2 * layout.wall_mm).prod(axis=1)
    shared = shares_of_boxes(target.structure, layout.cells, layout.wall_mm) @ boxes
    return float(2 * shared / (target.volume_mm3 + boxes.sum()))


def _union(targets: Sequence[Region]) -> tuple[np.ndarray, float]:
    """Places that fill all targets, and their volume; where targets overlap it counts once."""
    single = min(t.volume_mm3 / len(t.filled_mm) for t in targets)
    places = np.concatenate([t.filled_mm for t in targets])
    weight = np.concatenate([np.full(len(t.filled_mm), t.volume_mm3 / len(t.filled_mm)) for t in targets])
    if len(targets) == 1:
        return places, targets[0].volume_mm3
    _, first = np.unique(np.round(places / (single ** (1 / 3) / 4)).astype(np.int64), axis=0, return_index=True)
    return places[first], float(weight[first].sum())


def _layout(packing: Packing, place: Placement, size_mm: float, wall_mm: float) -> Layout:
    """Cells in the order of G4RT: by y, then z, then x; a layer is all that has the same y."""
    centers = place.detector(packing.centers_mm @ place.to_lps.T)
    order = np.lexsort((centers[:, 0], centers[:, 2], np.round(centers[:, 1], 3)))
    centers = centers[order]
    heights = np.unique(np.round(centers[:, 1], 3))
    layers = tuple(f"Layer_{n}" for n in np.searchsorted(heights, np.round(centers[:, 1], 3)))
    labels = tuple(f"Cell_{n}" for n in range(len(centers)))
    cells = Cells(labels, place.lps(centers), np.full(centers.shape, size_mm), place.to_lps)
    return Layout(cells, place, layers, wall_mm, "follows the shape")
