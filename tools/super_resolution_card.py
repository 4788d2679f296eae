"""Metadata, model card and licence text of the shipped model `head_neck_dose`."""

from __future__ import annotations

from typing import Any

from Dose3DLib.dose.superres.network import PATCH
from head_neck_card import CITATION, LICENCE

__all__ = ["LICENCE", "card", "metadata"]

LIMITS = (
    "Trained on synthetic head-and-neck IMRT plans (nine fields, 70/63/56 Gy), grids of about 4 x 4 x 2.5 mm, measured "
    "by cells of 7 to 10.4 mm at pitches of 10.5 to 15 mm. The dose there is 0 outside the voxels that may hold dose. "
    "Other machines, sites and layouts: compare with the classical methods first. Research use only."
)


def metadata(facts: dict[str, Any]) -> dict[str, Any]:
    """`configs/metadata.json` after MONAI's metadata schema, and Dose3D's own part."""
    channels = {str(n): name for n, name in enumerate(facts["channels"])}
    shape = {"spatial_shape": list(PATCH), "dtype": "float32", "value_range": [], "is_patch_data": True}
    image = {"type": "image", "format": "dose", "num_channels": len(channels), "channel_def": channels, **shape}
    pred = {
        "type": "image", "format": "dose", "num_channels": 2,
        "channel_def": {"0": "difference from the classical dose", "1": "logarithm of the spread"}, **shape,
    }  # fmt: skip
    own = {key: value for key, value in facts.items() if key != "versions"}
    return {
        "version": "0.1.0",
        "changelog": {"0.1.0": "first model"},
        **facts["versions"],
        "required_packages_version": {"safetensors": "0.4"},
        "name": "head_neck_dose",
        "task": "Detail of a dose between the cells of a detector",
        "description": "residual network on the classical dose, CT, body and targets; gives a difference and a spread",
        "authors": "Dose-3D consortium (POIR.04.04.00-00-15E5/18)",
        "copyright": "Copyright 2026 Dose-3D consortium",
        "data_source": f"OpenKBP training patients, {facts['patients']} used. {CITATION}",
        "data_type": "doses in Gy, measured by simulated cells; CT in Hounsfield units; masks",
        "image_classes": "see channel_def",
        "label_classes": "the planned dose",
        "pred_classes": "dose and its spread, in shares of the 99th percentile of the cells' doses",
        "intended_use": "Research only: a dose of finer detail than the cells, with its band. No clinical use.",
        "references": [CITATION],
        "network_data_format": {"inputs": {"image": image}, "outputs": {"pred": pred}},
        "dose3d": {"kind": "dose", **own},
    }


def card(facts: dict[str, Any]) -> str:
    """The model card, Markdown."""
    return f"""# head_neck_dose

Adds to the smoothest dose that agrees with a detector's cells (Tikhonov) the detail that CT, body and targets make
likely. What it gives is then held to the cells' means within their noise, so that it never contradicts a measurement.

- **Input**: {", ".join(facts["channels"])}. Any of CT, structures, body and plan may be missing.
- **Output**: dose, and a spread that becomes a band of 95 % (calibrated on {facts["held_out"]} patients that were not
  trained on).
- **Data**: {facts["patients"]} training patients of OpenKBP, each measured again and again by random detectors: pitch,
  phase, stagger, size of cells, 1, 2 or 4 acquisitions, noise 0 to 3 %, the body exact, wrong by up to 4 mm, found on
  the CT or unknown; a quarter with a plan of which the delivered dose differs (shift, bank of leaves, bent anatomy,
  one beam). {CITATION}.
- **Training**: {facts["steps"]} steps in {facts["minutes"]:g} minutes on one processor core, seed {facts["seed"]};
  `tools/train_super_resolution.py`.
- **Figures** on the validation patients, which chose nothing: `python3 run.py benchmark dose_scaling`.

**Limits.** {LIMITS}
"""
