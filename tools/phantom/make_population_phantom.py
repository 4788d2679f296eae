"""Make the phantom that `dose3d demo` runs on: Dose3D/Dose3DLib/geometry/population_phantom.npz and its card.

    python tools/phantom/make_population_phantom.py --data DATA/openkbp --work /tmp/phantom

It lies with the other kept scripts in tools: it makes a file that the program ships with and is itself no part of it.
Needs SimpleITK and scipy; one thread, about half an hour; finished patients and rounds are kept in --work, so that a
stopped run goes on where it was. The same data give the same file up to rounding of the libraries.

Steps: choose patients by a rule (`openkbp_patients`), register them to their mean (`groupwise`), robust mean,
sharpness, histogram and noise (`appearance`), majority vote, evidence that it is nobody (`evidence`).
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from scipy import ndimage

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "Dose3D"), str(ROOT / "tools")]

from appearance import (  # noqa: E402
    Stack,
    match_histogram,
    restore_detail,
    robust_mean,
    scan_noise_hu,
    synthetic_noise,
    warp_patients,
)
from evidence import gather_evidence, write_card  # noqa: E402
from groupwise import ROUNDS, Member, register_group, template_grid  # noqa: E402
from openkbp_patients import read_patient, select_patients  # noqa: E402

SPACING_MM = (2.0, 2.0, 2.5)
"""Of the phantom, as (x, y, z)."""
COLUMNS = 256
ENOUGH = (0.4, 0.5)
"""Least and largest share of the patients that makes a voxel part of an organ."""
HU_STEP, HU_OFFSET = 4, -1024
SEED = 20261125
ASSET = ROOT / "Dose3D" / "Dose3DLib" / "geometry" / "population_phantom.npz"


def main() -> None:
    arguments = _arguments()
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
    names = select_patients(arguments.data)
    print(f"{len(names)} patients:", *names)
    members = register_group([read_patient(arguments.data, name) for name in names], arguments.work)
    grid = template_grid(SPACING_MM)
    stack = _warped(members, grid, arguments.work / "warped.npz")
    mean, shares, ruled = robust_mean(stack)
    hu, body = make_image(members, stack, mean, grid)
    structures = {"BODY": body, **vote_structures(members, grid, body)}
    save_asset(arguments.output, hu, structures, grid)
    image = sitk.GetImageFromArray(mean)
    image.CopyInformation(grid)
    evidence = gather_evidence(members, stack, image, shares, body)
    facts = {**_card_facts(arguments.output), "ruled": ruled}
    volumes = {name: float(mask.sum() * np.prod(SPACING_MM) / 1000) for name, mask in structures.items()}
    write_card(arguments.output.with_suffix(".md"), evidence, volumes, facts)
    (arguments.work / "evidence.json").write_text(json.dumps(evidence, indent=2))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of OpenKBP with index.json and train/")
    parser.add_argument("--work", type=Path, required=True, help="folder for what a stopped run can go on from")
    parser.add_argument("--output", type=Path, default=ASSET, help="the .npz to write; the card goes beside it")
    return parser.parse_args()


def _warped(members: list[Member], grid: sitk.Image, path: Path) -> Stack:
    if not path.exists():
        stack = warp_patients(members, grid)
        np.savez(path, hu=stack.hu, covered=stack.covered)
    with np.load(path) as file:
        return Stack(file["hu"], file["covered"])


def _card_facts(path: Path) -> dict[str, object]:
    with np.load(path) as file:
        shape = " x ".join(str(n) for n in file["shape"])
    spacing = " x ".join(f"{s:g}" for s in SPACING_MM[::-1])
    return {"shape": shape, "spacing": spacing, "size": path.stat().st_size / 1e6, "rounds": len(ROUNDS)}


def make_image(
    members: list[Member], stack: Stack, mean: np.ndarray, grid: sitk.Image
) -> tuple[np.ndarray, np.ndarray]:
    """The phantom's CT in HU (float32) and its body, both [k, j, i] on the grid."""
    generator = np.random.default_rng(SEED)
    spacing = SPACING_MM[::-1]
    body = body_outline(mean)
    smooth = ndimage.gaussian_filter(mean, (0.3, 0.6, 0.6))
    matched = match_histogram(smooth, stack, body)
    detailed = restore_detail(matched, stack, body, spacing, generator)
    heights = grid.GetOrigin()[2] + SPACING_MM[2] * np.arange(mean.shape[0])
    noise = scan_noise_hu(members, heights)[:, None, None] * synthetic_noise(mean.shape, spacing, generator)
    return np.where(body, np.clip(detailed + noise, -1000, 2500), -1000).astype(np.float32), body


def body_outline(mean: np.ndarray) -> np.ndarray:
    """What is not air, the largest piece, filled slice by slice, with a smooth surface."""
    soft = ndimage.gaussian_filter(np.where(mean > -400, 1.0, 0.0), (0.8, 1.5, 1.5)) > 0.5
    # the ends are where scans end, not where the patient does: smoothing must not eat them
    shown = np.flatnonzero((mean > -400).any(axis=(1, 2)))
    soft[[shown[0], shown[-1]]] = soft[[shown[0] + 1, shown[-1] - 1]]
    labels, _ = ndimage.label(soft)
    body = labels == 1 + np.argmax(np.bincount(labels.ravel())[1:])
    filled = np.stack([ndimage.binary_fill_holes(section) for section in body])
    # opened, because ears are left as leaves where patients' ears differ
    disc = np.hypot(*np.mgrid[-2:3, -2:3]) < 2.3
    opened = np.stack([ndimage.binary_opening(section, disc) for section in filled])
    opened &= ndimage.binary_opening(opened, np.ones((3, 1, 1)))
    return np.stack([_large_parts(section) for section in opened])


def _large_parts(section: np.ndarray) -> np.ndarray:
    """Every part of a section that has over 5 cm2 (arms stay), so that no crumbs lie around the outline."""
    labels, _ = ndimage.label(section)
    sizes = np.bincount(labels.ravel()) * SPACING_MM[0] * SPACING_MM[1]
    keep = np.flatnonzero(sizes > 500)
    return section & np.isin(labels, keep[keep > 0])


def vote_structures(members: list[Member], grid: sitk.Image, body: np.ndarray) -> dict[str, np.ndarray]:
    """For each organ the largest piece of where enough of the patients have it, smooth on the fine grid.

    Patients count in the slices in which they drew the organ, and slices in which half of the patients drew it. Enough
    is half of them, or, since a vote shrinks small organs, down to 40 % if that brings the volume to the mean one.
    """
    voted = {}
    for name in members[0].patient.masks:
        share, drawn, mean_cc = np.zeros(body.shape, np.float32), np.zeros(body.shape[0]), []
        for member in members:
            mask = _warped_mask(member, name, grid)
            share += mask
            drawn += (mask > 0.5).any(axis=(1, 2))
            mean_cc.append((mask > 0.5).sum(axis=(1, 2)))
        common = drawn >= len(members) / 2
        share = ndimage.gaussian_filter(share, (0.5, 0.7, 0.7)) / np.maximum(drawn, 1)[:, None, None]
        share[~common | (drawn == 0)] = 0
        wanted = (np.sum(mean_cc, axis=0)[common] / drawn[common]).sum()
        enough = np.clip(np.quantile(share, 1 - wanted / share.size), *ENOUGH)
        labels, _ = ndimage.label((share > enough) & body)
        voted[name] = labels == 1 + np.argmax(np.bincount(labels.ravel())[1:])
        print(f"{name}: share over {enough:.2f}, {voted[name].sum() * np.prod(SPACING_MM) / 1000:.1f} cm3")
    return voted


def _warped_mask(member: Member, name: str, grid: sitk.Image) -> np.ndarray:
    """How much of each fine voxel is in the patient's organ; smoothed, as the patient's voxels are twice as large."""
    mask = sitk.SmoothingRecursiveGaussian(member.patient.masks[name], 1.5)
    return sitk.GetArrayFromImage(sitk.Resample(mask, grid, member.transform(), sitk.sitkLinear, 0.0))


def save_asset(path: Path, hu: np.ndarray, structures: dict[str, np.ndarray], grid: sitk.Image) -> None:
    """Write the .npz: quantised HU of the body's box as two byte planes, packed masks, a square grid around it."""
    body = structures["BODY"]
    full = np.flatnonzero(body.any(axis=(1, 2)))
    box = [slice(int(full[0]), int(full[-1]) + 1)]
    box += [slice(int(h[0]), int(h[-1]) + 1) for h in (np.flatnonzero(body.any(axis=a)) for a in ((0, 2), (0, 1)))]
    crop = tuple(box)
    level = np.clip(np.round((hu[crop] - HU_OFFSET) / HU_STEP), 0, None).astype(np.uint16)
    level[~body[crop]] = (-1000 - HU_OFFSET) // HU_STEP
    size = np.array([level.shape[0], COLUMNS, COLUMNS])
    start = (size - level.shape) // 2
    first = np.array([s.start for s in crop[::-1]]) - start[::-1]
    affine = np.diag([*SPACING_MM, 1.0])
    affine[:3, 3] = grid.GetOrigin() + first * np.array(SPACING_MM)
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(
        path,
        level_planes=np.stack([level & 255, level >> 8]).astype(np.uint8),
        hu_step=HU_STEP,
        hu_offset=HU_OFFSET,
        affine=affine,
        shape=size,
        crop_start=start,
        crop_shape=np.array(level.shape),
        structure_names=np.array(list(structures)),
        structures=np.packbits(np.stack([mask[crop] for mask in structures.values()])),
    )
    print(f"{path}: {path.stat().st_size / 1e6:.2f} MB, {size} voxels, crop {level.shape}")


if __name__ == "__main__":
    main()
