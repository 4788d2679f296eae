"""Metadata, model card and licence text of the shipped model `head_neck_ct`."""

from __future__ import annotations

from typing import Any

from Dose3DLib.segmentation.preprocess import InputSpec

__all__ = ["LICENCE", "card", "metadata"]

LICENCE = """The weights were made by the Dose3D project and are under the Apache License 2.0, as the rest of Dose3D.

They were trained on OpenKBP, which asks to keep this notice with copies of its data:
MIT License, Copyright (c) 2021 Aaron Babier. https://github.com/ababier/open-kbp
"""

CITATION = (
    "A. Babier, B. Zhang, R. Mahmood, K.L. Moore, T.G. Purdie, A.L. McNiven, T.C.Y. Chan: OpenKBP: The open-access "
    "knowledge-based planning grand challenge and dataset. Medical Physics 48 (2021) 5549-5561, doi 10.1002/mp.14845"
)
LIMITS = (
    "Trained on coarse (about 4 x 4 x 2.5 mm), body-cropped CT of head-and-neck patients planned for photon therapy; "
    "lengths of Brainstem and SpinalCord follow the habits of the clinics that drew them; Larynx habits differ. "
    "Not for other parts of the body, children, cone-beam CT, MR. Research use only, every contour needs review."
)


def metadata(
    organs: tuple[str, ...], spec: InputSpec, patch: tuple[int, int, int], facts: dict[str, Any]
) -> dict[str, Any]:
    """`configs/metadata.json` after MONAI's metadata schema, and Dose3D's own part.

    `facts` are of the run: `expected` (see `plausibility.doubts`), `patients`, `minutes`, `steps`, `seed`, `versions`.
    """
    low, high = (round((hu - spec.center_hu) / spec.scale_hu, 2) for hu in spec.window_hu)
    image = {
        "type": "image", "format": "hounsfield", "modality": "CT", "num_channels": 1, "spatial_shape": list(patch),
        "dtype": "float32", "value_range": [low, high], "is_patch_data": True, "channel_def": {"0": "CT"},
    }  # fmt: skip
    pred = {
        "type": "probabilities", "format": "segmentation", "num_channels": len(organs), "spatial_shape": list(patch),
        "dtype": "float32", "value_range": [], "is_patch_data": True,
        "channel_def": {str(number): organ for number, organ in enumerate(organs)},
    }  # fmt: skip
    own = {
        "region": "a head-and-neck CT",
        "input": {"spacing_mm": spec.spacing_mm, "resolution_mm": spec.resolution_mm,
                  "window_hu": spec.window_hu, "center_hu": spec.center_hu, "scale_hu": spec.scale_hu,
                  "axes": "k superior, j posterior, i left (LPS)"},
        "patch": patch,
        "output": "one sigmoid an organ; organs may overlap",
        **facts,
    }  # fmt: skip
    return {
        "version": "0.1.0",
        "changelog": {"0.1.0": "first model"},
        **facts["versions"],
        "required_packages_version": {"safetensors": "0.4"},
        "name": "head_neck_ct",
        "task": "Seven organs at risk of the head and neck on CT",
        "description": "UNet with residual units and one sigmoid an organ, trained with partial labels",
        "authors": "Dose-3D consortium (POIR.04.04.00-00-15E5/18)",
        "copyright": "Copyright 2026 Dose-3D consortium",
        "data_source": f"OpenKBP training patients, {facts['patients']} used. {CITATION}",
        "data_type": "CT in Hounsfield units",
        "image_classes": "one channel, CT",
        "label_classes": "structures that the clinics drew; an organ that was not drawn is unknown",
        "pred_classes": ", ".join(organs),
        "intended_use": "Research only: a first proposal of contours, to be reviewed. No clinical use.",
        "references": [CITATION],
        "network_data_format": {"inputs": {"image": image}, "outputs": {"pred": pred}},
        "dose3d": own,
    }


def card(organs: tuple[str, ...], spec: InputSpec, facts: dict[str, Any]) -> str:
    """The model card (`docs/README.md`)."""
    rows = "\n".join(
        f"| {organ} | {facts['drawn'][organ]} | {facts['expected']['organs'][organ]['volume_cc'][0]:g} to "
        f"{facts['expected']['organs'][organ]['volume_cc'][1]:g} |"
        for organ in organs
    )
    resolution = " x ".join(f"{s:g}" for s in spec.resolution_mm)
    spacing = " x ".join(f"{s:g}" for s in spec.spacing_mm)
    return f"""# head_neck_ct

Seven organs at risk of the head and neck on CT. **Research use only; every contour needs review.**

A MONAI UNet on an axis-aligned grid of {spacing} mm (slice, row, column), one sigmoid an organ, trained from random
weights by `tools/train_head_neck.py` on {facts["patients"]} OpenKBP training patients: {facts["steps"]} steps in
{facts["minutes"]:g} minutes on one processor core, seed {facts["seed"]}. An organ that a clinic had not drawn is
unknown in the loss, not background. Wrong labels that were left out were listed beforehand in `tools/openkbp.py`.

| organ | drawn in (patients) | volumes that raise no warning, cc |
|---|---|---|
{rows}

What raises a warning in use: a volume outside this range, a place beside the other organs that no training patient
shows (plus 15 mm to the sides, 40 mm along the body), an edge that the network is unsure of. Scans finer than
{resolution} mm are averaged to that first, and where a scan ends within the patient its last slice is repeated; these
weights learned before that rule, when the ends of scans were air.

Quality on the validation patients is printed by `python3 run.py benchmark segmentation --data OPENKBP`; the project's
README quotes it. The weights are float16 in safetensors; their SHA-256 is in `configs/metadata.json`.

Limits: {LIMITS}

Data: {CITATION}. MIT License, Copyright (c) 2021 Aaron Babier.
"""
