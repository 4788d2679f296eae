"""The formats of `dose3d detector export`, one function each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..core.errors import InputError
from ..core.progress import Progress

if TYPE_CHECKING:
    from ..detector.export_boxes import Boxes, Surrounding
    from ..detector.export_ct import DetectorHu
    from ..detector.layout import Layout
    from ..detector.placement import Placement
    from ..dicom.ct import CtReference
    from ..geometry.grid import Grid
    from ..geometry.structure import StructureSet
    from .detector_export import Settings
    from .plan_source import PlanSource

__all__ = ["WRITERS", "Export", "Written"]

_SERIES_NUMBER = 1100


@dataclass(frozen=True, eq=False)
class Export:
    """What is written: the layout in the patient, the file's frame, how the patient lies, and the plan that says so."""

    settings: Settings
    layout: Layout
    placement: Placement
    position: str
    progress: Progress
    plan: PlanSource | None = None

    @property
    def name(self) -> str:
        return self.layout.name or "detector"


@dataclass(frozen=True, eq=False)
class Written:
    """Files by what they are (names in the output), what is printed, what is warned of, further inputs."""

    files: dict[str, str]
    figures: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    inputs: tuple[dict[str, Any], ...] = ()


def _boxes(export: Export) -> tuple[Boxes, Surrounding]:
    from ..detector.export_boxes import boxes_in_frame, surrounding_box
    from ..detector.materials import MATERIALS

    settings = export.settings
    boxes = boxes_in_frame(export.layout, export.placement, MATERIALS[settings.walls])
    return boxes, surrounding_box(boxes, MATERIALS[settings.surroundings], settings.margin)


def _write_texts(folder: Path, texts: dict[str, str]) -> None:
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8", newline="")


def _layout_text(export: Export) -> str:
    from ..detector.layout_csv import layout_text

    return layout_text(export.layout)


def write_g4rt(export: Export, draft: Path) -> Written:
    """Layout, job, G4RT's numbers of the cells, and our own layout."""
    from ..detector.export_g4rt import g4rt_files

    boxes, around = _boxes(export)
    made = g4rt_files(boxes, around, export.name, "dose3d/geo/detector.csv")
    texts = {"detector.csv": made.layout_csv, "job.toml": made.job_toml, "cells.csv": made.names_csv}
    _write_texts(draft, {**texts, "layout.csv": _layout_text(export)})
    files = {"G4RT layout": "detector.csv", "job": "job.toml", "numbers": "cells.csv", "layout": "layout.csv"}
    return Written(files, {"environment": _size(around.size_mm)}, made.notes)


def write_gate9(export: Export, draft: Path) -> Written:
    """Macro, placements and materials."""
    from ..detector.export_gate9 import gate9_files

    boxes, around = _boxes(export)
    texts = {**gate9_files(boxes, around, export.name), "layout.csv": _layout_text(export)}
    _write_texts(draft, texts)
    return Written({name: name for name in texts}, {"surroundings": _size(around.size_mm)})


def write_gate10(export: Export, draft: Path) -> Written:
    """A Python script."""
    from ..detector.export_gate10 import gate10_script

    boxes, around = _boxes(export)
    draft.write_text(gate10_script(boxes, around, export.name), encoding="utf-8", newline="")
    return Written({"script": export.settings.output.name}, {"surroundings": _size(around.size_mm)})


def write_gdml(export: Export, draft: Path) -> Written:
    """Geant4's geometry."""
    from ..detector.export_gdml import gdml_text

    boxes, around = _boxes(export)
    draft.write_text(gdml_text(boxes, around, export.name), encoding="utf-8", newline="")
    return Written({"geometry": export.settings.output.name}, {"surroundings": _size(around.size_mm)})


def write_stl(export: Export, draft: Path) -> Written:
    """One surface: the housing, or the cells where there are no walls (or they are asked for)."""
    from ..detector.export_mesh import assembly, joined_cells, stl_bytes

    parts = export.settings.parts or ("housing" if export.layout.wall_mm > 0 else "cells")
    if parts == "all":
        cause = "an STL is one surface, and cells and housing share theirs"
        raise InputError("--parts", cause, "choose housing or cells, or the format 3mf")
    if parts == "housing":
        (part,), notes = assembly(export.layout, export.placement, "housing")
        mesh = part.mesh
    else:
        mesh, notes = joined_cells(export.layout, export.placement)
    draft.write_bytes(stl_bytes(mesh, f"{parts} of {export.name}"))
    figures = {"surface": parts, "triangles": len(mesh.triangles), "volume": f"{mesh.volume_mm3 / 1000:.4g} cc"}
    return Written({"mesh": export.settings.output.name}, figures, notes)


def write_3mf(export: Export, draft: Path) -> Written:
    """An object a part."""
    from ..detector.export_mesh import assembly, three_mf_bytes

    parts, notes = assembly(export.layout, export.placement, export.settings.parts or "all")
    draft.write_bytes(three_mf_bytes(parts, export.name))
    return Written({"mesh": export.settings.output.name}, {"objects": len(parts)}, notes)


def write_labelmap(export: Export, draft: Path) -> Written:
    """Label n is row n - 1 of the layout."""
    from ..detector.export_ct import detector_grid
    from ..detector.export_structures import cell_structures
    from ..geometry.files import write_label_map

    grid, inputs = None, ()
    if export.settings.ct is not None:
        grid, inputs = _grid_of_ct(export)
    else:
        grid, _, _ = detector_grid(export.layout, export.settings.spacing, export.settings.margin)
    if len(export.layout) > 65535:
        raise InputError(export.settings.layout, "has more than 65535 cells", "a label map cannot number them")
    structures = cell_structures(export.layout, grid, "cell", export.progress, outlines=False)
    write_label_map(structures, draft, "last", None)
    return Written({"label map": export.settings.output.name}, _filled(structures), _lost(structures), inputs)


def write_ct(export: Export, draft: Path) -> Written:
    """A CT series of the detector, and the RTSTRUCT of its outline and cells on it."""
    from ..detector.export_ct import detector_grid, mixed_ct, with_covers
    from ..dicom.ct_write import PatientAttributes
    from ..dicom.ct_write import write_ct as write_series
    from ..dicom.rtstruct_write import write_rtstruct

    settings, layout = export.settings, export.layout
    beside, inputs = (None, ()) if settings.ct is None else _reference(export)
    grid, low, high = detector_grid(layout, settings.spacing, settings.margin)
    hu = _hu(export)
    shares = tuple(_share(cells, grid) for cells in (layout.cells, with_covers(layout)))
    volume = mixed_ct(grid, low, high, (shares[0], shares[1]), hu)
    patient = PatientAttributes(
        patient_name="Dose3D^Detector",
        patient_id=f"detector-{export.name}"[:64],
        series_description=f"Detector {export.name}"[:64],
        body_part="WHOLEBODY",
        patient_position=export.position,
        image_comments="Detector of Dose3D, no patient. Research use only.",
    )
    with export.progress.part(0.8):
        reference = write_series(volume, draft / "CT", patient, export.progress, beside)
    structures, notes = _structures(export, reference, (low, high))
    notes += write_rtstruct(structures, reference, draft / "RTSTRUCT.dcm", _rtstruct_attributes(export))
    _write_texts(draft, {"layout.csv": _layout_text(export)})
    figures = {
        "voxels": " x ".join(map(str, grid.shape[::-1])),
        "HU of cells, walls, surroundings": f"{hu.cell:g}, {hu.wall:g}, {hu.around:g}",
        "structures": len(structures),
    }
    files = {"CT": "CT", "structures": "RTSTRUCT.dcm", "layout": "layout.csv"}
    return Written(files, figures, (*reference.notes, *notes), inputs)


def write_seg(export: Export, draft: Path) -> Written:
    """DICOM Segmentation of the cells on a CT."""
    from ..dicom.seg_write import SegAttributes
    from ..dicom.seg_write import write_seg as write

    reference, inputs = _reference(export)
    structures, notes = _structures(export, reference)
    attributes = SegAttributes(f"Detector {export.name}"[:64], _SERIES_NUMBER, provenance=_how())
    notes += write(structures, reference, draft, attributes)
    return Written({"segmentation": export.settings.output.name}, _filled(structures), notes, inputs)


def write_rtstruct(export: Export, draft: Path) -> Written:
    """RTSTRUCT of the cells on a CT, with exact outlines."""
    from ..dicom.rtstruct_write import write_rtstruct as write

    reference, inputs = _reference(export)
    structures, notes = _structures(export, reference)
    notes += write(structures, reference, draft, _rtstruct_attributes(export))
    return Written({"structures": export.settings.output.name}, _filled(structures), notes, inputs)


def _structures(
    export: Export, reference: CtReference, outline_mm: tuple[np.ndarray, np.ndarray] | None = None
) -> tuple[StructureSet, tuple[str, ...]]:
    """The cells, after the outline of the surroundings where there is one."""
    from ..detector.export_structures import cell_structures, chosen_grouping, outline_structure

    grouping, notes = chosen_grouping(export.layout, export.settings.group)
    found = cell_structures(export.layout, reference.grid, grouping, export.progress)
    notes += _lost(found)
    if outline_mm is not None:
        found = outline_structure(found, *outline_mm)
    return found, notes


def _lost(structures: StructureSet) -> tuple[str, ...]:
    """Slices may be thicker than cells."""
    lost = [structure.name for structure in structures if structure.mask.is_empty]
    if not lost:
        return ()
    count = f"{len(lost)} of {len(structures)} structures"
    return (f"{count} hold no voxel of the image ({lost[0]} for one): its voxels are too large.",)


def _filled(structures: StructureSet) -> dict[str, Any]:
    return {"structures": sum(not structure.mask.is_empty for structure in structures)}


def _rtstruct_attributes(export: Export) -> Any:
    from ..dicom.rtstruct_write import RtStructAttributes

    return RtStructAttributes(
        label="Detector",
        name=f"Cells of {export.name}"[:64],
        series_description=f"Detector {export.name}"[:64],
        series_number=_SERIES_NUMBER,
        provenance=_how(),
    )


def _how() -> str:
    return "dose3d detector export. Research use only."


def _reference(export: Export) -> tuple[CtReference, tuple[dict[str, Any], ...]]:
    """The DICOM CT that the files refer to."""
    from ..dicom.ct import read_ct_reference
    from ..dicom.identity import patient_texts, series_uids
    from ..geometry.volume_files import image_suffix

    path = export.settings.ct
    if path.is_file() and image_suffix(path):
        raise InputError(path, "is an image file, and DICOM objects refer to a DICOM series", "give a folder of DICOM")
    if not path.exists():
        raise InputError(path, "does not exist", "give a folder of DICOM files")
    reference = read_ct_reference(path, export.settings.series)
    for note in reference.notes:
        export.progress.warn(note)
    facts = {"path": str(path), "kind": "DICOM series", **series_uids(reference)}
    _check_plan(export, patient_texts(reference), facts)
    return reference, (facts,)


def _check_plan(export: Export, patient: dict[str, str], facts: dict[str, Any]) -> None:
    from .plan_source import check_plan_and_ct

    if export.plan is not None:
        frame = str(facts.get("frame_of_reference_uid", ""))
        check_plan_and_ct(export.plan, export.settings.ct, patient, frame, export.progress)


def _grid_of_ct(export: Export) -> tuple[Grid, tuple[dict[str, Any], ...]]:
    from .ct_source import load_ct

    with export.progress.part(0.6):
        source = load_ct(export.settings.ct, export.settings.series, False, export.progress)
    _check_plan(export, source.patient, source.facts)
    return source.volume.grid, (source.facts,)


def _share(cells: Any, grid: Grid) -> np.ndarray:
    """Share of each voxel in the cells, [k, j, i]: the operator of averages, turned round."""
    from ..dose.cell_operator import cell_operator

    operator = cell_operator(cells, grid, "constant")
    return operator.adjoint(cells.volumes_mm3 * operator.fraction) / grid.voxel_volume_mm3


def _hu(export: Export) -> DetectorHu:
    from ..detector.export_ct import DetectorHu, hu_by_table
    from ..detector.materials import AIR, MATERIALS, SCINTILLATOR

    settings = export.settings
    around, walls = MATERIALS[settings.surroundings], MATERIALS[settings.walls]
    if settings.hu_table is not None:
        found = hu_by_table(settings.hu_table, [SCINTILLATOR, walls, around])
        kept = [AIR.hu if one is AIR else hu for one, hu in zip((walls, around), found[1:], strict=True)]
        return DetectorHu(found[0], *kept)
    given = (settings.hu_cell, settings.hu_wall, settings.hu_surroundings, None)
    usual = (SCINTILLATOR.hu, walls.hu, around.hu, AIR.hu)
    return DetectorHu(*(b if a is None else a for a, b in zip(given, usual, strict=True)))


def _size(size_mm: np.ndarray) -> str:
    return " x ".join(f"{mm:g}" for mm in size_mm) + " mm"


WRITERS: dict[str, Callable[[Export, Path], Written]] = {
    "g4rt": write_g4rt,
    "gate9": write_gate9,
    "gate10": write_gate10,
    "gdml": write_gdml,
    "stl": write_stl,
    "3mf": write_3mf,
    "labelmap": write_labelmap,
    "ct": write_ct,
    "seg": write_seg,
    "rtstruct": write_rtstruct,
}
