"""Group-wise registration: every patient is brought to a mean that belongs to none of them.

1. Similarity transforms by generalised Procrustes analysis of the organs' centroids (Gower, Psychometrika 40, 33,
   1975): no patient is the reference.
2. Affine registration of each patient to the mean image.
3. Rounds of symmetric-force demons (Vercauteren et al., NeuroImage 45, S61, 2009) to the mean image, coarse to fine.
   After each round the mean displacement is taken out of all of them, so that the mean image has the mean shape
   (Guimond et al., Comput. Vis. Image Underst. 77, 192, 2000), and the mean image is computed anew.

Points are LPS millimetres. A patient's transform maps a point of the template to the patient: x -> A(x + d(x)).
Where a scan ends before the template does, the mean itself is filled in, so that the end exerts no force.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from openkbp_patients import Patient

GRID_MM = (4.0, 4.0, 3.0)
GRID_LOW_MM = (-254.0, -142.0, -258.0)
GRID_HIGH_MM = (254.0, 170.0, 108.0)
"""The template's box; its origin is the centroid of the brainstems, as the Procrustes mean has it."""

FEWEST_SCANS = 8
"""Less covered voxels count as outside the scan."""

ORGAN_CONTRAST_HU = {"Parotid_L": 100, "Parotid_R": 100, "Brainstem": 60, "SpinalCord": 60, "Esophagus": 80}
"""Added inside the drawn organs for the registration only, so that organs that CT hardly shows are aligned, too."""


@dataclass(frozen=True)
class Round:
    """One round of demons: grid is coarser by `shrink`; increments are smoothed by `sigma_voxels` of that grid."""

    shrink: int
    iterations: int
    sigma_voxels: float


ROUNDS = (
    *(Round(2, 40, 2.5),) * 2,
    *(Round(2, 40, 1.8),) * 2,
    *(Round(1, 20, 2.0),) * 2,
    *(Round(1, 20, 1.5),) * 2,
    Round(1, 15, 1.2),
)


@dataclass
class Member:
    """A patient with its present transform; `field` is the displacement d(x) in mm on the template's grid."""

    patient: Patient
    affine: sitk.AffineTransform
    field: sitk.Image | None = None

    def transform(self) -> sitk.Transform:
        """Template to patient: the displacement first, then the affine part."""
        if self.field is None:
            return self.affine
        displacement = sitk.DisplacementFieldTransform(sitk.Image(self.field))
        return sitk.CompositeTransform([self.affine, displacement])


def template_grid(spacing_mm: tuple[float, float, float] = GRID_MM) -> sitk.Image:
    """An empty float image over the template's box; spacing is (x, y, z)."""
    size = [round((h - low) / s) + 1 for low, h, s in zip(GRID_LOW_MM, GRID_HIGH_MM, spacing_mm, strict=True)]
    image = sitk.Image(size, sitk.sitkFloat32)
    image.SetSpacing(spacing_mm)
    image.SetOrigin(GRID_LOW_MM)
    return image


def coverage(member: Member, grid: sitk.Image) -> np.ndarray:
    """Bool array: template voxels that fall between the ends of the patient's scan; beside the scan there is air."""
    low, high = member.patient.extent_mm
    heights = np.arange(-1000.0, 1000.0)
    inside = ((heights >= low) & (heights <= high)).astype(np.float32)
    slab = sitk.GetImageFromArray(np.broadcast_to(inside[:, None, None], (inside.size, 3, 3)).copy())
    slab.SetSpacing((1000.0, 1000.0, 1.0))
    slab.SetOrigin((-1000.0, -1000.0, -1000.0))
    return sitk.GetArrayFromImage(sitk.Resample(slab, grid, member.transform(), sitk.sitkLinear, 0.0)) > 0.99


def procrustes(patients: list[Patient]) -> list[Member]:
    """Similarity transforms from the mean of the landmarks to each patient; scale and pose of the mean are average."""
    points = np.stack([_landmarks(p) for p in patients])
    centred = points - points.mean(axis=1, keepdims=True)
    size = np.sqrt((centred**2).sum(axis=(1, 2), keepdims=True))
    mean = centred.mean(axis=0)
    for _ in range(20):
        turned = np.stack([c / s @ _rotation(c, mean) for c, s in zip(centred, size, strict=True)])
        mean = turned.mean(axis=0)
    mean = mean / np.sqrt((mean**2).sum()) * size.mean()
    mean = mean @ _rotation(mean, centred.mean(axis=0))
    mean -= mean[0]
    return [Member(p, _similarity(mean, x)) for p, x in zip(patients, points, strict=True)]


def _landmarks(patient: Patient) -> np.ndarray:
    """Centroids in mm, shape (7, 3): brainstem, parotids, mandible, larynx, cord at the larynx and 70 mm below it."""
    names = ("Brainstem", "Parotid_L", "Parotid_R", "Mandible", "Larynx")
    centres = [_voxels_mm(patient.masks[name]).mean(axis=0) for name in names]
    cord = _voxels_mm(patient.masks["SpinalCord"])
    for below_mm in (0.0, 70.0):
        level = max(centres[4][2] - below_mm, cord[:, 2].min())
        centres.append(cord[np.abs(cord[:, 2] - level) < 4.0].mean(axis=0))
    return np.array(centres)


def _voxels_mm(mask: sitk.Image) -> np.ndarray:
    zyx = np.argwhere(sitk.GetArrayViewFromImage(mask) > 0.5)
    return zyx[:, ::-1] * np.array(mask.GetSpacing()) + np.array(mask.GetOrigin())


def _rotation(points: np.ndarray, target: np.ndarray) -> np.ndarray:
    """The rotation R (no mirror image) for which points @ R is nearest to target."""
    u, _, vt = np.linalg.svd(points.T @ target)
    return u @ np.diag([1.0, 1.0, np.sign(np.linalg.det(u @ vt))]) @ vt


def _similarity(mean: np.ndarray, points: np.ndarray) -> sitk.AffineTransform:
    """Least-squares similarity mean -> points (Umeyama, IEEE Trans. PAMI 13, 376, 1991)."""
    a, b = mean - mean.mean(axis=0), points - points.mean(axis=0)
    rotation = _rotation(a, b)
    scale = float((b * (a @ rotation)).sum() / (a**2).sum())
    matrix = scale * rotation.T
    return _affine(matrix, points.mean(axis=0) - matrix @ mean.mean(axis=0))


def _affine(matrix: np.ndarray, shift: np.ndarray) -> sitk.AffineTransform:
    affine = sitk.AffineTransform(3)
    affine.SetMatrix(np.asarray(matrix).ravel().tolist())
    affine.SetTranslation(np.asarray(shift).tolist())
    return affine


def registration_image(patient: Patient) -> sitk.Image:
    """What the registration sees: HU clipped so that neither metal nor air rules, organs slightly brighter."""
    hu = np.clip(sitk.GetArrayFromImage(patient.ct), -600, 500)
    for name, extra in ORGAN_CONTRAST_HU.items():
        hu += extra * sitk.GetArrayViewFromImage(patient.masks[name])
    image = sitk.GetImageFromArray(hu.astype(np.float32))
    image.CopyInformation(patient.ct)
    return image


def mean_image(members: list[Member], images: list[sitk.Image], grid: sitk.Image) -> sitk.Image:
    """Mean over the scans that cover a voxel; -600 where fewer than `FEWEST_SCANS` do."""
    total = np.zeros(grid.GetSize()[::-1], np.float32)
    count = np.zeros_like(total)
    for member, image in zip(members, images, strict=True):
        covered = coverage(member, grid)
        warped = sitk.GetArrayFromImage(sitk.Resample(image, grid, member.transform(), sitk.sitkLinear, -600.0))
        total += np.where(covered, warped, 0)
        count += covered
    mean = np.where(count >= FEWEST_SCANS, total / np.maximum(count, 1), -600)
    return _like(mean.astype(np.float32), grid)


def _like(array: np.ndarray, grid: sitk.Image) -> sitk.Image:
    image = sitk.GetImageFromArray(array, isVector=array.ndim == 4)
    image.CopyInformation(grid)
    return image


def align_affine(member: Member, image: sitk.Image, mean: sitk.Image) -> sitk.AffineTransform:
    """Refine the patient's affine transform against the mean, at 8 mm, inside what the scan covers."""
    method = sitk.ImageRegistrationMethod()
    method.SetMetricAsMeanSquares()
    method.SetMetricSamplingStrategy(method.RANDOM)
    method.SetMetricSamplingPercentage(0.05, 9)
    covered = coverage(member, mean) & (sitk.GetArrayViewFromImage(_wide(mean)) > -550)
    method.SetMetricFixedMask(_like(covered.astype(np.uint8), mean))
    method.SetInterpolator(sitk.sitkLinear)
    method.SetOptimizerAsRegularStepGradientDescent(2.0, 0.01, 60)
    method.SetOptimizerScalesFromPhysicalShift()
    affine = sitk.AffineTransform(member.affine)
    method.SetInitialTransform(affine, inPlace=True)
    method.Execute(sitk.SmoothingRecursiveGaussian(mean, 4.0), sitk.SmoothingRecursiveGaussian(image, 4.0))
    return affine


def _wide(mean: sitk.Image) -> sitk.Image:
    return sitk.SmoothingRecursiveGaussian(mean, 8.0)


def centre_affines(affines: list[sitk.AffineTransform]) -> list[sitk.AffineTransform]:
    """Take the mean matrix and shift out of all of them, so that the template keeps average size and pose."""
    matrices = np.array([np.reshape(a.GetMatrix(), (3, 3)) for a in affines])
    offsets = np.array([a.TransformPoint((0.0, 0.0, 0.0)) for a in affines])
    # pose and place of a scan are arbitrary: only stretch and shear are averaged
    polar = [np.linalg.svd(m) for m in matrices]
    stretch = np.mean([vt.T @ np.diag(s) @ vt for _, s, vt in polar], axis=0)
    inverse = np.linalg.inv(stretch)
    return [_affine(m @ inverse, o) for m, o in zip(matrices, offsets, strict=True)]


def demons(member: Member, image: sitk.Image, mean: sitk.Image, plan: Round) -> sitk.Image:
    """One round for one patient: the new displacement field on the template's grid."""
    warped = sitk.GetArrayFromImage(sitk.Resample(image, mean, member.transform(), sitk.sitkLinear, -600.0))
    known = coverage(member, mean) & (sitk.GetArrayViewFromImage(mean) > -600)
    moving = _like(np.where(known, warped, sitk.GetArrayViewFromImage(mean)).astype(np.float32), mean)
    fixed = sitk.SmoothingRecursiveGaussian(mean, 2.0 * plan.shrink) if plan.shrink > 1 else mean
    moving = sitk.SmoothingRecursiveGaussian(moving, 2.0 * plan.shrink) if plan.shrink > 1 else moving
    method = sitk.FastSymmetricForcesDemonsRegistrationFilter()
    method.SetNumberOfIterations(plan.iterations)
    method.SetStandardDeviations(plan.sigma_voxels)
    method.SetSmoothUpdateField(True)
    method.SetUpdateFieldStandardDeviations(1.0)
    factors = [plan.shrink] * 3
    step = method.Execute(sitk.Shrink(fixed, factors), sitk.Shrink(moving, factors))
    step = sitk.Resample(sitk.Cast(step, sitk.sitkVectorFloat64), mean, sitk.Transform(), sitk.sitkLinear, 0.0)
    return compose(step, member.field)


def compose(first: sitk.Image, second: sitk.Image | None) -> sitk.Image:
    """The displacement field of x -> x + first(x) followed by x -> x + second(x)."""
    if second is None:
        return first
    moved = sitk.Resample(second, first, sitk.DisplacementFieldTransform(sitk.Image(first)), sitk.sitkLinear, 0.0)
    return sitk.Add(first, moved)


def centre_fields(fields: list[sitk.Image]) -> list[sitk.Image]:
    """Move the template to the mean shape: afterwards the fields' mean is (nearly) zero everywhere."""
    mean = fields[0]
    for field in fields[1:]:
        mean = sitk.Add(mean, field)
    mean = _like(sitk.GetArrayFromImage(mean) / len(fields), fields[0])
    inverse = sitk.InvertDisplacementField(mean, maximumNumberOfIterations=20)
    inverse = sitk.Cast(inverse, sitk.sitkVectorFloat64)
    return [compose(inverse, field) for field in fields]


def register_group(patients: list[Patient], work: Path, rounds: tuple[Round, ...] = ROUNDS, say=print) -> list[Member]:
    """Register all patients to their mean; finished rounds are kept in `work` and not repeated."""
    work.mkdir(parents=True, exist_ok=True)
    grid, images = template_grid(), [registration_image(p) for p in patients]
    members = procrustes(patients)
    _affine_rounds(members, images, grid, work, say)
    for number, plan in enumerate(rounds):
        done = work / f"round_{number:02d}"
        if _load_fields(members, done):
            continue
        mean = mean_image(members, images, grid)
        sitk.WriteImage(mean, str(work / f"mean_{number:02d}.nii.gz"))
        start, fields = time.monotonic(), []
        for member, image in zip(members, images, strict=True):
            path = work / f"draft_{number:02d}_{member.patient.name}.mha"
            if not path.exists():
                sitk.WriteImage(sitk.Cast(demons(member, image, mean, plan), sitk.sitkVectorFloat32), str(path))
            fields.append(sitk.Cast(sitk.ReadImage(str(path)), sitk.sitkVectorFloat64))
        for member, field in zip(members, centre_fields(fields), strict=True):
            member.field = field
        _save_fields(members, done)
        say(f"round {number + 1}/{len(rounds)} {plan}: {time.monotonic() - start:.0f} s, {_spread(members)}")
    return members


def _affine_rounds(members: list[Member], images: list[sitk.Image], grid: sitk.Image, work: Path, say) -> None:
    for turn in range(2):
        path = work / f"affine_{turn}.npz"
        if not path.exists():
            mean = mean_image(members, images, grid)
            sitk.WriteImage(mean, str(work / f"mean_affine_{turn}.nii.gz"))
            found = centre_affines([align_affine(m, i, mean) for m, i in zip(members, images, strict=True)])
            matrices = [np.reshape(a.GetMatrix(), (3, 3)) for a in found]
            np.savez(path, matrix=matrices, shift=[a.GetTranslation() for a in found])
        with np.load(path) as file:
            for member, matrix, shift in zip(members, file["matrix"], file["shift"], strict=True):
                member.affine = _affine(matrix, shift)
        say(f"affine {turn + 1}/2: scale {_scales(members)}")


def _scales(members: list[Member]) -> str:
    scales = [np.linalg.det(np.reshape(m.affine.GetMatrix(), (3, 3))) ** (1 / 3) for m in members]
    return f"{min(scales):.3f} to {max(scales):.3f}, mean {np.mean(scales):.3f}"


def _spread(members: list[Member]) -> str:
    rms = [float(np.sqrt((sitk.GetArrayViewFromImage(m.field) ** 2).sum(axis=3).mean())) for m in members]
    return f"displacement RMS {np.mean(rms):.1f} mm (largest {max(rms):.1f})"


def _save_fields(members: list[Member], folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    for member in members:
        field = sitk.Cast(member.field, sitk.sitkVectorFloat32)
        sitk.WriteImage(field, str(folder / f"{member.patient.name}.mha"))
    (folder / "complete").touch()


def _load_fields(members: list[Member], folder: Path) -> bool:
    if not (folder / "complete").exists():
        return False
    for member in members:
        field = sitk.ReadImage(str(folder / f"{member.patient.name}.mha"))
        member.field = sitk.Cast(field, sitk.sitkVectorFloat64)
    return True
