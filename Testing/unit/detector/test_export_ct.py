"""The detector's CT: every voxel against a brute-force mixture, sums against volumes, tables against their rows."""

from __future__ import annotations

import numpy as np
import pytest
from builders.detector_builder import small_layout
from Dose3DLib.core.errors import InputError
from Dose3DLib.detector.export_ct import DetectorHu, detector_grid, hu_by_table, mixed_ct, with_covers
from Dose3DLib.detector.materials import AIR, PMMA, SCINTILLATOR, WATER
from Dose3DLib.detector.placement import Placement
from Dose3DLib.detector.presets import preset_layout


def shares_of(layout, grid, fine=10):
    """By counting the points of a fine raster in each voxel: good to the raster, and no formula of overlaps."""
    offsets = (np.arange(fine) + 0.5) / fine - 0.5
    places = [grid.to_lps(np.eye(3)[n] * np.arange(c)[:, None])[:, n] for n, c in enumerate(grid.shape[::-1])]
    spacing = np.array(grid.spacing_mm[::-1])
    fines = [(p[:, None] + offsets * s).ravel() for p, s in zip(places, spacing, strict=True)]
    result = []
    for cells in (layout.cells, with_covers(layout)):
        total = np.zeros(grid.shape)
        extents = np.ptp(cells.corners_mm(), axis=1) / 2
        for center, half in zip(cells.centers_mm, extents, strict=True):
            lines = [
                (np.abs(f - c) < h).reshape(-1, fine).mean(axis=1) for f, c, h in zip(fines, center, half, strict=True)
            ]
            total += lines[2][:, None, None] * lines[1][None, :, None] * lines[0][None, None, :]
        result.append(total)
    return result[0], result[1]


@pytest.mark.parametrize("spacing", [2.0, 1.7])
def test_voxels_hold_the_mean_of_what_is_in_them(spacing):
    layout = small_layout()
    grid, low, high = detector_grid(layout, spacing, 20.0)
    hu = DetectorHu()
    shares = shares_of(layout, grid)
    ct = mixed_ct(grid, low, high, shares, hu).array.astype(float)
    assert ct.min() == -1000
    assert ct[0].max() == -1000  # air all round
    inside = np.indices(grid.shape)
    lps = grid.to_lps(np.stack(inside[::-1], -1))
    body = ((lps > low) & (lps < high)).all(axis=-1)
    excess = (ct[body] - hu.around).sum() * spacing**3
    cells, covers = layout.cells.volumes_mm3.sum(), with_covers(layout).volumes_mm3.sum()
    assert excess == pytest.approx(143 * cells + 123.87 * (covers - cells), rel=0.02)
    assert body.sum() * spacing**3 == pytest.approx(np.prod(high - low))


def test_voxels_on_faces_are_pure():
    """Pitch 12, cells of 10, voxels of 2 mm: cells are 5 voxels wide, walls shared by two cells one."""
    layout = preset_layout("procedural", Placement())
    grid, low, high = detector_grid(layout, 2.0, 30.0)
    ct = mixed_ct(grid, low, high, shares_of(layout, grid), DetectorHu()).array
    assert set(np.unique(ct)) <= {-1000, 0, 15, 31, 62, 124, 143}  # the outermost wall is half a voxel
    assert (ct == 143).sum() == 64 * 125
    center = np.rint(grid.to_index(layout.cells.centers_mm)).astype(int)
    assert (ct[tuple(center[:, ::-1].T)] == 143).all()
    assert np.allclose((high - low) % 2, 0)


def test_the_surroundings_reach_as_far_as_asked():
    layout = small_layout()
    for margin in (10.0, 33.0):
        grid, low, high = detector_grid(layout, 2.0, margin)
        corners = with_covers(layout).corners_mm().reshape(-1, 3)
        assert (corners.min(axis=0) - low >= margin - 1e-6).all()
        assert (corners.min(axis=0) - low < margin + 2).all()
        assert (high - corners.max(axis=0) >= margin - 1e-6).all()
        ends = grid.to_lps(np.array([[-0.5] * 3, np.array(grid.shape[::-1]) - 0.5]))
        assert np.allclose(low - ends[0], 20)
        assert np.allclose(ends[1] - high, 20)


def test_bad_requests():
    layout = small_layout()
    with pytest.raises(InputError, match="--spacing: gives a CT of"):
        detector_grid(layout, 0.1, 100.0)
    grid, low, high = detector_grid(layout, 2.0, 20.0)
    full = np.full(grid.shape, 1.2)
    with pytest.raises(InputError, match="filled to 120 %"):
        mixed_ct(grid, low, high, (full, full), DetectorHu())


def table(tmp_path, text):
    (tmp_path / "hu.csv").write_text(text, "utf-8")
    return tmp_path / "hu.csv"


def test_hu_by_the_clinics_table(tmp_path):
    path = table(tmp_path, "hu,density\n-1000,0.001\n-990,0.001\n0,1.0\n100,1.1\n1000,1.6\n")
    found = hu_by_table(path, [SCINTILLATOR, PMMA, WATER, AIR])
    assert found[2] == 0
    assert found[0] == pytest.approx(100 + 900 * (1.21 - 1.1) / 0.5)
    assert found[1] == pytest.approx(100 + 900 * (1.19 - 1.1) / 0.5)
    assert np.interp(found[3], [-990, 0], [0.001, 1]) == pytest.approx(AIR.density)


def test_a_table_whose_densities_fall_on_the_way(tmp_path):
    """Like Schneider's at 100 HU: the lowest HU of a density, which the table gives back."""
    path = table(tmp_path, "-1000,0.00121\n0,1.0\n100,1.25\n101,1.1\n1600,2\n")
    found = hu_by_table(path, [SCINTILLATOR, PMMA])
    assert found == pytest.approx([84, 76])
    assert hu_by_table(path, [AIR]) == [-1000]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("hu,density\n0,1\n", "has 1 points"),
        ("hu,density\n0,1\n0,2\n", "HU don't rise"),
        ("hu,density\n0,x\n100,0.9\n", "no number"),
        ("hu,density\n0,=1+1\n100,0.9\n", "spreadsheet formula"),
        ("hu,density\n0,1\n100,1.1\n", "ends at 1.1 g/cm3, and RMPS470 has 1.21"),
    ],
)
def test_bad_tables(tmp_path, text, words):
    with pytest.raises(InputError, match=words):
        hu_by_table(table(tmp_path, text), [WATER, SCINTILLATOR])
