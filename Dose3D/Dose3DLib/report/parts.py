"""Parts that every report has: what image it is, where time went, how to make it again, and how numbers are written."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..geometry.grid import Grid
from .html import Bars, Facts, Section, flatten_facts
from .planes import anatomy

__all__ = ["cc_text", "footer", "image_text", "provenance_section", "time_section"]


def cc_text(volume: float) -> str:
    """Three meaningful digits below 100 cc, whole numbers above."""
    return f"{volume:,.0f}" if volume >= 100 else f"{volume:.1f}" if volume >= 10 else f"{volume:.2f}"


def image_text(grid: Grid) -> str:
    """Voxels and their size, mm."""
    k, j, i = grid.shape
    _, down, across = grid.spacing_mm
    text = f"{i} × {j} × {k} voxels of {across:.3g} × {down:.3g} × {grid.slice_distance_mm:.3g} mm"
    body = anatomy(grid)
    if body.is_oblique:
        text += f", oblique by {body.tilt_degrees:.0f}°"
    return text + (", sheared (tilted gantry)" if grid.is_sheared else "")


def time_section(seconds: Mapping[str, float]) -> Section | None:
    """Seconds by step, in order; None when nothing was timed."""
    if not seconds:
        return None
    rows = tuple((name, float(value), f"{value:.2f} s") for name, value in seconds.items())
    note = "Seconds by step, without the writing of this page; a step may include others above it."
    return Section("Where time went", (Bars(rows, note=note),))


def provenance_section(provenance: Mapping[str, Any]) -> Section | None:
    """Everything but what the page shows elsewhere."""
    if not provenance:
        return None
    shown = {k: v for k, v in provenance.items() if k not in ("seconds", "warnings")}
    intro = "How to make this result again. The same record lies beside this page as provenance.json."
    return Section("Provenance", (Facts(flatten_facts(shown)),), intro, folds=True)


def footer(provenance: Mapping[str, Any]) -> str:
    """Version and date."""
    software = provenance.get("software", {})
    version = software.get("Dose3D", "") if isinstance(software, Mapping) else ""
    return " · ".join(filter(None, (f"Dose3D {version}".strip(), str(provenance.get("made_utc", "")))))
