"""Which cells of a lattice structures get: threshold, minimum, columns, budget, and names that are not there."""

from __future__ import annotations

import numpy as np
import pytest
from Dose3DLib.core.errors import InputError
from Dose3DLib.detector.fill import FillRules, chosen_structures, detector_box, fill
from Dose3DLib.detector.lattice import Lattice
from Dose3DLib.detector.placement import G4RT_TO_LPS, Placement
from Dose3DLib.geometry.contours import contours_to_mask
from Dose3DLib.geometry.grid import Grid
from Dose3DLib.geometry.mask import Mask
from Dose3DLib.geometry.structure import Structure, StructureSet

GRID = Grid.axial((60, 120, 120), (2.0, 1.0, 1.0), (-60.0, -60.0, -60.0))
IDENTITY = Placement(np.zeros(3), np.eye(3))


def _box(name, low, high, contours=False):
    """A box of whole voxels between LPS corners."""
    start, stop = (np.rint(GRID.to_index(np.array(corner)) + 0.5).astype(int) for corner in (low, high))
    array = np.zeros(GRID.shape, bool)
    array[start[2] : stop[2], start[1] : stop[1], start[0] : stop[0]] = True
    if not contours:
        return Structure(name, Mask.from_array(array, GRID))
    (a, b, c), (d, e, f) = start - 0.5, stop - 0.5
    rectangle = np.array([[a, b], [d, b], [d, e], [a, e]])
    polygons = {k: [rectangle] for k in range(int(c + 0.5), int(f + 0.5))}
    return Structure(name, contours_to_mask(polygons, GRID), polygons)


def _set(*structures):
    return StructureSet(GRID, structures)


# Voxel borders are at -60.5, -59.5 ... in x and y, at -61, -59 ... in z: with this phase, half a voxel, pitch boxes end
# at borders (-6.5 to 5.5 and so on).
LATTICE = Lattice(phase_mm=(-0.5, -0.5, -1.0))


def _indices(found):
    return {tuple(row) for row in found.index.tolist()}


@pytest.mark.parametrize("contours", [True, False])
def test_a_box_of_pitch_boxes_gets_exactly_these_cells(contours):
    target = _box("PTV", (-18.5, -6.5, -7), (17.5, 5.5, 17), contours)
    found = fill(LATTICE, IDENTITY, _set(target), FillRules(threshold=0.99))
    assert _indices(found) == {(a, 0, c) for a in (-1, 0, 1) for c in (0, 1)}
    assert found.shares["PTV"] == pytest.approx(np.ones(6), abs=1e-6)
    assert found.notes == ()


def test_the_threshold_is_a_share_of_the_pitch_box():
    target = _set(_box("PTV", (-6.5, -6.5, -7), (11.5, 5.5, 5)))  # one pitch box and half of the next one
    assert len(fill(LATTICE, IDENTITY, target, FillRules(threshold=0.5)).index) == 2
    assert len(fill(LATTICE, IDENTITY, target, FillRules(threshold=0.51)).index) == 1


def test_axes_of_the_detector_and_its_isocentre():
    """G4RT's x is Right and its z Posterior: a target to the left and behind has negative a and positive c."""
    target = _set(_box("PTV", (17.5, 29.5, -7), (29.5, 41.5, 5)))
    placement = Placement(np.array([-0.5, -0.5, -1.0]), G4RT_TO_LPS)
    found = fill(Lattice(), placement, target, FillRules())
    assert _indices(found) == {(-2, 0, 3)}
    low, high = detector_box(target, placement)
    assert np.allclose(low, [-30, -6, 30])
    assert np.allclose(high, [-18, 6, 42])


def test_a_small_target_gets_its_minimum():
    small = _box("PTV small", (3.5, 3.5, 1), (9.5, 9.5, 9))  # 6 x 6 x 8 mm, at the corner of eight pitch boxes
    assert len(fill(LATTICE, IDENTITY, _set(small), FillRules(0.5, 1)).index) == 1
    assert len(fill(LATTICE, IDENTITY, _set(small), FillRules(0.5, 3)).index) == 3
    with pytest.raises(InputError, match="no cell is filled enough"):
        fill(LATTICE, IDENTITY, _set(small), FillRules(0.5, 0))
    found = fill(LATTICE, IDENTITY, _set(small), FillRules(0.5, 20))
    assert len(found.index) == 8
    assert found.notes == ("Only 8 cells touch PTV small, and the minimum is 20.",)


def _two_parts():
    """Two blocks of a column along x with a hole of one cell between them, and one cell beside."""
    return _set(_box("left", (-30.5, -6.5, -7), (-6.5, 5.5, 5)), _box("right", (5.5, -6.5, -7), (29.5, 5.5, 5)),
                _box("aside", (-6.5, 17.5, -7), (5.5, 29.5, 5)))  # fmt: skip


def test_columns_are_completed():
    apart = fill(LATTICE, IDENTITY, _two_parts(), FillRules())
    assert _indices(apart) == {(-2, 0, 0), (-1, 0, 0), (1, 0, 0), (2, 0, 0), (0, 2, 0)}
    whole = fill(LATTICE, IDENTITY, _two_parts(), FillRules(column_axis=0))
    assert _indices(whole) == _indices(apart) | {(0, 0, 0)}
    assert _indices(fill(LATTICE, IDENTITY, _two_parts(), FillRules(column_axis=1))) == _indices(apart)


def test_a_budget_leaves_out_what_is_filled_least():
    target = _set(_box("PTV", (-6.5, -6.5, -7), (26.5, 5.5, 5)))  # shares 1, 1, 0.75
    found = fill(LATTICE, IDENTITY, target, FillRules(0.5, 1, 2))
    assert _indices(found) == {(0, 0, 0), (1, 0, 0)}
    assert "left out 1 of 3" in found.notes[0]


def test_a_budget_leaves_columns_whole():
    rng = np.random.default_rng(3)
    array = np.zeros(GRID.shape, bool)
    array[10:50, 20:100, 20:100] = np.kron(rng.random((4, 8, 8)) < 0.75, np.ones((10, 10, 10)))
    target = _set(Structure("PTV", Mask.from_array(array, GRID)))
    for budget in (5, 20, 60):
        found = fill(LATTICE, IDENTITY, target, FillRules(0.5, 1, budget, 2))
        assert len(found.index) == budget
        for a, b in {(a, b) for a, b, _ in found.index.tolist()}:
            column = sorted(c for x, y, c in found.index.tolist() if (x, y) == (a, b))
            assert column == list(range(column[0], column[-1] + 1))


def test_a_budget_below_the_minimum_is_refused():
    with pytest.raises(InputError, match="2 cells are too few: 3 are needed"):
        fill(LATTICE, IDENTITY, _two_parts(), FillRules(0.5, 1, 2))
    with pytest.raises(InputError, match="or leave out --columns"):
        fill(LATTICE, IDENTITY, _two_parts(), FillRules(0.5, 1, 3, 0))
    assert len(fill(LATTICE, IDENTITY, _two_parts(), FillRules(0.5, 1, 3)).index) == 3


def test_every_target_keeps_its_minimum_within_the_budget():
    big, small = _box("big", (-30.5, -30.5, -31), (29.5, 29.5, 29)), _box("small", (41.5, 41.5, 1), (47.5, 47.5, 9))
    found = fill(LATTICE, IDENTITY, _set(big, small), FillRules(0.5, 2, 10))
    assert len(found.index) == 10
    assert (found.shares["small"] > 0).sum() == 2


def test_service_gaps_stay_free():
    target = _set(_box("PTV", (-30.5, -6.5, -7), (29.5, 5.5, 5)))
    lattice = Lattice(phase_mm=(-0.5, -0.5, -1), gap_every=(2, 0, 0), gap_mm=(12, 0, 0))
    found = fill(lattice, IDENTITY, target, FillRules())
    assert _indices(found) == {(-1, 0, 0), (0, 0, 0), (1, 0, 0)}  # at -24, 0 and 12; the next ones at -36 and 36


def test_names():
    structures = _set(_box("PTV70", (0.5, 0.5, 1), (9.5, 9.5, 9)), _box("ptv56", (0.5, 0.5, 1), (9.5, 9.5, 9)),
                      Structure("Empty", Mask.empty(GRID)))  # fmt: skip
    assert chosen_structures(structures, ["ptv70", "PTV56", "PTV70"], "--fill").names == ["PTV70", "ptv56"]
    with pytest.raises(InputError, match="no structure 'PTV71'; did you mean PTV70"):
        chosen_structures(structures, ["PTV71"], "--fill")
    with pytest.raises(InputError, match="choose from PTV70, ptv56, Empty"):
        chosen_structures(structures, ["Liver"], "--fill")
    with pytest.raises(InputError, match="'Empty' is empty"):
        chosen_structures(structures, ["empty"], "--fill")
    twice = _set(*[_box(name, (0.5, 0.5, 1), (9.5, 9.5, 9)) for name in ("A", "a")])
    assert chosen_structures(twice, ["a"], "--fill").names == ["a"]
    twice = _set(*[_box(name, (0.5, 0.5, 1), (9.5, 9.5, 9)) for name in ("Aa", "aA")])
    with pytest.raises(InputError, match="stands for 2 structures"):
        chosen_structures(twice, ["aa"], "--fill")


def _ptv70(path):
    """The target of an OpenKBP patient, on a grid whose centre is the origin."""
    file = np.load(path)
    shape, start, size = (tuple(int(n) for n in file[key]) for key in ("shape", "crop_start", "crop_shape"))
    names = file["structure_names"].tolist()
    bits = np.unpackbits(file["structures"], count=len(names) * int(np.prod(size))).reshape(len(names), *size)
    spacing = tuple(float(mm) for mm in file["spacing_zyx"])
    grid = Grid.axial(
        shape, spacing, tuple(-(n - 1) / 2 * mm for n, mm in zip(shape[::-1], spacing[::-1], strict=True))
    )
    return StructureSet(grid, (Structure("PTV70", Mask.from_array(bits[names.index("PTV70")], grid, start)),))


def test_as_many_cells_as_others_found(shared_data):
    """33 patients, random phases, half of the 12 mm box: 192 cells and a Dice of 0.825 in an evaluation of others."""
    counts, dice = [], []
    for path in sorted((shared_data / "openkbp" / "val").glob("*.npz")):
        targets = _ptv70(path)
        phase = np.random.default_rng([2025, int(path.stem.removeprefix("pt_"))]).uniform(0, 12, 3)[::-1]
        found = fill(Lattice(phase_mm=tuple(phase)), IDENTITY, targets, FillRules(minimum=1))
        full = found.shares["PTV70"][found.shares["PTV70"] >= 0.5]  # a target of 5 cc has none, but for the minimum
        counts.append(len(full))
        dice.append(2 * full.sum() * 1.728 / (targets["PTV70"].mask.volume_cc + 1.728 * len(full)))
    assert len(counts) == 33
    assert np.mean(counts) == pytest.approx(192, abs=0.5)
    assert np.mean(dice) == pytest.approx(0.825, abs=5e-4)
    assert min(counts) == 0
