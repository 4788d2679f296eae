"""Volumes, segmentations and a patient as MRML nodes in a given scene: inside Slicer and outside alike.

Every function takes the scene, so that a module passes `slicer.mrmlScene` and the batch run its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..core.nomenclature import SLICER_TYPE_TAG, slicer_terminology
from ..geometry.grid import Grid, Volume
from ..geometry.layers import Layer, pack_layers
from ..geometry.structure import Structure, StructureSet
from .frame import orthogonal_frame

__all__ = [
    "SOFT_TISSUE_WINDOW_HU",
    "ScenePatient",
    "add_patient",
    "add_segmentation",
    "add_volume",
    "scalar_volume",
    "show_volume",
]

SOFT_TISSUE_WINDOW_HU = (400.0, 40.0)
"""Width and centre of the window that a CT is shown with."""

_BODY_OPACITY_3D = 0.15


@dataclass(frozen=True)
class ScenePatient:
    """Whom the subject hierarchy names; empty strings where nothing is known."""

    name: str = ""
    id: str = ""
    study_description: str = ""
    series_description: str = ""


def add_volume(scene: Any, volume: Volume, name: str) -> Any:
    """Add a CT as vtkMRMLScalarVolumeNode: Hounsfield units, soft-tissue window, grey; placed as by `scalar_volume`."""
    node = scalar_volume(scene, volume, name)
    _window(node)
    return node


def scalar_volume(scene: Any, volume: Volume, name: str) -> Any:
    """Add an image as vtkMRMLScalarVolumeNode without a look of its own.

    A sheared stack becomes an orthogonal volume under a linear transform of its own (see `frame`).
    """
    node = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", name)
    ijk_to_ras, transform = orthogonal_frame(volume.grid)
    node.SetIJKToRASMatrix(_matrix(ijk_to_ras))
    node.SetAndObserveImageData(_image(volume.array))
    if transform is not None:
        node.SetAndObserveTransformNodeID(_shear_node(scene, transform, name).GetID())
    return node


def add_segmentation(scene: Any, structures: StructureSet, name: str, volume_node: Any) -> Any:
    """Add structures as a vtkMRMLSegmentationNode whose reference geometry is the volume's.

    Names, colours and terminology come along; overlapping structures lie in separate layers; an empty structure stays
    as an empty segment, so that it is seen to be missing. Segment IDs are `Segment_1` ... in the order of the set.

    Parameters
    ----------
    volume_node:
        what `add_volume` gave for the image of the same grid; None leaves the structures on their own.
    """
    node = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", name)
    node.CreateDefaultDisplayNodes()
    if volume_node is not None:
        # The transform first: the reference geometry is taken in the segmentation's own frame.
        node.SetAndObserveTransformNodeID(volume_node.GetTransformNodeID())
        node.SetReferenceImageGeometryParameterFromVolumeNode(volume_node)
    else:
        _place_alone(scene, node, structures.grid, name)
    segmentation = node.GetSegmentation()
    node.SetSourceRepresentationToBinaryLabelmap()
    shared = _label_maps(structures)
    for index, structure in enumerate(structures):
        _add_segment(segmentation, f"Segment_{index + 1}", structure, shared[index])
    _style(node, structures)
    return node


def _place_alone(scene: Any, node: Any, grid: Grid, name: str) -> None:
    """Reference geometry, and the shear of a tilted gantry, of a segmentation without an image."""
    import slicer

    ijk_to_ras, transform = orthogonal_frame(grid)
    if transform is not None:
        node.SetAndObserveTransformNodeID(_shear_node(scene, transform, name).GetID())
    converter = slicer.vtkSegmentationConverter
    extent = [bound for count in grid.shape[::-1] for bound in (0, count - 1)]
    geometry = converter.SerializeImageGeometry(_matrix(ijk_to_ras), extent)
    node.GetSegmentation().SetConversionParameter(converter.GetReferenceImageGeometryParameterName(), geometry)


def add_patient(scene: Any, patient: ScenePatient, nodes: list[Any]) -> int:
    """Put nodes under one patient and one study of the subject hierarchy; returns the patient's item."""
    import slicer

    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    constants = slicer.vtkMRMLSubjectHierarchyConstants
    label = patient.name or patient.id or "Patient"
    person = hierarchy.CreateSubjectItem(hierarchy.GetSceneItemID(), label)
    hierarchy.SetItemAttribute(person, constants.GetDICOMPatientNameAttributeName(), patient.name)
    hierarchy.SetItemAttribute(person, constants.GetDICOMPatientIDAttributeName(), patient.id)
    study = hierarchy.CreateStudyItem(person, patient.study_description or "Study")
    hierarchy.SetItemAttribute(study, constants.GetDICOMStudyDescriptionAttributeName(), patient.study_description)
    for node in nodes:
        # Slicer's own plug-ins make an item as soon as a node is added; the bare library does not.
        item = hierarchy.GetItemByDataNode(node) or hierarchy.CreateItem(study, node)
        hierarchy.SetItemParent(item, study)
    return person


def show_volume(scene: Any, volume_node: Any) -> None:
    """Make the volume the active one and the background of every slice view that the scene has."""
    selection = scene.GetFirstNodeByClass("vtkMRMLSelectionNode")
    if selection is not None:
        selection.SetActiveVolumeID(volume_node.GetID())
    for index in range(scene.GetNumberOfNodesByClass("vtkMRMLSliceCompositeNode")):
        scene.GetNthNodeByClass(index, "vtkMRMLSliceCompositeNode").SetBackgroundVolumeID(volume_node.GetID())


def _matrix(array: np.ndarray) -> Any:
    import vtk

    matrix = vtk.vtkMatrix4x4()
    matrix.DeepCopy([float(x) for x in np.asarray(array).ravel()])
    return matrix


def _scalars(array: np.ndarray) -> Any:
    from vtk.util.numpy_support import numpy_to_vtk

    return numpy_to_vtk(np.ascontiguousarray(array).reshape(-1), deep=True)


def _image(array: np.ndarray) -> Any:
    import vtk

    image = vtk.vtkImageData()
    image.SetDimensions(*array.shape[::-1])
    image.GetPointData().SetScalars(_scalars(array))
    return image


def _window(node: Any) -> None:
    node.CreateDefaultDisplayNodes()
    display = node.GetDisplayNode()
    display.SetAndObserveColorNodeID("vtkMRMLColorTableNodeGrey")
    display.SetAutoWindowLevel(0)
    display.SetWindowLevel(*SOFT_TISSUE_WINDOW_HU)


def _shear_node(scene: Any, transform: np.ndarray, name: str) -> Any:
    node = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode", f"{name} acquisition transform")
    node.SetMatrixTransformToParent(_matrix(transform))
    return node


def _label_maps(structures: StructureSet) -> dict[int, tuple[Any, int]]:
    """Shared label map and label value by index of the structure.

    An empty structure gets a label that no voxel of the first map has. Slicer's own AddEmptySegment fails where no
    segment with voxels is there yet, and a label map without voxels or place would decide the geometry of the file.
    """
    ijk_to_ras, _ = orthogonal_frame(structures.grid)
    layers = pack_layers(structures) or [Layer((0, 0, 0), np.zeros((1, 1, 1), np.uint8), ())]
    images = [_label_map(layer, ijk_to_ras) for layer in layers]
    pairs = zip(images, layers, strict=True)
    found = {index: (image, label) for image, layer in pairs for index, label in layer.members}
    free = 1 + max((label for _, label in layers[0].members), default=0)
    empty = [index for index in range(len(structures)) if index not in found]
    return found | {index: (images[0], free + n) for n, index in enumerate(empty)}


def _label_map(layer: Layer, ijk_to_ras: np.ndarray) -> Any:
    import slicer

    image = slicer.vtkOrientedImageData()
    start, size = layer.offset[::-1], layer.labels.shape[::-1]
    image.SetExtent([bound for a, n in zip(start, size, strict=True) for bound in (a, a + n - 1)])
    image.GetPointData().SetScalars(_scalars(layer.labels))
    image.SetImageToWorldMatrix(_matrix(ijk_to_ras))
    return image


def _add_segment(segmentation: Any, segment_id: str, structure: Structure, share: tuple[Any, int]) -> None:
    """Add one segment with its share: label map, label value."""
    import slicer

    image, label = share
    segment = slicer.vtkSegment()
    segment.SetName(structure.name)
    segment.SetColor(*[c / 255.0 for c in structure.color])
    binary = slicer.vtkSegmentationConverter.GetBinaryLabelmapRepresentationName()
    segment.AddRepresentation(binary, image)
    segment.SetLabelValue(label)
    segmentation.AddSegment(segment, segment_id)
    segment.SetNameAutoGenerated(False)
    segment.SetColorAutoGenerated(False)
    segment.SetTag(segment.GetTerminologyEntryTagName(), slicer_terminology(structure.name))
    if structure.interpreted_type:
        segment.SetTag(SLICER_TYPE_TAG, structure.interpreted_type)


def _style(node: Any, structures: StructureSet) -> None:
    """Outlines with a light fill; the body is an outline only, and translucent in 3-D, or it would hide the organs."""
    display = node.GetDisplayNode()
    display.SetOpacity2DFill(0.25)
    for index, structure in enumerate(structures):
        if structure.interpreted_type == "EXTERNAL":
            display.SetSegmentOpacity2DFill(f"Segment_{index + 1}", 0.0)
            display.SetSegmentOpacity3D(f"Segment_{index + 1}", _BODY_OPACITY_3D)
