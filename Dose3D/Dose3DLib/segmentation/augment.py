"""Random changes of a training patch, by MONAI's transforms, all drawn from one RandomState a step."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch
    from monai.transforms import Compose

__all__ = ["Augmentation"]


class Augmentation:
    """Affine and elastic deformation of image and labels together; noise, blur, contrast, resolution of the image.

    The labels of a patch are one channel of bit sets (bit n = organ n), so that one nearest-neighbour lookup moves them
    all, overlaps included.

    Parameters
    ----------
    mirror_pairs:
        organ indices that change places when left and right are exchanged; None: never mirror.
    """

    def __init__(self, mirror_pairs: tuple[tuple[int, int], ...] | None = None):
        self.mirror_pairs = mirror_pairs
        self._shape = _shape_transforms()
        self._intensity = _intensity_transforms()

    def __call__(
        self, image: torch.Tensor, labels: torch.Tensor, state: np.random.RandomState
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Change normalised `image` and bit-coded `labels`, both (1, k, j, i)."""
        self._shape.set_random_state(state=state)
        self._intensity.set_random_state(state=state)
        moved = self._shape({"image": image, "labels": labels})
        image, labels = moved["image"].as_tensor(), moved["labels"].as_tensor()
        if self.mirror_pairs is not None and state.rand() < 0.5:
            image, labels = image.flip(3), _swap_bits(labels.flip(3), self.mirror_pairs)
        return self._intensity(image), labels


def _shape_transforms() -> Compose:
    from monai.transforms import Compose, Rand2DElasticd, Rand3DElasticd, RandAffined

    keys, mode = ("image", "labels"), ("bilinear", "nearest")
    affine = RandAffined(
        keys, prob=0.7, rotate_range=(0.15, 0.15, 0.15), scale_range=(0.15, 0.15, 0.15), shear_range=(0.05,) * 6,
        mode=mode, padding_mode="border",
    )  # fmt: skip
    elastic = Rand3DElasticd(keys, (5, 7), (40, 120), prob=0.06, mode=mode, padding_mode="border")
    # Axial planes bent alike: slices as channels make the 2-D transform a cheap in-plane deformation of a 3-D patch.
    plane = Rand2DElasticd(keys, (16, 16), (0.5, 1.5), prob=0.25, mode=mode, padding_mode="border")
    return Compose([affine, elastic, _SlicesAsChannels(plane)])


def _intensity_transforms() -> Compose:
    from monai.transforms import (
        Compose,
        RandAdjustContrast,
        RandGaussianNoise,
        RandGaussianSmooth,
        RandScaleIntensity,
        RandShiftIntensity,
        RandSimulateLowResolution,
    )

    return Compose([
        RandGaussianNoise(prob=0.25, std=0.15),
        RandGaussianSmooth((0.4, 1.0), (0.4, 1.0), (0.4, 1.0), prob=0.15),
        RandScaleIntensity(factors=0.15, prob=0.3),
        RandShiftIntensity(offsets=0.15, prob=0.3),
        RandAdjustContrast(prob=0.15, gamma=(0.75, 1.35), retain_stats=True),
        RandSimulateLowResolution(prob=0.1, zoom_range=(0.6, 1.0)),
    ])  # fmt: skip


def _SlicesAsChannels(transform):  # noqa: N802 - reads as the transform that it makes
    from monai.transforms import RandomizableTrait, Transform
    from monai.transforms.transform import Randomizable

    class SlicesAsChannels(Randomizable, Transform, RandomizableTrait):
        def set_random_state(self, seed=None, state=None):
            transform.set_random_state(seed, state)
            return super().set_random_state(seed, state)

        def __call__(self, data):
            flat = {key: value[0] for key, value in data.items()}
            return {key: value[None] for key, value in transform(flat).items()}

    return SlicesAsChannels()


def _swap_bits(labels: torch.Tensor, pairs: tuple[tuple[int, int], ...]) -> torch.Tensor:
    import torch

    bits = labels.to(torch.int32)
    for a, b in pairs:
        different = ((bits >> a) ^ (bits >> b)) & 1
        bits = bits ^ ((different << a) | (different << b))
    return bits.to(labels.dtype)
