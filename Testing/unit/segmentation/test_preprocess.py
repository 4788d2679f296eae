"""The model's grid: values where they belong, whatever the CT's orientation."""

from __future__ import annotations

import numpy as np
import pytest
from Dose3DLib.geometry.grid import Grid, Volume
from Dose3DLib.geometry.resample import pool_to, resample_array
from Dose3DLib.segmentation.preprocess import InputSpec, model_input, normalize

SPEC = InputSpec((2.5, 3.0, 3.0), (2.5, 3.9, 3.9))


def rotation(degrees):
    a, b = np.radians(degrees), np.radians(degrees / 2)
    x = np.array([[1, 0, 0], [0, np.cos(b), -np.sin(b)], [0, np.sin(b), np.cos(b)]])
    return np.array([[np.cos(a), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [0, 0, 1]]) @ x


def affine(kind):
    matrix = np.eye(4)
    steps = np.diag([1.2, 1.5, 2.0])
    matrix[:3, :3] = {
        "axial": steps,
        "oblique": rotation(25) @ steps,
        "flipped": steps @ np.diag([-1, 1, -1]),
        "coronal": np.array([[1, 0, 0], [0, 0, 1], [0, -1, 0]]) @ steps,
        "sheared": steps + np.array([[0, 0, 0], [0, 0, 0.6], [0, 0, 0]]),
    }[kind]
    matrix[:3, 3] = (-40, 30, 100)
    return matrix


def ball(kind, radius=30.0, center=(10.0, 80.0, 160.0)):
    """A ball of 50 HU in air at a fixed place in the patient."""
    grid = Grid((70, 80, 90), affine(kind))
    middle = grid.to_lps((np.array(grid.shape[::-1]) - 1) / 2)
    center = middle if center is None else np.array(center)
    k, j, i = np.meshgrid(*map(np.arange, grid.shape), indexing="ij")
    distance = np.linalg.norm(grid.to_lps(np.stack([i, j, k], -1)) - center, axis=-1)
    return Volume(np.where(distance < radius, 50, -1000).astype(np.int16), grid), center


@pytest.mark.parametrize("kind", ["axial", "oblique", "flipped", "coronal", "sheared"])
def test_ball_stays_where_it_is(kind):
    volume, center = ball(kind, 25.0, None)
    image = model_input(volume, SPEC)
    assert np.allclose(image.grid.spacing_mm, SPEC.spacing_mm)
    assert np.allclose(image.grid.affine[:3, :3], np.diag([3.0, 3.0, 2.5])), "axis-aligned LPS"
    inside = np.argwhere(image.array > -475)
    assert np.abs(image.grid.to_lps(inside[:, ::-1]).mean(axis=0) - center).max() < 0.4
    assert len(inside) * image.grid.voxel_volume_mm3 == pytest.approx(4 / 3 * np.pi * 25**3, rel=0.05)


def test_a_scan_that_ends_in_the_patient_goes_on_with_its_last_slice():
    """Air there would be an end of the body that no patient has."""
    grid = Grid.axial((20, 60, 60), (2.5, 3.0, 3.0), (0, 0, 0))
    hu = np.full(grid.shape, -1000, np.int16)
    hu[:, 20:40, 20:40] = np.arange(20)[:, None, None]
    image = model_input(Volume(hu, grid), SPEC)
    heights = image.grid.to_lps(np.array([[0, 0, k] for k in range(image.grid.shape[0])]))[:, 2]
    assert heights[0] <= -35
    assert heights[-1] >= 19 * 2.5 + 35
    middle = image.array[:, image.array.shape[1] // 2, image.array.shape[2] // 2]
    assert np.allclose(middle[heights < 0], 0, atol=0.1)
    assert np.allclose(middle[heights > 19 * 2.5], 19, atol=0.1)


def test_finer_scans_are_averaged_to_what_the_model_knows():
    grid = Grid.axial((8, 160, 160), (2.5, 0.975, 0.975), (0, 0, 0))
    noise = np.random.default_rng(1).normal(0, 100, grid.shape).astype(np.float32)
    image = model_input(Volume(noise, grid), SPEC)
    assert image.array[16:20, 5:-5, 5:-5].std() < 100 / 4


def test_only_the_body_is_kept():
    volume, _ = ball("axial", 20.0, None)
    image = model_input(volume, SPEC)
    extent = np.array(image.array.shape) * SPEC.spacing_mm
    margins = extent - 40 - 2 * np.array([40, 10, 10])
    assert (margins > -8).all()
    assert (margins < 8).all()


def test_resampling_is_exact_for_a_linear_image_on_a_sheared_grid():
    grid = Grid((12, 14, 16), affine("sheared"))
    k, j, i = np.meshgrid(*map(np.arange, grid.shape), indexing="ij")
    image = grid.to_lps(np.stack([i, j, k], -1)) @ [1.0, -2.0, 0.5]
    target = Grid.axial((4, 5, 6), (1.1, 0.9, 0.7), tuple(grid.to_lps([7, 6, 5])))
    k, j, i = np.meshgrid(*map(np.arange, target.shape), indexing="ij")
    expected = target.to_lps(np.stack([i, j, k], -1)) @ [1.0, -2.0, 0.5]
    assert np.abs(resample_array(image[None], grid, target)[0] - expected).max() < 1e-3


def test_pooling_keeps_position_and_mean():
    grid = Grid((8, 40, 40), affine("oblique"))
    k, j, i = np.meshgrid(*map(np.arange, grid.shape), indexing="ij")
    image = (grid.to_lps(np.stack([i, j, k], -1)) @ [1.0, 2.0, 3.0]).astype(np.float32)
    pooled = pool_to(Volume(image, grid), (2.0, 3.0, 2.4))
    assert pooled.array.shape == (8, 20, 20)
    k, j, i = np.meshgrid(*map(np.arange, pooled.grid.shape), indexing="ij")
    assert np.abs(pooled.array - pooled.grid.to_lps(np.stack([i, j, k], -1)) @ [1.0, 2.0, 3.0]).max() < 1e-2


def test_normalize_clips_to_the_window():
    import torch

    values = normalize(torch.tensor([[-3000.0, -100.0, 200.0, 3000.0]]), SPEC)
    assert values.tolist()[0] == pytest.approx([-3.0, 0.0, 1.0, 5.0])
