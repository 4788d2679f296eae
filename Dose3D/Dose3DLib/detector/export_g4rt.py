"""Layout and job for G4RT (dose3d/g4rt): centres by layers as CSV, and a TOML whose values have the types it asks for.

G4RT builds each cell as a bare cube of 10 mm (D3DCell.cc): covers and other sizes are not in its files. From a CSV it
names cells `D3D_<ix>_<iy>_<iz>`, where iy is the section of the file and (ix, iz) count 2 x n within it (D3DMLayer.cc),
and keys its results by these numbers joined without a separator: 0, 1, 10 and 0, 11, 0 are one (D3DDetector.cc).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .export_boxes import Boxes, Surrounding, mm

__all__ = ["CELL_MM", "G4rtFiles", "g4rt_files"]

CELL_MM = 10.0
"""Edge of every cell that G4RT builds."""
_COLUMNS = 2
"""Cells along x in a section of a CSV, whatever their places (D3DMLayer::SetNCells)."""
_SAFE_SECTION = 10 * _COLUMNS
"""With at most this many cells a section, ix and iz have one digit each, and joined numbers are unique."""
_MEDIA = {"Water": "G4_WATER", "PMMA": "PMMA", "Air": "Usr_G4AIR20C"}


@dataclass(frozen=True)
class G4rtFiles:
    """Texts of the files.

    Parameters
    ----------
    layout_csv, job_toml:
        for G4RT.
    names_csv:
        which of G4RT's numbers is which cell of the layout.
    notes:
        what G4RT will do otherwise than the layout says.
    """

    layout_csv: str
    job_toml: str
    names_csv: str
    notes: tuple[str, ...]


def g4rt_files(boxes: Boxes, around: Surrounding, name: str, csv_path: str) -> G4rtFiles:
    """The files of a layout.

    Parameters
    ----------
    boxes:
        in the detector frame, whose origin is the isocentre.
    around:
        the environment; its material and box become EnviromentMedium, -Size and -Position.
    name:
        of the job.
    csv_path:
        where G4RT finds the layout: absolute, or below its data folder.
    """
    sections = _sections(boxes)
    numbers = _numbers(sections)
    split = len({"".join(map(str, n)) for n in numbers}) < len(numbers)
    if split:
        sections = _regrouped(boxes, sections)
        numbers = _numbers(sections)
    layers = [section for section, _ in sections]
    return G4rtFiles(
        _layout_csv(boxes, sections, name),
        _job_toml(boxes, around, name, csv_path, len(sections), max(n[2] for n in numbers) + 1),
        _names_csv(boxes, numbers),
        _notes(boxes, layers, split),
    )


def _sections(boxes: Boxes) -> list[tuple[str, list[int]]]:
    """Runs of cells of the same layer: the file keeps the layout's order."""
    runs: list[tuple[str, list[int]]] = []
    for n, layer in enumerate(boxes.layers):
        if not runs or runs[-1][0] != layer:
            runs.append((layer, []))
        runs[-1][1].append(n)
    return runs


def _regrouped(boxes: Boxes, sections: list[tuple[str, list[int]]]) -> list[tuple[str, list[int]]]:
    return [
        (layer, rows[at : at + _SAFE_SECTION]) for layer, rows in sections for at in range(0, len(rows), _SAFE_SECTION)
    ]


def _numbers(sections: list[tuple[str, list[int]]]) -> list[tuple[int, int, int]]:
    """(ix, iy, iz) that G4RT gives each cell of the file."""
    return [(n % _COLUMNS, iy, n // _COLUMNS) for iy, (_, rows) in enumerate(sections) for n in range(len(rows))]


def _layout_csv(boxes: Boxes, sections: list[tuple[str, list[int]]], name: str) -> str:
    lines = [f"# {name}: centres of cells in the detector frame, mm", "# x,y,z"]
    for number, (layer, rows) in enumerate(sections, 1):
        lines.append(f"{_section_title(layer, number)},,")
        lines += [",".join(mm(v) for v in boxes.centers_mm[row]) for row in rows]
    return "\n".join(lines) + "\n"


def _section_title(layer: str, number: int) -> str:
    """G4RT looks for the word `layer` in small letters, and counts sections itself."""
    plain = "".join(c if c.isalnum() or c in "_-. " else "_" for c in layer).strip()
    if not plain:
        return f"layer_{number}"
    if "layer" in plain.lower():
        return plain if "layer" in plain else plain.lower()
    return f"layer_{plain}"


def _names_csv(boxes: Boxes, numbers: list[tuple[int, int, int]]) -> str:
    lines = ["# Cell IdX, IdY and IdZ are G4RT's; cell, layer and row are the layout's (rows count from 0)."]
    lines.append("Cell IdX,Cell IdY,Cell IdZ,row,cell,layer,X [mm],Y [mm],Z [mm]")
    for row, number in enumerate(numbers):
        place = ",".join(mm(v) for v in boxes.centers_mm[row])
        texts = ",".join('"{}"'.format(t.replace('"', '""')) for t in (boxes.labels[row], boxes.layers[row]))
        lines.append(f"{number[0]},{number[1]},{number[2]},{row},{texts},{place}")
    return "\n".join(lines) + "\n"


def _job_toml(boxes: Boxes, around: Surrounding, name: str, csv_path: str, sections: int, depth: int) -> str:
    """Lengths are floats, numbers of cells and events integers: G4RT falls back to defaults on the other type."""
    axes = list(zip("XYZ", around.center_mm, around.size_mm, strict=True))
    top = ", ".join(mm(-v) for v in around.center_mm)
    lines = [
        "# Job for G4RT (dose3d/g4rt). Set PhspInputFileName and PlanInputFile; the rest describes the detector.",
        "[RunSvc]",
        f"JobName = {_quoted(name)}",
        'BeamType = "IAEA"',
        'PhspInputFileName = "None"  # without its ending',
        "NumberOfEvents = 1000",
        "NumberOfThreads = 1",
        "RNGSeed = 137",
        "PrintProgressFrequency = 0.05",
        'Physics = "emstandard_opt3"',
        "GenerateCT = false",
        "RunAnalysis = true",
        "NTupleAnalysis = false",
        "",
        "[GeoSvc]",
        "BuildLinac = true",
        "BuildPatient = true",
        "ExportScoringGeometryToCsv = true",
        "",
        "[PatientGeometry]",
        'Type = "D3DDetector"',
        *(f"EnviromentPosition{axis} = {mm(center)}" for axis, center, _ in axes),
        *(f"EnviromentSize{axis} = {mm(size)}" for axis, _, size in axes),
        f"EnviromentMedium = {_quoted(_MEDIA[around.material.name])}",
        "",
        "[D3DDetector_Detector]",
        f"TopPositionInEnv = [{top}]  # mm; the layout counts from the isocentre, G4RT from the environment's centre",
        f"Voxelization = [{_COLUMNS}, {sections}, {depth}]",
        "",
        "[D3DDetector_Layer]",
        f"Positioning = {_quoted(csv_path)}  # absolute, or below G4RT's data folder",
        "MRowShift = false",
        "MLayerShift = false",
        "",
        "[D3DDetector_Cell]",
        'Medium = "RMPS470"',
        "Voxelization = [10, 10, 10]",
        "CellScorer = true",
        "CellVoxelisedScorer = true",
        "",
        "[RunSvc_Plan]",
        "PlanInputFile = []  # one .dat a control point",
    ]
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    """A TOML basic string."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(c if c.isprintable() else " " for c in escaped) + '"'


def _notes(boxes: Boxes, layers: list[str], split: bool) -> tuple[str, ...]:
    notes = []
    other = int((np.abs(boxes.sizes_mm - CELL_MM) > 1e-6).any(axis=1).sum())
    if other:
        notes.append(f"G4RT builds cubes of {CELL_MM:g} mm: {other} cells have another size in the layout.")
    if boxes.wall_mm > 0:
        notes.append("G4RT builds cells from a CSV without covers: the walls are filled with the surroundings.")
    if split:
        notes.append(
            f"Sections of the G4RT layout hold at most {_SAFE_SECTION} cells: "
            "with longer ones G4RT would count two cells as one."
        )
    if len(set(layers)) < len(layers) and not split:
        notes.append("A layer stands in several sections of the G4RT layout, since its cells are not in one run.")
    return tuple(notes)
