"""Cells to voxels by the trained network: one dose, a band around it, and doses that are as possible."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ...core.errors import InputError
from ...core.progress import Progress
from ...geometry.grid import Volume
from ...training.device import choose_device, with_memory_fallback
from ..scale import ScaleProblem
from ..uncertainty import widened
from .inputs import CHANNELS, base_dose, dose_scale, model_input, target_masks
from .posterior import DoseField

if TYPE_CHECKING:
    import torch

    from ...bundles.bundle import Bundle

__all__ = ["DEFAULT_MODEL", "Calibration", "SuperResolved", "load_calibration", "predict", "super_resolve"]

DEFAULT_MODEL = "head_neck_dose"
_OVERLAP = 0.3
"""Of the patches that a grid is worked on by."""


@dataclass(frozen=True, eq=False)
class SuperResolved:
    """A dose with what is known of it.

    Parameters
    ----------
    mean:
        Gy; meets the cells within their noise.
    half_width:
        Gy; 95 % of held-out patients' voxels lie within mean -+ half_width, see the model's card.
    samples:
        doses that all agree with the cells within their noise.
    facts:
        model, its hash, device.
    """

    mean: Volume
    half_width: Volume
    samples: tuple[Volume, ...] = ()
    facts: dict[str, Any] | None = None


@dataclass(frozen=True)
class Calibration:
    """How the network's spread became a band, on held-out patients.

    Parameters
    ----------
    spread, half_width:
        increasing points, in shares of `dose_scale`: a network's spread, and the half-width that held 95 % there.
    length_mm:
        correlation length of the errors, see `posterior.DoseField`.
    """

    spread: tuple[float, ...]
    half_width: tuple[float, ...]
    length_mm: float

    def band(self, spread: np.ndarray) -> np.ndarray:
        """Half-widths; beyond the outermost points in proportion."""
        inner = np.interp(spread, self.spread, self.half_width)
        above = np.maximum(spread / self.spread[-1], 1.0)
        return inner * above


def super_resolve(
    problem: ScaleProblem,
    samples: int = 0,
    seed: int = 0,
    progress: Progress | None = None,
    model: str = DEFAULT_MODEL,
    device: str = "auto",
    unseen: np.ndarray | None = None,
) -> SuperResolved:
    """Run the shipped network, or another of its kind, on what the cells measured.

    With `unseen` (see `null_space`) the band is as wide as the doses where no cell sees anything: the network, which
    learnt between cells, knows nothing there.

    Raises
    ------
    InputError
        no such model, or one for other inputs. Cancelled.
    """
    from ...bundles.bundle import find_bundle

    progress = progress or Progress()
    bundle = find_bundle(model, "dose")
    calibration = load_calibration(bundle, problem.body is not None)
    with progress.stage("classical dose", 0.2):
        base = base_dose(problem)
        image = model_input(problem, base, target_masks(problem))
    chosen = choose_device(device)
    with progress.stage("network", 0.5):
        network = bundle.network()
        dose, spread = with_memory_fallback(lambda on, _: predict(network, image, on.name), chosen, 1, progress)
    scale = dose_scale(problem)
    band = calibration.band(spread) * scale
    if unseen is not None:
        band = widened(band, unseen, float(dose.max()) * scale)
    band = np.where(problem.inside, band, 0.0)
    field = DoseField(problem, np.where(problem.inside, dose * scale, 0.0), band / 1.96, calibration.length_mm)
    with progress.stage("agreement with the cells", 0.6):
        mean = _volume(field.conditioned(), problem)
    drawn, rng = [], np.random.default_rng([2026, seed])
    with progress.stage("possible doses", 1.0):
        for n in range(samples):
            progress.report(n / samples)
            drawn.append(_volume(field.sample(rng), problem))
    facts = {"model": bundle.name, "weights_sha256": bundle.weights_sha256, "device": chosen.name}
    return SuperResolved(mean, _volume(band, problem), tuple(drawn), facts)


def load_calibration(bundle: Bundle, has_body: bool = True) -> Calibration:
    """What the bundle says of its bands, which are wider at the skin where the body is not known.

    Raises
    ------
    InputError
        it says nothing, or the network sees other channels.
    """
    own = bundle.metadata["dose3d"]
    try:
        if tuple(own["channels"]) != CHANNELS:
            raise InputError(bundle.path, "sees other inputs than this Dose3D makes", "get the bundle again")
        found = own["calibration"]["body" if has_body else "no_body"]
        points = [tuple(map(float, found[key])) for key in ("spread", "half_width")]
        return Calibration(points[0], points[1], float(found["length_mm"]))
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(bundle.path, "says nothing of its channels and bands", "get the bundle again") from error


def predict(network: torch.nn.Module, image: np.ndarray, device: str = "cpu") -> tuple[np.ndarray, np.ndarray]:
    """Dose and spread, [k, j, i] float32 in shares of `dose_scale`, of an image of `inputs.model_input`."""
    import torch
    from monai.inferers import SlidingWindowInferer

    from ...training.precision import autocast, choose_precision
    from .network import PATCH, decode

    tensor = torch.from_numpy(np.ascontiguousarray(image))[None]
    network = network.to(device).eval()

    def run(block: torch.Tensor) -> torch.Tensor:
        with autocast(choose_precision("auto", device), device):
            return network(block.to(memory_format=torch.channels_last_3d)).float()

    with torch.inference_mode():
        slide = SlidingWindowInferer(
            PATCH, overlap=_OVERLAP, mode="gaussian", padding_mode="replicate", sw_device=device, device="cpu"
        )
        dose, spread = decode(tensor, slide(tensor, run))
    return dose[0].numpy(), spread[0].numpy()


def _volume(array: np.ndarray, problem: ScaleProblem) -> Volume:
    return Volume(np.asarray(array, np.float32), problem.grid)
