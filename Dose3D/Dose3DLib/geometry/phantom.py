"""Patients that nobody is: the population phantom for the demo, and solids of known volume for tests.

How the population phantom was made, and from what, stands in `population_phantom.md` beside this file.
"""

from __future__ import annotations

import math
import zipfile
import zlib
from pathlib import Path

import numpy as np

from ..core.errors import ResourceError
from .grid import Grid, Volume
from .mask import Mask
from .mask_files import named_structure
from .structure import StructureSet

__all__ = ["ANALYTIC_VOLUMES_CC", "PHANTOM_FILE", "analytic_grid", "analytic_phantom", "population_phantom"]

PHANTOM_FILE = Path(__file__).with_name("population_phantom.npz")
"""The shipped asset; it travels with the library, in a checkout, a wheel and an installed extension."""

ANALYTIC_VOLUMES_CC = {
    "BODY": (160 * 120 * 140 + 60 * 50 * 50) / 1000,
    "Sphere": 4 / 3 * math.pi * 25**3 / 1000,
    "SpinalCord": math.pi * 6**2 * 140 / 1000,
    "Airway": math.pi * 9**2 * 100 / 1000,
}
"""Volumes of the solids of `analytic_phantom` themselves, not of their voxels."""


def population_phantom(path: Path = PHANTOM_FILE) -> tuple[Volume, StructureSet]:
    """The mean head and neck of a population: CT in HU (int16), seven organs and BODY on its grid.

    Structures follow the majority of those who drew them; overlaps are removed only where the vote did.

    Raises
    ------
    ResourceError
        the file is missing or damaged.
    """
    remedy = "install Dose3D again"
    if not path.is_file():
        raise ResourceError(path, "the phantom is missing", remedy)
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {key: file[key] for key in file.files}
        grid = Grid(tuple(int(n) for n in arrays["shape"]), arrays["affine"])
        return Volume(_decode_hu(arrays, grid), grid), _decode_structures(arrays, grid)
    except (OSError, KeyError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise ResourceError(path, f"the phantom's file is damaged ({error})", remedy) from error


def _decode_hu(arrays: dict[str, np.ndarray], grid: Grid) -> np.ndarray:
    """HU = level x step + offset inside the crop; -1000 in the rest."""
    hu = np.full(grid.shape, -1000, np.int16)
    low, high = arrays["level_planes"].astype(np.int32)
    hu[_crop(arrays)] = (low | high << 8) * int(arrays["hu_step"]) + int(arrays["hu_offset"])
    return hu


def _decode_structures(arrays: dict[str, np.ndarray], grid: Grid) -> StructureSet:
    names = [str(name) for name in arrays["structure_names"]]
    shape = tuple(int(n) for n in arrays["crop_shape"])
    bits = np.unpackbits(arrays["structures"], count=len(names) * math.prod(shape)).reshape(len(names), *shape)
    offset = tuple(int(n) for n in arrays["crop_start"])
    structures = []
    for number, (name, block) in enumerate(zip(names, bits, strict=True), start=1):
        mask = Mask.from_array(block.astype(bool), grid, offset)
        structures.append(named_structure(name, mask, number=number))
    return StructureSet(grid, tuple(structures), ("Population phantom: the majority's structures, nobody's anatomy.",))


def _crop(arrays: dict[str, np.ndarray]) -> tuple[slice, ...]:
    starts, lengths = arrays["crop_start"], arrays["crop_shape"]
    return tuple(slice(int(s), int(s + n)) for s, n in zip(starts, lengths, strict=True))


def analytic_grid() -> Grid:
    """The default grid of `analytic_phantom`: 64 slices of 96 x 112 voxels, 2.5 x 2 x 2 mm, centred on the origin."""
    return Grid.axial((64, 96, 112), (2.5, 2.0, 2.0), (-111.0, -95.0, -78.75))


def analytic_phantom(grid: Grid | None = None) -> tuple[Volume, StructureSet]:
    """Solids that no mirror image or turn maps onto themselves: CT in HU (int16) and their masks on the grid.

    In LPS millimetres from the grid's centre: BODY is a block of 160 x 120 x 140 mm, 0 HU, with a foot (a letter L) at
    its left, posterior, inferior corner; a sphere of radius 25 mm in the right anterior superior part, 60 HU; an
    upright cord of radius 6 mm in a bony ring (700 HU) behind the middle; an airway of radius 9 mm at the left. A voxel
    belongs to a solid when its centre does. Volumes of the solids: `ANALYTIC_VOLUMES_CC`.
    """
    grid = grid or analytic_grid()
    shapes = {name: np.zeros(grid.shape, bool) for name in (*ANALYTIC_VOLUMES_CC, "Bone")}
    centre = grid.to_lps((np.array(grid.shape[::-1]) - 1) / 2)
    j, i = np.mgrid[: grid.shape[1], : grid.shape[2]]
    for k in range(grid.shape[0]):
        points = grid.to_lps(np.stack([i, j, np.full_like(i, k)], axis=-1)) - centre
        for name, inside in _solids(points).items():
            shapes[name][k] = inside
    hu = np.full(grid.shape, -1000, np.int16)
    for name, value in (("BODY", 0), ("Sphere", 60), ("Bone", 700), ("SpinalCord", 35), ("Airway", -990)):
        hu[shapes[name]] = value
    return Volume(hu, grid), _named(shapes, grid)


def _named(shapes: dict[str, np.ndarray], grid: Grid) -> StructureSet:
    structures = []
    for number, name in enumerate(ANALYTIC_VOLUMES_CC, start=1):
        structures.append(named_structure(name, Mask.from_array(shapes[name], grid), number=number))
    return StructureSet(grid, tuple(structures))


def _solids(points: np.ndarray) -> dict[str, np.ndarray]:
    """Which of the (j, i, 3) points in LPS millimetres lie in which solid."""
    left, posterior, superior = np.moveaxis(points, -1, 0)
    block = (np.abs(left + 30) < 80) & (np.abs(posterior) < 60) & (np.abs(superior) < 70)
    # the foot sticks out at the left: 60 x 50 x 50 mm
    foot = (left >= 50) & (left < 110) & (posterior > 10) & (posterior < 60) & (superior > -70) & (superior < -20)
    ball = (left + 45) ** 2 + (posterior + 20) ** 2 + (superior - 30) ** 2 < 25**2
    column = left**2 + (posterior - 35) ** 2
    tall = np.abs(superior) < 70
    airway = ((left - 35) ** 2 + (posterior + 30) ** 2 < 9**2) & (np.abs(superior) < 50)
    return {
        "BODY": block | foot,
        "Sphere": ball,
        "SpinalCord": (column < 6**2) & tall,
        "Bone": (column >= 9**2) & (column < 16**2) & tall,
        "Airway": airway,
    }
