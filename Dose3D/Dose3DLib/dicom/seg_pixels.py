"""Frames of a Segmentation, one at a time: packed bits, fractions or labels, native or compressed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset

from ..core.errors import InputError

__all__ = ["SegPixels"]


class SegPixels:
    """Gives frame after frame as (row, column) array: bool, or the labels of a LABELMAP.

    Parameters
    ----------
    path:
        of the file, for messages.
    dataset:
        with its Pixel Data.

    Raises
    ------
    InputError
        a segmentation type or number of bits that does not exist, or too few bytes for the frames.
    """

    def __init__(self, path: Path, dataset: Dataset):
        self._path, self._dataset = path, dataset
        self.shape = (int(dataset.Rows), int(dataset.Columns))
        self.kind = str(dataset.get("SegmentationType") or "BINARY")
        self.frames = int(dataset.get("NumberOfFrames") or 1)
        self._half = max(1, (int(dataset.get("MaximumFractionalValue") or 255) + 1) // 2)
        self._bits = int(dataset.BitsAllocated)
        if self.kind not in ("BINARY", "FRACTIONAL", "LABELMAP") or self._bits not in (1, 8, 16):
            raise self._fault(f"is of the type {self.kind} with {self._bits} bits")
        self._native = not dataset.file_meta.TransferSyntaxUID.is_encapsulated
        self._data = bytes(dataset.PixelData) if self._native else b""
        needed = (self.frames * self.shape[0] * self.shape[1] * self._bits + 7) // 8
        if self._native and len(self._data) < needed:
            raise self._fault(f"has {len(self._data)} of {needed} bytes of pixels")

    @property
    def fractional(self) -> bool:
        return self.kind == "FRACTIONAL"

    def frame(self, n: int) -> np.ndarray:
        """Frame `n` (from 0): bool array, or for a LABELMAP its labels."""
        array = self._stored(n) if self._native else self._decoded(n)
        if self.kind == "LABELMAP":
            return array
        return array >= self._half if self.fractional else array != 0

    def _stored(self, n: int) -> np.ndarray:
        count = self.shape[0] * self.shape[1]
        if self._bits > 1:
            dtype = np.dtype("u1" if self._bits == 8 else "<u2")
            if not self._dataset.file_meta.TransferSyntaxUID.is_little_endian:
                dtype = dtype.newbyteorder(">")
            return np.frombuffer(self._data, dtype, count, n * count * dtype.itemsize).reshape(self.shape)
        first, past = n * count // 8, ((n + 1) * count + 7) // 8
        bits = np.unpackbits(np.frombuffer(self._data, np.uint8, past - first, first), bitorder="little")
        start = n * count - 8 * first
        return bits[start : start + count].reshape(self.shape)

    def _decoded(self, n: int) -> np.ndarray:
        from pydicom.pixels import pixel_array

        try:
            return pixel_array(self._dataset, index=n)
        except (RuntimeError, ValueError, AttributeError, NotImplementedError) as error:
            raise self._fault(f"frame {n + 1} cannot be decompressed ({str(error)[:100]})") from error

    def _fault(self, cause: str) -> InputError:
        return InputError(self._path, cause, "export the segmentation again")
