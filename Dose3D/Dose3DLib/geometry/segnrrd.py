"""Segmentations as Slicer keeps them: .seg.nrrd, NRRD with a name, colour, terminology and extent for each segment.

Format: 3D Slicer's vtkMRMLSegmentationStorageNode. Segments that overlap lie in different layers, the first axis of the
array; segments of one layer are told apart by their label values. Text is UTF-8.
"""

from __future__ import annotations

import json
import re
import zlib
from pathlib import Path

import numpy as np

from ..core.errors import InputError
from ..core.nomenclature import SLICER_TYPE_TAG, slicer_terminology
from .grid import LPS_TO_RAS, Grid
from .label_names import Label
from .layers import assign_layers
from .mask_files import label_ranges, mask_of, named_structure, refuse_equal_names
from .placing import place_labels
from .structure import Structure, StructureSet
from .volume_files import METADATA_KEY, RawImage, read_raw_image

__all__ = ["read_seg_nrrd", "write_seg_nrrd"]


def read_seg_nrrd(path: str | Path, grid: Grid | None = None, resample: bool = False) -> StructureSet:
    """Read a .seg.nrrd of any Slicer since 4.0 onto `grid`, else its reference geometry, else its own grid.

    Raises
    ------
    InputError
        no NRRD or no segments in it, two segments of one name, or another grid (see `placing`).
    """
    path = Path(path)
    raw = read_raw_image(path, layers=True)
    numbers = sorted(int(m.group(1)) for key in raw.metadata if (m := re.fullmatch(r"Segment(\d+)_ID", key)))
    if not numbers:
        raise InputError(path, "has no segments", "give a segmentation that Slicer saved, or a label map as .nrrd")
    grid = grid or _reference_grid(raw) or raw.grid
    notes: list[str] = []
    layers: dict[int, tuple[np.ndarray, tuple[int, int, int], dict[int, slice]]] = {}
    structures = []
    for number in numbers:
        layer, value, label = _segment(path, raw, number)
        if layer not in layers:
            stored = np.ascontiguousarray(raw.array[..., layer])
            (offset, block), note = place_labels(stored, raw.grid, grid, path, resample)
            layers[layer] = block, offset, label_ranges(block)
            notes += [note] if note and note not in notes else []
        mask = mask_of((value,), *layers[layer], grid)
        structures.append(named_structure(label.name, mask, label, number + 1))
    refuse_equal_names(path, structures)
    return StructureSet(grid, tuple(structures), tuple(notes))


def write_seg_nrrd(structures: StructureSet, path: str | Path, provenance: dict | None = None) -> None:
    """Write structures for Slicer on the whole grid, gzip level 1; overlaps are kept in layers."""
    layers = assign_layers(structures)
    count = max(layers, default=0) + 1
    array = np.zeros((*structures.grid.shape, count), np.uint8 if len(structures) < 256 else np.uint16)
    for number, (structure, layer) in enumerate(zip(structures, layers, strict=True), 1):
        array[(*structure.mask.slices, layer)][structure.mask.block] = number
    fields = _segmentation_fields(structures.grid)
    for number, (structure, layer) in enumerate(zip(structures, layers, strict=True)):
        fields.update(_segment_fields(structure, number, layer))
    if provenance:
        fields[METADATA_KEY] = json.dumps({METADATA_KEY: {"provenance": provenance}}, ensure_ascii=False)
    with Path(path).open("wb") as file:
        file.write(_header(array, structures.grid, fields).encode("utf-8"))
        packer = zlib.compressobj(1, zlib.DEFLATED, 16 + zlib.MAX_WBITS)
        for plane in array:
            file.write(packer.compress(np.ascontiguousarray(plane, dtype=array.dtype.newbyteorder("<"))))
        file.write(packer.flush())


def _segment(path: Path, raw: RawImage, number: int) -> tuple[int, int, Label]:
    """Layer, label value and description; files before Slicer 4.11 keep one segment a layer and give neither."""

    def get(key: str, default: str = "") -> str:
        return raw.metadata.get(f"Segment{number}_{key}", default)

    count = raw.array.shape[3]
    try:
        layer = int(get("Layer", str(number) if count > 1 else "0"))
        value = int(get("LabelValue", "1"))
        color = tuple(min(255, max(0, round(255 * float(part)))) for part in get("Color").split()) or None
    except ValueError as error:
        raise InputError(path, f"has a damaged description of segment {number} ({error})", "save it again") from error
    if not 0 <= layer < count or (color and len(color) != 3):
        raise InputError(path, f"has a damaged description of segment {number}", "save it again")
    tags = dict(tag.split(":", 1) for tag in get("Tags").split("|") if ":" in tag)
    name = get("Name") or get("ID")
    return layer, value, Label(name, (value,), color, tags.get(SLICER_TYPE_TAG))


def _reference_grid(raw: RawImage) -> Grid | None:
    """The grid of the segmented image, when the file tells it (in RAS) and its voxels coincide with the file's."""
    text = raw.metadata.get("Segmentation_ConversionParameters", "")
    match = re.search(r"Reference image geometry\|([^|]*)\|", text)
    try:
        numbers = [float(part) for part in match.group(1).split(";") if part] if match else []
        matrix, extent = np.reshape(numbers[:16], (4, 4)), [int(number) for number in numbers[16:22]]
        first, last = np.array(extent[0::2]), np.array(extent[1::2])
        affine = LPS_TO_RAS @ matrix
        affine[:3, 3] += affine[:3, :3] @ first
        grid = Grid(tuple(int(n) for n in (last - first + 1)[::-1]), affine)
        if not raw.grid.same_as(grid):
            place_labels(np.any(raw.array, axis=3), raw.grid, grid, "")
    except (ValueError, InputError):
        return None
    return grid


def _segmentation_fields(grid: Grid) -> dict[str, str]:
    matrix = ";".join(f"{number:.17g}" for number in (LPS_TO_RAS @ grid.affine).ravel() + 0.0)
    extent = ";".join(f"0;{n - 1}" for n in grid.shape[::-1])
    geometry = f"Reference image geometry|{matrix};{extent};|Geometry of the image that was segmented&"
    return {
        "Segmentation_ContainedRepresentationNames": "Binary labelmap|",
        "Segmentation_ConversionParameters": geometry,
        "Segmentation_MasterRepresentation": "Binary labelmap",
        "Segmentation_ReferenceImageExtentOffset": "0 0 0",
    }


def _segment_fields(structure: Structure, number: int, layer: int) -> dict[str, str]:
    mask = structure.mask
    ends = [(s.start, s.stop - 1) if not mask.is_empty else (0, -1) for s in mask.slices[::-1]]
    tags = f"{SLICER_TYPE_TAG}:{structure.interpreted_type}|TerminologyEntry:{slicer_terminology(structure.name)}|"
    values = {
        "Color": " ".join(f"{part / 255:.6g}" for part in structure.color),
        "ColorAutoGenerated": "0",
        "Extent": " ".join(f"{low} {high}" for low, high in ends),
        "ID": f"Segment_{number + 1}",
        "LabelValue": str(number + 1),
        "Layer": str(layer),
        "Name": re.sub(r"[\x00-\x1f\x7f]", " ", structure.name),
        "NameAutoGenerated": "0",
        "Tags": tags,
    }
    return {f"Segment{number}_{key}": value for key, value in values.items()}


def _header(array: np.ndarray, grid: Grid, fields: dict[str, str]) -> str:
    sizes = [array.shape[3], *grid.shape[::-1]]
    steps = ["(" + ",".join(f"{number:.17g}" for number in column) + ")" for column in grid.affine[:3, :3].T]
    origin = "(" + ",".join(f"{number:.17g}" for number in grid.affine[:3, 3]) + ")"
    layered = sizes[0] > 1
    lines = [
        "NRRD0004",
        f"type: {'unsigned char' if array.itemsize == 1 else 'unsigned short'}",
        f"dimension: {4 if layered else 3}",
        "space: left-posterior-superior",
        f"sizes: {' '.join(map(str, sizes if layered else sizes[1:]))}",
        f"space directions: {'none ' if layered else ''}{' '.join(steps)}",
        f"kinds: {'list ' if layered else ''}domain domain domain",
        *([] if array.itemsize == 1 else ["endian: little"]),
        "encoding: gzip",
        f"space origin: {origin}",
        *(f"{key}:={value}" for key, value in fields.items()),
    ]
    return "\n".join(lines) + "\n\n"
