"""The report of a comparison of photons: what decides whether a model is as good as more simulation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .comparison_figures import floors_figure
from .html import Facts, Page, Picture, Section, Table, write_page
from .parts import footer, provenance_section, time_section

if TYPE_CHECKING:
    from ..phasespace.compare.floor import Figure, Floor

__all__ = [
    "LABELS",
    "ComparisonReport",
    "ModelPart",
    "comparison_page",
    "figures_picture",
    "label_of",
    "write_comparison_report",
]

LABELS: dict[str, str] = {
    "AUC six": "AUC, six variables",
    "AUC physics": "AUC, physics features",
    "sliced W1": "Sliced W1, six variables",
    "MMD six": "MMD, six variables",
    "MMD physics": "MMD, physics features",
    "map x-y": "Map X-Y",
    "map x-u": "Map X-dX",
    "map energy-r": "Map E-r",
    "correlation worst": "Worst correlation",
    "W1 worst": "Worst W1 of the six",
    "KS worst": "Worst KS of the six",
    "mean energy": "Mean energy",
    "scattered mean energy": "Mean energy of scattered",
    "spot sigma x": "Spot sigma in x",
    "spot sigma y": "Spot sigma in y",
    "511 keV window": "Within 510 to 512 keV",
    "511 keV exact": "Exactly 511 keV",
    "scattered share": "Scattered (8 sigma off the spot)",
    "impossible photons": "Impossible (E or dZ not above 0)",
}
"""What figures are called on the page."""

_VARIABLES = {"x": "X", "y": "Y", "u": "dX", "v": "dY", "w": "dZ", "energy": "E", "r": "r", "worst": "worst"}
_COLUMNS = ("AUC physics", "AUC six", "sliced W1", "MMD physics", "W1 worst", "KS worst", "511 keV window")
_GIVEN = "right by construction"
_SMALLEST = 1e-5


@dataclass(frozen=True, eq=False)
class ModelPart:
    """What the page says about one generated side.

    Parameters
    ----------
    name:
        of the file or the model.
    figures:
        beside their floors.
    verdicts:
        (what, verdict) of rings, edges, memorisation, dose ...
    pictures:
        (title, PNG, caption), in order.
    tables:
        (title, table) of edges and the like.
    facts:
        names and values: photons, what it is.
    decoded:
        (label, value, floor) of original against decoded; none where the network has no encoder.
    decoded_pictures:
        as `pictures`, of original against decoded.
    """

    name: str
    figures: Sequence[Figure]
    verdicts: Sequence[tuple[str, str]] = ()
    pictures: Sequence[tuple[str, bytes, str]] = ()
    tables: Sequence[tuple[str, Table]] = ()
    facts: Mapping[str, str] = field(default_factory=dict)
    decoded: Sequence[tuple[str, float, Floor]] = ()
    decoded_pictures: Sequence[tuple[str, bytes, str]] = ()


@dataclass(frozen=True, eq=False)
class ComparisonReport:
    """What the page is filled from.

    Parameters
    ----------
    real:
        name of the real side.
    facts:
        names and values for the head of the page.
    floor:
        a sentence about where the floor comes from.
    floors:
        of each figure, as given (shares as fractions).
    models:
        one part each, best first.
    naive:
        figures of the naive generators, by their names.
    ranks:
        mean rank of models and naive generators, best first.
    """

    real: str
    facts: Mapping[str, str]
    floor: str
    floors: Mapping[str, Floor]
    models: Sequence[ModelPart]
    naive: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    ranks: Mapping[str, float] = field(default_factory=dict)
    seconds: Mapping[str, float] = field(default_factory=dict)
    warnings: Sequence[str] = ()
    provenance: Mapping[str, Any] = field(default_factory=dict)


def write_comparison_report(path: Path, content: ComparisonReport) -> None:
    """Write the report as one self-contained HTML file; replaces `path`."""
    write_page(path, comparison_page(content))


def comparison_page(content: ComparisonReport) -> Page:
    """The report as a page, before it becomes HTML."""
    several = len(content.models) > 1
    sections = [_verdict_section(content)]
    for part in content.models:
        sections += _model_sections(part, f"{part.name}: " if several else "")
    sections += [time_section(content.seconds), provenance_section(content.provenance)]
    return Page(
        title="Generated against real photons",
        subtitle=f"{', '.join(part.name for part in content.models)} against {content.real}",
        facts=tuple(content.facts.items()),
        warnings=tuple(content.warnings),
        sections=tuple(section for section in sections if section is not None),
        footer=footer(content.provenance),
    )


def label_of(name: str) -> str:
    """A figure's name for readers."""
    if name in LABELS:
        return LABELS[name]
    kind, *variables = name.split(" ")
    if not variables or any(one not in _VARIABLES for one in variables):
        return name
    words = " - ".join(_VARIABLES[one] for one in variables)
    return f"{words}" if kind in ("W1", "KS") else f"{kind.capitalize()} {words}"


def figures_picture(figures: Sequence[Figure], title: str) -> tuple[str, bytes, str]:
    """Every figure with a floor as a dot over the floor's band; correlations one by one are left to the table."""
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


def _verdict_section(content: ComparisonReport) -> Section:
    """All models in the order of their rank, with the naive ones, under what real against real gives."""
    shown = [name for name in _COLUMNS if name in content.floors]
    scale = {name: 100.0 if name.startswith("511") else 1.0 for name in shown}
    floor = ("real against real, 95th percentile", "", *(_of(n, scale[n] * content.floors[n].high) for n in shown), "")
    rows, values, at_floor = [floor], dict(content.naive), {}
    for part in content.models:
        values[part.name] = {figure.name: figure.value / scale.get(figure.name, 1.0) for figure in part.figures}
        judged = [figure for figure in part.figures if figure.at_floor is not None and not figure.by_construction]
        at_floor[part.name] = f"{sum(figure.at_floor for figure in judged)} of {len(judged)}"
    for name in content.ranks:
        figures = [_of(one, scale[one] * values[name][one]) if one in values[name] else "" for one in shown]
        rows.append((name, f"{content.ranks[name]:.2g}", *figures, at_floor.get(name, "")))
    titles = ("Photons", "Mean rank", *map(_short, shown), "At the floor")
    note = (
        "Smaller is better; AUC 0.5 cannot be told from real. The mean rank is over joint figures only: marginals "
        "that are right by construction don't decide. 511 keV: difference of the share in 510 to 512 keV, percent."
    )
    return Section("Verdict", (Table(titles, tuple(rows), "lr" + "r" * len(shown) + "r", note=note),), content.floor)


def _short(name: str) -> str:
    words = {"AUC physics": "AUC physics", "AUC six": "AUC six", "W1 worst": "Worst W1", "KS worst": "Worst KS"}
    return {**words, "sliced W1": "Sliced W1", "MMD physics": "MMD", "511 keV window": "511 keV"}.get(name, name)


def _model_sections(part: ModelPart, prefix: str) -> list[Section]:
    """Figures, pictures, and original against decoded."""
    blocks: list[Any] = [Facts(tuple(part.facts.items()))] if part.facts else []
    blocks += [_joint_table(part.figures), _marginals_table(part.figures)]
    blocks += [_properties_table(part.figures, "properties"), _verdicts_table(part.verdicts)]
    sections = [Section(f"{prefix}figures", tuple(block for block in blocks if block is not None))]
    correlations = _properties_table(part.figures, "correlations")
    sections += [Section(f"{prefix}correlations", (correlations,), folds=True)] if correlations else []
    sections += [Section(f"{prefix}{title}", (table,)) for title, table in part.tables]
    if part.pictures:
        sections.append(Section(f"{prefix}original against generated", _pictures(part.pictures)))
    if part.decoded:
        blocks = (_decoded_table(part), *_pictures(part.decoded_pictures))
        intro = "Real photons through encoder and decoder: what the bottleneck of the network loses."
        sections.append(Section(f"{prefix}original against decoded", blocks, intro))
    return [_capitalised(section) for section in sections]


def _capitalised(section: Section) -> Section:
    title = section.title[0].upper() + section.title[1:] if ": " not in section.title else section.title
    return Section(title, section.blocks, section.intro, section.folds)


def _pictures(pictures: Sequence[tuple[str, bytes, str]]) -> tuple[Picture, ...]:
    return tuple(Picture(png, caption, title) for title, png, caption in pictures)


def _joint_table(figures: Sequence[Figure]) -> Table | None:
    chosen = [figure for figure in figures if figure.group == "joint"]
    rows = tuple(
        (label_of(f.name), _of(f.name, f.value), _interval(f), *_floor(f), f.verdict) for f in chosen
    )  # fmt: skip
    columns = ("Joint figure", "Value", "95 % interval or p", "Floor, median", "95th percentile", "Verdict")
    note = (
        "W1 in standard deviations of the real side; maps: share of photons in other pixels (total variation); worst "
        "correlation: largest difference of a Pearson coefficient. p by permutation of blocks of histories."
    )
    return Table(columns, rows, "lrrrrl", note=note) if rows else None


def _marginals_table(figures: Sequence[Figure]) -> Table | None:
    by_name = {figure.name: figure for figure in figures if figure.group == "marginals"}
    rows = []
    for name, label in _VARIABLES.items():
        pair = [by_name.get(f"{kind} {name}") for kind in ("W1", "KS")]
        if None in pair:
            continue
        cells = [cell for f in pair for cell in (_number(f.value), _number(f.floor.high), f.verdict)]
        given = any(figure.by_construction for figure in pair)
        rows.append((f"{label} ({_GIVEN})" if given else label, *cells))
    muted = frozenset(n for n, row in enumerate(rows) if _GIVEN in row[0])
    columns = ("Marginal", "W1", "Floor, 95 %", "Verdict", "KS", "Floor, 95 %", "Verdict")
    note = "W1 in standard deviations of the real side; the worst is of the six variables, without r."
    note += " Marked rows are right whatever the network learned: they say nothing about it." if muted else ""
    return Table(columns, tuple(rows), "lrrlrrl", muted, note) if rows else None


def _properties_table(figures: Sequence[Figure], group: str) -> Table | None:
    """Real, generated and their difference with all photons; what draws of the floor's size say, too."""
    rows = tuple(
        (_property_label(f), _number(f.real, 4), _number(f.generated, 4),
         f"{_number(f.generated - f.real, 2)} ± {_number(f.error, 2)}", f.error_verdict, f.floor_verdict)
        for f in figures if f.group == group
    )  # fmt: skip
    columns = (group.capitalize(), "Real", "Generated", "Difference", "All photons", "Draws")
    note = (
        "Values of all photons on both sides; the error of the difference by bootstrap over histories, within error is "
        "two of it. Draws: the difference in draws of the floor's size against that of real draws."
    )
    muted = frozenset(n for n, row in enumerate(rows) if row[0].endswith(_GIVEN))
    return Table(columns, rows, "lrrrll", muted, note) if rows else None


def _property_label(figure: Figure) -> str:
    unit = f" ({figure.unit})" if figure.unit else ""
    return f"{label_of(figure.name)}{unit}" + (f", {_GIVEN}" if figure.by_construction else "")


def _verdicts_table(verdicts: Sequence[tuple[str, str]]) -> Table | None:
    return Table(("Also", "Verdict"), tuple(verdicts), "ll") if verdicts else None


def _decoded_table(part: ModelPart) -> Table:
    rows = tuple(
        (label, _number(value), _number(floor.median), _number(floor.high)) for label, value, floor in part.decoded
    )
    return Table(("Original against decoded", "Value", "Floor, median", "95th percentile"), rows, "lrrr")


def _floor(figure: Figure) -> tuple[str, str]:
    floor = figure.floor
    return ("", "") if floor is None else (_of(figure.name, floor.median), _of(figure.name, floor.high))


def _interval(figure: Figure) -> str:
    if figure.interval is not None:
        return f"{figure.interval[0]:.4f} to {figure.interval[1]:.4f}"
    return "" if figure.p is None else f"p {figure.p:.3f}"


def _number(value: float | None, digits: int = 3) -> str:
    if value is None:
        return ""
    if value != 0 and abs(value) < _SMALLEST:
        return f"< {_SMALLEST:g}"
    return f"{value:.{digits}g}".replace("-", "\N{MINUS SIGN}")


def _of(name: str, value: float) -> str:
    """Areas with four decimals: their differences are small and their size is not."""
    return f"{value:.4f}" if name.startswith("AUC") else _number(value)
