"""Find and load a segmentation bundle.

A bundle is a folder in MONAI's form (docs.monai.io, "MONAI Bundle Specification"): `configs/metadata.json`,
`configs/inference.json` with the network under `network_def`, weights in `models/model.safetensors`. MONAI's configs
may hold `$` expressions, which are Python code, and `.pt` weights are pickles, which may run code too: neither is
loaded here.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..core.errors import InputError

if TYPE_CHECKING:
    import torch

__all__ = ["Bundle", "find_bundle", "shipped_bundles"]

SHIPPED = Path(__file__).parent / "shipped"
WEIGHTS = Path("models") / "model.safetensors"
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

        weights = _verified_weights(self)
        options = {key: value for key, value in self.network_def.items() if key != "_target_"}
        try:
            network = getattr(nets, self.network_def["_target_"].rpartition(".")[2])(**options)
            network.load_state_dict({key: value.float() for key, value in load(weights).items()})
        except Exception as error:  # MONAI and safetensors raise all kinds on foreign configs and weights
            raise InputError(
                self.path, f"network and weights do not fit ({_first_line(error)})", "get the bundle again"
            ) from error
        return network.eval()


def shipped_bundles() -> list[str]:
    """Names of the bundles that come with Dose3D."""
    return sorted(path.parent.parent.name for path in SHIPPED.glob("*/configs/metadata.json"))


def find_bundle(name_or_path: str | Path) -> Bundle:
    """The shipped bundle of that name, or the bundle in a folder.

    Raises
    ------
    InputError
        no such bundle, an incomplete one, pickled weights, or a config that holds code.
    """
    path = Path(name_or_path)
    if not path.exists() and str(name_or_path) in shipped_bundles():
        path = SHIPPED / str(name_or_path)
    if not path.is_dir():
        names = ", ".join(shipped_bundles())
        raise InputError(name_or_path, "no such model", f"give a bundle's folder or one of: {names}")
    _refuse_pickles(path)
    metadata = _read_json(path / "configs" / "metadata.json")
    config = _read_json(path / "configs" / "inference.json")
    bundle = Bundle(path, metadata, _safe_network(path, config))
    _check_metadata(bundle)
    return bundle


def _refuse_pickles(path: Path) -> None:
    if (path / WEIGHTS).is_file():
        return
    pickles = sorted(p.name for p in path.glob("models/*") if p.suffix in {".pt", ".pth", ".ckpt", ".ts", ".pkl"})
    if pickles:
        raise InputError(
            path / "models" / pickles[0],
            "pickled weights can run code, so they are not loaded",
            "save the weights as models/model.safetensors",
        )
    raise InputError(path, "has no models/model.safetensors", "give the folder of a complete bundle")


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(path, error.strerror or "cannot be read", "give the folder of a complete bundle") from error
    except ValueError as error:
        raise InputError(path, f"is not JSON ({error})", "get the bundle again") from error
    if not isinstance(content, dict):
        raise InputError(path, "is not a JSON object", "get the bundle again")
    return content


def _safe_network(path: Path, config: dict[str, Any]) -> dict[str, Any]:
    network = config.get("network_def")
    if not isinstance(network, dict) or not isinstance(network.get("_target_"), str):
        raise InputError(path / "configs" / "inference.json", "names no network_def", "give a bundle that segments")
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


def _verified_weights(bundle: Bundle) -> bytes:
    path = bundle.path / WEIGHTS
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(path, error.strerror or "cannot be read", "get the bundle again") from error
    if hashlib.sha256(content).hexdigest() != bundle.weights_sha256:
        raise InputError(path, "is damaged (its SHA-256 is not the one in metadata.json)", "get the bundle again")
    return content


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:200]
