"""Stored pixels -> Hounsfield units: decoding, unused bits, padding, rescale.

DICOM PS3.3 C.7.6.3 (image pixel), C.7.5.1.1.2 (padding), C.11.1 (modality LUT).
"""

from __future__ import annotations

import os
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby
from typing import Any

import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.pixels import get_decoder, iter_pixels, pixel_array
from pydicom.uid import (
    UID,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000TransferSyntaxes,
    JPEGLSTransferSyntaxes,
)

from ..core.errors import Dose3DError, InputError, ResourceError
from ..core.progress import Progress
from ..geometry.hounsfield import odd_values
from .frames import Frame
from .stack import Stack
from .values import EXPORT_AGAIN, number

__all__ = ["PADDING_HU", "ensure_transfer_syntax", "read_hounsfield", "rescaled_slice", "transfer_syntax_of"]

PADDING_HU = -1024
"""What padding outside the scanned circle becomes: the usual lower end of the CT scale, i.e. air."""
MAX_WORKERS = 4
INSTALL_DECODERS = "install python-gdcm, pyjpegls and pylibjpeg-openjpeg with pip, or export the series uncompressed"
INT16 = np.iinfo(np.int16)


class _OutOfInt16(Exception):
    """A slice needs float32 after all."""


def read_hounsfield(stack: Stack, progress: Progress) -> tuple[np.ndarray, list[str]]:
    """Decode all slices into one array [k, j, i] in HU, and sentences for the user.

    int16 when slopes and intercepts are whole numbers and the values fit, else float32. Peak memory is the array and a
    few slices.

    Raises
    ------
    InputError
        pixels that are cut short, cannot be decoded or have another size than the header says.
    ResourceError
        the array does not fit into memory, or a decoder is not installed.
    """
    whole = all(f.slope == int(f.slope) and f.intercept == int(f.intercept) for f in stack.frames)
    kinds = [np.int16, np.float32] if whole and not stack.is_interpolated else [np.float32]
    for dtype in kinds:
        try:
            array, padded = _fill(stack, dtype, progress)
            return array, _notes(stack, array, padded)
        except _OutOfInt16:
            continue
    raise AssertionError("float32 holds every CT")


def rescaled_slice(frame: Frame) -> np.ndarray:
    """Values of a classic slice by its slope and intercept, float32 [row, column]; padding stays as it is stored.

    Raises InputError or ResourceError as `read_hounsfield` does.
    """
    return _hounsfield(_stored_slice(frame), frame, None, np.float32)


def _fill(stack: Stack, dtype: Any, progress: Progress) -> tuple[np.ndarray, int]:
    array = _allocate(stack, dtype)
    before, padded, count = None, 0, len(stack.frames)
    targets = _targets(stack.sources)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for n, (frame, stored) in enumerate(zip(stack.frames, _stored(stack.frames), strict=True)):
            progress.report(n / count, f"slice {n + 1} of {count}")
            padding = _padding(frame, stored)
            now = _hounsfield(stored, frame, padding, dtype)
            padded += 0 if padding is None else int(padding.sum())
            for k, share in targets.get(n, ()):
                array[k] = now if share == 0 else before * (1 - share) + now * share
            before = now
    return array, padded


def _targets(sources: np.ndarray) -> dict[int, list[tuple[int, float]]]:
    """By frame index: the slices k that it completes, with its share against the frame before (0: the frame itself)."""
    targets: dict[int, list[tuple[int, float]]] = {}
    for k, source in enumerate(sources):
        targets.setdefault(int(np.ceil(source)), []).append((k, float(source % 1)))
    return targets


def _allocate(stack: Stack, dtype: Any) -> np.ndarray:
    try:
        return np.empty(stack.grid.shape, dtype)
    except (MemoryError, ValueError) as error:
        size = np.prod([float(n) for n in stack.grid.shape]) * np.dtype(dtype).itemsize / 2**30
        cause = f"the CT needs {size:.1f} GiB of memory"
        raise ResourceError(stack.frames[0].path.parent, cause, "free some") from error


def _stored(frames: tuple[Frame, ...]) -> Iterator[np.ndarray]:
    """Stored values of each frame in order; classic slices are decoded in threads, a few ahead."""
    if all(frame.frame_number is None for frame in frames):
        workers = min(MAX_WORKERS, os.cpu_count() or 1)
        with ThreadPoolExecutor(workers) as pool:
            yield from _in_order(pool, _stored_slice, frames, 2 * workers)
        return
    for _, run in groupby(frames, key=lambda frame: frame.path):
        yield from _stored_frames(list(run))


def _in_order(
    pool: ThreadPoolExecutor, function: Callable[[Any], Any], items: Iterable[Any], ahead: int
) -> Iterator[Any]:
    waiting: deque = deque()
    for item in items:
        waiting.append(pool.submit(function, item))
        if len(waiting) >= ahead:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


def _stored_slice(frame: Frame) -> np.ndarray:
    try:
        dataset = pydicom.dcmread(frame.path, force=True)
        ensure_transfer_syntax(dataset)
        plugin = _plugin(dataset.file_meta.TransferSyntaxUID)
        return _clean(pixel_array(dataset, raw=True, decoding_plugin=plugin), frame)
    except Dose3DError:
        raise
    except Exception as error:  # decoders raise all kinds on damaged pixels
        raise _undecodable(frame, error) from error


def _plugin(syntax: str) -> str:
    """The decoder that refuses damaged data best; GDCM can end the whole process. "" leaves the choice to pydicom."""
    wanted = "pyjpegls" if syntax in JPEGLSTransferSyntaxes else "pylibjpeg"
    choosable = syntax in JPEGLSTransferSyntaxes + JPEG2000TransferSyntaxes
    return wanted if choosable and wanted in get_decoder(syntax).available_plugins else ""


def _stored_frames(frames: list[Frame]) -> Iterator[np.ndarray]:
    """Frames of one enhanced file, one at a time from disk."""
    indices = [frame.frame_number - 1 for frame in frames]
    plugin = _plugin(transfer_syntax_of(frames[0].file.header))
    arrays = iter_pixels(frames[0].path, raw=True, indices=indices, decoding_plugin=plugin)
    for frame in frames:
        try:
            array = next(arrays)
        except Exception as error:  # decoders raise all kinds on damaged pixels
            raise _undecodable(frame, error) from error
        yield _clean(array, frame)


def transfer_syntax_of(dataset: Dataset) -> str:
    """Transfer syntax UID; without meta information it follows from how pydicom read the file, else little endian."""
    known = getattr(dataset, "file_meta", None) or Dataset()
    if known.get("TransferSyntaxUID"):
        return known.TransferSyntaxUID
    implicit, little = dataset.original_encoding
    if implicit:
        return ImplicitVRLittleEndian
    return ExplicitVRBigEndian if little is False else ExplicitVRLittleEndian


def ensure_transfer_syntax(dataset: Dataset) -> None:
    """Decoders want the transfer syntax in the meta information, which files of old archives lack."""
    syntax = transfer_syntax_of(dataset)
    if not getattr(dataset, "file_meta", None):
        dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = syntax


def _undecodable(frame: Frame, error: Exception) -> Dose3DError:
    if "missing dependencies" in str(error):
        syntax = UID(transfer_syntax_of(frame.file.header)).name
        return ResourceError(frame.path, f"no decoder for {syntax} is installed", INSTALL_DECODERS)
    reason = " ".join(str(error).split())[:200] or type(error).__name__
    cause = f"the pixels of {frame.name} cannot be decoded ({reason})"
    return InputError(frame.path, cause, "copy or export the series again, if need be uncompressed")


def _clean(array: np.ndarray, frame: Frame) -> np.ndarray:
    """Check the size; remove bits above BitsStored (overlays) and extend the sign."""
    if array.shape != frame.shape:
        cause = f"its pixels have shape {array.shape}, its header says {frame.shape}"
        raise InputError(frame.path, cause, EXPORT_AGAIN)
    header, path = frame.file.header, frame.path
    allocated = array.dtype.itemsize * 8
    stored = int(number(header, "BitsStored", path, allocated))
    high = int(number(header, "HighBit", path, stored - 1))
    if array.dtype.kind not in "iu" or stored >= allocated or high >= allocated:
        return array
    return (array << (allocated - 1 - high)) >> (allocated - stored)


def _padding(frame: Frame, stored: np.ndarray) -> np.ndarray | None:
    """Where the slice holds padding (Pixel Padding Value up to its range limit); None when nowhere."""
    header, path = frame.file.header, frame.path
    first = number(header, "PixelPaddingValue", path)
    if first is None or stored.dtype.kind not in "iu":
        return None
    last = number(header, "PixelPaddingRangeLimit", path, first)
    # The value may be written as US for signed pixels and the other way round: same bits, other sign.
    low, high = sorted(int(v) for v in np.array([first, last]).astype(np.int64).astype(stored.dtype))
    found = stored == low if low == high else (stored >= low) & (stored <= high)
    return found if found.any() else None


def _hounsfield(stored: np.ndarray, frame: Frame, padding: np.ndarray | None, dtype: Any) -> np.ndarray:
    if dtype == np.float32:
        values = (stored * frame.slope + frame.intercept).astype(np.float32)
    else:
        values = stored.astype(np.int64) * int(frame.slope) + int(frame.intercept)
    if padding is not None:
        values[padding] = PADDING_HU
    if dtype == np.float32:
        return values
    if values.min() < INT16.min or values.max() > INT16.max:
        raise _OutOfInt16
    return values.astype(np.int16)


def _notes(stack: Stack, array: np.ndarray, padded: int) -> list[str]:
    notes = [f"{padded} voxels of padding were set to {PADDING_HU} HU"] if padded else []
    if not all(frame.rescaled for frame in stack.frames):
        notes.append("Rescale Slope or Intercept is missing in some slices; stored values were taken as HU")
    return notes + odd_values(float(array.min()), float(array.max()))
