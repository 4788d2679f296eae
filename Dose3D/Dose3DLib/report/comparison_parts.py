"""Tables and pictures of rings, edges, memorisation and dose for the report of a comparison of photons."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from .comparison_figures import Curve, curves_figure, floors_figure, histogram_figure
from .html import Table
from .phase_space_compare import label_of

if TYPE_CHECKING:
    from ..phasespace.compare.edges import Edges
    from ..phasespace.compare.floor import Figure
    from ..phasespace.compare.memorisation import Memorisation
    from ..phasespace.compare.rings import RingFigure, Rings
    from ..phasespace.compare.water_compare import DoseComparison

__all__ = ["dose_picture", "edges_picture", "edges_table", "figures_picture", "memorisation_picture", "rings_picture",
           "rings_rows"]  # fmt: skip

Shown = tuple[str, bytes, str]
"""Title, PNG, caption."""

_NAMES = ("original", "generated")


def figures_picture(figures: Sequence[Figure], title: str) -> Shown:
    """Every distance with a floor as a dot over the floor's band; correlations one by one are left to the table."""
    rows = []
    for figure in figures:
        if figure.floor is None or figure.floor.median - figure.base <= 0 or figure.group == "correlations":
            continue
        given = " (by construction)" if figure.by_construction else ""
        kind = f"{figure.name.split(' ')[0]} " if figure.group == "marginals" and "worst" not in figure.name else ""
        offsets = (figure.value, figure.floor.median, figure.floor.high)
        rows.append((f"{kind}{label_of(figure.name)}{given}", *(value - figure.base for value in offsets)))
    caption = "Each figure over the median of real against real; blue dots are at the floor."
    return "figures", floors_figure(rows, title), caption


def rings_rows(rings: Rings) -> list[tuple[str, str]]:
    """(what, verdict) for each figure of the rings."""
    return [(f"Rings: {one.name}", f"{one.verdict}; {100 * one.within:.0f} % of the bins within two standard errors")
            for one in rings.figures]  # fmt: skip


def rings_picture(rings: Rings) -> Shown:
    """Fluence and mean energy against radius, and the spectra of the zones."""
    middles = _middles(rings.limits_cm)
    panels = [("r (cm)", f"{one.name} ({one.unit})", _pair(one, middles)) for one in (rings.fluence, rings.energy)]
    energies = _middles(rings.energies_mev)
    panels += [("E (MeV)", one.name, _pair(one, energies)) for one in rings.spectra]
    caption = "Rings around the middle of the field, with standard errors by bootstrap over histories."
    return "rings", curves_figure(panels), caption


def _pair(figure: RingFigure, places: list[float]) -> list[Curve]:
    sides = ((figure.real, figure.real_error), (figure.generated, figure.generated_error))
    return [(name, places, *side) for name, side in zip(_NAMES, sides, strict=True)]


def _middles(limits: Sequence[float]) -> list[float]:
    return [(low + high) / 2 for low, high in zip(limits[:-1], limits[1:], strict=True)]


def edges_table(edges: Edges) -> Table:
    """Edges and penumbras, mm."""
    rows = tuple(
        (one.name, _mm(one.real), _mm(one.generated), _mm(one.difference, one.difference_error),
         _mm(one.penumbra_real), _mm(one.penumbra_generated),
         _mm(one.penumbra_difference, one.penumbra_difference_error), one.verdict)
        for one in edges.edges
    )  # fmt: skip
    columns = ("Edge (mm)", "Real", "Generated", "Difference", "Penumbra, real", "Generated", "Difference", "Verdict")
    note = f"50 % of the central fluence, and 80 to 20 %; same within {10 * edges.limit_cm:g} mm. {edges.verdict}."
    return Table(columns, rows, "lrrrrrrl", note=note)


def _mm(value: float | None, error: float | None = None) -> str:
    if value is None:
        return "not found"
    text = f"{10 * value:.2f}" + ("" if error is None else f" ± {10 * error:.2f}")
    return text.replace("-", "\N{MINUS SIGN}")


def edges_picture(edges: Edges) -> Shown:
    """Fluence across each edge."""
    panels = []
    for one in edges.profiles:
        curves = [(name, one.at_cm, side, None) for name, side in zip(_NAMES, (one.real, one.generated), strict=True)]
        panels.append(("place (cm)", f"fluence, {one.name}", curves))
    return "edges", curves_figure(panels), "Fluence across the edges of the field, relative to its centre."


def memorisation_picture(found: Memorisation) -> Shown:
    """Distances to the nearest photon of train."""
    sides = (("real, never trained on", found.test), ("generated", found.generated))
    titles = ("log10 of the distance to the nearest photon of train", "share of the photons")
    return "memorisation", histogram_figure(found.limits, sides, titles), found.verdict


def dose_picture(dose: DoseComparison) -> Shown:
    """Depth dose and profiles, per photon."""
    titles = {"depth": "depth in water (cm)", "x": "x (cm)", "y": "y (cm)"}
    panels = []
    for one in (dose.depth, dose.x, dose.y):
        sides = ((one.real, one.real_error), (one.generated, one.generated_error))
        curves = [(name, one.at_cm, *side) for name, side in zip(_NAMES, sides, strict=True)]
        panels.append((titles[one.name], "dose (fGy a photon)", curves))
    caption = (
        f"Dose in water at SSD {dose.ssd_cm:g} cm per photon of the plane; depth dose over the central "
        f"{dose.central_cm:g} cm, profiles at {dose.profile_depth_cm:g} cm. {dose.verdict}."
    )
    return "dose", curves_figure(panels), caption
