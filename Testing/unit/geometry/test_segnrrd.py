from __future__ import annotations

import numpy as np
import pytest
from builders.structure_builder import grids, same, structures
from Dose3DLib.core.errors import InputError
from Dose3DLib.geometry.grid import Grid
from Dose3DLib.geometry.mask import Mask
from Dose3DLib.geometry.segnrrd import read_seg_nrrd, write_seg_nrrd
from Dose3DLib.geometry.structure import Structure, StructureSet

sitk = pytest.importorskip("SimpleITK")
GRIDS = grids()
RAS = np.diag([-1.0, -1.0, 1.0, 1.0])


@pytest.mark.parametrize("name", GRIDS)
def test_round_trip(tmp_path, name):
    chosen = structures(GRIDS[name])
    write_seg_nrrd(chosen, tmp_path / "ŁÄ.seg.nrrd", provenance={"task": "µ"})
    again = read_seg_nrrd(tmp_path / "ŁÄ.seg.nrrd")
    same(chosen, again)
    assert again.names == chosen.names
    np.testing.assert_allclose(again.grid.affine, chosen.grid.affine, atol=1e-9)


@pytest.mark.parametrize("name", GRIDS)
def test_slicer_reads_what_we_write(tmp_path, name):
    """The judge is Slicer's own storage node: names, colours, terminology, geometry and voxels of each segment."""
    slicer = pytest.importorskip("slicer")
    from vtk.util.numpy_support import vtk_to_numpy

    chosen = structures(GRIDS[name])
    path = tmp_path / "s.seg.nrrd"
    write_seg_nrrd(chosen, path)
    scene, node = _segmentation_node(slicer)
    storage = slicer.vtkMRMLSegmentationStorageNode()
    scene.AddNode(storage)
    storage.SetFileName(str(path))
    assert storage.ReadData(node) == 1
    segmentation = node.GetSegmentation()
    assert segmentation.GetNumberOfSegments() == len(chosen)
    for n, structure in enumerate(chosen):
        segment = segmentation.GetNthSegment(n)
        assert segment.GetName() == structure.name
        np.testing.assert_allclose(segment.GetColor(), np.array(structure.color) / 255, atol=1e-5)
        image = segment.GetRepresentation("Binary labelmap")
        array = vtk_to_numpy(image.GetPointData().GetScalars()).reshape(image.GetDimensions()[::-1])
        marked = np.argwhere(array == segment.GetLabelValue())[:, ::-1] + np.array(image.GetExtent()[0::2])
        expected = np.argwhere(structure.mask.to_array())[:, ::-1]
        world = _matrix(slicer, image)
        ours = expected @ (RAS @ chosen.grid.affine)[:3, :3].T + (RAS @ chosen.grid.affine)[:3, 3]
        theirs = marked @ world[:3, :3].T + world[:3, 3]
        np.testing.assert_allclose(theirs, ours, atol=1e-6)
    assert "SCT^45289007^Parotid gland~SCT^7771000^Left" in _terminology(segmentation, 0)
    geometry = segmentation.GetConversionParameter("Reference image geometry")
    image = slicer.vtkOrientedImageData()
    assert slicer.vtkSegmentationConverter.DeserializeImageGeometry(geometry, image)
    np.testing.assert_allclose(_matrix(slicer, image), RAS @ chosen.grid.affine, atol=1e-9)
    assert image.GetDimensions() == chosen.grid.shape[::-1]


def test_we_read_what_slicer_writes(tmp_path):
    """Slicer crops to the segments' extent and gives the geometry of the segmented image beside it."""
    slicer = pytest.importorskip("slicer")
    import vtk
    from vtk.util.numpy_support import vtk_to_numpy

    grid = GRIDS["oblique"]
    scene, node = _segmentation_node(slicer)
    segmentation = node.GetSegmentation()
    ras = RAS @ grid.affine
    for name, (i0, i1, j0, j1, k0, k1) in {"Ä µ": (10, 20, 5, 9, 1, 2), "B": (15, 30, 7, 40, 2, 5)}.items():
        image = slicer.vtkOrientedImageData()
        image.SetExtent(i0, i1, j0, j1, k0, k1)
        image.AllocateScalars(vtk.VTK_UNSIGNED_CHAR, 1)
        vtk_to_numpy(image.GetPointData().GetScalars())[:] = 1
        matrix = vtk.vtkMatrix4x4()
        matrix.DeepCopy(ras.ravel())
        image.SetGeometryFromImageToWorldMatrix(matrix)
        segment = slicer.vtkSegment()
        segment.SetName(name)
        segment.SetColor(1, 0.5, 0)
        segment.AddRepresentation("Binary labelmap", image)
        segmentation.AddSegment(segment)
    reference = slicer.vtkOrientedImageData()
    reference.SetDimensions(*grid.shape[::-1])
    reference.SetGeometryFromImageToWorldMatrix(matrix)
    text = slicer.vtkSegmentationConverter.SerializeImageGeometry(reference)
    segmentation.SetConversionParameter("Reference image geometry", text)
    storage = slicer.vtkMRMLSegmentationStorageNode()
    scene.AddNode(storage)
    storage.SetCropToMinimumExtent(True)
    storage.SetFileName(str(tmp_path / "slicer.seg.nrrd"))
    assert storage.WriteData(node) == 1
    assert sitk.ReadImage(str(tmp_path / "slicer.seg.nrrd")).GetSize() != grid.shape[::-1]
    for read in (read_seg_nrrd(tmp_path / "slicer.seg.nrrd"), read_seg_nrrd(tmp_path / "slicer.seg.nrrd", grid)):
        assert read.grid.same_as(grid)
        assert {s.name: (s.mask.offset, s.mask.block.shape, s.mask.voxels) for s in read} == {
            "Ä µ": ((1, 5, 10), (2, 5, 11), 110),
            "B": ((2, 7, 15), (4, 34, 16), 2176),
        }
        assert read["B"].color == (255, 128, 0)


def _segmentation_node(slicer):
    scene = slicer.vtkMRMLScene()
    node = slicer.vtkMRMLSegmentationNode()
    scene.AddNode(node)
    return scene, node


def _matrix(slicer, image) -> np.ndarray:
    import vtk

    matrix = vtk.vtkMatrix4x4()
    image.GetImageToWorldMatrix(matrix)
    return np.array([[matrix.GetElement(i, j) for j in range(4)] for i in range(4)])


def _terminology(segmentation, number: int) -> str:
    import vtk

    text = vtk.reference("")
    assert segmentation.GetNthSegment(number).GetTag("TerminologyEntry", text)
    return str(text)


def test_old_files_without_layer_and_label_value(tmp_path):
    header = (
        "NRRD0004\ntype: unsigned char\ndimension: 4\nspace: right-anterior-superior\nsizes: 2 3 2 2\n"
        "space directions: none (1,0,0) (0,1,0) (0,0,1)\nkinds: list domain domain domain\nencoding: raw\n"
        "space origin: (0,0,0)\nSegment0_ID:=A\nSegment0_Name:=A\nSegment0_Color:=1 0 0\n"
        "Segment1_ID:=B\nSegment1_Name:=B\n\n"
    )
    data = np.zeros((2, 2, 3, 2), np.uint8)
    data[0, 0, 1, 0] = data[0, 0, 1, 1] = data[1, 1, 2, 1] = 1
    (tmp_path / "old.seg.nrrd").write_bytes(header.encode() + data.tobytes())
    read = read_seg_nrrd(tmp_path / "old.seg.nrrd")
    assert [(s.name, s.mask.voxels) for s in read] == [("A", 1), ("B", 2)]


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        (("Segment0_ID", "Nothing0"), "has no segments"),
        (("Segment0_Layer:=0", "Segment0_Layer:=9"), "damaged description of segment 0"),
        (("Segment0_LabelValue:=1", "Segment0_LabelValue:=x"), "damaged description of segment 0"),
    ],
)
def test_damaged_files(tmp_path, change, cause):
    grid = Grid.axial((2, 3, 4), (1, 1, 1), (0, 0, 0))
    one = StructureSet(grid, (Structure("A", Mask.from_array(np.ones(grid.shape, bool), grid)),))
    path = tmp_path / "a.seg.nrrd"
    write_seg_nrrd(one, path)
    content = path.read_bytes()
    assert change[0].encode() in content
    path.write_bytes(content.replace(*(text.encode() for text in change)))
    with pytest.raises(InputError, match=cause):
        read_seg_nrrd(path)


def test_equal_names_and_another_grid(tmp_path):
    grid = Grid.axial((2, 3, 4), (1, 1, 1), (0, 0, 0))
    one = Structure("A", Mask.from_array(np.ones(grid.shape, bool), grid))
    write_seg_nrrd(StructureSet(grid, (one, one)), tmp_path / "a.seg.nrrd")
    with pytest.raises(InputError, match="'A' more than once"):
        read_seg_nrrd(tmp_path / "a.seg.nrrd")
    write_seg_nrrd(StructureSet(grid, (one,)), tmp_path / "a.seg.nrrd")
    with pytest.raises(InputError, match="another grid"):
        read_seg_nrrd(tmp_path / "a.seg.nrrd", GRIDS["axial"])
