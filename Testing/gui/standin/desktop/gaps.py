"""What the real classes offer and the stand-in lacks: asked for, it says so instead of looking absent."""

from __future__ import annotations

from standin.pythonqt import StandInGap, light_class

from .known_names import KNOWN


class Gap:
    """An attribute that raises StandInGap."""

    def __init__(self, owner: str, name: str):
        self.owner, self.name = owner, name

    def __get__(self, wrapper, owner=None):
        raise StandInGap(f"{self.owner}.{self.name} is not in the stand-in")


def shown_class(native: type) -> type:
    """The wrapper class of a native class; names of the real one that are missing become gaps."""
    cls = light_class(native)
    for name in KNOWN.get(native.__name__, "").split():
        if name not in vars(cls):
            setattr(cls, name, Gap(native.__name__, name))
    return cls
