"""From registered patients to a CT that looks like one: robust mean, sharpness, histogram, noise.

Noise comes from a random generator with a spectrum and a size measured on the patients; no residual of any patient
enters the phantom.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk
from groupwise import FEWEST_SCANS, Member, coverage
from scipy import ndimage

KERNELS_HU = (120.0, 120.0, 90.0, 70.0, 50.0, 50.0, 50.0)
"""Widths of the robust mean's kernel, step by step: at last fat and muscle, 140 HU apart, no longer mix."""

SOFT_TISSUE_HU = (0, 90)
KEPT_HU = (-300, -150, 120, 300)
"""Between the inner two the histogram is left alone, beyond the outer two it is matched, linearly between."""

HIGHEST_GAIN = 1.5
"""Sharpening stops here: what registration has blurred beyond cannot be brought back, only its noise."""

SHARPENED_HU = (-150, 150)
"""Sharpening sees no more contrast than fat and muscle have: bone would leave dark rims, in the cord above all."""

TEXTURE_SHARE = 0.4
"""Amplitude of the random texture as a part of what is missing; all of it looks mottled, as it has no strands."""


@dataclass(frozen=True)
class Stack:
    """All patients on the phantom's grid: `hu` int16 and `covered` bool, both [patient, k, j, i]."""

    hu: np.ndarray
    covered: np.ndarray


def warp_patients(members: list[Member], grid: sitk.Image) -> Stack:
    """Resample every patient once, from its own voxels, by cubic B-splines."""
    shape = (len(members), *grid.GetSize()[::-1])
    hu, covered = np.empty(shape, np.int16), np.empty(shape, bool)
    for n, member in enumerate(members):
        warped = sitk.Resample(member.patient.ct, grid, member.transform(), sitk.sitkBSpline, -1000.0)
        # cubic splines overshoot at edges: keep to what CT can be
        hu[n] = np.clip(sitk.GetArrayViewFromImage(warped), -1000, 2500)
        covered[n] = coverage(member, grid)
    return Stack(hu, covered)


def robust_mean(stack: Stack) -> tuple[np.ndarray, np.ndarray, float]:
    """The mode that the median leads to (mean shift with a Gaussian kernel) in HU, and what each patient has in it.

    Slices that fewer than `FEWEST_SCANS` patients show in full stay empty. At an edge the majority's tissue wins, so
    that edges stay sharp where registration leaves them scattered. Then the patients' shares, that
    is mean weights over the body's voxels, which add up to 1, and the part of these voxels in which one patient has
    more than half of the weight.
    """
    patients, *shape = stack.hu.shape
    mean, shares, ruled = np.full(shape, -1000, np.float32), np.zeros(patients), 0
    for k in range(shape[0]):
        known = stack.covered[:, k]
        values = np.where(known, stack.hu[:, k].astype(np.float32), np.nan)
        enough = known.sum(axis=0) >= FEWEST_SCANS
        if not enough.all():
            continue
        inside = np.nanmax(np.where(known, values, -1000), axis=0) > -500
        if inside.any():
            mean[k][inside], weights = _mean_shift(values[:, inside])
            weights = weights[:, mean[k][inside] > -400]
            shares += weights.sum(axis=1)
            ruled += (weights.max(axis=0) > 0.5).sum()
    return mean, shares / shares.sum(), float(ruled / shares.sum())


def _mean_shift(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(patients, voxels) with NaN where unknown -> modes, and the patients' weights, which add up to 1 a voxel."""
    mode = np.nanmedian(values, axis=0)
    for width in KERNELS_HU:
        weights = np.nan_to_num(np.exp(-0.5 * ((values - mode) / width) ** 2))
        weights /= weights.sum(axis=0)
        mode = (weights * np.nan_to_num(values)).sum(axis=0)
    return mode, weights


def match_histogram(mean: np.ndarray, stack: Stack, body: np.ndarray) -> np.ndarray:
    """Map air, lung and bone inside the body so that their quantiles are the patients' average ones.

    Averaging has pulled them towards soft tissue. Fat and soft tissue keep their values: their modes lie at the
    patients' peaks already, while between the peaks patients show the partial volume of voxels twice as large. The
    patients are median filtered first, as their noise is no part of the tissues' values.
    """
    levels = np.concatenate([np.linspace(0, 0.01, 11), np.linspace(0.015, 0.985, 195), np.linspace(0.99, 1, 21)])
    targets = []
    for hu, covered in zip(stack.hu, stack.covered, strict=True):
        smooth = ndimage.median_filter(hu[::2], (1, 3, 3))
        targets.append(np.quantile(smooth[(covered & body)[::2]], levels))
    source = np.quantile(mean[body], levels)
    target = np.mean(targets, axis=0)
    steps = np.flatnonzero(np.diff(source, prepend=-np.inf) > 0.01)
    matched = mean.copy()
    shift = np.interp(mean[body], source[steps], target[steps]) - mean[body]
    matched[body] += shift * np.interp(mean[body], KEPT_HU, (1, 0, 0, 1))
    return matched


def patch_spectrum(hu: np.ndarray, places: np.ndarray, size: int, spacing_mm: float) -> tuple[np.ndarray, np.ndarray]:
    """Radial power spectrum over square patches of slices: frequencies (1/mm) and variance per squared frequency bin.

    `places` are (n, 3) first voxels (k, j, i). Patches are freed of their plane and windowed.
    """
    window = np.outer(np.hanning(size + 2)[1:-1], np.hanning(size + 2)[1:-1])
    power = np.zeros((size, size))
    j, i = np.mgrid[:size, :size]
    planes = np.stack([np.ones(size * size), j.ravel(), i.ravel()], axis=1)
    remove = np.eye(size * size) - planes @ np.linalg.pinv(planes)
    for k, row, column in places:
        patch = hu[k, row : row + size, column : column + size].astype(float)
        flat = (remove @ patch.ravel()).reshape(size, size)
        power += np.abs(np.fft.fft2(flat * window)) ** 2
    power /= len(places) * (window**2).sum()
    frequency = _radial_frequency((size, size), (spacing_mm, spacing_mm))
    edges = np.arange(0.5, size // 2 + 1) / (size * spacing_mm)
    bins = np.digitize(frequency, edges)
    radial = np.array([power[bins == b].mean() for b in range(1, len(edges))])
    return (edges[:-1] + edges[1:]) / 2, radial


def soft_places(hu: np.ndarray, body: np.ndarray, size: int, generator: np.random.Generator, most: int) -> np.ndarray:
    """First voxels of up to `most` patches that hold nothing but soft tissue and fat."""
    soft = body & (hu > -160) & (hu < 160)
    filled = ndimage.uniform_filter(soft.astype(np.float32), (1, size, size), origin=(0, -(size // 2), -(size // 2)))
    places = np.argwhere(filled > 0.98)
    inside = (places[:, 1] + size < hu.shape[1]) & (places[:, 2] + size < hu.shape[2])
    places = places[inside]
    return places[generator.permutation(len(places))[:most]]


def scan_noise_hu(members: list[Member], heights_mm: np.ndarray) -> np.ndarray:
    """Median over the patients of their scans' noise (standard deviation) at the template's heights.

    Immerkaer's estimator (Comput. Vis. Image Underst. 64, 300, 1996) in each patient's own slices, in soft tissue only.
    """
    laplacian = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], float)
    curves = np.full((len(members), len(heights_mm)), np.nan)
    for n, member in enumerate(members):
        hu = sitk.GetArrayFromImage(member.patient.ct).astype(float)
        soft = ndimage.minimum_filter((hu > SOFT_TISSUE_HU[0] - 30) & (hu < SOFT_TISSUE_HU[1] + 30), (1, 3, 3))
        residual = ndimage.convolve(hu, laplacian[None]) / 6
        pairs = zip(residual, soft, strict=True)
        noise = np.array([np.median(np.abs(r[s])) / 0.6745 if s.sum() > 50 else np.nan for r, s in pairs])
        at = _slice_numbers(member, heights_mm)
        good = np.isfinite(noise)
        curves[n] = np.interp(at, np.flatnonzero(good), noise[good], left=np.nan, right=np.nan)
    known = np.isfinite(curves).any(axis=0)
    median = np.interp(heights_mm, heights_mm[known], np.nanmedian(curves[:, known], axis=0))
    return ndimage.gaussian_filter1d(median, 3.0, mode="nearest")


def _slice_numbers(member: Member, heights_mm: np.ndarray) -> np.ndarray:
    """Where the template's heights on its midline lie among the patient's slices (continuous index)."""
    transform, ct = member.transform(), member.patient.ct
    z = np.array([transform.TransformPoint((0.0, 0.0, float(height)))[2] for height in heights_mm])
    return (z - ct.GetOrigin()[2]) / ct.GetSpacing()[2]


def synthetic_noise(
    shape: tuple[int, int, int], spacing_mm: tuple[float, float, float], generator: np.random.Generator
) -> np.ndarray:
    """Noise of variance 1 with a CT's spectrum in the slice: a ramp at low frequencies, apodised.

    The ramp: Riederer, Pelc and Chesler, Phys. Med. Biol. 23, 446, 1978.
    """
    noise = generator.standard_normal(shape).astype(np.float32)
    noise = ndimage.gaussian_filter1d(noise, 0.45, axis=0)
    frequency = _radial_frequency(shape[1:], spacing_mm[1:])
    gain = np.sqrt((frequency + 0.02) * np.exp(-((frequency / 0.22) ** 2)))
    noise = np.fft.ifft2(np.fft.fft2(noise, axes=(1, 2)) * gain, axes=(1, 2)).real
    return (noise / noise.std()).astype(np.float32)


def restore_detail(
    mean: np.ndarray, stack: Stack, body: np.ndarray, spacing_mm: tuple[float, ...], generator: np.random.Generator
) -> np.ndarray:
    """Sharpen soft tissue, and add random texture where patients differ, towards the radial power spectrum of patients.

    Averaging removes what is not at the same place in all: strands of fat, vessels, edges of muscles. Part of it is
    blur and comes back by a filter; some of the rest is replaced by random numbers of the missing spectrum.
    """
    places = soft_places(mean, body, 24, generator, 400)
    frequency, ours = patch_spectrum(np.clip(mean, -300, 300), places, 24, spacing_mm[2])
    theirs = np.median([_patient_spectrum(n, stack, places, spacing_mm[2]) for n in range(len(stack.hu))], axis=0)
    gain = np.clip(np.sqrt(theirs / ours), 1.0, HIGHEST_GAIN)
    gain = np.where(frequency < 0.15, gain, 1.0)
    clipped = np.clip(mean, *SHARPENED_HU)
    sharp = _filter_slices(clipped, frequency, gain, spacing_mm) - clipped
    low, high = ndimage.minimum_filter(mean, (1, 5, 5)), ndimage.maximum_filter(mean, (1, 5, 5))
    sharpened = np.clip(mean + np.clip(sharp, -40, 40), low, high)
    _, now = patch_spectrum(np.clip(sharpened, -300, 300), places, 24, spacing_mm[2])
    missing = np.sqrt(np.clip(theirs - now, 0, None))
    noise = ndimage.gaussian_filter1d(generator.standard_normal(mean.shape).astype(np.float32), 1.0, axis=0)
    texture = _filter_slices(noise / noise.std(), frequency, missing, spacing_mm)
    return sharpened + TEXTURE_SHARE * texture * _disagreement(stack, body)


def _patient_spectrum(n: int, stack: Stack, places: np.ndarray, spacing_mm: float) -> np.ndarray:
    known = stack.covered[n][tuple(places.T)]
    return patch_spectrum(np.clip(stack.hu[n], -300, 300), places[known], 24, spacing_mm)[1]


def _filter_slices(
    hu: np.ndarray, frequency: np.ndarray, gain: np.ndarray, spacing_mm: tuple[float, float, float]
) -> np.ndarray:
    """Multiply every slice's spectrum by a radial gain (1/mm); beyond the last frequency the last gain holds."""
    factor = np.interp(_radial_frequency(hu.shape[1:], spacing_mm[1:]), np.r_[0, frequency], np.r_[gain[0], gain])
    return np.fft.ifft2(np.fft.fft2(hu, axes=(1, 2)) * factor, axes=(1, 2)).real.astype(np.float32)


def _radial_frequency(shape: tuple[int, ...], spacing_mm: tuple[float, ...]) -> np.ndarray:
    """Distance from zero frequency (1/mm) of every element of a slice's `fft2`."""
    axes = (np.fft.fftfreq(n, s) for n, s in zip(shape, spacing_mm, strict=True))
    return np.hypot(*np.meshgrid(*axes, indexing="ij"))


def _disagreement(stack: Stack, body: np.ndarray) -> np.ndarray:
    """How much soft tissue differs between patients at a place, as a factor of about 1 (RMS in the body)."""
    total, square, count = (np.zeros(body.shape, np.float32) for _ in range(3))
    for hu, covered in zip(stack.hu, stack.covered, strict=True):
        soft = covered & (hu > -200) & (hu < 200)
        total += np.where(soft, hu, 0)
        square += np.where(soft, hu.astype(np.float32) ** 2, 0)
        count += soft
    spread = np.sqrt(np.clip(square / np.maximum(count, 1) - (total / np.maximum(count, 1)) ** 2, 0, None))
    spread = ndimage.gaussian_filter(np.where(count > 4, spread, 0), (0.8, 1.5, 1.5))
    typical = np.sqrt((spread[body] ** 2).mean())
    return np.clip(spread / typical, 0, 1) ** 1.5
