"""What a format does not hold of what is written to it, in sentences for the user."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .columns import EXTRAS
from .egs import EXACT_HISTORIES
from .peneasy import ILB
from .topas_header import OWN_EXTRAS

if TYPE_CHECKING:
    from ..write import FileFacts

__all__ = ["losses"]

_KEPT: dict[str, tuple[str, ...]] = {
    "egs-mode0": ("LATCH",),
    "egs-mode2": ("LATCH", "ZLAST"),
    "topas": tuple(OWN_EXTRAS),
    "topas-ascii": tuple(OWN_EXTRAS),
    "topas-limited": (),
    "peneasy": tuple(name for names in ILB for name in names),
    "npy": tuple(EXTRAS),
    "npz": tuple(EXTRAS),
    "root": tuple(EXTRAS),
    "mcpl": (),
}
"""Extra values that a format has a place for; IAEA has one for all."""
_HISTORY_FLAGS = "incremental history"
"""Histories since the last record: the flags and the number of histories say as much."""


def losses(form: str, facts: FileFacts) -> tuple[str, ...]:
    """Sentences on what a file of the format `form` (a key of `write.FORMATS`) will not hold."""
    found = []
    if form.startswith("egs"):
        z = facts.constants.get("z")
        where = "their planes are" if z is None else f"the plane, z = {z:g} cm, is"
        found.append(f"files of EGSnrc do not hold z: {where} written in the provenance only")
        if facts.histories is not None and facts.histories > EXACT_HISTORIES:
            found.append(
                f"files of EGSnrc hold histories as a float32: {facts.histories:,} are rounded to seven digits"
            )
    if form == "npy" and facts.histories is not None:
        found.append(f"numpy arrays do not hold original histories: {facts.histories:,} are in the provenance only")
    lost = [name for name, _ in facts.extras if name not in (*_KEPT.get(form, (name,)), _HISTORY_FLAGS)]
    if lost:
        found.append(f"this format has no place for {', '.join(lost)}: left out")
    return tuple(found)
