"""Two segmentations of the scene, compared slab by slab so that the window never waits.

The label maps are looked at where they are, without copies. Voxels outside the CT don't count; the export refuses them.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import slicer
import vtk
from Dose3DLib.core.errors import InputError
from Dose3DLib.geometry.agreement import Agreement, agreement_of, lowest_slices, slice_counts
from Dose3DLib.geometry.grid import LPS_TO_RAS, Grid
from slicer.i18n import tr as _
from vtk.util.numpy_support import vtk_to_numpy

from .volumes import hasImage

__all__ = ["Comparison", "referenceVolumeOf"]

VOXELS_PER_STEP = 1_000_000
"""Some 5 ms of work."""
SAME_VOXELS = 1e-3
"""Voxels by which two label maps of one geometry may be apart: header noise."""


@dataclass(frozen=True)
class _LabelMap:
    """One segment's voxels: where `array` (k, j, i) has `value`; `offset` is its first voxel on the reference grid."""

    array: np.ndarray
    offset: tuple[int, int, int]
    value: int

    @property
    def box(self) -> tuple[slice, slice, slice]:
        k, j, i = (slice(o, o + n) for o, n in zip(self.offset, self.array.shape, strict=True))
        return k, j, i

    def inBox(self, box: tuple[slice, ...]) -> np.ndarray:
        """(k, j, i) bool of a box of the reference grid."""
        found = np.zeros([b.stop - b.start for b in box], bool)
        low = [max(m.start, b.start) for m, b in zip(self.box, box, strict=True)]
        high = [max(min(m.stop, b.stop), a) for m, b, a in zip(self.box, box, low, strict=True)]
        target = tuple(slice(a - b.start, c - b.start) for a, c, b in zip(low, high, box, strict=True))
        source = tuple(slice(a - o, c - o) for a, c, o in zip(low, high, self.offset, strict=True))
        found[target] = self.array[source] == self.value
        return found


@dataclass
class _Pair:
    """A structure's two versions; `former` is another name that the first one had."""

    name: str
    before: _LabelMap | None
    after: _LabelMap | None
    former: str = ""


class Comparison:
    """Compares an original with what became of it.

    Structures belong together by name; one of a new name whose segment is that of a structure that has gone is
    `renamed` when its voxels are the same, else one is `removed` and one `added`, as in `structures review`.

    Attributes
    ----------
    agreements:
        of the structures that are done, in the order of the reviewed segmentation, then those that have gone.
    fingerprint:
        of names and voxels of the reviewed structures, when all is done; the same again after saving and loading.

    Raises
    ------
    InputError
        a segment without voxels to look at (surface only), or label maps of different geometries.
    """

    def __init__(self, original, reviewed):
        self._node = reviewed
        self._matrix, shape = _reference(original, reviewed)
        self._grid = Grid(shape, LPS_TO_RAS @ self._matrix)
        self._pairs = self._pair(original.GetSegmentation(), reviewed.GetSegmentation())
        self._done: dict[str, _Pair] = {}
        self.agreements: list[Agreement] = []
        self.fingerprint = ""

    def steps(self) -> Iterator[float]:
        """Do the work in steps of a few milliseconds; each yields the fraction that is done."""
        yield 0.0
        prints = []
        for number, pair in enumerate(self._pairs):
            counts = np.zeros((self._grid.shape[0], 3), np.int64)
            box, print_ = self._box(pair), 0
            for slab in _slabs(box):
                part = (slab, *box[1:])
                before, after = self._blocks(pair, part)
                counts[slab] = slice_counts(before, after)
                print_ = _shadows(after, part, print_)
                yield (number + (slab.stop - box[0].start) / (box[0].stop - box[0].start)) / len(self._pairs)
            self._conclude(pair, counts)
            prints += [f"{pair.name}={print_:08x}"] if pair.after is not None else []
        self.fingerprint = f"{zlib.crc32(chr(10).join(sorted(prints)).encode()):08x}"
        self.agreements.sort(key=lambda one: one.state == "removed" and self._done[one.name].after is None)

    def lowest(self):
        """(name, slice) of all slices that differ, the lowest agreement first."""
        return lowest_slices(self.agreements)

    def place(self, name: str, index: int) -> tuple[float, float, float] | None:
        """RAS millimetres (world) in the middle of what was changed on a slice; None where nothing was."""
        pair = self._done[name]
        box = self._box(pair)
        plane = (slice(index, index + 1), *box[1:])
        before, after = self._blocks(pair, plane)
        changed = np.argwhere((before ^ after)[0])
        if not len(changed):
            return None
        nearest = changed[np.abs(changed - changed.mean(axis=0)).sum(axis=1).argmin()]
        j, i = nearest + [box[1].start, box[2].start]
        point = (self._matrix @ [i, j, index, 1.0])[:3]
        world = [0.0, 0.0, 0.0]
        self._node.TransformPointToWorld(point, world)
        return world[0], world[1], world[2]

    @property
    def sliceCount(self) -> int:
        return self._grid.shape[0]

    def _pair(self, before, after) -> list[_Pair]:
        """By name first; then by the segment's own ID, for those that were renamed."""
        names = {after.GetNthSegment(n).GetName() for n in range(after.GetNumberOfSegments())}
        old = {
            before.GetNthSegment(n).GetName(): before.GetNthSegmentID(n) for n in range(before.GetNumberOfSegments())
        }
        pairs = []
        for n in range(after.GetNumberOfSegments()):
            name, segmentId = after.GetNthSegment(n).GetName(), after.GetNthSegmentID(n)
            former = next((o for o, oldId in old.items() if oldId == segmentId and o not in names), "")
            origin = name if name in old else former
            first = self._labelMap(before.GetSegment(old.pop(origin))) if origin else None
            pairs.append(_Pair(name, first, self._labelMap(after.GetNthSegment(n)), former if origin != name else ""))
        return pairs + [_Pair(o, self._labelMap(before.GetSegment(oldId)), None) for o, oldId in old.items()]

    def _labelMap(self, segment) -> _LabelMap | None:
        """A segment's voxels; None when it has none."""
        image = segment.GetRepresentation(slicer.vtkSegmentationConverter.GetBinaryLabelmapRepresentationName())
        if image is None:
            cause = _("has no binary label map, only other representations")
            raise InputError(segment.GetName(), cause, _("open the segmentation in Segment Editor once"))
        scalars = image.GetPointData().GetScalars()
        if scalars is None or scalars.GetNumberOfTuples() == 0:
            return None
        shift = np.linalg.inv(self._matrix) @ _imageToWorld(image)
        first = shift @ [*image.GetExtent()[0::2], 1.0]
        apart = np.abs(first - np.rint(first)).max()
        if np.abs(shift[:3, :3] - np.eye(3)).max() * max(image.GetDimensions()) > SAME_VOXELS or apart > SAME_VOXELS:
            cause = _("its voxels are not those of the CT")
            raise InputError(segment.GetName(), cause, _("export the review, or draw on the CT's geometry"))
        array = vtk_to_numpy(scalars).reshape(image.GetDimensions()[::-1])
        i, j, k = (int(n) for n in np.rint(first[:3]))
        return _LabelMap(array, (k, j, i), segment.GetLabelValue())

    def _box(self, pair: _Pair) -> tuple[slice, slice, slice]:
        """Around both versions, within the grid."""
        boxes = [one.box for one in (pair.before, pair.after) if one is not None]
        if not boxes:
            return slice(0, 0), slice(0, 0), slice(0, 0)
        low = [max(min(b[axis].start for b in boxes), 0) for axis in range(3)]
        high = [min(max(b[axis].stop for b in boxes), size) for axis, size in enumerate(self._grid.shape)]
        k, j, i = (slice(a, max(a, b)) for a, b in zip(low, high, strict=True))
        return k, j, i

    def _blocks(self, pair: _Pair, box: tuple[slice, ...]) -> tuple[np.ndarray, np.ndarray]:
        empty = np.zeros([b.stop - b.start for b in box], bool)
        before, after = (one.inBox(box) if one is not None else empty for one in (pair.before, pair.after))
        return before, after

    def _conclude(self, pair: _Pair, counts: np.ndarray) -> None:
        found = agreement_of(pair.name, counts, self._grid)
        if not pair.former:
            self._add(found, pair)
        elif found.state == "unchanged" and found.after_cc > 0:
            self._add(replace(found, state="renamed", former_name=pair.former), pair)
        else:
            self._add(agreement_of(pair.name, counts * [0, 1, 0], self._grid), _Pair(pair.name, None, pair.after))
            self._add(agreement_of(pair.former, counts * [1, 0, 0], self._grid), _Pair(pair.former, pair.before, None))

    def _add(self, agreement: Agreement, pair: _Pair) -> None:
        self.agreements.append(agreement)
        self._done[agreement.name] = pair


def referenceVolumeOf(node):
    """The volume that a segmentation was drawn on, None when it has none (any more)."""
    role = node.GetReferenceImageGeometryReferenceRole()
    volume = slicer.mrmlScene.GetNodeByID(node.GetNodeReferenceID(role) or "")
    return volume if volume is not None and hasImage(volume) else None


def _reference(original, reviewed) -> tuple[np.ndarray, tuple[int, int, int]]:
    """Index to RAS (4 x 4) and shape (k, j, i) that both are compared on: the CT's, else the original's own."""
    volume = referenceVolumeOf(reviewed)
    if volume is not None:
        matrix = vtk.vtkMatrix4x4()
        volume.GetIJKToRASMatrix(matrix)
        return _array(matrix), tuple(volume.GetImageData().GetDimensions()[::-1])
    name = slicer.vtkSegmentationConverter.GetBinaryLabelmapRepresentationName()
    for node in (original, reviewed):
        for n in range(node.GetSegmentation().GetNumberOfSegments()):
            image = node.GetSegmentation().GetNthSegment(n).GetRepresentation(name)
            if image is not None and min(image.GetDimensions()) > 0:
                return _imageToWorld(image), tuple(end + 1 for end in image.GetExtent()[5::-2])
    return np.eye(4), (1, 1, 1)


def _slabs(box: tuple[slice, ...]) -> Iterator[slice]:
    area = max(1, (box[1].stop - box[1].start) * (box[2].stop - box[2].start))
    thick = max(1, VOXELS_PER_STEP // area)
    for start in range(box[0].start, box[0].stop, thick):
        yield slice(start, min(start + thick, box[0].stop))


def _shadows(block: np.ndarray, box: tuple[slice, ...], start: int) -> int:
    """A checksum of the voxels' shadows along rows and columns, each at its place: the same in any box around them."""
    for axis, other in ((2, 1), (1, 2)):
        counts = np.count_nonzero(block, axis=axis)
        filled = np.argwhere(counts)
        places = filled + [box[0].start, box[other].start]
        # slice by slice, so that slabs of any thickness give the same
        rows = np.column_stack([places, counts[counts > 0]]).astype("<i8")
        start = (start + sum(zlib.crc32(row.tobytes()) for row in np.split(rows, _firsts(filled)) if len(row))) % 2**32
    return start


def _firsts(filled: np.ndarray) -> np.ndarray:
    return np.flatnonzero(np.diff(filled[:, 0])) + 1


def _imageToWorld(image) -> np.ndarray:
    matrix = vtk.vtkMatrix4x4()
    image.GetImageToWorldMatrix(matrix)
    return _array(matrix)


def _array(matrix) -> np.ndarray:
    return np.array([[matrix.GetElement(row, column) for column in range(4)] for row in range(4)])
