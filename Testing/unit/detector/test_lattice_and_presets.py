"""Regular lattices against their formula cell by cell, the published layouts against numbers read in their files."""

from __future__ import annotations

import numpy as np
import pytest
from Dose3DLib.core.errors import InputError
from Dose3DLib.detector.check import overlapping_pair
from Dose3DLib.detector.lattice import Lattice, lattice_cells, lattice_in_box, turned
from Dose3DLib.detector.placement import G4RT_TO_LPS, Placement
from Dose3DLib.detector.presets import preset_layout, presets

IDENTITY = Placement(np.zeros(3), np.eye(3))


def _brute(lattice: Lattice, low, high) -> set[tuple[int, int, int]]:
    found = set()
    for a in range(-9, 10):
        for b in range(-9, 10):
            for c in range(-9, 10):
                center = []
                for n, index in enumerate((a, b, c)):
                    place = lattice.phase_mm[n] + index * lattice.pitch_mm[n]
                    if lattice.gap_every[n]:
                        place += (index // lattice.gap_every[n]) * lattice.gap_mm[n]
                    center.append(place)
                center[0] += lattice.layer_shift_mm * (b % 2) + lattice.row_shift_mm * (c % 2)
                if (np.abs(np.subtract(center, (low + high) / 2)) < (np.array(lattice.size_mm) + high - low) / 2).all():
                    found.add((a, b, c))
    return found


@pytest.mark.parametrize(
    "lattice",
    [
        Lattice(),
        Lattice((4, 5, 6), (5, 7, 6), (1.5, -2, 3)),
        Lattice(phase_mm=(3, 0, 0), row_shift_mm=6, layer_shift_mm=6),
        Lattice(row_shift_mm=-5, layer_shift_mm=2.5),
        Lattice(gap_every=(2, 0, 3), gap_mm=(11, 0, 4)),
    ],
)
def test_all_cells_that_touch_a_box(lattice):
    low, high = np.array([-31.0, -8, 5]), np.array([17.0, 30, 29])
    index = lattice_in_box(lattice, low, high)
    assert len(index) == len({tuple(row) for row in index.tolist()})
    assert {tuple(row) for row in index.tolist()} == _brute(lattice, low, high)
    assert overlapping_pair(lattice_cells(lattice, index, IDENTITY), lattice.wall_mm) is None


def test_names_say_which_cell_it_is():
    cells = lattice_cells(Lattice(), np.array([[1, 11, 0], [11, 1, 0]]), IDENTITY)
    assert cells.labels == ("Layer_11_Cell_1_11_0", "Layer_1_Cell_11_1_0")
    assert cells.centers_mm.tolist() == [[12, 132, 0], [132, 12, 0]]


def test_turned_about_the_detectors_own_axis():
    """G4RT's y is Superior: the detector turns in the axial plane, x (Right) goes towards -z (Anterior)."""
    placement = turned(Placement([1, 2, 3], G4RT_TO_LPS), 90, "y")
    assert np.allclose(placement.lps([1, 0, 0]), [1, 2 - 1, 3])
    assert np.allclose(placement.lps([0, 1, 0]), [1, 2, 3 + 1])
    assert np.linalg.det(placement.to_lps) == pytest.approx(np.linalg.det(G4RT_TO_LPS))


@pytest.mark.parametrize(
    ("arguments", "words"), [(((0, 1, 1), (2, 2, 2)), "0 mm is no size"), (((10, 10, 10), (12, 12, 9)), "overlap")]
)
def test_impossible_lattices(arguments, words):
    with pytest.raises(InputError, match=words):
        Lattice(*arguments)


def test_over_a_million_cells():
    with pytest.raises(InputError, match="more than a million"):
        lattice_in_box(Lattice((1, 1, 1), (1, 1, 1)), np.zeros(3), np.full(3, 101.0))


COUNTS = {"procedural": 64, "detector_4x4x4": 64, "1x2x16_tower": 32, "2x2x8_tower": 32, "full_tower": 64,
          "november_tower_2x2x32": 64, "single_tray": 20, "multiple_tray_10x1x1": 200, "x_16x1x1": 16, "y_1x16x1": 16,
          "x_16x1x1_ext-shift-2mm": 16, "x_16x1x1_ext-shift-4mm": 16, "x_16x1x1_ext-shift-6mm": 16,
          "x_16x1x1_ext-shift-8mm": 16, "iba_imrt": 32, "modular_water_phantom": 64}  # fmt: skip


@pytest.mark.parametrize("name", list(presets()))
def test_every_published_layout_can_be_built(name):
    layout = preset_layout(name, IDENTITY)
    assert len(layout) == COUNTS.get(name, len(layout))
    assert overlapping_pair(layout.cells, layout.wall_mm) is None
    assert 0.9 <= layout.wall_mm <= 1.0
    assert presets()[name].source.startswith(("dose3d/g4rt, ", "dose3d/pydose3d, ", "jhajduga/g4rt, "))


@pytest.mark.parametrize(
    ("name", "row", "point"),
    [  # a line of each file: number from 1, x, y, z
        ("1x2x16_tower", 4, (-5.95, 0, 24)),
        ("2x2x8_tower", 17, (5.95, -5.95, 12)),
        ("full_tower", 33, (5.95, 5.95, 215)),
        ("full_tower", 64, (-5.95, -5.95, 299)),
        ("november_tower_2x2x32", 3, (-7.45, 7.45, 20.83)),
        ("november_tower_2x2x32", 64, (7.45, -7.45, 211.93)),
        ("single_tray", 7, (50, 50, 10.6)),
        ("multiple_tray_10x1x1", 200, (1950, -100, -10.6)),
        ("x_16x1x1_ext-shift-8mm", 9, (14, 0, 0)),
        ("x_16x1x1_ext-shift-2mm", 1, (-92, 0, 0)),
        ("y_1x16x1", 16, (0, 90, 0)),
        ("iba_imrt", 1, (43.3, 47.95, 59.45)),
        ("iba_imrt", 6, (127.9, 133.25, 101.55)),
        ("iba_imrt", 32, (166.4, 162.65, 59.3)),
        ("modular_water_phantom", 1, (271, 283.675, 13.6)),
        ("waterphantom_tower", 64, (0, 8, 416)),
        ("pdd_1x2x32", 64, (0, -5.95, 372)),
        ("detector_4x4x4", 5, (-12.4, -18.6, -6.2)),
        ("detector_4x4x4", 64, (31, 18.6, 18.6)),
        ("detector_4x4x4", 18, (0, -6.2, -18.6)),
        ("procedural", 1, (-18, -18, 6)),
    ],
)
def test_lines_of_the_published_files(name, row, point):
    assert preset_layout(name, IDENTITY).detector_centers_mm()[row - 1] == pytest.approx(point, abs=1e-9)


def test_near_names_are_suggested():
    with pytest.raises(InputError, match="1x2x16_tower"):
        preset_layout("1x2x16-tower", IDENTITY)
