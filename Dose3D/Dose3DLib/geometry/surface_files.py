"""Structures from closed surfaces (.stl, .obj, .ply, .vtk, .vtp), one file or a folder of them, or a .vtm of Slicer.

A surface becomes polygons where the slices of a grid meet its triangles. Files of planar contours (SlicerRT stores them
as closed lines in .vtp) keep their own polygons. Without a grid the structures get one of their own, fine in z.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from ..core.errors import InputError
from .contours import contours_to_mask
from .grid import LPS_TO_RAS, Grid
from .label_names import Label
from .mask import Mask
from .mask_files import named_structure, refuse_equal_names
from .mesh_files import READERS, read_mesh
from .polydata import PolyData, merged
from .resample import axial_grid
from .slicing import open_edges, slice_surface
from .structure import PlanarContours, Structure, StructureSet
from .volume_files import image_suffix
from .vtp import read_vtp, read_xml

__all__ = ["SURFACE_SUFFIXES", "has_surfaces", "is_surface_file", "read_surfaces"]

SURFACE_SUFFIXES = (*READERS, ".vtp", ".vtm")
_PLANE_TOLERANCE_MM = 0.05
_FINEST_MM, _COARSEST_MM, _FEWEST_SLICES = 0.2, 1.0, 12
_MOST_VOXELS = 60_000_000
"""An own grid has slices thin enough for its smallest structure, and pixels no finer than this allows."""


def is_surface_file(path: Path) -> bool:
    """Whether a file's name says that it holds surfaces."""
    return path.suffix.lower() in SURFACE_SUFFIXES


def has_surfaces(folder: Path) -> bool:
    """Whether a folder holds files of surfaces, and no masks."""
    names = [path for path in folder.iterdir() if path.is_file()]
    is_masks = (folder / "masks").is_dir() or any(image_suffix(path) for path in names)
    return not is_masks and any(is_surface_file(path) for path in names)


def read_surfaces(path: Path, grid: Grid | None = None, frame: str | None = None) -> StructureSet:
    """The structures of a file or folder of surfaces, with contours, on `grid` or on one of their own.

    Parameters
    ----------
    frame:
        LPS or RAS, for files that don't say it. None takes LPS, and RAS for Slicer's segmentations.

    Raises
    ------
    InputError
        damaged, not closed, without surface, planar contours that are not axial or not on the grid's slices.
    """
    path = Path(path)
    files = _files(path)
    if not files:
        raise InputError(path, "holds no surfaces", f"give files that end in {', '.join(SURFACE_SUFFIXES)}")
    objects, notes = [], []
    for file in files:
        found, note = _in_lps(_read_one(file), frame)
        _check(file, found)
        objects.append(found)
        notes += [note] if note and note not in notes else []
    own = grid is None
    grid = _own_grid(path, objects) if grid is None else grid
    structures = []
    for file, found in zip(files, objects, strict=True):
        contours, note = _contours(file, found, grid)
        note = "" if own else note
        structures.append(_structure(found.fields.get("name") or file.stem, found, contours, grid))
        notes += [note] if note else []
    refuse_equal_names(path, structures)
    return StructureSet(grid, tuple(structures), tuple(notes))


def _files(path: Path) -> list[Path]:
    if path.is_dir():
        return sorted(file for file in path.iterdir() if is_surface_file(file) and file.suffix.lower() != ".vtm")
    if path.suffix.lower() != ".vtm":
        return [path]
    root, _ = read_xml(path)
    files = [path.parent / item.get("file", "") for item in root.iter("DataSet") if item.get("file")]
    for file in files:
        if not file.is_file() or file.suffix.lower() not in SURFACE_SUFFIXES:
            raise InputError(path, f"names {file.name}, which is not there", "keep the .vtm beside its folder")
    return files


def _read_one(file: Path) -> PolyData:
    return merged(read_vtp(file) if file.suffix.lower() == ".vtp" else read_mesh(file))


def _in_lps(found: PolyData, frame: str | None) -> tuple[PolyData, str]:
    """Points in LPS, and a note where the frame is a guess. What a file says goes before what the user says."""
    space = found.fields.get("space") or frame
    note = ""
    if space is None:
        space = "RAS" if "name" in found.fields else "LPS"
        note = f"The surfaces don't say their frame of axes: taken as {space}"
    points = found.points @ LPS_TO_RAS[:3, :3] if space == "RAS" else found.points
    return replace(found, points=points), note


def _check(file: Path, found: PolyData) -> None:
    if not np.isfinite(found.points).all():
        raise InputError(file, "has points that are not finite numbers", "save it again")
    if len(found.triangles) == 0 and not found.loops:
        raise InputError(file, "has no triangles and no closed lines", "give closed surfaces")
    if len(found.triangles) and (count := open_edges(found)):
        raise InputError(file, f"is not closed: {count} open edges", "fill its holes, a structure needs an inside")


def _planes(found: PolyData) -> list[float]:
    """z of each closed line (its middle)."""
    return [float(found.points[loop, 2].mean()) for loop in found.loops]


def _own_grid(path: Path, objects: Sequence[PolyData]) -> Grid:
    """Axial, on the planes of contours where there are any, else with slices for the smallest structure."""
    points = np.concatenate([found.points for found in objects])
    low, high = points.min(axis=0), points.max(axis=0)
    planes = np.unique(np.round([z for found in objects if not len(found.triangles) for z in _planes(found)], 3))
    if len(planes):
        thickness = _distance(path, planes)
        low[2] -= np.ceil((planes[0] - low[2]) / thickness) * thickness - (planes[0] - low[2])
    else:
        smallest = min(float(np.ptp(found.points[:, 2])) for found in objects)
        thickness = float(np.clip(smallest / _FEWEST_SLICES, _FINEST_MM, _COARSEST_MM))
        thickness = (high[2] - low[2]) / np.ceil((high[2] - low[2]) / thickness)
        low[2], high[2] = low[2] + thickness / 2, high[2] - thickness * 0.51  # slabs begin and end where structures do
    pixel = max(1.0, float(np.sqrt(np.prod(high - low + 1) / thickness / _MOST_VOXELS)))
    return axial_grid(low - (pixel, pixel, 0), high + (pixel, pixel, 0), (thickness, pixel, pixel))


def _distance(path: Path, planes: np.ndarray) -> float:
    """Distance of the slices that contours lie on: the smallest gap, which all others must be multiples of."""
    gaps = np.diff(planes)
    gaps = gaps[gaps > _PLANE_TOLERANCE_MM]
    if len(gaps) == 0:
        raise InputError(path, "has contours on a single plane: their thickness is not known", "give the CT with --ct")
    distance = float(np.ptp(planes) / max(1, round(np.ptp(planes) / gaps.min())))
    steps = (planes - planes[0]) / distance
    if np.abs(steps - np.rint(steps)).max() * distance > _PLANE_TOLERANCE_MM:
        raise InputError(path, "has contours on planes of uneven distance", "give their CT with --ct")
    return distance


def _contours(file: Path, found: PolyData, grid: Grid) -> tuple[PlanarContours, str]:
    """Polygons on the grid's slices, and a note on what lies beside it."""
    if len(found.triangles):
        contours, note = slice_surface(found, grid), ""
        k = grid.to_index(found.points)[:, 2]
        beyond = k.min() < -0.5 - 1e-6 or k.max() > grid.shape[0] - 0.5 + 1e-6
        return contours, f"{file.name} goes beyond the slices of the CT, and is cut off there" if beyond else ""
    contours, lost = {}, 0
    for loop in found.loops:
        index = grid.to_index(found.points[loop])
        k = int(np.rint(index[:, 2].mean()))
        aside = float(np.abs(index[:, 2] - k).max()) * grid.slice_distance_mm
        if aside > _PLANE_TOLERANCE_MM:
            cause = f"has contours {aside:.3g} mm beside the slices of the image"
            raise InputError(file, cause, "give the CT that they were drawn on")
        if 0 <= k < grid.shape[0]:
            contours.setdefault(k, []).append(index[:, :2])
        else:
            lost += 1
    note = f"{file.name}: {lost} contours beyond the slices of the CT were left out" if lost else ""
    return dict(sorted(contours.items())), note


def _structure(name: str, found: PolyData, contours: PlanarContours, grid: Grid) -> Structure:
    color = None
    if "color" in found.fields:
        red, green, blue = (round(255 * float(part)) for part in found.fields["color"].split()[:3])
        color = (red, green, blue)
    mask = contours_to_mask(contours, grid) if contours else Mask.empty(grid)
    return replace(named_structure(name, mask, Label(name, (1,), color, None)), contours=contours)
