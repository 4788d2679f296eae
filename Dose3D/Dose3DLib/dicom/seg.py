"""DICOM Segmentations in and out (PS3.3 A.51): BINARY, FRACTIONAL and LABELMAP files onto the grid of their CT."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import pydicom
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError
from pydicom.uid import SegmentationStorage

from ..core.errors import InputError
from ..core.nomenclature import color_for, interpreted_type_for
from ..geometry.grid import Grid
from ..geometry.mask import Mask
from ..geometry.placing import place_labels, same_voxels_map
from ..geometry.structure import Structure, StructureSet
from .ct import CtReference
from .seg_pixels import SegPixels
from .seg_write import TYPE_PREFIX, SegAttributes, write_seg
from .values import text

__all__ = ["SEG_CLASSES", "SegAttributes", "is_seg", "read_seg", "write_seg"]

SEG_CLASSES = (str(SegmentationStorage), "1.2.840.10008.5.1.4.1.1.66.7")
"""Segmentation Storage, Label Map Segmentation Storage."""

_STEP_TOLERANCE_MM = 0.01
_EXPORT_AGAIN = "export the segmentation again"


def is_seg(path: Path) -> bool:
    """True when a DICOM file says that it is a Segmentation; its pixels are not read.

    Raises
    ------
    InputError
        a file that cannot be read as DICOM.
    """
    try:
        header = pydicom.dcmread(path, stop_before_pixels=True, force=True, specific_tags=["SOPClassUID"])
        return text(header, "SOPClassUID") in SEG_CLASSES
    except PermissionError as error:
        raise InputError(path, error.strerror or str(error), "check who may use it") from error
    except (InvalidDicomError, OSError, EOFError, ValueError, AttributeError, NotImplementedError) as error:
        raise InputError(path, "is not a readable DICOM file", "export the structures again") from error


def read_seg(path: Path, reference: CtReference, lenient: bool = False, resample: bool = False) -> StructureSet:
    """Read the segments of a SEG onto the grid of its CT.

    Frames are placed by their positions, never by the images they name. FRACTIONAL segments take the voxels of at
    least half of the maximum.

    Parameters
    ----------
    path:
        the file.
    reference:
        the CT that it was made on.
    lenient:
        turns another patient or frame of reference into a note.
    resample:
        allow frames that are not on the CT's voxels; the nearest voxels are taken.

    Raises
    ------
    InputError
        not a SEG, damaged, of another patient or frame of reference, without segments, or on another grid.
    """
    path = Path(path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pydicom warns of values that are no fault of the user
        dataset = _load(path)
        notes = _check_identity(path, dataset, reference, lenient)
        try:
            segments = _segments(path, dataset, notes)
            frames = _Frames(path, _planes(dataset), SegPixels(path, dataset))
            looks = {n: (_color(name, item), _interpreted_type(name, item)) for n, (name, item) in segments.items()}
        except InputError:
            raise
        except Exception as error:  # pydicom raises all kinds on damaged values
            cause = f"lacks a needed attribute or holds a damaged one ({' '.join(str(error).split())[:120]})"
            raise InputError(path, cause, _EXPORT_AGAIN) from error
        masks = frames.masks(segments, reference.grid, resample, notes)
    if frames.pixels.fractional:
        notes.append("the segmentation is fractional: voxels of at least half of the maximum were taken")
    structures = [
        Structure(name, masks[number], None, *looks[number], number) for number, (name, _) in segments.items()
    ]
    return StructureSet(reference.grid, tuple(structures), tuple(notes))


def _load(path: Path) -> Dataset:
    try:
        dataset = pydicom.dcmread(path)
        kind = text(dataset, "SOPClassUID")
    except Exception as error:  # pydicom raises all kinds on damaged files
        cause = getattr(error, "strerror", None) or "is not a readable DICOM file"
        raise InputError(path, cause, "give a DICOM SEG") from error
    if kind not in SEG_CLASSES:
        name = pydicom.uid.UID(kind).name if kind else "file without SOP Class"
        raise InputError(path, f"is a {name}, no Segmentation", "give a DICOM SEG")
    return dataset


def _check_identity(path: Path, dataset: Dataset, reference: CtReference, lenient: bool) -> list[str]:
    notes = []
    pairs = {
        "patient": ("PatientID", "give the CT of the same patient"),
        "frame of reference": ("FrameOfReferenceUID", "give the CT it was made on"),
    }
    for what, (keyword, remedy) in pairs.items():
        own, wanted = (text(d, keyword) for d in (dataset, reference.header))
        if own == wanted or not own or not wanted:
            continue
        cause = f"is of another {what} ({own}) than the CT ({wanted})"
        if not lenient:
            raise InputError(path, cause, f"{remedy}, or add --lenient")
        notes.append(f"{path}: {cause}")
    return notes


def _segments(path: Path, dataset: Dataset, notes: list[str]) -> dict[int, tuple[str, Dataset]]:
    """Name and item of each segment by its number; the background of a label map is left out."""
    taken: Counter[str] = Counter()
    result: dict[int, tuple[str, Dataset]] = {}
    for item in dataset.get("SegmentSequence") or []:
        number = int(item.SegmentNumber)
        if number == 0:
            continue
        label = str(item.get("SegmentLabel") or "").strip() or f"Segment_{number}"
        taken[label] += 1
        name = label if taken[label] == 1 else f"{label}_{taken[label]}"
        if name != label:
            notes.append(f"a further segment named '{label}' is called '{name}'")
        result[number] = (name, item)
    if not result:
        raise InputError(path, "describes no segment", _EXPORT_AGAIN)
    return result


@dataclass(frozen=True)
class _Plane:
    """Where a frame lies: position of its first pixel, steps to the next column and row, LPS mm."""

    position: tuple[float, ...]
    column_step: tuple[float, ...]
    row_step: tuple[float, ...]

    @property
    def normal(self) -> np.ndarray:
        normal = np.cross(self.column_step, self.row_step)
        return normal / np.linalg.norm(normal)

    def grid(self, shape: tuple[int, int], step: np.ndarray) -> Grid:
        """A grid of this one slice; `step` would lead to a next one."""
        affine = np.eye(4)
        affine[:3] = np.column_stack([self.column_step, self.row_step, step, self.position])
        return Grid((1, *shape), affine)


def _planes(dataset: Dataset) -> list[tuple[_Plane, int | None]]:
    """Place and segment number of each frame; no number in a LABELMAP."""
    shared = (dataset.get("SharedFunctionalGroupsSequence") or [Dataset()])[0]
    shared_steps, shared_number = _steps(shared), _segment_number(shared)
    planes = []
    for group in dataset.PerFrameFunctionalGroupsSequence:
        own_steps, own_number = _steps(group), _segment_number(group)
        cosines, spacing = (own or common for own, common in zip(own_steps, shared_steps, strict=True))
        source = group if "PlanePositionSequence" in group else shared
        position = tuple(float(v) for v in source.PlanePositionSequence[0].ImagePositionPatient)
        column, row = (tuple(c * s for c in part) for part, s in ((cosines[:3], spacing[1]), (cosines[3:], spacing[0])))
        planes.append((_Plane(position, column, row), shared_number if own_number is None else own_number))
    return planes


def _steps(group: Dataset) -> tuple[tuple[float, ...] | None, tuple[float, ...] | None]:
    orientation, measures = group.get("PlaneOrientationSequence"), group.get("PixelMeasuresSequence")
    cosines = tuple(float(v) for v in orientation[0].ImageOrientationPatient) if orientation else None
    spacing = tuple(float(v) for v in measures[0].PixelSpacing) if measures else None
    return cosines, spacing


def _segment_number(group: Dataset) -> int | None:
    found = group.get("SegmentIdentificationSequence")
    return int(found[0].ReferencedSegmentNumber) if found else None


@dataclass(frozen=True)
class _Frames:
    """The frames of a file: where they lie, of which segment, and their pixels."""

    path: Path
    planes: list[tuple[_Plane, int | None]]
    pixels: SegPixels

    def masks(self, numbers: Iterable[int], grid: Grid, resample: bool, notes: list[str]) -> dict[int, Mask]:
        """The mask of each segment: exact when all frames are on the grid's voxels, else through their own stack."""
        numbers = list(numbers)
        self._check_numbers(numbers)
        distinct = {plane for plane, _ in self.planes}
        off = next((plane for plane in distinct if self._home(plane, grid) is None), None)
        if off is None:
            return self._exact(numbers, grid, resample, notes)
        if not resample:
            cause = f"is on another grid than the CT ({_apart(off, self._grid(off, grid), grid)})"
            raise InputError(self.path, cause, "choose its CT or add --resample")
        stack = _own_stack(self.path, distinct, self.pixels.shape)
        notes.append(f"{self.path}: resampled to the CT's grid (nearest voxel)")
        result = {}
        for number, mask in self._exact(numbers, stack, False, notes).items():
            (offset, block), _ = place_labels(mask.to_array(), stack, grid, self.path, resample=True)
            result[number] = Mask.from_array(block, grid, offset)
        return result

    def _check_numbers(self, numbers: list[int]) -> None:
        if len(self.planes) != self.pixels.frames:
            cause = f"describes {len(self.planes)} frames and holds {self.pixels.frames}"
            raise InputError(self.path, cause, _EXPORT_AGAIN)
        unknown = {number for _, number in self.planes} - {None, *numbers}
        if unknown or (self.pixels.kind != "LABELMAP" and any(number is None for _, number in self.planes)):
            raise InputError(self.path, f"has frames of a segment that it does not describe {unknown}", _EXPORT_AGAIN)

    def _exact(self, numbers: list[int], grid: Grid, resample: bool, notes: list[str]) -> dict[int, Mask]:
        parts: dict[int, list[tuple[np.ndarray, np.ndarray]]] = {number: [] for number in numbers}
        for n, (plane, number) in enumerate(self.planes):
            source = self._grid(plane, grid)
            (offset, block), note = place_labels(self.pixels.frame(n)[None], source, grid, self.path, resample)
            if note and note not in notes:
                notes.append(note)
            for found, part in self._split(number, block):
                if found in parts and (cropped := _crop(part)) is not None:
                    parts[found].append((np.add(offset, cropped[0]), cropped[1]))
        return {number: _assembled(found, grid) for number, found in parts.items()}

    def _split(self, number: int | None, block: np.ndarray) -> Iterable[tuple[int, np.ndarray]]:
        if self.pixels.kind != "LABELMAP":
            return [(number or 0, block)]
        return [(int(label), block == label) for label in np.unique(block) if label]

    def _grid(self, plane: _Plane, target: Grid) -> Grid:
        return _slice_grid(plane, self.pixels.shape, target)

    def _home(self, plane: _Plane, grid: Grid) -> np.ndarray | None:
        return same_voxels_map(self._grid(plane, grid), grid)


@lru_cache(maxsize=8192)
def _slice_grid(plane: _Plane, shape: tuple[int, int], target: Grid) -> Grid:
    """The plane as a grid whose third axis is the target's that leaves the plane most steeply."""
    steps = target.affine[:3, :3] / np.linalg.norm(target.affine[:3, :3], axis=0)
    axis = int(np.argmax(np.abs(plane.normal @ steps)))
    return plane.grid(shape, target.affine[:3, axis])


def _apart(plane: _Plane, own: Grid, grid: Grid) -> str:
    """How a plane differs from the CT: its size and spacing, or the distance to the CT's nearest voxel."""
    steps, wanted = own.spacing_mm[1:], grid.spacing_mm[1:]
    if not np.allclose(steps, wanted, atol=1e-3):
        return f"{steps[1]:.4g} x {steps[0]:.4g} against {wanted[1]:.4g} x {wanted[0]:.4g} mm"
    index = grid.to_index(np.array(plane.position))
    distance = np.linalg.norm(grid.to_lps(np.rint(index)) - plane.position)
    return f"a frame lies {distance:.3g} mm beside the CT's voxels, or is turned"


def _crop(block: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """Offset and content of the box of True voxels in a slice's block (k, j, i); None when there are none."""
    box = []
    for axis in range(3):
        hits = np.flatnonzero(block.any(axis=tuple(a for a in range(3) if a != axis)))
        if hits.size == 0:
            return None
        box.append(slice(int(hits[0]), int(hits[-1]) + 1))
    return np.array([s.start for s in box]), np.ascontiguousarray(block[tuple(box)])


def _assembled(parts: list[tuple[np.ndarray, np.ndarray]], grid: Grid) -> Mask:
    if not parts:
        return Mask.empty(grid)
    low = np.min([offset for offset, _ in parts], axis=0)
    high = np.max([offset + block.shape for offset, block in parts], axis=0)
    array = np.zeros(tuple(high - low), bool)
    for offset, block in parts:
        array[tuple(slice(o, o + n) for o, n in zip(offset - low, block.shape, strict=True))] |= block
    return Mask(grid, tuple(int(n) for n in low), array)


def _own_stack(path: Path, planes: set[_Plane], shape: tuple[int, int]) -> Grid:
    """The even stack that all planes are slices of; frames of slices without voxels may be missing."""
    first = min(planes, key=lambda plane: float(np.dot(plane.position, plane.normal)))
    positions = np.array(sorted((p.position for p in planes), key=lambda p: float(np.dot(p, first.normal))))
    gaps = np.diff(positions @ first.normal)
    same = all(np.allclose(p.column_step + p.row_step, first.column_step + first.row_step, atol=1e-4) for p in planes)
    if len(planes) == 1:
        return first.grid(shape, first.normal)
    nearest = int(np.argmin(gaps))
    step = positions[nearest + 1] - positions[nearest]
    counts = np.rint((positions - positions[0]) @ first.normal / gaps[nearest])
    ideal = positions[0] + counts[:, None] * step
    if not same or np.abs(ideal - positions).max() > _STEP_TOLERANCE_MM:
        raise InputError(path, "has frames that are not slices of one even stack", "choose the CT it was made on")
    stack = first.grid(shape, step)
    return Grid((int(counts[-1]) + 1, *shape), stack.affine)


def _color(name: str, item: Dataset) -> tuple[int, int, int]:
    from highdicom.color import CIELabColor

    value = item.get("RecommendedDisplayCIELabValue")
    try:
        red, green, blue = CIELabColor.from_dicom_value([int(part) for part in value]).to_rgb()
    except (TypeError, ValueError):
        return color_for(name)
    return int(red), int(green), int(blue)


def _interpreted_type(name: str, item: Dataset) -> str:
    """What `write_seg` keeps in the description, else the table's."""
    description = str(item.get("SegmentDescription") or "")
    if description.startswith(TYPE_PREFIX.rstrip()):
        return description[len(TYPE_PREFIX) :].strip()
    return interpreted_type_for(name)
