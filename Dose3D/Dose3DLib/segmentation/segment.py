"""`segment`: a CT volume in, a StructureSet out."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ..bundles.bundle import Bundle
from ..core.progress import Progress
from ..geometry.box import Box, box_from_numbers
from ..geometry.grid import Grid, Volume
from ..geometry.mask_files import named_structure
from ..geometry.structure import Structure, StructureSet
from ..training.device import DeviceChoice, choose_device, with_memory_fallback
from ..training.precision import choose_precision
from .body import body_mask
from .cleanup import boundary_confidence, clean_probability, mask_on_grid, organ_probability
from .inference import Execution, predict_logits
from .plausibility import doubts
from .preprocess import InputSpec, model_input

if TYPE_CHECKING:
    import torch

__all__ = ["BODY", "SegmentOptions", "Segmentation", "input_spec", "segment", "segment_body"]

BODY = "BODY"


@dataclass(frozen=True)
class SegmentOptions:
    """Organs (empty: all of the model's; BODY always comes along), device and number format, see `training`.

    `roi` is empty or a region of interest, x_min x_max y_min y_max z_min z_max in LPS mm: organs are looked for there
    and end at its faces. BODY is that of the whole CT.
    """

    organs: tuple[str, ...] = ()
    device: str = "auto"
    precision: str = "auto"
    roi: tuple[float, ...] = ()


@dataclass(frozen=True, eq=False)
class Segmentation:
    """What `segment` found, and how sure it is.

    Parameters
    ----------
    structures:
        the organs in the model's order on the CT's grid, then BODY; an organ that was not found has an empty mask.
    confidence:
        organ -> 0..1 of those that were found, see `cleanup.boundary_confidence`.
    device, precision, device_reason:
        where and in which number format the network ran, and why there.
    region:
        what of the region of interest lies in the CT; None without one.
    """

    structures: StructureSet
    confidence: dict[str, float] = field(default_factory=dict)
    device: str = "cpu"
    precision: str = "float32"
    device_reason: str = ""
    region: Box | None = None


def input_spec(bundle: Bundle) -> InputSpec:
    """The pre-processing that the bundle's network was trained with."""
    facts: dict[str, Any] = bundle.metadata["dose3d"]["input"]
    return InputSpec(
        tuple(facts["spacing_mm"]),
        tuple(facts["resolution_mm"]),
        tuple(facts["window_hu"]),
        float(facts["center_hu"]),
        float(facts["scale_hu"]),
    )


def segment(
    volume: Volume, bundle: Bundle, options: SegmentOptions | None = None, progress: Progress | None = None
) -> Segmentation:
    """Find the bundle's organs and the body on a CT in HU.

    Raises
    ------
    InputError, ResourceError, Cancelled
    """
    progress, options = progress or Progress(), options or SegmentOptions()
    wanted = options.organs or bundle.organs
    region = box_from_numbers(options.roi, "--roi").clipped_to(volume.grid, "--roi") if options.roi else None
    with progress.stage("prepare image", 0.03):
        image = model_input(volume, input_spec(bundle), region, tuple(bundle.metadata["dose3d"]["patch"]))
    with progress.stage("load model", 0.06):
        network = bundle.network()
    with progress.stage("network", 0.85):
        logits, used = _predict(network, image, bundle, options, progress)
    with progress.stage("clean up", 0.95):
        found, confidence = _organs(logits, image.grid, volume.grid, bundle, wanted, progress)
        found = [replace(one, mask=region.cut(one.mask)) for one in found] if region else found
        confidence = {one.name: confidence[one.name] for one in found if not one.mask.is_empty}
    with progress.stage("body", 1.0):
        structures = StructureSet(volume.grid, (*found, segment_body(volume)))
    known = bundle.metadata["dose3d"]
    for sentence in doubts(structures, confidence, known["expected"], "" if region else known["region"]):
        progress.warn(sentence)
    return Segmentation(structures, confidence, *used, region)


def segment_body(volume: Volume) -> Structure:
    """BODY, of type EXTERNAL."""
    return named_structure(BODY, body_mask(volume))


def _predict(
    network: torch.nn.Module, image: Volume, bundle: Bundle, options: SegmentOptions, progress: Progress
) -> tuple[np.ndarray, tuple[str, str, str]]:
    spec, patch = input_spec(bundle), tuple(bundle.metadata["dose3d"]["patch"])

    def attempt(choice: DeviceChoice, batch: int) -> tuple[np.ndarray, tuple[str, str, str]]:
        how = Execution(choice.name, choose_precision(options.precision, choice.name), batch)
        logits = predict_logits(network.to(choice.name), image.array, spec, patch, how, progress)
        return logits, (how.device, how.precision, choice.reason)

    device = choose_device(options.device)
    return with_memory_fallback(attempt, device, 2 if device.name == "cpu" else 8, progress)


def _organs(
    logits: np.ndarray, source: Grid, target: Grid, bundle: Bundle, wanted: tuple[str, ...], progress: Progress
) -> tuple[list[Structure], dict[str, float]]:
    found, confidence = [], {}
    parts = bundle.metadata["dose3d"].get("parts", {})
    for number, organ in enumerate(wanted):
        progress.report(number / len(wanted), organ)
        vague = organ_probability(Volume(logits[bundle.organs.index(organ)], source))
        clean = Volume(clean_probability(vague.array, source.voxel_volume_mm3, parts.get(organ, 1)), vague.grid)
        found.append(named_structure(organ, mask_on_grid(clean, target)))
        if not found[-1].mask.is_empty:
            confidence[organ] = round(boundary_confidence(clean.array), 3)
    return found, confidence
