"""The report of a review: who reviewed what and when, what a human changed, and the slices where most was changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..geometry.agreement import Agreement, SliceAgreement, lowest_slices
from ..geometry.grid import Volume
from ..geometry.mask import Mask
from ..geometry.structure import Structure, StructureSet
from .figures import ChangePanel, changes_figure, plane_text
from .html import Page, Picture, Section, Swatch, Table, write_page
from .parts import cc_text, footer, image_text, provenance_section, time_section
from .planes import PLANES, Plane, Window, make_plane

__all__ = ["ReviewReport", "change_text", "write_review_report"]

_MOST_PANELS = 6
_MOST_ROWS = 15
_MARGIN_MM = 25.0


@dataclass(frozen=True, eq=False)
class ReviewReport:
    """What the page is filled from.

    Parameters
    ----------
    volume, before, after:
        CT in Hounsfield units, structures before and after the review, on one grid.
    agreements:
        of `geometry.agreement.compare_sets(before, after)`.
    status, patient, review:
        APPROVED ...; names and values for the head of the page, of the patient and of the review.
    seconds, warnings, provenance:
        as in the report of a segmentation.
    """

    volume: Volume
    before: StructureSet
    after: StructureSet
    agreements: Sequence[Agreement]
    status: str
    patient: Mapping[str, str] = field(default_factory=dict)
    review: Mapping[str, str] = field(default_factory=dict)
    seconds: Mapping[str, float] = field(default_factory=dict)
    warnings: Sequence[str] = ()
    provenance: Mapping[str, Any] = field(default_factory=dict)


def write_review_report(path: Path, content: ReviewReport) -> None:
    """Write the report as one self-contained HTML file; replaces `path`."""
    write_page(path, review_page(content))


def review_page(content: ReviewReport) -> Page:
    """The report as a page, before it becomes HTML."""
    sections = [
        _changes_section(content),
        _slices_section(content),
        time_section(content.seconds),
        provenance_section(content.provenance),
    ]
    facts = {**content.review, **content.patient, "Image": image_text(content.volume.grid)}
    return Page(
        title="Review of structures",
        subtitle=_summary(content),
        facts=tuple((name, str(value)) for name, value in facts.items()),
        warnings=tuple(content.warnings),
        sections=tuple(section for section in sections if section is not None),
        footer=footer(content.provenance),
    )


def change_text(one: Agreement) -> str:
    """What happened to a structure, in a few words."""
    if one.state == "renamed":
        return f"renamed, was {one.former_name}"
    return {"changed": "changed", "added": "added", "removed": "removed"}.get(one.state, "unchanged")


def _summary(content: ReviewReport) -> str:
    changed = [one.name for one in content.agreements if one.is_changed]
    count = f"{len(changed)} of {len(content.agreements)} structures changed by a human"
    return f"{content.status}; {count}" + (f": {', '.join(changed)}" if changed else "")


def _changes_section(content: ReviewReport) -> Section:
    rows = tuple(_row(content, one) for one in content.agreements)
    note = (
        "Before: the structures as they were found; after: as they were reviewed. Changed is what differs by a single "
        "voxel. Dice: 1 where all voxels agree, 0 where none does. Lowest slice: where the two agree least, counted "
        "from 1, with its own Dice."
    )
    columns = ("Structure", "Change", "Dice", "Before (cc)", "After (cc)", "Added (cc)", "Removed (cc)", "Lowest slice")
    muted = frozenset(n for n, one in enumerate(content.agreements) if one.is_changed)
    return Section("Changes", (Table(columns, rows, "llrrrrrr", muted=muted, note=note),))


def _row(content: ReviewReport, one: Agreement) -> tuple[Swatch | str, ...]:
    volumes = [cc_text(value) for value in (one.before_cc, one.after_cc)]
    changes = [cc_text(value) if value else "" for value in (one.added_cc, one.removed_cc)]
    lowest = f"{one.slices[0].index + 1} ({one.slices[0].dice:.2f})" if one.slices else ""
    return Swatch(one.name, _color(content, one.name)), change_text(one), f"{one.dice:.3f}", *volumes, *changes, lowest


def _color(content: ReviewReport, name: str) -> tuple[int, int, int]:
    return (_found(content.after, name) or _found(content.before, name) or content.after.structures[0]).color


def _found(structures: StructureSet, name: str) -> Structure | None:
    return structures[name] if name in structures.names else None


def _slices_section(content: ReviewReport) -> Section | None:
    listed = lowest_slices(content.agreements)
    if not listed:
        return None
    shown = _worth_a_picture(content.agreements, listed)
    png = changes_figure(content.volume, [_panel(content, name, one) for name, one in shown])
    names = list(dict.fromkeys(name for name, _ in shown))
    legend = tuple(Swatch(name, _color(content, name)) for name in names)
    caption = "In colour: as reviewed; dashed in white: as found. First the lowest slice of each structure."
    picture = Picture(png, caption, f"{len(shown)} slices of the CT with the contours before and after", legend)
    return Section("Slices of lowest agreement", (picture, _slices_table(content, listed)))


def _slices_table(content: ReviewReport, listed: list[tuple[str, SliceAgreement]]) -> Table:
    rows = tuple(
        (Swatch(name, _color(content, name)), str(one.index + 1), f"{one.dice:.3f}", f"{one.changed_mm2:,.0f}")
        for name, one in listed[:_MOST_ROWS]
    )
    more = len(listed) - len(rows)
    note = f"The lowest {len(rows)} of {len(listed)} slices that differ; review.json has all." if more else ""
    return Table(("Structure", "Slice", "Dice", "Changed area (mm²)"), rows, "lrrr", note=note)


def _worth_a_picture(
    agreements: Sequence[Agreement], listed: list[tuple[str, SliceAgreement]]
) -> list[tuple[str, SliceAgreement]]:
    """The lowest slice of each structure, largest changes first; what room is left shows more of the lowest."""
    changed = sorted((one for one in agreements if one.slices), key=lambda one: -(one.added_cc + one.removed_cc))
    first = [(one.name, one.slices[0]) for one in changed]
    more = [pair for pair in listed if pair not in first]
    return (first + more)[:_MOST_PANELS]


def _panel(content: ReviewReport, name: str, one: SliceAgreement) -> ChangePanel:
    before, after = (_only(content, one.index, side) for side in (content.before, content.after))
    masks = [s.mask for side in (content.before, content.after) if (s := _found(side, name)) and not s.mask.is_empty]
    plane = _plane(content, one.index, _around(masks))
    text = f"{name}  \N{MIDDLE DOT}  Dice {one.dice:.2f}\n{plane_text(plane, content.volume)}"
    return ChangePanel(plane, before, after, text)


def _only(content: ReviewReport, index: int, side: StructureSet) -> StructureSet:
    """The structures that the two versions draw differently in a slice; a picture with all of them shows nothing."""
    names = {a.name for a in content.agreements if any(one.index == index for one in a.slices)}
    return StructureSet(side.grid, tuple(s for s in side if s.name in names))


def _plane(content: ReviewReport, index: int, window: Window) -> Plane:
    """The plane that lies along the image's own slices."""
    planes = (make_plane(content.volume.grid, name, index, window) for name in PLANES)
    return next(plane for plane in planes if plane.across == 0)


def _around(masks: list[Mask]) -> Window:
    grid = masks[0].grid
    window = []
    for axis, (size, spacing) in enumerate(zip(grid.shape, grid.spacing_mm, strict=True)):
        margin = round(_MARGIN_MM / spacing)
        low = min(mask.slices[axis].start for mask in masks) - margin
        window.append((max(low, 0), min(max(mask.slices[axis].stop for mask in masks) + margin, size)))
    return window[0], window[1], window[2]
