"""Figures of a DVH by their names of AAPM TG-263: D95%[Gy], D0.03cc[Gy], V20Gy[%], V95%[%], CV18Gy[cc], Mean[Gy].

Dn% and Dncc: the least dose of the hottest n % or n cc. VnGy and Vn%: the volume that gets at least the dose, n % being
of the prescription. CVnGy: the volume that gets less. The unit in brackets is that of the figure: Gy or % of the
prescription for a dose, % of the structure or cc for a volume; without one it is Gy, and % (of CV cc).
Source: Mayo et al., Int J Radiat Oncol Biol Phys 2018;100:1057 (AAPM TG-263), section on dose-volume metrics.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from ..core.errors import InputError
from .dvh import Dvh

__all__ = ["Figure", "Metric", "figure_of", "parse_metric"]

_NUMBER = r"(\d+(?:[.,]\d+)?)"
_FORMS = {
    "D": (re.compile(rf"D{_NUMBER}\s*(%|cc|cm3|ml)", re.IGNORECASE), ("Gy", "%")),
    "V": (re.compile(rf"V{_NUMBER}\s*(Gy|cGy|%)", re.IGNORECASE), ("%", "cc")),
    "CV": (re.compile(rf"CV{_NUMBER}\s*(Gy|cGy|%)", re.IGNORECASE), ("cc", "%")),
}
_PLAIN = {"mean": "Mean", "max": "Max", "min": "Min", "dmean": "Mean", "dmax": "Max", "dmin": "Min"}
_EXAMPLES = "write D95%[Gy], D2cc[Gy], V20Gy[%], V95%[%], CV18Gy[cc], Mean[Gy], Max[Gy], Min[Gy] or Volume[cc]"


@dataclass(frozen=True)
class Metric:
    """What is asked of a DVH.

    Parameters
    ----------
    kind:
        D, V, CV, Mean, Max, Min or Volume.
    amount, scale:
        of D: % or cc of volume; of V and CV: Gy or % of the prescription; 0 and "" for the others.
    unit:
        of the figure: Gy, % or cc.
    """

    kind: str
    amount: float
    scale: str
    unit: str

    @property
    def name(self) -> str:
        return f"{self.kind}{self.amount:g}{self.scale}" if self.scale else self.kind

    @property
    def label(self) -> str:
        return f"{self.name}[{self.unit}]"

    def text(self, value: float, sign: str = "") -> str:
        """A value as people write it: two decimals of Gy and cc, one of percent; `sign` is "+" for differences."""
        return f"{value:{sign}.{1 if self.unit == '%' else 2}f}"

    @property
    def is_dose(self) -> bool:
        return self.kind in ("D", "Mean", "Max", "Min")

    @property
    def needs_prescription(self) -> bool:
        return self.is_dose and self.unit == "%" or self.kind in ("V", "CV") and self.scale == "%"


@dataclass(frozen=True)
class Figure:
    """A value in the metric's unit, and what it can be at least and at most where a part of the dose is unknown."""

    value: float
    low: float
    high: float

    @property
    def is_sure(self) -> bool:
        return self.low == self.high


def parse_metric(text: str, what: object = "--metrics") -> Metric:
    """The metric of a name.

    Raises
    ------
    InputError
        no such name; `what` is named.
    """
    name, _, unit = text.strip().partition("[")
    name, unit = name.strip(), unit.rstrip("] ").strip()
    unit = {"cm3": "cc", "ml": "cc", "gy": "Gy", "": ""}.get(unit.lower(), unit)
    plain = _PLAIN.get(name.lower())
    if plain or name.lower() == "volume":
        allowed = ("Gy", "%") if plain else ("cc",)
        metric = Metric(plain or "Volume", 0.0, "", unit or allowed[0])
    else:
        metric, allowed = _with_number(text, name, unit, what)
    if metric.unit not in allowed:
        cause = f"'{text}' has the unit {metric.unit}, {metric.name} is in {' or '.join(allowed)}"
        raise InputError(what, cause, _EXAMPLES)
    if metric.scale == "%" and metric.kind == "D" and metric.amount > 100:
        raise InputError(what, f"'{text}' is about more than 100 % of a volume", _EXAMPLES)
    return metric


def _with_number(text: str, name: str, unit: str, what: object) -> tuple[Metric, tuple[str, ...]]:
    for kind, (form, allowed) in _FORMS.items():
        if match := form.fullmatch(name):
            amount, scale = float(match[1].replace(",", ".")), match[2].lower()
            amount = amount / 100 if scale == "cgy" else amount
            scale = {"gy": "Gy", "cgy": "Gy", "%": "%"}.get(scale, "cc")
            return Metric(kind, amount, scale, unit or allowed[0]), allowed
    raise InputError(what, f"'{text}' is no figure of a DVH", _EXAMPLES)


def figure_of(dvh: Dvh, metric: Metric, prescription: float | None = None) -> Figure | None:
    """The figure; None where it needs a prescription and there is none, or no dose is known.

    D of more cc than the structure has is its lowest dose: the hottest n cc of it are all of it.
    """
    if metric.kind == "Volume":
        return Figure(dvh.volume_cc, dvh.volume_cc, dvh.volume_cc)
    if dvh.is_empty or (metric.needs_prescription and prescription is None):
        return None
    if metric.is_dose:
        found = _dose(dvh, metric)
        scale = 100 / prescription if metric.unit == "%" else 1.0
    else:
        level = metric.amount / 100 * prescription if metric.scale == "%" else metric.amount
        found = _volume(dvh, metric, level)
        scale = 1.0
    return Figure(*(float(value * scale) for value in found))


def _dose(dvh: Dvh, metric: Metric) -> tuple[float, float, float]:
    known, unknown, total = dvh.known_cc, dvh.unknown_cc, dvh.volume_cc
    is_sure = unknown <= 0
    if metric.kind == "Mean":
        return dvh.mean, dvh.mean * known / total, dvh.mean if is_sure else np.inf
    if metric.kind == "Max":
        return dvh.maximum, dvh.maximum, dvh.maximum if is_sure else np.inf
    if metric.kind == "Min":
        return dvh.minimum, dvh.minimum if is_sure else 0.0, dvh.minimum
    share = metric.amount / 100 if metric.scale == "%" else None
    of_known = min(metric.amount, known) if share is None else share * known
    of_total = min(metric.amount, total) if share is None else share * total
    value = dvh.dose_of_volume(of_known)
    if is_sure:
        return value, value, value
    low = dvh.dose_of_volume(of_total) if of_total <= known else 0.0
    high = dvh.dose_of_volume(of_total - unknown) if of_total > unknown else np.inf
    return value, min(low, value), max(high, value)


def _volume(dvh: Dvh, metric: Metric, level: float) -> tuple[float, float, float]:
    """Of V and CV; as a share it is of the known part, its bounds are of the whole structure."""
    above = float(dvh.volume_of_dose(level))
    part = above if metric.kind == "V" else dvh.known_cc - above
    if metric.unit == "cc":
        return part, part, part + dvh.unknown_cc
    total = dvh.volume_cc
    if dvh.unknown_cc <= 0:
        return (100 * part / total,) * 3
    return 100 * part / dvh.known_cc, 100 * part / total, 100 * (part + dvh.unknown_cc) / total
