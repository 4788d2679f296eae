"""Layouts that the Dose-3D group published, by name, with where each was found.

Files are below `data/dose3d/geo/` of the repository that is named; only the positions were taken over. The order of the
cells is that of the files.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from itertools import product

import numpy as np

from ..core.errors import InputError
from ..geometry.cells import Cells
from .check import fitting_wall
from .foreign import COVER_MM
from .lattice import Lattice, lattice_cells
from .layout import Layout
from .placement import Placement

__all__ = ["CELL_MM", "Preset", "find_preset", "preset_layout", "presets"]

CELL_MM = 10.0
"""Edge of a cell (dose3d/g4rt, D3DCell.cc); until July 2024 it was 10.4 mm."""


@dataclass(frozen=True)
class Preset:
    """A published layout.

    Parameters
    ----------
    what:
        one line for users.
    source:
        repository and file.
    points:
        x, y, z of each cell in the detector frame, mm.
    layers:
        numbers of cells in each layer, in that order.
    labels:
        names of the cells; without them they are numbered.
    size_mm:
        edge of a cell.
    """

    what: str
    source: str
    points: tuple[tuple[float, float, float], ...]
    layers: tuple[int, ...]
    labels: tuple[str, ...] = ()
    size_mm: float = CELL_MM


def find_preset(name: str) -> Preset:
    """The preset of this name.

    Raises
    ------
    InputError
        there is none; the nearest name is given.
    """
    known = presets()
    if name not in known:
        near = get_close_matches(name.lower(), known, n=1, cutoff=0.5)
        remedy = f'did you mean "{near[0]}"?' if near else f"choose from {', '.join(known)}"
        raise InputError("--preset", f"{name!r} is no published layout", remedy)
    return known[name]


def preset_layout(
    name: str, placement: Placement, size_mm: float | np.ndarray | None = None, wall_mm: float | None = None
) -> Layout:
    """A published layout, put where `placement` says; the cover is 1 mm, or less where the cells leave no room.

    Raises
    ------
    InputError
        no such name; the nearest one is given.
    """
    preset = find_preset(name)
    points = np.array(preset.points)
    count = len(points)
    labels = preset.labels or tuple(f"cell_{n:03d}" for n in range(1, count + 1))
    size = preset.size_mm if size_mm is None else size_mm
    cells = Cells(labels, np.round(placement.lps(points), 9), np.full((count, 3), size), placement.to_lps)
    fitting = fitting_wall(cells, COVER_MM if wall_mm is None else wall_mm)
    notes = []
    if fitting < COVER_MM and wall_mm is None:
        notes.append(f"The cells stand so close that their covers have {fitting:g} mm instead of {COVER_MM:g} mm.")
    layers = tuple(f"layer_{n}" for n, cells_in in enumerate(preset.layers, 1) for _ in range(cells_in))
    return Layout(cells, placement, layers, fitting if wall_mm is None else wall_mm, name, {}, tuple(notes))


@cache
def presets() -> dict[str, Preset]:
    """All of them by name."""
    return {
        "procedural": _procedural("Default of G4RT: 4 x 4 x 4 cells, 12 mm apart", Lattice(phase_mm=(-18, -18, 6))),
        "procedural_shifted": _procedural(
            "4 x 4 x 4 cells with both shifts of G4RT",
            Lattice(phase_mm=(-18, -18, 6), row_shift_mm=6, layer_shift_mm=6),
        ),
        "detector_4x4x4": _pydose3d(),
        **_towers(),
        **_trays(),
        **_rows(),
        "iba_imrt": _iba(),
        "modular_water_phantom": _modular(),
    }


def _procedural(what: str, lattice: Lattice, source: str = "dose3d/g4rt, D3DDetector.cc") -> Preset:
    index = np.array([(a, b, c) for b, c, a in product(range(4), repeat=3)])
    points = np.round(lattice.centers_mm(index), 6) + 0.0
    labels = lattice_cells(lattice, index, Placement()).labels
    return Preset(what, source, _points(points), (16,) * 4, labels, lattice.size_mm[0])


def _pydose3d() -> Preset:
    """Pitch 12.4: the cells of 10.4 mm of that time, with covers of 1 mm."""
    lattice = Lattice((10.4,) * 3, (12.4,) * 3, (-18.6,) * 3, row_shift_mm=6.2, layer_shift_mm=6.2)
    source = "dose3d/pydose3d, detector_shifted_4x4x4_in_air/detector_4x4x4_cell_positioning.csv"
    return _procedural("4 x 4 x 4 cells of 10.4 mm, 12.4 mm apart, both shifts", lattice, source)


def _points(points: Iterable[Iterable[float]]) -> tuple[tuple[float, float, float], ...]:
    return tuple((float(x), float(y), float(z)) for x, y, z in points)


def _pairs(y: float, heights: Iterable[float], x: float = 5.95) -> list[tuple[float, float, float]]:
    """Two cells side by side at each height."""
    return [(side * x, y, z) for z in heights for side in (1, -1)]


def _steps(first: float, count: int, step: float) -> list[float]:
    return [round(first + step * n, 6) for n in range(count)]


def _file(name: str, owner: str = "jhajduga/g4rt") -> str:
    return f"{owner}, {name}"


def _towers() -> dict[str, Preset]:
    low = _pairs(0.0, _steps(12, 16, 12))
    high = [point for y in (5.95, -5.95) for point in _pairs(y, _steps(215, 8, 12))]
    square = [point for y in (5.95, -5.95) for point in _pairs(y, _steps(12, 8, 12))]
    november = [(x, side * 7.45, z) for x in (-7.45, 7.45) for z in _steps(7.18, 16, 13.65) for side in (1, -1)]
    water = [(0.0, y, z) for z in _steps(6.8, 32, 13.2) for y in (-8.0, 8.0)]
    across = [(0.0, y, z) for z in _steps(0, 32, 12) for y in (5.95, -5.95)]
    tower = "Tower/{}.csv".format
    return {
        "1x2x16_tower": Preset("Tower of 16 pairs", _file(tower("1x2x16_tower")), _points(low), (32,)),
        "2x2x8_tower": Preset("Tower of 8 squares", _file(tower("2x2x8_tower")), _points(square), (16, 16)),
        "full_tower": Preset("Both towers stacked, 23 mm between them", _file(tower("full_tower")), _points(low + high),
                             (32, 16, 16)),
        "november_tower_2x2x32": Preset("Tower of 16 squares, 13.65 mm apart", _file(tower("november_tower_2x2x32")),
                                        _points(november), (32, 32)),
        "waterphantom_tower": Preset("Tower of 32 pairs, 13.2 mm apart", _file(tower("Waterphantom_Cell_Positioning")),
                                     _points(water), (64,)),
        "pdd_2x1x32": Preset("16 pairs for depth doses", _file(tower("pdd_2x1x32"), "dose3d/g4rt"),
                             _points(_pairs(0.0, _steps(0, 16, 12))), (32,)),
        "pdd_1x2x32": Preset("32 pairs for depth doses", _file(tower("pdd_1x2x32")), _points(across), (64,)),
    }  # fmt: skip


def _trays() -> dict[str, Preset]:
    one = [(x, y, 10.6) for x in range(0, 200, 50) for y in range(100, -101, -50)]
    many = [(x, y, -10.6) for x in range(0, 2000, 50) for y in range(100, -101, -50)]
    return {
        "single_tray": Preset("One plane, pitch 50 mm", _file("Tray/single_tray.csv"), _points(one), (20,)),
        "multiple_tray_10x1x1": Preset(
            "Ten trays in one plane, pitch 50 mm", _file("Tray/multiple_tray_10x1x1.csv"), _points(many), (200,)
        ),
    }


def _rows() -> dict[str, Preset]:
    """Rows of 16, and their halves moved outwards: measured in turn, they sample between the cells of each other."""
    places = np.arange(-90, 91, 12).astype(float)
    found = {}
    for away in (0, 2, 4, 6, 8):
        name = "x_16x1x1" + (f"_ext-shift-{away}mm" if away else "")
        what = "Row of 16 along x" + (f", halves moved outwards by {away} mm" if away else "")
        moved = places + away * np.sign(places)
        found[name] = Preset(what, _file(f"Tower/{name}.csv"), _points((x, 0, 0) for x in moved), (16,))
    row = _points((0, y, 0) for y in places)
    return {**found, "y_1x16x1": Preset("Row of 16 along y", _file("Tower/y_1x16x1.csv"), row, (16,))}


def _iba() -> Preset:
    """In the frame of the phantom's CAD model."""
    side = [(43.3, 47.95, 59.45), (58.7, 47.95, 59.45), *((x, 62.65, 59.45) for x in (35.6, 51.0, 66.4))]
    near, far = (127.9, 143.3, 158.7), (135.6, 151.0, 166.4)
    high, low = (101.55, 84.65, 67.75), (93.1, 76.2, 59.3)
    planes = [(near, 133.25, high), (far, 147.95, high), (far, 162.65, low)]
    main = [(x, y, z) for xs, y, zs in planes for x, z in product(xs, zs)]
    source = _file("IBA_ImRT/Cell_Positioning_TB21122024.csv", "dose3d/g4rt")
    return Preset("IBA ImRT phantom: 27 cells staggered, 5 aside", source, _points(side + main), (2, 3, 9, 9, 9))


def _modular() -> Preset:
    """In the frame of the phantom's CAD model."""
    points = _points((271.0, y, z) for z in _steps(13.6, 32, 13.2) for y in (283.675, 266.325))
    source = "jhajduga/g4rt, modular_water_phantom/D3DF_components.csv"
    return Preset("Modular water phantom: two columns of 32, 17.35 mm apart", source, points, (64,))
