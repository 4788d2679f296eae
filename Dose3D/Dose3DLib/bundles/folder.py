"""Bundles as folders, whatever their networks are for: names, metadata, weights that are what they say.

A bundle is a folder in MONAI's form (docs.monai.io, "MONAI Bundle Specification"): `configs/metadata.json`,
`configs/inference.json` with the network under `network_def`, weights in `models/model.safetensors`. Pickled weights
may run code and are not loaded. `dose3d.kind` in the metadata says what the network is for; without it, structures.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from ..core.errors import InputError

__all__ = ["KINDS", "SHIPPED", "WEIGHTS", "BundleFolder", "first_line", "open_folder", "shipped_bundles"]

SHIPPED = Path(__file__).parent / "shipped"
WEIGHTS = Path("models") / "model.safetensors"
KINDS = {
    "segmentation": "finds structures on a CT",
    "phase_space": "makes photons",
    "dose": "adds detail to the dose of a detector",
}
"""What networks are for, by `dose3d.kind`, in words."""


@dataclass(frozen=True)
class BundleFolder:
    """A bundle whose files are there: its folder, `configs/metadata.json` and `configs/inference.json`."""

    path: Path
    metadata: dict[str, Any]
    config: dict[str, Any]

    def weights(self) -> bytes:
        """The content of the weights' file.

        Raises
        ------
        InputError
            not readable, or not what the metadata's SHA-256 says.
        """
        return _verified_weights(self.path, self.metadata["dose3d"].get("weights_sha256"))


def shipped_bundles(kind: str = "segmentation") -> list[str]:
    """Names of the bundles of a kind that come with Dose3D."""
    found = sorted(SHIPPED.glob("*/configs/metadata.json"))
    return [path.parent.parent.name for path in found if _kind(_read_json(path)) == kind]


def open_folder(name_or_path: str | Path, kind: str) -> BundleFolder:
    """The shipped bundle of that name, or the bundle in a folder.

    Raises
    ------
    InputError
        no such bundle, an incomplete one, pickled weights, or one of another kind.
    """
    path = Path(name_or_path)
    if not path.exists() and (SHIPPED / str(name_or_path) / "configs").is_dir():
        path = SHIPPED / str(name_or_path)
    if not path.is_dir():
        raise _no_such_model(name_or_path, kind)
    _refuse_pickles(path)
    metadata = _read_json(path / "configs" / "metadata.json")
    if _kind(metadata) != kind:
        cause = f"is a model that {KINDS.get(_kind(metadata), 'does something else')}"
        raise InputError(name_or_path, cause, f"give one that {KINDS[kind]}: {', '.join(shipped_bundles(kind))}")
    return BundleFolder(path, metadata, _read_json(path / "configs" / "inference.json"))


def _no_such_model(name: str | Path, kind: str) -> InputError:
    names = shipped_bundles(kind)
    near = get_close_matches(str(name), names, n=1)
    remedy = f'did you mean "{near[0]}"?' if near else f"give a bundle's folder or one of: {', '.join(names)}"
    return InputError(name, "no such model", remedy)


def _kind(metadata: dict[str, Any]) -> str:
    own = metadata.get("dose3d")
    return str(own.get("kind", "segmentation")) if isinstance(own, dict) else "segmentation"


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


def _verified_weights(folder: Path, sha256: object) -> bytes:
    path = folder / WEIGHTS
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(path, error.strerror or "cannot be read", "get the bundle again") from error
    if hashlib.sha256(content).hexdigest() != sha256:
        raise InputError(path, "is damaged (its SHA-256 is not the one in metadata.json)", "get the bundle again")
    return content


def first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:200]
