"""RTSTRUCT through rt-utils, for users who want the files that they know; its errors are those of rt-utils.

rt-utils 1.2.7 draws through the centres of edge pixels (half a pixel too small), fills edge pixels on reading, fails on
images that are not square, and writes other letters than Latin as ?; the page on contours has the figures.
"""

from __future__ import annotations

import io
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError

from ..core.errors import InputError, ResourceError
from ..core.nomenclature import color_for, interpreted_type_for
from ..geometry.mask import Mask
from ..geometry.structure import Structure, StructureSet
from .ct import CtReference

__all__ = ["read_by_rt_utils", "write_by_rt_utils"]

_REMEDY = "use --engine dose3d"


def read_by_rt_utils(path: Path, ct: Path, reference: CtReference) -> StructureSet:
    """Masks as rt-utils makes them of an RTSTRUCT; structures that it cannot read are named in the notes."""
    builder = _import()
    structures, notes = [], [f"{path}: read by rt-utils"]
    with _series_folder(ct, reference) as folder:
        struct = _try(path, lambda: builder.create_from(str(folder), str(path)))
        order = _slice_order(struct.series_data, reference)
        for name in _try(path, struct.get_roi_names):
            try:
                array = _quietly(lambda name=name: struct.get_roi_mask_by_name(name)).transpose(2, 0, 1)
            except Exception as error:  # rt-utils raises whatever its parts do
                notes.append(f"{name}: rt-utils cannot read it ({str(error)[:80] or type(error).__name__})")
                continue
            if array.shape != reference.grid.shape:
                notes.append(f"{name}: rt-utils gives a mask of the wrong shape {array.shape}")
                continue
            mask = Mask.from_array(array[order], reference.grid)
            structures.append(Structure(str(name), mask, None, color_for(name), interpreted_type_for(name)))
    if not structures:
        raise InputError(path, f"rt-utils reads no structure of it ({'; '.join(notes[1:4])})", _REMEDY)
    return StructureSet(reference.grid, tuple(structures), tuple(notes))


def write_by_rt_utils(structures: StructureSet, ct: Path, reference: CtReference, path: Path) -> None:
    """Write an RTSTRUCT by rt-utils."""
    builder = _import()
    with _series_folder(ct, reference) as folder, tempfile.TemporaryDirectory() as room:
        struct = _try(path, lambda: builder.create_new(str(folder)))
        order = _slice_order(struct.series_data, reference)
        back = np.argsort(order)
        for s in structures:
            array = np.ascontiguousarray(s.mask.to_array()[back].transpose(1, 2, 0))
            _try(path, lambda s=s, array=array: struct.add_roi(mask=array, color=list(s.color), name=s.name))
        draft = Path(room) / "rt-utils.dcm"
        _try(path, lambda: struct.save(str(draft)))
        path.write_bytes(draft.read_bytes())


def _import() -> Any:
    try:
        from rt_utils import RTStructBuilder
    except ImportError as error:
        raise ResourceError(
            "--engine rt-utils", "rt-utils is not installed", "pip install --no-deps rt-utils opencv-python-headless"
        ) from error
    return RTStructBuilder


def _quietly(call: Any) -> Any:
    with redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return call()


def _try(path: Path, call: Any) -> Any:
    try:
        return _quietly(call)
    except Exception as error:  # rt-utils raises whatever its parts do, mostly bare Exception
        reason = " ".join(str(error).split())[:160] or type(error).__name__
        raise InputError(path, f"rt-utils refuses: {reason}", _REMEDY) from error


@contextmanager
def _series_folder(ct: Path, reference: CtReference) -> Iterator[Path]:
    """A folder with the chosen series alone: rt-utils takes every image that it finds."""
    wanted = {image.sop_instance_uid for image in reference.slices if image}
    folder = ct if ct.is_dir() else ct.parent
    with tempfile.TemporaryDirectory() as room:
        for number, file in enumerate(sorted(p for p in folder.rglob("*") if p.is_file())):
            if _sop_uid(file) in wanted:
                wanted.discard(_sop_uid(file))
                target = Path(room) / f"{number:06d}.dcm"
                try:
                    target.symlink_to(file.resolve())
                except OSError:  # Windows without the right to make links
                    target.write_bytes(file.read_bytes())
        yield Path(room)


def _sop_uid(file: Path) -> str:
    try:
        return str(pydicom.dcmread(file, stop_before_pixels=True, specific_tags=["SOPInstanceUID"]).SOPInstanceUID)
    except (InvalidDicomError, OSError, AttributeError, ValueError):
        return ""


def _slice_order(series: list[Dataset], reference: CtReference) -> list[int]:
    """For each slice k of ours the number of rt-utils' slice."""
    numbers = {str(image.SOPInstanceUID): n for n, image in enumerate(series)}
    try:
        return [numbers[image.sop_instance_uid] for image in reference.slices if image]
    except KeyError as error:
        raise InputError("--engine rt-utils", "rt-utils cannot load every slice of the CT", _REMEDY) from error
