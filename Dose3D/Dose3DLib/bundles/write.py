"""Write a trained network as a bundle, the form that running reads."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..core.output import MODEL_MARK, atomic_output
from .folder import WEIGHTS

if TYPE_CHECKING:
    import torch

__all__ = ["halved", "write_bundle"]


def write_bundle(
    path: Path,
    state: dict[str, torch.Tensor],
    network_def: dict[str, Any],
    metadata: dict[str, Any],
    card: str,
    licence: str,
    *,
    overwrite: bool = False,
) -> None:
    """Write weights (safetensors), configs, model card (Markdown) and licence into a new folder `path`."""
    from safetensors.torch import save

    weights = save(state)
    own = {**metadata["dose3d"], "weights_sha256": hashlib.sha256(weights).hexdigest()}
    with atomic_output(path, overwrite, mark=MODEL_MARK) as draft:
        for folder in ("configs", "models", "docs"):
            (draft / folder).mkdir(parents=True)
        (draft / WEIGHTS).write_bytes(weights)
        _write_json(draft / "configs" / "metadata.json", {**metadata, "dose3d": own})
        _write_json(draft / "configs" / "inference.json", {"network_def": network_def})
        (draft / "docs" / "README.md").write_text(card, encoding="utf-8")
        (draft / "LICENSE").write_text(licence, encoding="utf-8")


def halved(network: torch.nn.Module) -> dict[str, torch.Tensor]:
    """A network's weights as float16: half the file; a weight moves by less than one part in two thousand."""
    import torch

    state = {key: value.detach().cpu() for key, value in network.state_dict().items()}
    half = {key: (value.half() if value.is_floating_point() else value).contiguous() for key, value in state.items()}
    return {key: value.clone(memory_format=torch.contiguous_format) for key, value in half.items()}


def _write_json(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
