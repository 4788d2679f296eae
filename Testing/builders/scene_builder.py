"""Scene files for tests of the viewer: what `write_scene` never makes (several volumes, dose, odd names, nothing)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from Dose3DLib.geometry.grid import Grid, Volume
from Dose3DLib.geometry.mask import Mask
from Dose3DLib.geometry.structure import Structure, StructureSet
from Dose3DLib.scene import mrb
from Dose3DLib.scene.nodes import ScenePatient, add_patient, add_segmentation, add_volume

__all__ = ["HOSTILE", "ball_grid", "ct", "dose", "structures", "write_scene_file"]

HOSTILE = "<img src=x onerror=\"document.title='taken'\">{{ 7 * 6 }}${1}"
"""A name that would become markup, a template or a script where a page does not write names as text."""


def ball_grid(angle_deg: float = 0.0) -> Grid:
    """40 x 40 x 30 voxels of 4 x 4 x 5 mm around the origin, turned about two axes."""
    a = np.radians(angle_deg)
    about_z = np.array([[np.cos(a), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [0, 0, 1]])
    about_x = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
    affine = np.eye(4)
    affine[:3, :3] = about_z @ about_x @ np.diag([4.0, 4.0, 5.0])
    affine[:3, 3] = affine[:3, :3] @ np.array([-19.5, -19.5, -14.5])
    return Grid((30, 40, 40), affine)


def _distance(grid: Grid) -> np.ndarray:
    k, j, i = np.indices(grid.shape)
    return np.sqrt((4.0 * (i - 19.5)) ** 2 + (4.0 * (j - 19.5)) ** 2 + (5.0 * (k - 14.5)) ** 2)


def ct(grid: Grid) -> Volume:
    """Air around a ball of water of 65 mm, a ball of bone of 20 mm in it."""
    distance = _distance(grid)
    return Volume(np.select([distance < 20, distance < 65], [700, 20], -1000).astype(np.int16), grid)


def dose(grid: Grid, highest: float = 60.0) -> Volume:
    """Dose that falls off from `highest` in the middle."""
    return Volume((highest * np.exp(-((_distance(grid) / 30) ** 2))).astype(np.float32), grid)


def structures(grid: Grid, name: str = "Bone") -> StructureSet:
    """The body as a hull, and the ball in it."""
    distance = _distance(grid)
    body, bone = Mask.from_array(distance < 65, grid), Mask.from_array(distance < 20, grid)
    inner = Structure(name, bone, color=(220, 30, 30))
    return StructureSet(grid, (inner, Structure("BODY", body, color=(0, 0, 255), interpreted_type="EXTERNAL")))


def write_scene_file(
    path: Path, volumes: dict[str, Volume], contents: StructureSet | None = None, unit: str = "", patient: str = ""
) -> Path:
    """Write a .mrb of these volumes by name; the last one of several states `unit` as the unit of its values."""
    application = mrb.new_scene()
    scene = application.GetMRMLScene()
    nodes = [add_volume(scene, volume, name) for name, volume in volumes.items()]
    for index, node in enumerate(nodes):
        mrb.store_as(node, f"volume{index}.nrrd")
    if unit:
        _state_unit(nodes[-1], unit)
    if contents is not None:
        segmentation = add_segmentation(scene, contents, "Structures", nodes[0])
        mrb._ask_for_surfaces(segmentation)
        mrb.store_as(segmentation, "structures.seg.nrrd")
    if patient:
        add_patient(scene, ScenePatient(name=patient), nodes)
    mrb.save_scene(scene, path)
    return path


def _state_unit(node: Any, unit: str) -> None:
    import slicer

    entry = slicer.vtkCodedEntry()
    entry.SetValueSchemeMeaning(unit, "UCUM", unit)
    node.SetVoxelValueUnits(entry)
