"""A Python script that builds a detector in GATE 10 (opengate); GATE 10 takes geometry as Python, not as files."""

from __future__ import annotations

import numpy as np

from .export_boxes import Boxes, Surrounding, mm
from .materials import AIR, SCINTILLATOR

__all__ = ["gate10_script", "grid_on_faces"]

_WORLD_MARGIN_MM = 100.0
_ON_FACE_MM = 1e-4
_SPACINGS_MM = (2.0, 1.0, 0.5)
_MOST_VOXELS = 2e8

_SCRIPT = '''\
"""Detector {name}: {count} cells for GATE 10 (opengate), written by Dose3D. Research use only.

Cells are volumes "cell_N" (in covers "cover_N", where they have walls); copy number n is the n-th cell of that kind in
CELLS. Positions in mm. The dose is scored on a grid in the world, since an actor on a repeated volume sees one copy.
Its image has this file's coordinates; in a file of the frame lps these are the patient's, and
`dose3d detector measure --dose IMAGE --layout LAYOUT.csv` averages the dose over each cell exactly.
"""

import opengate as gate

mm, g_cm3 = gate.g4_units.mm, gate.g4_units.g_cm3

WORLD_SIZE = {world}
SURROUNDINGS_CENTER = {center}
SURROUNDINGS_SIZE = {size}
SURROUNDINGS_MATERIAL = "{material}"
WALL = {wall}
CELL_SIZES = {kinds}
DOSE_SPACING = {spacing}
DOSE_SIZE = {voxels}
DOSE_CENTER = {dose_center}

CELLS = [  # label, kind, centre
{cells}
]


def scaled(values, unit=mm):
    return [value * unit for value in values]


def relative(center):
    """GATE counts from the middle of the mother volume."""
    return scaled([a - b for a, b in zip(center, SURROUNDINGS_CENTER)])


def add_detector(sim, mother="world"):
    """Add surroundings, covers and cells to a simulation."""
    database = sim.volume_manager.material_database
    database.add_material_nb_atoms("{scintillator}", {elements}, {atoms}, {density} * g_cm3)
    surroundings = sim.add_volume("Box", "surroundings")
    surroundings.mother = mother
    surroundings.size = scaled(SURROUNDINGS_SIZE)
    surroundings.translation = scaled(SURROUNDINGS_CENTER)
    surroundings.material = SURROUNDINGS_MATERIAL
    for kind, size in enumerate(CELL_SIZES, 1):
        places = [relative(center) for _, of, center in CELLS if of == kind]
        cell = sim.add_volume("Box", f"cell_{{kind}}")
        cell.size = scaled(size)
        cell.material = "{scintillator}"
        repeated = cell
        if WALL > 0:
            repeated = sim.add_volume("Box", f"cover_{{kind}}")
            repeated.size = scaled([length + 2 * WALL for length in size])
            repeated.material = "{cover}"
            cell.mother = repeated.name
        repeated.mother = surroundings.name
        repeated.translation = places if len(places) > 1 else places[0]
    return surroundings


def add_dose(sim):
    """Score dose on a grid over all cells; where sizes and gaps allow it, its voxels end on the cells' faces."""
    dose = sim.add_actor("DoseActor", "dose")
    dose.attached_to = "world"
    dose.size = DOSE_SIZE
    dose.spacing = [DOSE_SPACING * mm] * 3
    dose.translation = scaled(DOSE_CENTER)
    dose.dose.active = True
    dose.output_filename = "dose.mhd"
    return dose


def add_beam(sim):
    """Replace this by your beam: it shows that the geometry runs."""
    source = sim.add_source("GenericSource", "beam")
    source.particle = "gamma"
    source.energy.mono = 2 * gate.g4_units.MeV
    source.position.type = "disc"
    source.position.radius = 30 * mm
    source.position.translation = [SURROUNDINGS_CENTER[0] * mm, SURROUNDINGS_CENTER[1] * mm, -WORLD_SIZE[2] / 2 * mm]
    source.direction.type = "momentum"
    source.direction.momentum = [0, 0, 1]
    source.n = 1000
    return source


def main():
    sim = gate.Simulation()
    sim.world.size = scaled(WORLD_SIZE)
    sim.world.material = "{air}"
    add_detector(sim)
    add_dose(sim)
    add_beam(sim)
    sim.run()


if __name__ == "__main__":
    main()
'''


def gate10_script(boxes: Boxes, around: Surrounding, name: str) -> str:
    """The whole script; `add_detector(sim)` of it puts the detector into any simulation."""
    sizes, kind = boxes.kinds()
    spacing, low, voxels = grid_on_faces(boxes)
    cells = [
        f"    ({label!r}, {k + 1}, {_list(center)}),"
        for label, k, center in zip(boxes.labels, kind, boxes.centers_mm, strict=True)
    ]
    elements, atoms = zip(*SCINTILLATOR.atoms, strict=True)
    return _SCRIPT.format(
        name=_plain(name),
        count=len(boxes),
        world=_list(2 * (np.abs(around.center_mm) + around.size_mm / 2 + _WORLD_MARGIN_MM)),
        center=_list(around.center_mm),
        size=_list(around.size_mm),
        material=around.material.nist,
        wall=mm(boxes.wall_mm),
        kinds="[" + ", ".join(map(_list, sizes)) + "]",
        spacing=mm(spacing),
        voxels=[int(n) for n in voxels],
        dose_center=_list(low + voxels * spacing / 2),
        cells="\n".join(cells),
        scintillator=SCINTILLATOR.name,
        elements=list(elements),
        atoms=list(atoms),
        density=SCINTILLATOR.density,
        cover=boxes.cover.nist,
        air=AIR.nist,
    )


def grid_on_faces(boxes: Boxes) -> tuple[float, np.ndarray, np.ndarray]:
    """Spacing, lowest corner (3,) and number of voxels (3,) of a grid over all cells without covers, along x, y, z.

    The coarsest of 2, 1 and 0.5 mm whose voxels end on all faces of all cells, so that means over voxels are means over
    cells; 1 mm where none does (averages then need the shares of voxels), and 2 mm where that would be too many voxels.
    """
    faces = np.concatenate([boxes.centers_mm - boxes.sizes_mm / 2, boxes.centers_mm + boxes.sizes_mm / 2])
    low, extent = faces.min(axis=0), np.ptp(faces, axis=0)
    chosen = next((s for s in _SPACINGS_MM if _fits(faces - low, s)), 1.0)
    if np.prod(extent / chosen) > _MOST_VOXELS:
        chosen = _SPACINGS_MM[0]
    return chosen, low, np.ceil(extent / chosen - _ON_FACE_MM).astype(int)


def _fits(places_mm: np.ndarray, spacing_mm: float) -> bool:
    steps = places_mm / spacing_mm
    return bool(np.abs(steps - np.rint(steps)).max() * spacing_mm <= _ON_FACE_MM)


def _list(values: np.ndarray) -> str:
    return "[" + ", ".join(mm(v) for v in values) + "]"


def _plain(text: str) -> str:
    """Words that cannot end the script's docstring."""
    return "".join(c for c in text if c.isprintable() and c not in '"\\')
