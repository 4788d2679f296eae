"""The population phantom is a plausible patient on a sound grid; the analytic one has the volumes that it says."""

from __future__ import annotations

import numpy as np
import pytest
from Dose3DLib.core.errors import ResourceError
from Dose3DLib.geometry.grid import Grid
from Dose3DLib.geometry.phantom import (
    ANALYTIC_VOLUMES_CC,
    PHANTOM_FILE,
    analytic_grid,
    analytic_phantom,
    population_phantom,
)

ORGANS = ("Brainstem", "SpinalCord", "Parotid_L", "Parotid_R", "Mandible", "Esophagus", "Larynx")


@pytest.fixture(scope="module")
def phantom():
    return population_phantom()


@pytest.fixture(scope="module")
def hu(phantom):
    return phantom[0].array


def centre_mm(structure):
    """Centroid in LPS millimetres."""
    kji = np.argwhere(structure.mask.block).mean(axis=0) + structure.mask.offset
    return structure.mask.grid.to_lps(kji[::-1])


def peak_hu(values, low, high):
    """The commonest HU between the limits, in bins of 8 HU."""
    counts, edges = np.histogram(values[(values >= low) & (values < high)], np.arange(low, high + 1, 8))
    return edges[counts.argmax()] + 4


def test_asset_is_small():
    assert PHANTOM_FILE.stat().st_size < 2_000_000
    assert PHANTOM_FILE.with_suffix(".md").is_file()


def test_grid_is_finer_than_the_patients_and_covers_a_head_and_neck(phantom):
    grid = phantom[0].grid
    assert max(grid.spacing_mm) <= 2.5
    assert not grid.is_sheared
    k, j, i = (n * s for n, s in zip(grid.shape, grid.spacing_mm, strict=True))
    assert k > 280
    assert j > 300
    assert i > 400
    assert np.allclose(grid.affine[:3, :3], np.diag(grid.spacing_mm[::-1]))


def test_all_structures_are_there_once(phantom):
    assert sorted(phantom[1].names) == sorted((*ORGANS, "BODY"))
    assert phantom[1]["BODY"].interpreted_type == "EXTERNAL"
    assert phantom[1].grid.same_as(phantom[0].grid)


def test_volumes_are_those_of_a_population(phantom):
    # 5th to 95th percentile over the data set's patients, from its data card, in cc
    card = {
        "Brainstem": (9.7, 37.1),
        "SpinalCord": (13.4, 43.2),
        "Parotid_L": (13.0, 46.6),
        "Parotid_R": (14.3, 46.7),
        "Mandible": (38.5, 88.6),
        "Esophagus": (5.7, 22.6),
        "Larynx": (4.0, 58.7),
    }
    for name, (low, high) in card.items():
        assert low < phantom[1][name].mask.volume_cc < high, name


def test_structures_lie_inside_the_body_in_one_piece(phantom):
    from scipy import ndimage

    body = phantom[1]["BODY"].mask.to_array()
    for structure in phantom[1]:
        assert not (structure.mask.to_array() & ~body).any(), structure.name
        assert ndimage.label(structure.mask.block, np.ones((3, 3, 3)))[1] == 1, structure.name


def test_left_is_left_and_front_is_front(phantom):
    at = {structure.name: centre_mm(structure) for structure in phantom[1]}
    assert at["Parotid_L"][0] > at["SpinalCord"][0] + 30
    assert at["Parotid_R"][0] < at["SpinalCord"][0] - 30
    assert at["Mandible"][1] < at["SpinalCord"][1] - 40
    assert at["Larynx"][1] < at["Esophagus"][1]
    assert at["Brainstem"][2] > at["Parotid_L"][2] > at["Larynx"][2] > at["Esophagus"][2]


def test_outside_the_body_is_air_and_the_outline_is_closed(phantom, hu):
    from scipy import ndimage

    body = phantom[1]["BODY"].mask.to_array()
    assert (hu[~body] == -1000).all()
    for section in body:
        assert (ndimage.binary_fill_holes(section) == section).all()
        assert section.any()


def test_tissues_have_the_hounsfield_units_of_patients(phantom, hu):
    inside = hu[phantom[1]["BODY"].mask.to_array()]
    assert 20 < peak_hu(inside, -40, 120) < 62
    assert -125 < peak_hu(inside, -200, -40) < -75
    assert inside.max() > 900
    assert np.percentile(inside, 0.5) < -850
    for name in ("Brainstem", "SpinalCord"):
        assert 15 < np.median(hu[phantom[1][name].mask.slices][phantom[1][name].mask.block]) < 60, name
    mandible = phantom[1]["Mandible"].mask
    assert np.median(hu[mandible.slices][mandible.block]) > 300


def test_soft_tissue_is_noisy_like_a_scan_not_smooth_like_a_mean(phantom, hu):
    stem = phantom[1]["Brainstem"].mask
    block = hu[stem.slices].astype(float)
    steps = np.diff(block, axis=2)[stem.block[:, :, 1:] & stem.block[:, :, :-1]]
    assert 3 < steps.std() < 40


def test_cord_runs_in_a_bony_canal(phantom, hu):
    cord = phantom[1]["SpinalCord"].mask
    grid = phantom[0].grid
    reach = int(22 / grid.spacing_mm[1])
    ringed = 0
    for k in range(cord.block.shape[0]):
        j, i = np.argwhere(cord.block[k]).mean(axis=0).round().astype(int) + cord.offset[1:]
        section = hu[k + cord.offset[0]]
        anterior, right, left = section[j - reach : j, i], section[j, i - reach : i], section[j, i : i + reach]
        assert section[j, i] < 150
        ringed += min(anterior.max(), max(right.max(), left.max())) > 200
    assert ringed > 0.8 * cord.block.shape[0]


def test_missing_and_damaged_assets_say_so(tmp_path):
    with pytest.raises(ResourceError, match="missing"):
        population_phantom(tmp_path / "none.npz")
    (tmp_path / "cut.npz").write_bytes(PHANTOM_FILE.read_bytes()[:5000])
    with pytest.raises(ResourceError, match="damaged"):
        population_phantom(tmp_path / "cut.npz")


def test_analytic_solids_have_their_volumes():
    fine = Grid.axial((60, 184, 216), (2.5, 1.0, 1.0), (-107.5, -91.5, -73.75))
    _, structures = analytic_phantom(fine)
    assert structures.names == list(ANALYTIC_VOLUMES_CC)
    for name, volume_cc in ANALYTIC_VOLUMES_CC.items():
        assert structures[name].mask.volume_cc == pytest.approx(volume_cc, rel=0.03), name


def test_analytic_phantom_follows_an_oblique_grid():
    angle = np.radians(25)
    turn = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
    affine = np.eye(4)
    affine[:3, :3] = turn @ np.diag([2.0, 2.5, 3.0])
    affine[:3, 3] = affine[:3, :3] @ (-np.array([69.5, 59.5, 29.5]))
    volume, structures = analytic_phantom(Grid((60, 120, 140), affine))
    assert structures["Sphere"].mask.volume_cc == pytest.approx(ANALYTIC_VOLUMES_CC["Sphere"], rel=0.03)
    assert centre_mm(structures["Sphere"]) == pytest.approx([-45, -20, 30], abs=0.3)
    sphere = structures["Sphere"].mask
    assert (volume.array[sphere.slices][sphere.block] == 60).all()


def test_analytic_phantom_has_no_symmetry():
    _, structures = analytic_phantom(analytic_grid())
    body = structures["BODY"].mask.block
    for axis in range(3):
        assert (np.flip(body, axis) != body).any()
