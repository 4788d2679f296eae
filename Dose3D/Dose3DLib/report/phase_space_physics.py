"""What original and generated photons do, as parts of the report: rings, edges of the field, nearest neighbours, dose.

They are made from the results of `phasespace.compare`; `names` are the two sides as the page calls them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .html import Table
from .photon_figures import BLUE, INK, ORANGE, new_figure, png_of, style

if TYPE_CHECKING:
    from ..phasespace.compare.edges import Edge, EdgeProfile, Edges
    from ..phasespace.compare.memorisation import Memorisation
    from ..phasespace.compare.rings import RingFigure, Rings
    from ..phasespace.compare.water_compare import DoseComparison, DoseCurve

__all__ = ["depth_dose_figure", "dose_parts", "edges_figure", "edges_parts", "gamma_figure", "memorisation_parts",
           "nearest_figure", "profiles_figure", "rings_figure", "rings_parts", "spectra_figure"]  # fmt: skip

Names = tuple[str, str]
Parts = tuple[list[tuple[str, bytes, str]], list[tuple[str, Table]]]
"""Pictures (name, PNG, caption) and tables (title, table)."""

_WITHIN = 2.0
_LEGEND = {"frameon": False, "fontsize": 7}
_MM_PER_CM = 10.0


def rings_parts(rings: Rings, names: Names) -> Parts:
    """Fluence, mean energy and spectrum in rings."""
    rows = tuple(
        (one.name, f"{one.worst:.2f}", f"{one.floor[0]:.2f}", f"{one.floor[1]:.2f}", f"{100 * one.within:.0f} %",
         one.verdict)
        for one in rings.figures
    )  # fmt: skip
    columns = ("Quantity", "Worst bin", "Floor, median", "Floor, 95 %", "Within 2 errors", "Verdict")
    note = (
        "Differences in units of their standard error (bootstrap over histories); the floor is the worst bin when "
        "halves of the original are compared in the same way."
    )
    pictures = [
        ("rings", rings_figure(rings, names), "Photons per area, as share of all, and mean energy, over the radius. "
         "Bars are one standard error, by bootstrap over histories."),
        ("spectra", spectra_figure(rings, names), "Spectrum in three zones of radius, share per MeV; below, generated "
         "minus original in standard errors, the band is two of them."),
    ]  # fmt: skip
    return pictures, [("energy and fluence over the radius", Table(columns, rows, "lrrrrl", note=note))]


def edges_parts(edges: Edges, names: Names) -> Parts:
    """Positions of 50 % and penumbras."""
    columns = ("Edge (mm)", names[0].capitalize(), names[1].capitalize(), "Difference", "Penumbra",
               names[1].capitalize(), "Difference", "Verdict")  # fmt: skip
    shape = "rectangular" if edges.field.is_rectangular else "round"
    note = (
        f"A {shape} field in the plane of the photons: {edges.verdict}. Where fluence falls to 50 % of the middle, and "
        "from 80 % to 20 %. Errors are one standard deviation, by bootstrap over histories."
    )
    rows = tuple(_edge_row(edge) for edge in edges.edges)
    caption = "Fluence across the edges of the field, relative to its middle; dotted lines at 80, 50 and 20 %."
    return [("edges", edges_figure(edges, names), caption)], [
        ("field edges", Table(columns, rows, "lrrrrrrl", note=note))
    ]


def _edge_row(edge: Edge) -> tuple[str, ...]:
    columns = (
        (edge.real, None), (edge.generated, None), (edge.difference, edge.difference_error),
        (edge.penumbra_real, None), (edge.penumbra_generated, None),
        (edge.penumbra_difference, edge.penumbra_difference_error),
    )  # fmt: skip
    return (edge.name, *(_mm(*column) for column in columns), edge.verdict)


def _mm(value: float | None, error: float | None) -> str:
    if value is None:
        return "not found"
    text = f"{_MM_PER_CM * value:.2f}" if error is None else f"{_MM_PER_CM * value:+.2f} ± {_MM_PER_CM * error:.2f}"
    return text.replace("-", "\N{MINUS SIGN}")


def memorisation_parts(found: Memorisation) -> Parts:
    """Distances to the nearest photon of train."""
    low, high = found.close_interval
    rows = (
        ("median distance to the nearest photon of train", f"{found.median_generated:.4g}", f"{found.median_test:.4g}"),
        ("as near as the nearest 1 % of test", f"{100 * found.close_share:.2f} % ({100 * low:.2f} to {100 * high:.2f})",
         "1 %"),
        ("nearer than a photon of test, probability", f"{found.nearer:.4f} ({found.nearer_interval[0]:.4f} to "
         f"{found.nearer_interval[1]:.4f})", "0.5"),
        ("photons of train, repeated", f"{found.duplicates:,}", f"{found.test_duplicates:,}"),
    )  # fmt: skip
    note = (
        f"{found.photons:,} photons of each side against {found.train_photons:,} of train, in x, y, position at the "
        "focus and log E, each in standard deviations of train. Intervals are 95 %, by bootstrap over histories."
    )
    caption = f"Distance to the nearest photon of train, share per bin: {found.verdict}."
    table = Table(("Figure", "Generated", "Test"), rows, "lrr", note=note)
    return [("memorisation", nearest_figure(found), caption)], [("memorisation", table)]


def dose_parts(dose: DoseComparison, names: Names) -> Parts:
    """Depth dose, profiles, output and gamma."""
    columns = ("Figure", "Value", "Floor, median", "Floor, 95 %", "Verdict")
    rows = tuple(
        (one.name, f"{one.value:.3g} {one.unit}", f"{one.floor.median:.3g}", f"{one.floor.high:.3g}", one.verdict)
        for one in dose.figures
    )
    band = "below, the difference in percent of the original maximum with twice its standard error as band"
    pictures = [
        ("depth-dose", depth_dose_figure(dose, names), "Dose in water per photon over depth, mean over the central "
         f"{dose.central_cm:g} x {dose.central_cm:g} cm²; {band}."),
        ("dose-profiles", profiles_figure(dose, names), f"Profiles at {dose.profile_depth_cm:g} cm depth, mean over "
         f"{dose.central_cm:g} cm across and 4 cm in depth; {band}."),
        ("gamma", gamma_figure(dose), "Gamma 3 %/3 mm, global, over x and depth, mean over the central "
         f"{dose.central_cm:g} cm in y. Noise of both sides is part of it: see its floor in the table."),
    ]  # fmt: skip
    return pictures, [("dose in water", Table(columns, rows, "lrrrl", note=_dose_note(dose)))]


def _dose_note(dose: DoseComparison) -> str:
    sides = " and ".join(f"{n:,} photons used {_times(k)}" for n, k in zip(dose.photons, dose.uses, strict=True))
    return (
        f"{dose.verdict[0].upper()}{dose.verdict[1:]}. pyRadMC, water at {dose.ssd_cm:g} cm from the focus, voxels of "
        f"{dose.voxel_cm:g} cm; {sides}. Doses are per photon of the plane, never normalised to a maximum. Percent are "
        "of the original maximum; floors are what halves of the original differ by, at the errors of the two sides. "
        "Electrons of the head are not transported."
    )


def _times(uses: int) -> str:
    return "once" if uses == 1 else f"{uses} times"


def rings_figure(rings: Rings, names: Names) -> bytes:
    """Fluence and mean energy over the radius."""
    figure = new_figure(2.6)
    for left, one, label in ((0.085, rings.fluence, "share per cm²"), (0.585, rings.energy, "mean energy (MeV)")):
        axes = figure.add_axes((left, 0.18, 0.395, 0.77))
        limits = np.array(rings.limits_cm)
        _points(axes, (limits[1:] + limits[:-1]) / 2, one, names)
        axes.set_xlabel("r (cm)")
        axes.set_ylabel(label)
        axes.set_xlim(0, limits[-1])
        style(axes)
    figure.axes[0].set_ylim(bottom=0)
    figure.axes[1].legend(**_LEGEND)
    return png_of(figure)


def _points(axes: Any, at: np.ndarray, one: RingFigure | DoseCurve, names: Names) -> None:
    """Both sides with error bars, a little apart."""
    shift = 0.08 * float(np.diff(at).min()) if len(at) > 1 else 0.0
    sides = ((one.real, one.real_error, BLUE, -shift), (one.generated, one.generated_error, ORANGE, shift))
    for (values, errors, color, aside), name in zip(sides, names, strict=True):
        axes.errorbar(at + aside, _numbers(values), _numbers(errors), fmt=".", color=color, markersize=3, linewidth=0.9,
                      capsize=1.5, capthick=0.7, label=name)  # fmt: skip


def _numbers(values: Sequence[float | None]) -> np.ndarray:
    return np.array([np.nan if value is None else value for value in values], float)


def spectra_figure(rings: Rings, names: Names) -> bytes:
    """Spectrum in each zone, and the difference below it."""
    figure = new_figure(3.4)
    limits = np.array(rings.energies_mev)
    for n, one in enumerate(rings.spectra):
        left = 0.085 + 0.315 * n
        axes = figure.add_axes((left, 0.45, 0.265, 0.47))
        for values, color, name in ((one.real, BLUE, names[0]), (one.generated, ORANGE, names[1])):
            axes.stairs(_numbers(values) / np.diff(limits), limits, color=color, linewidth=1.1, label=name)
        axes.set_title(one.name.split(", ")[1], fontsize=8, color=INK, loc="left")
        axes.tick_params(labelbottom=False)
        axes.set_ylim(bottom=0)
        below = figure.add_axes((left, 0.14, 0.265, 0.25))
        _pulls(below, limits, one)
        for panel in (axes, below):
            panel.set_xlim(limits[0], limits[-1])
            style(panel)
    figure.axes[0].set_ylabel("share per MeV")
    figure.axes[1].set_ylabel("errors")
    figure.axes[0].legend(**_LEGEND)
    return png_of(figure)


def _pulls(axes: Any, limits: np.ndarray, one: RingFigure) -> None:
    error = np.hypot(_numbers(one.real_error), _numbers(one.generated_error))
    difference = _numbers(one.generated) - _numbers(one.real)
    pull = np.divide(difference, error, out=np.full(len(error), np.nan), where=error > 0)
    axes.axhspan(-_WITHIN, _WITHIN, color="#e7edf1")
    axes.stairs(pull, limits, color=ORANGE, linewidth=1.1, baseline=None)
    reach = max(3.0, float(np.nanmax(np.abs(pull), initial=0.0)) * 1.1)
    axes.set_ylim(-reach, reach)
    axes.set_xlabel("E (MeV)")


def edges_figure(edges: Edges, names: Names) -> bytes:
    """Fluence across each edge."""
    is_one = len(edges.profiles) == 1
    figure = new_figure(2.4 if is_one else 4.4)
    for n, (profile, edge) in enumerate(zip(edges.profiles, edges.edges, strict=True)):
        place = (0.085 + 0.5 * (n % 2), 0.6 - 0.49 * (n // 2), 0.395, 0.37)
        _edge_panel(figure.add_axes((0.085, 0.2, 0.895, 0.74) if is_one else place), profile, edge, names)
    figure.axes[0].legend(**_LEGEND)
    return png_of(figure)


def _edge_panel(axes: Any, profile: EdgeProfile, edge: Edge, names: Names) -> None:
    at = np.array(profile.at_cm)
    for values, color, name in ((profile.real, BLUE, names[0]), (profile.generated, ORANGE, names[1])):
        axes.step(at, values, where="mid", color=color, linewidth=0.9, label=name)
    for level in (0.2, 0.5, 0.8):
        axes.axhline(level, color=INK, linewidth=0.5, linestyle=":")
    if edge.real is not None:
        penumbras = [one for one in (edge.penumbra_real, edge.penumbra_generated) if one is not None]
        half = max(12 * abs(float(at[1] - at[0])), *(2 * one for one in penumbras), 0.0)
        axes.set_xlim(edge.real - half, edge.real + half)
    axes.set_ylim(0, 1.35)
    axes.locator_params(axis="x", nbins=6)
    axes.set_xlabel("r (cm)" if profile.name == "radius" else f"{profile.name[0]} (cm), {profile.name[3:]} edge")
    axes.set_ylabel("relative fluence")
    style(axes)


def nearest_figure(found: Memorisation) -> bytes:
    """Histograms of the distances to train."""
    figure = new_figure(2.4)
    axes = figure.add_axes((0.085, 0.2, 0.895, 0.75))
    limits = 10 ** np.array(found.limits)
    axes.stairs(found.test, limits, color=BLUE, linewidth=1.2, label="test to train")
    axes.stairs(found.generated, limits, color=ORANGE, linewidth=1.2, label="generated to train")
    axes.set_xscale("log")
    per_decade = (1, 2, 5) if limits[-1] < 300 * limits[0] else (1,)
    axes.set_xticks([one * 10.0**power for power in range(-7, 3) for one in per_decade])
    axes.xaxis.set_major_formatter("{x:g}")
    axes.minorticks_off()
    axes.set_xlim(limits[0], limits[-1])
    axes.set_ylim(bottom=0)
    axes.set_xlabel("distance (standard deviations of train)")
    axes.set_ylabel("share")
    axes.legend(**_LEGEND, loc="upper left")
    style(axes)
    return png_of(figure)


def depth_dose_figure(dose: DoseComparison, names: Names) -> bytes:
    """Both curves, and their difference with a band of twice its error."""
    return _curves_figure([(dose.depth, "depth (cm)")], names)


def profiles_figure(dose: DoseComparison, names: Names) -> bytes:
    """Profiles along x and y, and their differences."""
    return _curves_figure([(dose.x, "x (cm)"), (dose.y, "y (cm)")], names)


def _curves_figure(curves: list[tuple[DoseCurve, str]], names: Names) -> bytes:
    figure = new_figure(3.6)
    width = 0.895 if len(curves) == 1 else 0.395
    for n, (curve, label) in enumerate(curves):
        left = 0.085 + 0.5 * n
        axes = figure.add_axes((left, 0.46, width, 0.5))
        _points(axes, np.array(curve.at_cm), curve, names)
        axes.set_ylim(bottom=0)
        axes.set_ylabel("dose per photon (fGy)")
        axes.tick_params(labelbottom=False)
        axes.legend(**_LEGEND)
        below = figure.add_axes((left, 0.13, width, 0.28))
        _difference(below, curve)
        below.set_xlabel(label)
        below.set_xlim(axes.get_xlim())
        for panel in (axes, below):
            style(panel)
    return png_of(figure)


def _difference(axes: Any, curve: DoseCurve) -> None:
    scale = 100 / max(curve.real)
    at = np.array(curve.at_cm)
    error = scale * np.hypot(curve.real_error, curve.generated_error)
    axes.fill_between(at, -_WITHIN * error, _WITHIN * error, color="#e7edf1", linewidth=0)
    axes.plot(at, scale * np.subtract(curve.generated, curve.real), ".-", color=ORANGE, markersize=3, linewidth=0.9)
    axes.axhline(0, color=INK, linewidth=0.6)
    axes.set_ylabel("difference (%)")


def gamma_figure(dose: DoseComparison) -> bytes:
    """Map of gamma; 1 is in the middle of the colours."""
    figure = new_figure(2.7)
    axes = figure.add_axes((0.085, 0.17, 0.8, 0.78))
    values = np.array([_numbers(row) for row in dose.gamma])
    across, depths = np.array(dose.across_cm), np.array(dose.depths_cm)
    half = [float(np.diff(one).mean()) / 2 if len(one) > 1 else 0.5 for one in (across, depths)]
    extent = (across[0] - half[0], across[-1] + half[0], depths[-1] + half[1], depths[0] - half[1])
    image = axes.imshow(values, cmap="RdBu_r", vmin=0, vmax=2, extent=extent, aspect="auto", interpolation="nearest")
    axes.set_xlabel("x (cm)")
    axes.set_ylabel("depth (cm)")
    style(axes, grid=False)
    bar = figure.colorbar(image, cax=figure.add_axes((0.9, 0.17, 0.02, 0.78)))
    bar.ax.tick_params(labelsize=7, colors=INK)
    bar.set_label("gamma", fontsize=8, color=INK)
    return png_of(figure)
