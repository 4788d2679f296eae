"""The pictures themselves, decoded: contours in their colours, at their place, round where they are round."""

from __future__ import annotations

import io
import sys

import numpy as np
import pytest
from Dose3DLib.geometry.structure import StructureSet
from Dose3DLib.report.figures import axial_figure, choose_planes, overview_figure, shown_names
from report_cases import GREEN, RED, axial_grid, head, sheared_grid

pytest.importorskip("matplotlib", reason="needs matplotlib")
Image = pytest.importorskip("PIL.Image", reason="needs pillow")


def _decode(png: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))


def _where(pixels: np.ndarray, color: tuple[int, int, int]) -> np.ndarray:
    """(row, column) of the pixels close to a colour."""
    return np.argwhere(np.abs(pixels.astype(int) - color).max(axis=-1) < 40)


def _panels(pixels: np.ndarray) -> list[np.ndarray]:
    """The overview's axial, coronal and sagittal panel: cut at the white gaps."""
    white = (pixels > 250).all(axis=-1)
    columns = np.flatnonzero(white[: pixels.shape[0] // 3].all(axis=0))
    split = int(columns[len(columns) // 2])
    right = pixels[:, split:]
    rows = np.flatnonzero(white[:, split + 12 :].all(axis=1))
    middle = int(rows[rows > 50][0])
    return [pixels[:, :split], right[:middle], right[middle + 30 :]]


@pytest.fixture(scope="module")
def overview() -> np.ndarray:
    volume, structures = head(axial_grid())
    return _decode(overview_figure(volume, structures, choose_planes(volume, structures)[0]))


def test_each_panel_shows_the_contours_it_should(overview):
    volume, structures = head(axial_grid())
    planes = choose_planes(volume, structures)[0]
    for panel, plane in zip(_panels(overview), planes, strict=True):
        for name, color in (("Left", RED), ("Right", GREEN)):
            assert (len(_where(panel, color)) > 60) == (name in shown_names(structures, [plane])), (plane.name, name)


def test_the_patients_left_is_on_the_right_and_front_is_up():
    volume, structures = head(axial_grid())
    planes = choose_planes(volume, structures, axial_count=2)[1]
    pixels = _decode(axial_figure(volume, structures, planes))
    third = pixels.shape[1] // 3
    upper, lower = pixels[:, :third], pixels[:, third : 2 * third]  # superior first: the left ball is higher
    height = int(np.flatnonzero((pixels < 30).all(axis=-1).any(axis=1))[-1])
    left, right = _where(upper, RED), _where(lower, GREEN)
    assert left[:, 1].mean() > 0.55 * third
    assert left[:, 0].mean() < 0.45 * height
    assert right[:, 1].mean() < 0.45 * third
    assert right[:, 0].mean() > 0.5 * height


@pytest.mark.parametrize("grid", [axial_grid(), sheared_grid()], ids=["axial", "sheared"])
def test_a_ball_is_round_in_every_panel(grid):
    volume, structures = head(grid)
    planes = choose_planes(volume, structures)[0]
    for panel, plane in zip(_panels(_decode(overview_figure(volume, structures, planes))), planes, strict=True):
        points = _where(panel, (115, 115, 115))  # the soft tissue inside
        assert len(points) > 10000
        spread = np.linalg.svd(points - points.mean(axis=0), compute_uv=False)
        assert spread[0] / spread[1] < 1.05, (plane.name, spread)


def test_soft_tissue_bone_and_air_have_their_greys(overview):
    panel = _panels(overview)[0]
    grey = panel[(panel.max(axis=-1).astype(int) - panel.min(axis=-1)) < 6].mean(axis=-1)
    for expected in (0, (20 + 160) / 400 * 255, (180 + 160) / 400 * 255):
        assert (np.abs(grey - expected) < 4).sum() > 200, expected


def test_an_image_without_structures_still_has_pictures():
    volume, _ = head(axial_grid())
    nothing = StructureSet(volume.grid, ())
    planes, axial = choose_planes(volume, nothing)
    assert [plane.name for plane in planes] == ["axial", "coronal", "sagittal"]
    assert len(axial) == 1
    assert _decode(overview_figure(volume, nothing, planes)).std() > 20


def test_pyplot_is_never_loaded():
    volume, structures = head(axial_grid())
    before = "matplotlib.pyplot" in sys.modules
    overview_figure(volume, structures, choose_planes(volume, structures)[0])
    assert ("matplotlib.pyplot" in sys.modules) == before
