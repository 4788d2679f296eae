"""The report of a calibration: the steps from readings to doses, and every cell with its numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import isnan
from pathlib import Path
from typing import Any

from .html import Bars, Page, Section, Table, write_page
from .parts import footer, provenance_section, time_section

__all__ = ["SignalRow", "SignalsReport", "write_signals_report"]

_MOST_BARS = 64
"""Bars of more cells say nothing; the table has them all."""


@dataclass(frozen=True)
class SignalRow:
    """A cell; numbers are NaN where there are none. Reading and background in the readout's unit."""

    label: str
    channel: str
    state: str
    repeats: int
    raw: float
    background: float
    gy_per_unit: float
    dose_gy: float
    sd_gy: float


@dataclass(frozen=True)
class SignalsReport:
    """What the page is filled from; `steps` are names, sentences and numbers of channels."""

    steps: Sequence[tuple[str, str, int]]
    rows: Sequence[SignalRow]
    warnings: Sequence[str] = ()
    seconds: Mapping[str, float] = field(default_factory=dict)
    provenance: Mapping[str, Any] = field(default_factory=dict)


def write_signals_report(path: Path, content: SignalsReport) -> None:
    """Write the report as one self-contained HTML file; replaces `path`."""
    write_page(path, signals_page(content))


def signals_page(content: SignalsReport) -> Page:
    """The report as a page, before it becomes HTML."""
    known = [row for row in content.rows if not isnan(row.dose_gy)]
    sections = [
        _steps_section(content),
        _dose_section(known),
        _cells_section(content),
        time_section(content.seconds),
        provenance_section(content.provenance),
    ]
    facts = (("Cells", f"{len(content.rows):,}"), ("With a dose", f"{len(known):,}"))
    return Page(
        title="Doses of a detector's cells",
        subtitle="from raw readings",
        facts=facts,
        sections=tuple(section for section in sections if section is not None),
        warnings=tuple(content.warnings),
        footer=footer(content.provenance),
    )


def _steps_section(content: SignalsReport) -> Section:
    rows = tuple((f"{n}. {name}", text, f"{count:,}") for n, (name, text, count) in enumerate(content.steps, 1))
    table = Table(("Step", "What was done", "Channels"), rows, "llr")
    intro = (
        "From the readings to doses in the cells' scintillator, in this order. A cell is no tissue: how its dose is "
        "carried to the patient is another step."
    )
    return Section("Steps", (table,), intro)


def _dose_section(known: Sequence[SignalRow]) -> Section | None:
    if not 0 < len(known) <= _MOST_BARS:
        return None
    rows = tuple((row.label, row.dose_gy, _dose_text(row)) for row in known)
    return Section("Doses", (Bars(rows, note="Gy, with one standard deviation where it is known."),))


def _cells_section(content: SignalsReport) -> Section:
    columns = ("Cell", "Channel", "State", "Repeats", "Reading", "Background", "Gy per unit", "Dose (Gy)", "Error (Gy)")
    rows = tuple(
        (row.label, row.channel, row.state, str(row.repeats),
         *map(_number, (row.raw, row.background, row.gy_per_unit, row.dose_gy, row.sd_gy)))
        for row in content.rows
    )  # fmt: skip
    muted = frozenset(n for n, row in enumerate(content.rows) if isnan(row.dose_gy))
    return Section("Cells", (Table(columns, rows, "lllrrrrrr", muted),), folds=True)


def _number(value: float) -> str:
    return "" if isnan(value) else f"{value:.5g}"


def _dose_text(row: SignalRow) -> str:
    return f"{row.dose_gy:.4g}" + ("" if isnan(row.sd_gy) else f" ± {row.sd_gy:.2g}")
