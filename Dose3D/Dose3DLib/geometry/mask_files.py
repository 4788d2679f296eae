"""Structures as files: a folder of masks (NAME.nii.gz) or one label map. Names, colours and types stay in the files."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..core import nomenclature
from ..core.errors import InputError
from ..core.progress import Progress
from .grid import Grid
from .label_names import Label, as_labels, find_names_file, labels_from_caret, read_names
from .mask import Mask
from .placing import place_labels
from .structure import Structure, StructureSet
from .volume_files import METADATA_KEY, RawImage, image_suffix, read_raw_image, write_raw_image

__all__ = [
    "label_ranges",
    "mask_of",
    "named_structure",
    "overlapping_pairs",
    "read_label_map",
    "read_masks",
    "refuse_equal_names",
    "refuse_overlaps",
    "safe_file_names",
    "write_label_map",
    "write_mask",
    "write_masks",
]

_RESERVED = {"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(1, 10))}
_MOST_LABELS = 4096
"""More different values than this and an image is taken for a picture, not a label map."""


def named_structure(name: str, mask: Mask, label: Label | None = None, number: int | None = None) -> Structure:
    """A structure with the colour and type that its file gives, else those of the nomenclature."""
    color = label.color if label and label.color else nomenclature.color_for(name)
    known = label is not None and label.interpreted_type is not None
    kind = label.interpreted_type if known else nomenclature.interpreted_type_for(name)
    return Structure(name, mask, color=color, interpreted_type=kind, number=number)


def safe_file_names(names: Iterable[str]) -> list[str]:
    """File names without ending, one for each structure name, that every system takes, none equal to another.

    Slashes, colons and the like become _, Windows' reserved names get a _ behind, names that differ by case only a
    number. Other characters stay, Unicode too.
    """
    taken: set[str] = set()
    result = []
    for name in names:
        safe = re.sub(r'[\x00-\x1f<>:"/\\|?*\x7f]', "_", name).strip().rstrip(". ").lstrip(".") or "_"
        while len(safe.encode("utf-8")) > 180:
            safe = safe[:-1]
        if safe.split(".")[0].lower() in _RESERVED:
            safe = f"{safe}_"
        unique, count = safe, 1
        while unique.casefold() in taken:
            count += 1
            unique = f"{safe}_{count}"
        taken.add(unique.casefold())
        result.append(unique)
    return result


def write_mask(mask: Mask, path: str | Path, structure: Structure | None = None) -> None:
    """Write a mask on its whole grid, uint8 of 0 and 1; `structure` adds its name, colour and type to the header."""
    labels = [_to_json(structure, 1)] if structure else []
    write_raw_image(RawImage(mask.to_array().view(np.uint8), mask.grid, _metadata(labels)), path)


def write_masks(structures: StructureSet, folder: str | Path, progress: Progress | None = None) -> dict[str, Path]:
    """Write each structure into `folder` (made if need be) as NAME.nii.gz; the path of each structure's name."""
    folder, progress = Path(folder), progress or Progress()
    folder.mkdir(parents=True, exist_ok=True)
    paths = {}
    for n, (structure, stem) in enumerate(zip(structures, safe_file_names(structures.names), strict=True)):
        progress.report(n / len(structures), structure.name)
        paths[structure.name] = folder / f"{stem}.nii.gz"
        write_mask(structure.mask, paths[structure.name], structure)
    return paths


def read_masks(
    folder: str | Path, grid: Grid | None = None, resample: bool = False, progress: Progress | None = None
) -> StructureSet:
    """Read masks/NAME.nii.gz of a folder, or NAME.nii.gz in it (.nrrd, .mha too), onto `grid` or the first mask's.

    Raises
    ------
    InputError
        no masks, a file with more than one label, two files of one name, or another grid (see `placing`).
    """
    folder, progress = Path(folder), progress or Progress()
    source = folder / "masks" if (folder / "masks").is_dir() else folder
    files = sorted(p for p in source.iterdir() if p.is_file() and not p.name.startswith(".") and _is_mask_file(p))
    if not files:
        raise InputError(folder, "has no masks (NAME.nii.gz, in it or in masks)", "give the folder that holds them")
    structures, notes = [], []
    for n, path in enumerate(files):
        progress.report(n / len(files), path.name)
        raw = read_raw_image(path)
        grid = grid or raw.grid
        structure, note = _read_one_mask(path, raw, grid, resample)
        structures.append(structure)
        notes += [note] if note else []
    refuse_equal_names(folder, structures)
    return StructureSet(grid, tuple(structures), tuple(notes))


def read_label_map(
    path: str | Path,
    names: Mapping[int, str] | Sequence[Label] | None = None,
    grid: Grid | None = None,
    resample: bool = False,
) -> StructureSet:
    """Read a label map; without `names` those in its own header or of a table beside it.

    Structures whose label is not in the image come out empty.

    Raises
    ------
    InputError
        fractional or negative values, a label without a name, names of which none is there, another grid.
    """
    path = Path(path)
    raw = read_raw_image(path)
    array = _as_labels_array(path, raw.array)
    labels = as_labels(names) if names is not None else _find_labels(path, raw)
    present = _present_labels(path, array)
    _check_labels(path, labels, set(present))
    (offset, block), note = place_labels(array, raw.grid, grid, path, resample)
    grid = grid or raw.grid
    ranges = label_ranges(block)
    structures = []
    for label in labels:
        mask = mask_of(label.values, block, offset, ranges, grid)
        structures.append(named_structure(label.name, mask, label, label.values[0]))
    refuse_equal_names(path, structures)
    return StructureSet(grid, tuple(structures), (note,) if note else ())


def write_label_map(
    structures: StructureSet, path: str | Path, overlaps: str = "refuse", provenance: dict | None = None
) -> None:
    """Write structures as one label map with their names in its header.

    Labels are the structures' own numbers where these can serve, else 1, 2, 3 ... Where structures overlap,
    `overlaps` says which one a voxel gets: `first`, `last`, or that the map is refused.
    """
    if overlaps == "refuse":
        refuse_overlaps(structures, path)
    numbers = _numbers(structures)
    array = np.zeros(structures.grid.shape, np.uint8 if max(numbers, default=0) < 256 else np.uint16)
    for structure, number in zip(structures, numbers, strict=True):
        view = array[structure.mask.slices]
        view[structure.mask.block & (view == 0) if overlaps == "first" else structure.mask.block] = number
    listed = [_to_json(structure, number) for structure, number in zip(structures, numbers, strict=True)]
    write_raw_image(RawImage(array, structures.grid, _metadata(listed, provenance)), path)


def refuse_overlaps(structures: StructureSet, what: object) -> None:
    """Raise InputError, naming `what` and the pairs, when structures share voxels."""
    if pairs := overlapping_pairs(structures):
        listed = ", ".join(f"{a} and {b} ({n} voxels)" for a, b, n in pairs[:5]) + (" ..." if len(pairs) > 5 else "")
        remedy = "write masks or .seg.nrrd, or choose --overlaps first or last"
        raise InputError(what, f"a label map cannot hold structures that overlap: {listed}", remedy)


def label_ranges(array: np.ndarray) -> dict[int, slice]:
    """The slices k between which each label of an array of whole numbers occurs, 0 left out; one pass for all."""
    ranges: dict[int, slice] = {}
    for k, plane in enumerate(array):
        for value in _values(plane):
            ranges[value] = slice(ranges[value].start if value in ranges else k, k + 1)
    return ranges


def _values(plane: np.ndarray) -> list[int]:
    if plane.dtype.kind in "iu" and plane.size and plane.max() < 65536:
        found = np.flatnonzero(np.bincount(plane.ravel()))
    else:
        found = np.unique(plane)
    return [int(value) for value in found if value]


def mask_of(
    values: tuple[int, ...], block: np.ndarray, offset: tuple[int, int, int], ranges: dict[int, slice], grid: Grid
) -> Mask:
    """The voxels of a block that have one of the values; `ranges` is `label_ranges` of the block."""
    found = [ranges[value] for value in values if value in ranges]
    if not found:
        return Mask.empty(grid)
    first, end = min(r.start for r in found), max(r.stop for r in found)
    part = block[first:end]
    chosen = part == values[0] if len(values) == 1 else np.isin(part, values)
    return Mask.from_array(chosen, grid, (offset[0] + first, *offset[1:]))


def overlapping_pairs(structures: StructureSet) -> list[tuple[str, str, int]]:
    """Names of structures that share voxels, and how many."""
    pairs = []
    for n, a in enumerate(structures):
        for b in structures.structures[n + 1 :]:
            shared = _shared_voxels(a.mask, b.mask)
            if shared:
                pairs.append((a.name, b.name, shared))
    return pairs


def _shared_voxels(a: Mask, b: Mask) -> int:
    low = [max(x.start, y.start) for x, y in zip(a.slices, b.slices, strict=True)]
    high = [min(x.stop, y.stop) for x, y in zip(a.slices, b.slices, strict=True)]
    if any(start >= stop for start, stop in zip(low, high, strict=True)):
        return 0
    parts = []
    for mask in (a, b):
        box = tuple(slice(s - o, e - o) for s, e, o in zip(low, high, mask.offset, strict=True))
        parts.append(mask.block[box])
    return int(np.count_nonzero(parts[0] & parts[1]))


def _is_mask_file(path: Path) -> bool:
    return image_suffix(path) is not None and not path.name.lower().endswith(".seg.nrrd")


def _read_one_mask(path: Path, raw: RawImage, grid: Grid, resample: bool) -> tuple[Structure, str]:
    array = _as_labels_array(path, raw.array)
    if array.max() > 1:
        values = _present_labels(path, array)
        if len(values) > 1:
            raise InputError(path, f"holds {len(values)} labels, not one mask", "give a label map by its own path")
    (offset, block), note = place_labels(array, raw.grid, grid, path, resample)
    stored = _stored_labels(raw)
    stem = path.name[: -len(image_suffix(path) or "")]
    label = stored[0] if len(stored) == 1 and safe_file_names([stored[0].name])[0] in (stem, _uncounted(stem)) else None
    filled = np.flatnonzero([plane.any() for plane in block])
    first, end = (int(filled[0]), int(filled[-1]) + 1) if filled.size else (0, 0)
    mask = Mask.from_array(block[first:end] != 0, grid, (offset[0] + first, *offset[1:]))
    return named_structure(label.name if label else stem, mask, label), note


def _uncounted(stem: str) -> str:
    return re.sub(r"_\d+$", "", stem)


def _as_labels_array(path: Path, array: np.ndarray) -> np.ndarray:
    """Whole numbers, 0 or above; floats that are whole numbers are taken for what they mean."""
    if array.dtype.kind == "f":
        if not np.array_equal(array, np.rint(array)) or np.abs(array).max() >= 2**31:
            raise InputError(path, "holds fractional values, not labels", "give a label map or mask of whole numbers")
        array = array.astype(np.int32)
    if array.dtype.kind not in "ub" and array.min() < 0:
        raise InputError(path, f"holds negative values (down to {array.min()})", "give a label map, not the CT")
    return array


def _present_labels(path: Path, array: np.ndarray) -> list[int]:
    """The labels of an array, 0 left out."""
    labels = sorted(label_ranges(array))
    if len(labels) > _MOST_LABELS:
        raise InputError(path, f"holds {len(labels)} different values", "give a label map, not a picture")
    return labels


def _find_labels(path: Path, raw: RawImage) -> list[Label]:
    labels = _stored_labels(raw) or labels_from_caret(raw.metadata.get("caret", ""))
    if labels:
        return labels
    table = find_names_file(path)
    if table is None:
        raise InputError(path, "has labels without names", "give a table of names with --names (CSV, JSON, .ctbl)")
    return read_names(table)


def _check_labels(path: Path, labels: list[Label], present: set[int]) -> None:
    known = {value for label in labels for value in label.values}
    if unnamed := sorted(present - known):
        listed = ", ".join(map(str, unnamed[:8])) + (" ..." if len(unnamed) > 8 else "")
        raise InputError(path, f"has labels without a name: {listed}", "name them in the table (--names)")
    if present and not present & known or not present and not labels:
        raise InputError(path, "has none of the named labels", "give the table that belongs to this label map")


def refuse_equal_names(what: object, structures: Sequence[Structure]) -> None:
    """Raise InputError, naming `what`, when two structures have the same name."""
    names = [structure.name for structure in structures]
    if twice := [name for name in names if names.count(name) > 1]:
        raise InputError(what, f"has the structure '{twice[0]}' more than once", "give each structure its own name")


def _numbers(structures: StructureSet) -> list[int]:
    own = [structure.number or 0 for structure in structures]
    if len(set(own)) == len(own) and all(1 <= number < 65536 for number in own):
        return own
    return list(range(1, len(own) + 1))


def _to_json(structure: Structure, label: int) -> dict[str, Any]:
    return {
        "label": label,
        "name": structure.name,
        "color": list(structure.color),
        "interpreted_type": structure.interpreted_type,
    }


def _metadata(labels: list[dict[str, Any]], provenance: dict | None = None) -> dict[str, str]:
    content: dict[str, Any] = {"structures": labels} if labels else {}
    if provenance:
        content["provenance"] = provenance
    return {METADATA_KEY: json.dumps({METADATA_KEY: content})} if content else {}


def _stored_labels(raw: RawImage) -> list[Label]:
    """What `_metadata` wrote; nothing when there is nothing or another program has damaged it."""
    try:
        content = json.loads(raw.metadata[METADATA_KEY])[METADATA_KEY]["structures"]
        return [
            Label(str(item["name"]), (int(item["label"]),), tuple(item["color"]), str(item["interpreted_type"]))
            for item in content
        ]
    except (KeyError, TypeError, ValueError):
        return []
