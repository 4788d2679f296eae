"""The scene file: judged by its XML, by pynrrd, and by Slicer's own classes in a fresh process."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from Dose3DLib.core.errors import ResourceError
from Dose3DLib.scene import mrb
from scene_cases import make_case

LIBRARY = Path(mrb.__file__).resolve().parents[2]
PATIENT = mrb.ScenePatient(name="Łódź^Anna µ", id='a"b<c>%', study_description="Głowa", series_description="CT µ")
needs_slicer = pytest.mark.skipif(
    importlib.util.find_spec("slicer") is None,
    reason="needs slicer-core (pip install slicer-core), which has no wheel for every platform",
)

# Reads the scene with Slicer's classes and writes down what a user of Slicer would get.
READER = """
import json, sys, tempfile
import numpy as np
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from Dose3DLib.scene import mrb
import slicer, vtk
from vtk.util.numpy_support import vtk_to_numpy

def array(image):
    return vtk_to_numpy(image.GetPointData().GetScalars()).reshape(image.GetDimensions()[::-1])

def world(node, matrix):
    above = vtk.vtkMatrix4x4()
    if node.GetParentTransformNode():
        node.GetParentTransformNode().GetMatrixTransformToWorld(above)
    both = vtk.vtkMatrix4x4()
    vtk.vtkMatrix4x4.Multiply4x4(above, matrix, both)
    return [[both.GetElement(r, c) for c in range(4)] for r in range(4)]

def dump(path, stem):
    application = mrb.read_scene(Path(path), Path(tempfile.mkdtemp()))
    scene = application.GetMRMLScene()
    volume = scene.GetFirstNodeByClass("vtkMRMLScalarVolumeNode")
    node = scene.GetFirstNodeByClass("vtkMRMLSegmentationNode")
    matrix = vtk.vtkMatrix4x4()
    volume.GetIJKToRASMatrix(matrix)
    arrays = {"ct": array(volume.GetImageData())}
    segments = []
    for n in range(node.GetSegmentation().GetNumberOfSegments()):
        segment_id = node.GetSegmentation().GetNthSegmentID(n)
        segment = node.GetSegmentation().GetSegment(segment_id)
        image = slicer.vtkOrientedImageData()
        node.GetBinaryLabelmapRepresentation(segment_id, image)
        extent = image.GetExtent()
        full = np.zeros(arrays["ct"].shape, bool)
        to_world = vtk.vtkMatrix4x4()
        image.GetImageToWorldMatrix(to_world)
        if extent[1] >= extent[0]:
            i0, i1, j0, j1, k0, k1 = extent
            full[k0:k1 + 1, j0:j1 + 1, i0:i1 + 1] = array(image) != 0
        arrays[f"segment{n}"] = full
        entry = slicer.vtkSlicerTerminologyEntry()
        slicer.vtkSlicerTerminologiesModuleLogic().DeserializeTerminologyEntry(segment.GetTerminology(), entry)
        segments.append({
            "name": segment.GetName(), "color": segment.GetColor(),
            "type": [entry.GetTypeObject().GetCodingSchemeDesignator(), entry.GetTypeObject().GetCodeValue()],
            "modifier": entry.GetTypeModifierObject().GetCodeMeaning(),
            "region_context": entry.GetRegionContextName(), "world": world(node, to_world),
        })
    tree = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    parents = {}
    for name, item_node in (("volume", volume), ("segmentation", node)):
        study = tree.GetItemParent(tree.GetItemByDataNode(item_node))
        person = tree.GetItemParent(study)
        parents[name] = [tree.GetItemLevel(study), tree.GetItemName(study), tree.GetItemLevel(person),
                         tree.GetItemName(person), tree.GetItemAttribute(person, "DICOM.PatientID")]
    composites = [scene.GetNthNodeByClass(n, "vtkMRMLSliceCompositeNode") for n in range(3)]
    json.dump({
        "name": volume.GetName(), "world": world(volume, matrix), "segments": segments, "parents": parents,
        "window": [volume.GetDisplayNode().GetWindow(), volume.GetDisplayNode().GetLevel()],
        "background": [c.GetBackgroundVolumeID() == volume.GetID() for c in composites],
        "red": [scene.GetNodeByID("vtkMRMLSliceNodeRed").GetSliceToRAS().GetElement(r, 3) for r in range(3)],
        "wide": scene.GetNodeByID("vtkMRMLSliceNodeRed").GetFieldOfView()[0],
        "active": scene.GetFirstNodeByClass("vtkMRMLSelectionNode").GetActiveVolumeID() == volume.GetID(),
        "reference": node.GetNodeReferenceID("referenceImageGeometryRef") == volume.GetID(),
        "geometry": node.GetSegmentation().GetConversionParameter("Reference image geometry"),
        "transforms": scene.GetNumberOfNodesByClass("vtkMRMLLinearTransformNode"),
    }, open(stem + ".json", "w"))
    np.savez(stem + ".npz", **arrays)

for path in sys.argv[2:]:
    dump(path, path)
"""


KINDS = ("axial", "oblique", "sheared")


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    """A scene of each geometry, and beside it what Slicer's classes read of it in another process."""
    pytest.importorskip("slicer", reason="needs slicer-core")
    folder = tmp_path_factory.mktemp("scenes")
    for kind in KINDS:
        (folder / kind).mkdir()
        mrb.write_scene(folder / kind / "scene.mrb", *make_case(kind), PATIENT)
    script = folder / "reader.py"
    script.write_text(READER, encoding="utf-8")
    command = [sys.executable, str(script), str(LIBRARY), *(str(folder / kind / "scene.mrb") for kind in KINDS)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(params=KINDS)
def written(request, scenes):
    """Kind, volume, structures, path."""
    return (request.param, *make_case(request.param), scenes / request.param / "scene.mrb")


@pytest.fixture
def read_back(written):
    """Kind, volume, structures, facts and arrays that Slicer's classes read."""
    kind, volume, structures, path = written
    facts = json.loads(path.with_name("scene.mrb.json").read_text(encoding="utf-8"))
    with np.load(path.with_name("scene.mrb.npz")) as arrays:
        return kind, volume, structures, facts, dict(arrays)


@needs_slicer
def test_slicer_reads_the_same_voxels(read_back):
    _, volume, structures, facts, arrays = read_back
    assert facts["name"] == "CT µ"
    assert arrays["ct"].dtype == np.int16
    assert np.array_equal(arrays["ct"], volume.array)
    assert [s["name"] for s in facts["segments"]] == structures.names
    for index, structure in enumerate(structures):
        assert np.array_equal(arrays[f"segment{index}"], structure.mask.to_array()), structure.name


@needs_slicer
def test_slicer_sees_volume_and_segments_where_the_patient_is(read_back):
    kind, volume, _, facts, _ = read_back
    in_ras = np.diag([-1, -1, 1, 1]) @ volume.grid.affine
    assert np.array(facts["world"]) == pytest.approx(in_ras, abs=1e-6)
    for segment in facts["segments"][:4]:
        assert np.array(segment["world"]) == pytest.approx(in_ras, abs=1e-6)
    assert facts["transforms"] == (1 if kind == "sheared" else 0)
    assert facts["reference"]
    assert facts["geometry"]


@needs_slicer
def test_slicer_shows_it_at_once(read_back):
    facts = read_back[3]
    assert facts["window"] == [400, 40]
    assert facts["background"] == [True, True, True]
    assert facts["active"]


@needs_slicer
def test_the_axial_view_cuts_the_organs_and_holds_the_body(read_back):
    _, volume, structures, facts, _ = read_back
    k, j, i = np.nonzero(structures["BODY"].mask.to_array())
    body = volume.grid.to_lps(np.stack([i, j, k], axis=-1)) * [-1, -1, 1]
    organs = [np.argwhere(s.mask.to_array())[:, ::-1] for s in list(structures)[1:4]]
    heights = volume.grid.to_lps(np.concatenate(organs))[:, 2]
    assert facts["red"][2] == pytest.approx((heights.min() + heights.max()) / 2, abs=2.0)
    assert (np.abs(body[:, :2] - facts["red"][:2]) < facts["wide"] / 2).all()


@needs_slicer
def test_segments_have_colours_and_terminology(read_back):
    segments = {s["name"]: s for s in read_back[3]["segments"]}
    assert np.array(segments["Łódź µ"]["color"]) * 255 == pytest.approx([255, 0, 1], abs=1e-3)
    assert segments["Brainstem"]["type"] == ["SCT", "119238007"]
    assert segments["Parotid_L"]["type"] == ["SCT", "45289007"]
    assert segments["Parotid_L"]["modifier"] == "Left"
    assert segments["Łódź µ"]["type"] == ["SCT", "85756007"]  # unknown: a tissue


@needs_slicer
def test_one_patient_and_study_hold_both_nodes(read_back):
    facts = read_back[3]
    expected = ["Study", "Głowa", "Patient", "Łódź^Anna µ", 'a"b<c>%']
    assert facts["parents"] == {"volume": expected, "segmentation": expected}


@needs_slicer
def test_the_zip_holds_plain_files_that_other_readers_open(written, tmp_path):
    nrrd = pytest.importorskip("nrrd", reason="needs pynrrd (pip install pynrrd)")
    kind, volume, structures, path = written
    with zipfile.ZipFile(path) as bundle:
        assert bundle.testzip() is None
        bundle.extractall(tmp_path)
    scene = ElementTree.parse(tmp_path / "scene" / "scene.mrml").getroot()
    assert scene.get("version").startswith("Slicer 5")
    assert len(scene.findall("Segmentation")) == 1
    assert len(scene.findall("Volume")) == 1
    assert scene.find("Layout").get("currentViewArrangement") == "3"
    data, header = nrrd.read(str(tmp_path / "scene" / "Data" / "CT.nrrd"), index_order="C")
    assert np.array_equal(data, volume.array)
    assert header["space"] == "left-posterior-superior"
    assert header["space origin"] == pytest.approx(volume.grid.affine[:3, 3])
    if kind != "sheared":
        assert np.allclose(header["space directions"].T, volume.grid.affine[:3, :3])
    layers, header = nrrd.read(str(tmp_path / "scene" / "Data" / "Structures.seg.nrrd"), index_order="C")
    raw = (tmp_path / "scene" / "Data" / "Structures.seg.nrrd").read_bytes().split(b"\n\n")[0].decode("utf-8")
    for index, structure in enumerate(structures):
        assert f"\nSegment{index}_Name:={structure.name}\n" in raw  # pynrrd drops what is not ASCII
        tags = next(line for line in raw.splitlines() if line.startswith(f"Segment{index}_Tags:="))
        assert f"DICOM.RTROIInterpretedType:{structure.interpreted_type}|" in tags
        label, layer = int(header[f"Segment{index}_LabelValue"]), int(header[f"Segment{index}_Layer"])
        if not structure.mask.is_empty:
            assert np.array_equal(layers[..., layer] == label, structure.mask.to_array()), structure.name


@needs_slicer
def test_slicer_is_told_to_make_surfaces(written, tmp_path):
    with zipfile.ZipFile(written[3]) as bundle:
        header = bundle.read("scene/Data/Structures.seg.nrrd").split(b"\n\n")[0].decode("utf-8")
    assert "Closed surface" in next(line for line in header.splitlines() if "ContainedRepresentationNames" in line)


@needs_slicer
@pytest.mark.parametrize("filled", [(False, True), (True, False), (False, False)])
def test_organs_that_were_not_found_anywhere_in_the_order(tmp_path, filled):
    """On a CT of another part of the body the first organ, or every one, is empty."""
    volume, structures = make_case()
    shapes = [structures["BODY"].mask if full else structures["Larynx"].mask for full in filled]
    organs = tuple(replace(structures["BODY"], name=f"O{n}", mask=mask) for n, mask in enumerate(shapes))
    mrb.write_scene(tmp_path / "scene.mrb", volume, replace(structures, structures=organs), PATIENT)
    command = [sys.executable, "-c", READER, str(LIBRARY), str(tmp_path / "scene.mrb")]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    found = json.loads((tmp_path / "scene.mrb.json").read_text())
    arrays = np.load(tmp_path / "scene.mrb.npz")
    assert [segment["name"] for segment in found["segments"]] == ["O0", "O1"]
    for n, mask in enumerate(shapes):
        assert np.array_equal(arrays[f"segment{n}"], mask.to_array())


@needs_slicer
def test_float_and_replacing_and_no_leftovers(tmp_path):
    volume, structures = make_case()
    path = tmp_path / "scene.mrb"
    path.write_bytes(b"old")
    half = type(volume)(volume.array.astype(np.float32) + 0.5, volume.grid)
    mrb.write_scene(path, half, structures, mrb.ScenePatient())
    assert zipfile.is_zipfile(path)
    assert [p.name for p in tmp_path.iterdir()] == ["scene.mrb"]


@needs_slicer
def test_relative_path(tmp_path, monkeypatch):
    """What `demo` and most users give; Slicer's own writer refuses it."""
    monkeypatch.chdir(tmp_path)
    mrb.write_scene(Path("scene.mrb"), *make_case(), PATIENT)
    assert zipfile.is_zipfile(tmp_path / "scene.mrb")


@needs_slicer
def test_add_patient_moves_items_that_slicer_made_itself():
    import slicer
    from Dose3DLib.scene import nodes

    volume, structures = make_case()
    application = mrb.new_scene()
    scene = application.GetMRMLScene()
    image = nodes.add_volume(scene, volume, "CT")
    tree = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    own = tree.CreateItem(tree.GetSceneItemID(), image)
    person = nodes.add_patient(scene, PATIENT, [image, nodes.add_segmentation(scene, structures, "S", image)])
    assert tree.GetItemByDataNode(image) == own
    assert tree.GetItemParent(tree.GetItemParent(own)) == person


def test_without_slicer_core_one_line_says_so_and_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "slicer", None)
    volume, structures = make_case()
    with pytest.raises(ResourceError, match="slicer-core"):
        mrb.write_scene(tmp_path / "scene.mrb", volume, structures, PATIENT)
    assert list(tmp_path.iterdir()) == []
