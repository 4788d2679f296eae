"""Dose3DSegment's Logic on real MRML classes (slicer-core): run as a program in a process of its own.

A CT volume node goes to a file, masks made from that file come back as "the task's result", and what stands in the
scene is compared with them voxel by voxel, in Slicer's own frame. Prints a JSON object of facts.
"""

from __future__ import annotations

import json
import sys
import types
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "Dose3D"), str(ROOT / "Dose3DSegment"), str(Path(__file__).parent)]

import module_stubs  # noqa: E402
import numpy as np  # noqa: E402
import slicer  # noqa: E402
import vtk  # noqa: E402
from Dose3DLib.geometry.mask import Mask  # noqa: E402
from Dose3DLib.geometry.mask_files import named_structure, write_masks  # noqa: E402
from Dose3DLib.geometry.structure import StructureSet  # noqa: E402
from Dose3DLib.geometry.volume_files import read_volume  # noqa: E402
from Dose3DLib.scene.mrb import new_scene  # noqa: E402


def desktop_around_the_real_classes():
    """The stand-ins that `module_stubs` makes, with the real scene, nodes and slicer.util instead of its own."""
    real, real_util, real_vtk = slicer, slicer.util, vtk
    module_stubs.install()
    for name in ("i18n", "parameterNodeWrapper", "ScriptedLoadableModule"):
        setattr(real, name, sys.modules[f"slicer.{name}"])
    real_util.VTKObservationMixin = module_stubs.Observations
    real_util.exportNode = export_node
    real.app = types.SimpleNamespace(processEvents=lambda: None, testingEnabled=lambda: True)
    sys.modules.update({"slicer": real, "slicer.util": real_util, "vtk": real_vtk})


def export_node(node, path, properties=None, world=False):
    """slicer.util.exportNode needs the application; its storage node does the same work."""
    storage = slicer.vtkMRMLVolumeArchetypeStorageNode()
    storage.SetFileName(path)
    assert not world
    assert storage.WriteData(node)


def volume_node(scene):
    """An oblique, anisotropic volume with a different value in every voxel."""
    array = np.arange(7 * 6 * 5, dtype=np.int16).reshape(5, 6, 7)
    image = vtk.vtkImageData()
    image.SetDimensions(7, 6, 5)
    image.GetPointData().SetScalars(vtk.util.numpy_support.numpy_to_vtk(array.ravel(), deep=True))
    node = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "CT")
    angle = np.radians(20)
    turn = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = turn @ np.diag([0.9, 1.1, 3.0]), (10, -20, 30)
    vtk_matrix = vtk.vtkMatrix4x4()
    vtk_matrix.DeepCopy(matrix.ravel())
    node.SetIJKToRASMatrix(vtk_matrix)
    node.SetAndObserveImageData(image)
    return node, array


def made_masks(path, output):
    """What stands for the task: voxels with chosen values of the file that the Logic wrote."""
    volume = read_volume(path)
    chosen = {"Brainstem": volume.array % 7 == 3, "Parotid_L": volume.array > 150}
    structures = [named_structure(name, Mask.from_array(array, volume.grid)) for name, array in chosen.items()]
    write_masks(StructureSet(volume.grid, tuple(structures)), output / "masks")
    return volume


def main():
    import vtk.util.numpy_support  # noqa: F401

    desktop_around_the_real_classes()
    application = new_scene()
    slicer.mrmlScene = application.GetMRMLScene()
    segmentations = slicer.vtkSlicerSegmentationsModuleLogic()  # makes known how segments are stored and copied
    segmentations.SetMRMLApplicationLogic(application)
    segmentations.SetMRMLScene(slicer.mrmlScene)
    module = module_stubs.load(ROOT / "Dose3DSegment" / "Dose3DSegment.py")
    logic = module.Dose3DSegmentLogic()
    node, array = volume_node(slicer.mrmlScene)
    settings = logic.prepare(node)
    output = Path(settings.output)
    volume = made_masks(settings.ct, output)
    result = types.SimpleNamespace(output=output)
    facts = {"same_values": bool((volume.array == array).all())}
    shown = logic.showResult(result, node)
    facts |= scene_facts(shown, node, array)
    facts["temporary_files_left"] = Path(settings.ct).exists()
    settings = logic.prepare(node)
    made_masks(settings.ct, Path(settings.output))
    again = logic.showResult(types.SimpleNamespace(output=Path(settings.output)), node, shown)
    facts["same_node_reused"] = again is shown
    facts["segmentations"] = slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLSegmentationNode")
    facts["segments_after"] = shown.GetSegmentation().GetNumberOfSegments()
    slicer.mrmlScene.RemoveNode(node)
    settings = logic.prepare(volume_node(slicer.mrmlScene)[0])
    made_masks(settings.ct, Path(settings.output))
    try:
        logic.showResult(types.SimpleNamespace(output=Path(settings.output)), node)
    except RuntimeError as error:
        facts["volume_gone"] = str(error)
    logic.discard()
    print(json.dumps(facts))


def scene_facts(shown, node, array):
    """The segments' voxels by Slicer's own geometry calls."""
    names, wrong = [], 0
    expected = {"Brainstem": array % 7 == 3, "Parotid_L": array > 150}
    segmentation = shown.GetSegmentation()
    for index in range(segmentation.GetNumberOfSegments()):
        segment_id = segmentation.GetNthSegmentID(index)
        name = segmentation.GetSegment(segment_id).GetName()
        got = voxels(shown, segment_id, node, array.shape)
        names.append(name)
        wrong += int((got != expected[name]).sum())
    return {"names": names, "wrong_voxels": wrong}


def voxels(shown, segment_id, node, shape):
    """Segment as a bool array on the volume's grid, sampled at the centres of its voxels in RAS."""
    image = slicer.vtkOrientedImageData()
    shown.GetBinaryLabelmapRepresentation(segment_id, image)
    world, volume = vtk.vtkMatrix4x4(), vtk.vtkMatrix4x4()
    image.GetWorldToImageMatrix(world)
    node.GetIJKToRASMatrix(volume)
    to_image = np.array(world.GetData()).reshape(4, 4) @ np.array(volume.GetData()).reshape(4, 4)
    low = image.GetExtent()[::2]
    labels = vtk.util.numpy_support.vtk_to_numpy(image.GetPointData().GetScalars())
    labels = labels.reshape(image.GetDimensions()[::-1])
    out = np.zeros(shape, bool)
    for k, j, i in np.ndindex(*shape):
        x, y, z = np.rint((to_image @ (i, j, k, 1))[:3]).astype(int) - low
        if all(0 <= c < n for c, n in zip((z, y, x), labels.shape, strict=True)):
            out[k, j, i] = labels[z, y, x] > 0
    return out


if __name__ == "__main__":
    main()
