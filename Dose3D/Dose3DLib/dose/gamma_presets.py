"""Criteria of gamma by name, each with its source, and criteria as people write them: "3/2" is 3 %/2 mm."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from ..core.errors import InputError
from ..geometry.gamma import GammaCriteria

__all__ = ["PRESETS", "GammaPreset", "parse_gamma"]

_PLAIN = re.compile(r"\s*(\d+(?:\.\d+)?)\s*%?\s*/\s*(\d+(?:\.\d+)?)\s*(?:mm)?\s*")
_LARGEST_PERCENT, _LARGEST_MM = 50.0, 30.0


@dataclass(frozen=True)
class GammaPreset:
    """Criteria with a name.

    Parameters
    ----------
    name:
        as it is asked for; "" for criteria without one.
    tolerance_percent, action_percent:
        pass rates below which the source looks closer, and acts; None where it sets none.
    source:
        where it is from.
    """

    name: str
    criteria: GammaCriteria
    tolerance_percent: float | None = None
    action_percent: float | None = None
    source: str = ""


PRESETS: dict[str, GammaPreset] = {
    one.name: one
    for one in (
        GammaPreset(
            "tg218",
            GammaCriteria(3.0, 2.0, threshold_percent=10.0),
            95.0,
            90.0,
            "AAPM TG-218 (Miften et al., Med Phys 45, e53, 2018): universal tolerance and action limits",
        ),
        GammaPreset(
            "tg218_tight",
            GammaCriteria(2.0, 1.0, threshold_percent=10.0),
            source="AAPM TG-218 (Miften et al., Med Phys 45, e53, 2018): tighter, to find regional errors; no limits",
        ),
        GammaPreset(
            "tg119",
            GammaCriteria(3.0, 3.0, threshold_percent=10.0),
            source="AAPM TG-119 (Ezzell et al., Med Phys 36, 5359, 2009)",
        ),
        GammaPreset(
            "dose3d",
            GammaCriteria(3.0, 1.5, is_local=True, threshold_percent=20.0),
            source="the Dose3D group's own for doses rebuilt from cells (pydose3d, gamma_index_test_3d.py)",
        ),
    )
}
"""By name."""


def parse_gamma(text: str, is_local: bool, threshold: float | None, normalisation: float | None) -> GammaPreset:
    """Criteria of a preset's name, or of "PERCENT/MM"; what else is given goes before what a preset says.

    Parameters
    ----------
    is_local:
        local gamma; a preset may be local without it.
    threshold:
        percent of the normalisation; None for that of the preset, 10 without one.
    normalisation:
        dose of 100 %; None for the highest one of the reference.

    Raises
    ------
    InputError
        neither a preset nor two numbers in their ranges; names --gamma.
    """
    preset = PRESETS.get(text.strip().lower()) or _plain(text)
    criteria = replace(preset.criteria, is_local=is_local or preset.criteria.is_local, normalisation=normalisation)
    if threshold is not None:
        criteria = replace(criteria, threshold_percent=threshold)
    if criteria != preset.criteria:  # limits are for the preset's own criteria
        return GammaPreset(preset.name, criteria, source=f"after {preset.source}" if preset.source else "")
    return preset


def _plain(text: str) -> GammaPreset:
    match = _PLAIN.fullmatch(text)
    remedy = f"give percent and mm such as 3/2, or one of {', '.join(PRESETS)}"
    if match is None:
        raise InputError("--gamma", f'"{text}" is no criterion', remedy)
    percent, distance = float(match[1]), float(match[2])
    if not (0 < percent <= _LARGEST_PERCENT and 0 < distance <= _LARGEST_MM):
        cause = f'"{text}" is not above 0 and up to {_LARGEST_PERCENT:g} % and {_LARGEST_MM:g} mm'
        raise InputError("--gamma", cause, remedy)
    return GammaPreset("", GammaCriteria(percent, distance))
