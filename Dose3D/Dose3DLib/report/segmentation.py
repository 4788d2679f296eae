"""The report of a segmentation: contours on the CT, volumes, a 3-D picture, time, warnings, provenance."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..geometry.grid import Volume
from ..geometry.structure import Structure, StructureSet
from .figures import axial_figure, choose_planes, overview_figure, shown_names
from .html import Columns, Facts, Page, Picture, Section, Swatch, Table, flatten_facts, write_page
from .parts import cc_text, footer, image_text, provenance_section, time_section
from .planes import Plane, anatomy

__all__ = ["SegmentationReport", "write_segmentation_report"]

_NOT_FOUND = "not found"


@dataclass(frozen=True, eq=False)
class SegmentationReport:
    """What the page is filled from.

    Parameters
    ----------
    volume, structures:
        CT in Hounsfield units and the structures, on one grid; an empty structure is listed as not found.
    title:
        of the page.
    patient:
        names and values for the head of the page (patient, study, series ...), in order.
    picture_3d, picture_note:
        a PNG of the surfaces, or why there is none; with a picture the note is its caption.
    seconds:
        by step, in order.
    warnings:
        sentences for the reader, shown first.
    provenance:
        nested dictionary, shown at the end.
    quality:
        figures by structure (`{"Brainstem": {"Dice": 0.9}}`) or by name (`{"mean Dice": 0.8}`); None for none.
    """

    volume: Volume
    structures: StructureSet
    title: str
    patient: Mapping[str, str] = field(default_factory=dict)
    picture_3d: Path | None = None
    picture_note: str = ""
    seconds: Mapping[str, float] = field(default_factory=dict)
    warnings: tuple[str, ...] | list[str] = ()
    provenance: Mapping[str, Any] = field(default_factory=dict)
    quality: Mapping[str, Any] | None = None


def write_segmentation_report(path: Path, content: SegmentationReport) -> None:
    """Write the report as one self-contained HTML file; replaces `path`."""
    write_page(path, segmentation_page(content))


def segmentation_page(content: SegmentationReport) -> Page:
    """The report as a page, before it becomes HTML."""
    overview, axial = choose_planes(content.volume, content.structures)
    sections = [
        _overview_section(content, overview),
        _volumes_section(content),
        _axial_section(content, axial),
        *_quality_and_time(content),
        provenance_section(content.provenance),
    ]
    return Page(
        title=content.title,
        subtitle=_summary(content.structures),
        facts=(*((k, str(v)) for k, v in content.patient.items()), ("Image", image_text(content.volume.grid))),
        warnings=tuple(content.warnings),
        sections=tuple(section for section in sections if section is not None),
        footer=footer(content.provenance),
    )


def _summary(structures: StructureSet) -> str:
    missing = [s.name for s in structures if s.mask.is_empty]
    text = f"{len(structures) - len(missing)} of {len(structures)} structures found"
    return f"{text}; not found: {', '.join(missing)}" if missing else text


def _overview_section(content: SegmentationReport, planes: list[Plane]) -> Section:
    png = overview_figure(content.volume, content.structures, planes)
    caption = "Contours on the CT in the soft-tissue window (width 400, centre 40 HU), in the slices that show most."
    if anatomy(content.volume.grid).is_oblique:
        caption += " The image is oblique: the letters name the nearest direction."
    alt = "Axial, coronal and sagittal slice of the CT with the contours of the structures"
    return Section("Contours", (Picture(png, caption, alt, _legend(content.structures, planes)),))


def _axial_section(content: SegmentationReport, planes: list[Plane]) -> Section | None:
    if len(planes) < 2:
        return None
    png = axial_figure(content.volume, content.structures, planes)
    caption = "Together they show every structure near its largest section; superior first. Each has its own scale."
    alt = f"{len(planes)} axial slices of the CT with contours"
    return Section("Axial slices", (Picture(png, caption, alt, _legend(content.structures, planes)),))


def _legend(structures: StructureSet, planes: list[Plane]) -> tuple[Swatch, ...]:
    shown = set(shown_names(structures, planes))
    return tuple(Swatch(s.name, s.color) for s in structures if s.name in shown)


def _volumes_section(content: SegmentationReport) -> Section:
    rows = tuple(_row(structure) for structure in content.structures)
    note = (
        "Volume: voxels times voxel volume. Extent: left to right × front to back × head to feet. "
        "Slices: how many, and which of the image, counted from 1."
    )
    if content.picture_3d is None and content.picture_note:
        note += f" 3-D picture: {content.picture_note.removesuffix('.')}."
    table = Table(
        columns=("Structure", "Type", "Volume (cc)", "Extent (mm)", "Slices"),
        rows=rows,
        align="llrrr",
        muted=frozenset(n for n, row in enumerate(rows) if _NOT_FOUND in row),
        note=note,
    )
    if content.picture_3d is None:
        return Section("Structures", (table,))
    picture = Picture(Path(content.picture_3d).read_bytes(), content.picture_note, "Surfaces of the structures in 3-D")
    return Section("Structures", (Columns((table, picture), (63, 37)),))


def _row(structure: Structure) -> tuple[Swatch | str, ...]:
    name = Swatch(structure.name, structure.color)
    mask, kind = structure.mask, structure.interpreted_type.capitalize()
    if mask.is_empty:
        return (name, kind, _NOT_FOUND, "", "")
    spacing, axes = mask.grid.spacing_mm, anatomy(mask.grid).axes
    extent = " × ".join(f"{mask.block.shape[axis] * spacing[axis]:.0f}" for axis in axes)
    first, last = mask.offset[0] + 1, mask.offset[0] + mask.block.shape[0]
    count = int(mask.block.any(axis=(1, 2)).sum())
    return (name, kind, cc_text(mask.volume_cc), extent, f"{count} ({first}\N{EN DASH}{last})")


def _quality_and_time(content: SegmentationReport) -> tuple[Section | None, ...]:
    """Side by side where the quality table is narrow, so that the report prints on three pages."""
    quality, time = _quality_section(content), time_section(content.seconds)
    if (
        quality is None
        or time is None
        or len(quality.blocks) > 1
        or len(getattr(quality.blocks[0], "columns", "")) != 2
    ):
        return quality, time
    return (Section("Quality and time", (Columns((*quality.blocks, *time.blocks), (36, 64)),)),)


def _quality_section(content: SegmentationReport) -> Section | None:
    if not content.quality:
        return None
    by_structure = {k: v for k, v in content.quality.items() if isinstance(v, Mapping)}
    single = {k: v for k, v in content.quality.items() if not isinstance(v, Mapping)}
    blocks: list[Any] = []
    if by_structure:
        names = list(dict.fromkeys(name for values in by_structure.values() for name in values))
        rows = tuple((key, *(_number(values.get(name)) for name in names)) for key, values in by_structure.items())
        blocks.append(Table(("Structure", *names), rows, "l" + "r" * len(names)))
    if single:
        blocks.append(Facts(flatten_facts(single)))
    return Section("Quality", tuple(blocks))


def _number(value: Any) -> str:
    return "\N{EN DASH}" if value is None else f"{value:.3g}" if isinstance(value, float) else str(value)
