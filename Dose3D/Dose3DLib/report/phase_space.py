"""The report of a phase space: what its header says, how many particles of which kind, where they go."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .html import Facts, Page, Picture, Section, Table, write_page
from .parts import footer, provenance_section, time_section

if TYPE_CHECKING:
    from ..phasespace.focus_curve import FocusCurve
    from ..phasespace.phase_space import PhaseSpace
    from ..phasespace.summary import Summary

__all__ = ["PhaseSpaceReport", "phase_space_page", "write_phase_space_report"]

_DPI = 150
_INK = "#1b2733"
_BLUE, _BROWN = "#2f6f8f", "#b5651d"
_LONGEST_TEXT = 400
_FWHM = 2.3548


@dataclass(frozen=True, eq=False)
class PhaseSpaceReport:
    """What the page is filled from.

    Parameters
    ----------
    source, summary:
        the open file and what was found in it.
    extent:
        which part of the file the summary is of, a sentence.
    seconds, warnings, provenance:
        as in the other reports.
    focus:
        where the photons seem to come from, None where that is not known.
    """

    source: PhaseSpace
    summary: Summary
    extent: str
    seconds: Mapping[str, float] = field(default_factory=dict)
    warnings: Sequence[str] = ()
    provenance: Mapping[str, Any] = field(default_factory=dict)
    focus: FocusCurve | None = None


def write_phase_space_report(path: Path, content: PhaseSpaceReport) -> None:
    """Write the report as one self-contained HTML file; replaces `path`."""
    write_page(path, phase_space_page(content))


def phase_space_page(content: PhaseSpaceReport) -> Page:
    """The report as a page, before it becomes HTML."""
    sections = [
        _particles_section(content),
        _pictures_section(content),
        _focus_section(content.focus),
        _layout_section(content),
        _header_section(content),
        time_section(content.seconds),
        provenance_section(content.provenance),
    ]
    source = content.source
    histories = "unknown" if source.histories is None else f"{source.histories:,}"
    facts = {
        "File": source.files[0].name.encode("utf-8", "replace").decode("utf-8"),
        "Format": source.kind,
        "Particles in the file": f"{source.count:,}",
        "Primary histories simulated": histories,
        "Coordinate system": source.coordinate_system or "the file does not say",
    }
    return Page(
        title="Phase space",
        subtitle=source.title,
        facts=tuple(facts.items()),
        warnings=tuple(content.warnings),
        sections=tuple(section for section in sections if section is not None),
        footer=footer(content.provenance),
    )


def _particles_section(content: PhaseSpaceReport) -> Section:
    summary = content.summary
    rows = tuple(
        (name, f"{one.count:,}", f"{100 * one.count / summary.count:.3g} %", f"{one.weight:.6g}",
         f"{one.mean_mev:.4g}", f"{one.lowest_mev:.4g}", f"{one.highest_mev:.4g}")
        for name, one in summary.species.items()
    )  # fmt: skip
    columns = ("Species", "Records", "Share", "Sum of weights", "Mean E (MeV)", "Lowest (MeV)", "Highest (MeV)")
    note = f"{summary.new_histories:,} records start a primary history. Energies are kinetic; the mean is weighted."
    units = {"x": " (cm)", "y": " (cm)", "z": " (cm)"}
    ranges = tuple((f"{name}{units.get(name, '')}", f"{low:.5g}", f"{high:.5g}")
                   for name, (low, high) in summary.ranges.items())  # fmt: skip
    blocks = (Table(columns, rows, "lrrrrrr", note=note), Table(("Variable", "Lowest", "Highest"), ranges, "lrr"))
    return Section("Particles", blocks, content.extent)


def _pictures_section(content: PhaseSpaceReport) -> Section | None:
    summary = content.summary
    if not summary.spectrum.values.any():
        return None
    what = "photons" if summary.shown == "photon" else "all particles"
    captions = (
        f"Energy of the {what}, share per MeV, weighted.",
        f"Angle between direction and z axis of the {what}, share per degree, weighted.",
        f"Fluence of the {what} over the plane of the file, per area, relative to the mean of the filled pixels; "
        "profiles through a band in the middle.",
    )
    pictures = (_spectrum_figure(summary), _theta_figure(summary), _fluence_figure(summary))
    alts = ("spectrum", "angles", "fluence")
    return Section("Beam", tuple(Picture(*parts) for parts in zip(pictures, captions, alts, strict=True)))


def _focus_section(focus: FocusCurve | None) -> Section | None:
    """Where straight paths back are closest together; in a clean beam that is the spot on the target."""
    if focus is None:
        return None
    lead = f"{focus.photons:,} photons, followed back along straight lines."
    if focus.is_parallel:
        return Section("Focus", (), f"{lead} Their paths do not come closer together within 10 m.")
    rows = (
        ("Plane where they are closest together, z", f"{focus.best_z:.3g} cm"),
        ("Robust sigma in x, y in that plane", f"{focus.best_x:.4f}, {focus.best_y:.4f} cm"),
        ("The same as FWHM of a normal distribution", f"{_FWHM * focus.best_x:.4f}, {_FWHM * focus.best_y:.4f} cm"),
        ("Centre x, y in that plane", f"{focus.centre[0]:.4f}, {focus.centre[1]:.4f} cm"),
        *((f"Within {limit:g} cm of the centre", f"{100 * share:.1f} %") for limit, share in focus.within.items()),
    )
    caption = (
        "Left: robust sigma (from the quartiles) of the positions in planes around the best one. Right: positions in "
        "the best plane around their centre, share per cm; what is far out was scattered on the way."
    )
    return Section("Focus", (Facts(rows), Picture(_focus_figure(focus), caption, "focus")), lead)


def _layout_section(content: PhaseSpaceReport) -> Section:
    rows = content.source.layout
    return Section("Record", (Table(("Field", "Type", "Meaning, or value of a constant"), rows, "lll"),))


def _header_section(content: PhaseSpaceReport) -> Section | None:
    rows = tuple((name, _short(text)) for name, text in content.source.header.items() if name != "TITLE")
    return Section("Header", (Facts(rows),), "What else the file says about itself.", folds=True) if rows else None


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= _LONGEST_TEXT else text[:_LONGEST_TEXT] + " ..."


def _spectrum_figure(summary: Summary) -> bytes:
    histogram = summary.spectrum
    share = histogram.values / (histogram.values.sum() or 1.0) / np.diff(histogram.edges)
    return _steps(histogram.edges, share, "energy (MeV)", "share per MeV")


def _theta_figure(summary: Summary) -> bytes:
    histogram = summary.theta
    filled = np.flatnonzero(histogram.values)
    cut = slice(max(0, filled[0] - 1), filled[-1] + 2) if filled.size else slice(None)
    edges = histogram.edges[cut.start : cut.start + len(histogram.values[cut]) + 1]
    share = histogram.values[cut] / (histogram.values.sum() or 1.0) / np.diff(edges)
    return _steps(edges, share, "angle to the z axis (degrees)", "share per degree", logarithmic=True)


def _steps(edges: np.ndarray, values: np.ndarray, x: str, y: str, logarithmic: bool = False) -> bytes:
    figure = _figure(7.1, 2.6)
    axes = figure.add_axes((0.09, 0.19, 0.89, 0.77))
    axes.stairs(values, edges, color=_BLUE, linewidth=1.2, fill=not logarithmic, alpha=1.0 if logarithmic else 0.85)
    if logarithmic:
        axes.set_yscale("log")
    else:
        axes.set_ylim(0, None)
    axes.set_xlim(edges[0], edges[-1])
    axes.set_xlabel(x, fontsize=8, color=_INK)
    axes.set_ylabel(y, fontsize=8, color=_INK)
    axes.tick_params(labelsize=7, colors=_INK)
    axes.grid(color="#dde3e8", linewidth=0.6)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    return _png(figure)


def _fluence_figure(summary: Summary) -> bytes:
    """The map, and beside it its profiles through the middle."""
    figure = _figure(7.1, 3.1)
    axes = figure.add_axes((0.07, 0.15, 0.38, 0.82))
    filled = summary.fluence[summary.fluence > 0]  # none where all weights are zero or negative
    shown = summary.fluence / (filled.mean() if filled.size else 1.0)
    limit = float(np.percentile(shown[shown > 0], 99.5)) if filled.size else 1.0
    extent = (summary.x_edges[0], summary.x_edges[-1], summary.y_edges[0], summary.y_edges[-1])
    image = axes.imshow(shown.T, origin="lower", extent=extent, cmap="viridis", vmin=0, vmax=limit, aspect="equal")
    axes.set_xlabel("x (cm)", fontsize=8, color=_INK)
    axes.set_ylabel("y (cm)", fontsize=8, color=_INK)
    axes.tick_params(labelsize=7, colors=_INK)
    bar = figure.colorbar(image, cax=figure.add_axes((0.465, 0.15, 0.02, 0.82)))
    bar.ax.tick_params(labelsize=7, colors=_INK)
    _profiles(figure.add_axes((0.59, 0.15, 0.39, 0.82)), summary, shown)
    return _png(figure)


def _profiles(axes: Any, summary: Summary, shown: np.ndarray) -> None:
    """Means over a band of a tenth of the map on both sides of its middle."""
    count = shown.shape[0]
    band = slice(count // 2 - count // 20, count // 2 + count // 20)
    along_x, along_y = shown[:, band].mean(axis=1), shown[band].mean(axis=0)
    axes.stairs(along_x, summary.x_edges, color=_BLUE, linewidth=1.1, label="along x")
    axes.stairs(along_y, summary.y_edges, color=_BROWN, linewidth=1.1, label="along y")
    axes.set_xlabel("x or y (cm)", fontsize=8, color=_INK)
    axes.set_ylabel("relative fluence", fontsize=8, color=_INK)
    axes.set_ylim(0, 1.05 * max(along_x.max(), along_y.max(), 0.0) or 1.0)
    axes.tick_params(labelsize=7, colors=_INK)
    axes.grid(color="#dde3e8", linewidth=0.6)
    axes.legend(fontsize=7, frameon=False, loc="lower center")


def _focus_figure(focus: FocusCurve) -> bytes:
    figure = _figure(7.1, 2.8)
    axes = figure.add_axes((0.09, 0.18, 0.39, 0.78))
    axes.axvline(focus.best_z, color="#8895a0", linewidth=0.9, linestyle="--")
    for sigma, color, name in ((focus.sigma_x, _BLUE, "x"), (focus.sigma_y, _BROWN, "y")):
        axes.plot(focus.z, sigma, color=color, linewidth=1.2, label=name)
    axes.set_ylim(0, 1.05 * max(focus.sigma_x.max(), focus.sigma_y.max()) or 1.0)
    _label(axes, "z of the plane (cm)", "robust sigma (cm)")
    axes = figure.add_axes((0.59, 0.18, 0.39, 0.78))
    for shares, color, name in ((focus.spot_x, _BLUE, "x"), (focus.spot_y, _BROWN, "y")):
        axes.stairs(np.maximum(shares, 1e-9), focus.spot_edges, color=color, linewidth=1.1, label=name)
    axes.set_yscale("log")
    shown = np.concatenate([focus.spot_x, focus.spot_y])
    axes.set_ylim(0.5 * shown[shown > 0].min(), None)
    _label(axes, "position in the best plane (cm)", "share per cm")
    return _png(figure)


def _label(axes: Any, x: str, y: str) -> None:
    axes.set_xlabel(x, fontsize=8, color=_INK)
    axes.set_ylabel(y, fontsize=8, color=_INK)
    axes.tick_params(labelsize=7, colors=_INK)
    axes.grid(color="#dde3e8", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.legend(fontsize=7, frameon=False)


def _figure(width: float, height: float) -> Any:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=_DPI, facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def _png(figure: Any) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", pil_kwargs={"compress_level": 3})
    return buffer.getvalue()
