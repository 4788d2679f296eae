"""What each cell holds of the patient: shares of structures, main structure, mean HU and density."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from ..core.errors import InputError
from ..core.progress import Progress
from .layout_patient import body_name

if TYPE_CHECKING:
    from ..detector.density import DensityTable
    from ..detector.layout import Layout
    from ..geometry.grid import Volume
    from ..geometry.structure import Structure, StructureSet
    from .layout_patient import Patient

__all__ = ["OCCUPANCY", "coverage", "structure_volume_cc", "with_facts"]

OCCUPANCY = "occupancy:"
"""Columns of shares begin with this; the structure's name follows."""

_REMEDY = "check --isocenter, --plan, --frame and --patient-position"
_AIR_HU = -900.0


def with_facts(layout: Layout, patient: Patient, table: DensityTable | None, progress: Progress) -> Layout:
    """The layout with its columns about the patient.

    Raises
    ------
    InputError
        no cell lies in the CT, or none in the body.
    """
    facts: dict[str, np.ndarray] = {}
    if patient.structures is not None:
        facts |= _shares(layout, patient.structures)
        _check_body(facts, patient.structures, progress)
    if patient.ct is not None:
        facts |= _hu_and_density(layout, patient, table, progress)
        if patient.structures is None and np.nanmax(facts["mean_hu"]) < _AIR_HU:
            raise InputError("the layout", "stands in air, beside the patient", _REMEDY)
    return replace(layout, facts={**layout.facts, **facts})


def _shares(layout: Layout, structures: StructureSet) -> dict[str, np.ndarray]:
    from ..detector.occupancy import cell_occupancy, main_structures

    shares = cell_occupancy(layout.cells, structures)
    volumes = {one.name: structure_volume_cc(one, structures) for one in structures}
    found = {OCCUPANCY + name: np.round(values, 6) for name, values in shares.items()}
    return {**found, "main_structure": main_structures(shares, volumes, len(layout))}


def structure_volume_cc(structure: Structure, structures: StructureSet) -> float:
    """From the contours, where there are any."""
    from ..geometry.occupancy import contours_volume_cc

    return contours_volume_cc(structure.contours, structures.grid) if structure.contours else structure.mask.volume_cc


def _check_body(facts: dict[str, np.ndarray], structures: StructureSet, progress: Progress) -> None:
    name = body_name(structures)
    inside = facts.get(OCCUPANCY + name)
    if inside is None:
        return
    if not (inside > 0).any():
        raise InputError("the layout", f"lies outside the patient ({name})", _REMEDY)
    outside, cut = int((inside <= 0).sum()), int(((inside > 0) & (inside < 1 - 1e-3)).sum())
    if outside or cut:
        progress.warn(f"{outside} of {len(inside)} cells lie outside {name}, {cut} across its surface.")


def _hu_and_density(
    layout: Layout, patient: Patient, table: DensityTable | None, progress: Progress
) -> dict[str, np.ndarray]:
    """Exact means over the part of a cell within the CT; the density is the mean of the voxels' densities."""
    from ..detector.density import SCHNEIDER
    from ..dose.cell_operator import cell_operator

    volume, table = patient.ct.volume, table or SCHNEIDER
    part = _around(layout, volume)
    operator = None if part is None else cell_operator(layout.cells, part.grid, "constant")
    if operator is None or not (operator.fraction > 0).any():
        low, high = volume.grid.corners_mm().min(axis=0), volume.grid.corners_mm().max(axis=0)
        limits = ", ".join(f"{a:.0f} to {b:.0f}" for a, b in zip(low, high, strict=True))
        raise InputError("the layout", f"lies outside the CT (x, y, z of {limits} mm, LPS)", _REMEDY)
    if (operator.fraction < 1).any():
        number = int((operator.fraction < 1).sum())
        progress.warn(f"{number} of {len(layout)} cells reach out of the CT: their HU are those of the part inside.")
    return {
        "in_ct": np.round(operator.fraction, 6),
        "mean_hu": np.round(operator.apply(part.array), 2),
        "density_g_cm3": np.round(operator.apply(table.apply(part.array)), 5),
    }


def _around(layout: Layout, volume: Volume) -> Volume | None:
    """The part of the CT that holds the cells: a table of densities for all of it would take a gigabyte."""
    from ..geometry.grid import Volume

    corners = volume.grid.to_index(layout.cells.corners_mm().reshape(-1, 3))[:, ::-1]
    start = np.clip(np.floor(corners.min(axis=0)).astype(int) - 1, 0, volume.grid.shape)
    stop = np.clip(np.ceil(corners.max(axis=0)).astype(int) + 2, 0, volume.grid.shape)
    if (stop <= start).any():
        return None
    block = volume.array[tuple(slice(a, b) for a, b in zip(start, stop, strict=True))]
    return Volume(block, volume.grid.crop(tuple(start.tolist()), block.shape))


def coverage(layout: Layout, patient: Patient, name: str) -> tuple[int, float]:
    """How many cells are at least half in a structure, and the share of its volume that lies in cells."""
    shares = layout.facts[OCCUPANCY + name]
    structure = patient.structures[name]
    held = float((shares * layout.cells.volumes_mm3).sum()) / 1000
    return int((shares >= 0.5).sum()), held / structure_volume_cc(structure, patient.structures)
