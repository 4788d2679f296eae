"""Find and load a segmentation bundle.

MONAI's configs may hold `$` expressions, which are Python code: these are not run here.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..core.errors import InputError
from .folder import BundleFolder, first_line, open_folder

if TYPE_CHECKING:
    import torch

__all__ = ["Bundle", "find_bundle"]

_NETWORKS = "monai.networks.nets"


@dataclass(frozen=True)
class Bundle:
    """A verified bundle; the network is built on demand.

    Parameters
    ----------
    path:
        the folder.
    metadata:
        `configs/metadata.json`.
    network_def:
        class name (`_target_`, of monai.networks.nets) and arguments of the network.
    """

    path: Path
    metadata: dict[str, Any]
    network_def: dict[str, Any]

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def version(self) -> str:
        return str(self.metadata.get("version", "unknown"))

    @property
    def organs(self) -> tuple[str, ...]:
        """Structure names in the order of the output channels."""
        channels = self.metadata["network_data_format"]["outputs"]["pred"]["channel_def"]
        return tuple(channels[number] for number in sorted(channels, key=int))

    @property
    def weights_sha256(self) -> str:
        return self.metadata["dose3d"]["weights_sha256"]

    def network(self) -> torch.nn.Module:
        """Build the network on the CPU with its weights in float32, in evaluation mode.

        Raises
        ------
        InputError
            weights that are missing, damaged (SHA-256), or of another network.
        """
        import monai.networks.nets as nets
        from safetensors.torch import load

        weights = BundleFolder(self.path, self.metadata, {}).weights()
        options = {key: value for key, value in self.network_def.items() if key != "_target_"}
        try:
            network = getattr(nets, self.network_def["_target_"].rpartition(".")[2])(**options)
            network.load_state_dict({key: value.float() for key, value in load(weights).items()})
        except Exception as error:  # MONAI and safetensors raise all kinds on foreign configs and weights
            raise InputError(
                self.path, f"network and weights do not fit ({first_line(error)})", "get the bundle again"
            ) from error
        return network.eval()


def find_bundle(name_or_path: str | Path, kind: str = "segmentation") -> Bundle:
    """The shipped bundle of that name and kind (see `folder.KINDS`), or the bundle in a folder.

    Raises
    ------
    InputError
        no such bundle, an incomplete one, pickled weights, or a config that holds code.
    """
    folder = open_folder(name_or_path, kind)
    bundle = Bundle(folder.path, folder.metadata, _safe_network(folder.path, folder.config))
    if kind == "segmentation":
        _check_metadata(bundle)
    return bundle


def _safe_network(path: Path, config: dict[str, Any]) -> dict[str, Any]:
    network = config.get("network_def")
    if not isinstance(network, dict) or not isinstance(network.get("_target_"), str):
        raise InputError(path / "configs" / "inference.json", "names no network_def", "give a whole bundle")
    target = network["_target_"]
    package, _, name = target.rpartition(".")
    code = any("$" in text or "@" in text for text in _texts(network))
    if code or package not in {"", _NETWORKS} or not name.isidentifier() or not name[0].isupper():
        raise InputError(
            path / "configs" / "inference.json",
            f"its network ({target}) is code of its own, which Dose3D does not run",
            f"give a bundle whose network_def is a class of {_NETWORKS} with plain arguments",
        )
    return network


def _texts(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [text for item in value.items() for part in item for text in _texts(part)]
    if isinstance(value, list):
        return [text for part in value for text in _texts(part)]
    return [value] if isinstance(value, str) else []


def _check_metadata(bundle: Bundle) -> None:
    try:
        organs, spec = bundle.organs, bundle.metadata["dose3d"]
        complete = organs and all(isinstance(organ, str) for organ in organs) and spec["input"]["spacing_mm"]
        complete = complete and len(spec["patch"]) == 3 and bundle.weights_sha256
        complete = complete and {"resolution_mm", "window_hu", "center_hu", "scale_hu"} <= set(spec["input"])
        complete = complete and {"organs", "offsets_mm"} <= set(spec["expected"]) and isinstance(spec["region"], str)
    except (KeyError, TypeError, ValueError, AttributeError):
        complete = False
    if not complete:
        raise InputError(
            bundle.path / "configs" / "metadata.json",
            "lacks what running needs (output channel_def; dose3d: input, patch, region, expected, weights_sha256)",
            "give a bundle that Dose3D's training wrote",
        )
