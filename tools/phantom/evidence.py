"""Evidence that the phantom is nobody: equal shares, distances to every contributor, and the card that states them."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
from appearance import Stack
from groupwise import GRID_MM, Member, template_grid
from scipy.optimize import nnls


def gather_evidence(
    members: list[Member], stack: Stack, mean: sitk.Image, shares: np.ndarray, body: np.ndarray
) -> dict[str, Any]:
    """Figures about the phantom (before noise) and each contributor.

    share: mean weight in the robust mean. fitted: weight when the phantom is fitted as a non-negative sum of the
    registered patients. hu_rmse, hu_correlation: in the body, after affine registration only, that is with the
    patient's own shape beyond an affine transform.
    shape_mm: RMS displacement inside the body between the phantom's shape and the patient's, beyond affine.
    """
    phantom, originals, coarse_body = _with_own_shapes(members, mean, body)
    between = _distances(originals, coarse_body)
    np.fill_diagonal(between, np.nan)
    rmse = [_rmse(phantom, o, coarse_body) for o in originals]
    correlation = [_correlation(phantom, o, coarse_body) for o in originals]
    shapes = np.stack([sitk.GetArrayFromImage(m.field)[coarse_body] for m in members])
    shape_mm = np.sqrt((shapes**2).sum(axis=2).mean(axis=1))
    gaps = np.sqrt(((shapes[:, None, ::7] - shapes[None, :, ::7]) ** 2).sum(axis=3).mean(axis=2))
    gaps[np.diag_indices(len(members))] = np.nan
    return {
        "patients": [m.patient.name for m in members],
        "share": np.round(shares, 4).tolist(),
        "fitted": np.round(_fitted_weights(stack, sitk.GetArrayFromImage(mean), body), 4).tolist(),
        "hu_rmse": np.round(rmse, 1).tolist(),
        "hu_rmse_nearest_other_patient": np.round(np.nanmin(between, axis=1), 1).tolist(),
        "hu_correlation": np.round(correlation, 3).tolist(),
        "shape_mm": np.round(shape_mm, 2).tolist(),
        "shape_mm_nearest_other_patient": np.round(np.nanmin(gaps, axis=1), 2).tolist(),
    }


def _with_own_shapes(
    members: list[Member], mean: sitk.Image, body: np.ndarray
) -> tuple[np.ndarray, list[np.ndarray], np.ndarray]:
    """Phantom and patients on the coarse grid, patients without their deformation; and the body there."""
    grid = template_grid()
    inside = sitk.GetImageFromArray(body.astype(np.float32))
    inside.CopyInformation(mean)
    phantom = sitk.GetArrayFromImage(sitk.Resample(mean, grid, sitk.Transform(), sitk.sitkLinear, -1000.0))
    coarse_body = sitk.GetArrayFromImage(sitk.Resample(inside, grid, sitk.Transform(), sitk.sitkLinear, 0.0)) > 0.5
    originals = []
    for member in members:
        warped = sitk.Resample(member.patient.ct, grid, member.affine, sitk.sitkLinear, -1000.0)
        low, high = member.patient.extent_mm
        heights = grid.GetOrigin()[2] + GRID_MM[2] * np.arange(grid.GetSize()[2])
        scanned = [low + 12 < member.affine.TransformPoint((0.0, 0.0, float(z)))[2] < high - 12 for z in heights]
        hu = sitk.GetArrayFromImage(warped)
        hu[~np.array(scanned)] = np.nan
        originals.append(hu)
    return phantom, originals, coarse_body


def _rmse(a: np.ndarray, b: np.ndarray, body: np.ndarray) -> float:
    return float(np.sqrt(np.nanmean((a[body] - b[body]) ** 2)))


def _correlation(a: np.ndarray, b: np.ndarray, body: np.ndarray) -> float:
    known = body & np.isfinite(a) & np.isfinite(b)
    return float(np.corrcoef(a[known], b[known])[0, 1])


def _distances(images: list[np.ndarray], body: np.ndarray) -> np.ndarray:
    distances = np.zeros((len(images), len(images)))
    for n, a in enumerate(images):
        for m in range(n):
            distances[n, m] = distances[m, n] = _rmse(a, images[m], body)
    return distances


def _fitted_weights(stack: Stack, mean: np.ndarray, body: np.ndarray) -> np.ndarray:
    """Non-negative least squares of the phantom on the registered patients, over voxels that all of them cover."""
    places = np.flatnonzero(body & stack.covered.all(axis=0))[::97]
    registered = stack.hu.reshape(len(stack.hu), -1)[:, places].T.astype(float)
    weights, _ = nnls(registered + 1000, mean.ravel()[places].astype(float) + 1000)
    return weights


def write_card(path: Path, evidence: dict[str, Any], volumes_cc: dict[str, float], facts: dict[str, Any]) -> None:
    """Write the data card; `facts` are shape, spacing, size (MB), rounds, ruled voxels."""
    columns = list(evidence.values())
    patients = evidence["patients"]
    text = (
        Path(__file__)
        .with_name("card_template.md")
        .read_text(encoding="utf-8")
        .format(
            **facts,
            count=len(patients),
            patients=textwrap.fill(", ".join(patients), 120),
            volumes="\n".join(f"| {name} | {cc:.1f} |" for name, cc in volumes_cc.items()),
            share_low=min(evidence["share"]),
            share_high=max(evidence["share"]),
            equal=1 / len(patients),
            fitted=max(evidence["fitted"]),
            nearest_rmse=min(evidence["hu_rmse"]),
            nearest_shape=min(evidence["shape_mm"]),
            rmse_pair=min(evidence["hu_rmse_nearest_other_patient"]),
            shape_pair=min(evidence["shape_mm_nearest_other_patient"]),
            table="\n".join(_row(values) for values in zip(*columns, strict=True)),
        )
    )
    path.write_text(text, encoding="utf-8")


def _row(values: tuple[Any, ...]) -> str:
    name, share, fitted, rmse, rmse_other, _, shape, shape_other = values
    return f"| {name} | {share:.1%} | {fitted:.1%} | {rmse:.0f} | {rmse_other:.0f} | {shape:.1f} | {shape_other:.1f} |"
