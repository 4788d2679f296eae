"""The list of models: light, so that menus need no torch. A new model is one file here, and one line."""

from __future__ import annotations

from difflib import get_close_matches
from importlib import import_module
from typing import TYPE_CHECKING

from ...core.errors import InputError

if TYPE_CHECKING:
    from .base import GenerativeModel

__all__ = ["MODELS", "model_class"]

MODELS: dict[str, tuple[str, str]] = {
    "flow": ("flow", "Flow"),
    "distilled": ("distilled", "Distilled"),
    "beta-vae": ("vae", "BetaVAE"),
    "mkmmd-vae": ("vae", "MKMMD_VAE"),
    "mmd-wae": ("vae", "MMD_WAE"),
    "info-vae": ("vae", "InfoVAE"),
    "gan": ("wgan_gp", "WganGp"),
}
"""Name -> file of this folder, class."""


def model_class(name: str) -> type[GenerativeModel]:
    """The class of a model; loads torch.

    Raises
    ------
    InputError
        no such model; the nearest name is given.
    """
    if name not in MODELS:
        near = get_close_matches(name, MODELS, n=1)
        remedy = f'did you mean "{near[0]}"?' if near else f"choose from {', '.join(MODELS)}"
        raise InputError(name, "is no model", remedy)
    file, kind = MODELS[name]
    return getattr(import_module(f"{__package__}.{file}"), kind)
