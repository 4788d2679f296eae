"""`detector export` as a command: every format judged by programs of others, and what it refuses in one line."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
import zipfile
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
import tomllib
from builders import ct_builder as cb
from builders.dciodvfy import dciodvfy_errors
from builders.detector_builder import small_layout
from builders.plan_builder import beam, write_plan
from Dose3DLib.cli.main import main
from Dose3DLib.core.errors import Cancelled, InputError, OutputError
from Dose3DLib.core.progress import Progress
from Dose3DLib.detector.frames import frame_placement
from Dose3DLib.detector.layout_csv import moved, read_layout, write_layout
from Dose3DLib.detector.placement import Placement
from Dose3DLib.detector.presets import preset_layout
from Dose3DLib.dicom.ct import read_ct_reference
from Dose3DLib.tasks import detector_export
from Dose3DLib.tasks.detector_export import Settings

CENTER = np.array([20.0, 10.0, 50.0])


@pytest.fixture
def layout_file(tmp_path: Path) -> Path:
    write_layout(small_layout(Placement(CENTER)), tmp_path / "LAYOUT.csv")
    return tmp_path / "LAYOUT.csv"


@pytest.fixture
def ct_folder(tmp_path: Path) -> Path:
    """A CT of 120 x 120 x 120 mm round the detector, slices of 3 mm."""
    hu = np.full((40, 60, 60), 20, np.int16)
    cb.write_series(
        tmp_path / "CT", hu, spacing=(2.0, 2.0), places=cb.positions(40, distance=3.0, origin=(-40.0, -50.0, -10.0))
    )
    return tmp_path / "CT"


def export(layout: Path, form: str, output: Path, **more):
    """Run the task here; a process of its own, which the command starts, takes seconds."""
    return detector_export.run(Settings(layout=layout, format=form, output=output, **more))


def test_g4rt_round_trip(layout_file, tmp_path):
    out = tmp_path / "Łódź µ"
    export(layout_file, "g4rt", out, surroundings="air")
    assert {path.name for path in out.iterdir()} == {
        "detector.csv", "job.toml", "cells.csv", "layout.csv", "provenance.json"
    }  # fmt: skip
    first = read_layout(layout_file)
    again = read_layout(out / "detector.csv", first.placement, 10.0)
    assert np.abs(again.cells.centers_mm - first.cells.centers_mm).max() < 1e-9
    assert again.layers == first.layers
    ours = read_layout(out / "layout.csv")
    assert ours.cells.labels == first.cells.labels
    assert np.array_equal(ours.cells.centers_mm, first.cells.centers_mm)
    assert np.array_equal(ours.cells.sizes_mm, first.cells.sizes_mm)
    assert tomllib.loads((out / "job.toml").read_text("utf-8"))["PatientGeometry"]["EnviromentMedium"] == "Usr_G4AIR20C"
    record = json.loads((out / "provenance.json").read_text("utf-8"))
    assert record["settings"]["surroundings"] == "air"
    assert record["inputs"][0]["kind"] == "layout"


@pytest.mark.parametrize(
    ("form", "name"),
    [("gate10", "d.py"), ("gdml", "d.gdml"), ("stl", "d.stl"), ("3mf", "d.3mf"), ("labelmap", "d.nrrd")],
)
def test_one_file_and_its_provenance(layout_file, tmp_path, form, name):
    out = tmp_path / "out"
    export(layout_file, form, out / name)
    assert sorted(path.name for path in out.iterdir()) == [name, f"{name}.provenance.json"]
    record = json.loads((out / f"{name}.provenance.json").read_text("utf-8"))
    assert record["task"] == "detector export"
    content = (out / name).read_bytes()
    if form == "gate10":
        compile(content, name, "exec")
    elif form == "gdml":
        assert len(ET.fromstring(content).findall(".//volume[@name='Surroundings']/physvol")) == 11
    elif form == "3mf":
        assert zipfile.ZipFile(out / name).testzip() is None
    with pytest.raises(OutputError, match="exists already"):
        export(layout_file, form, out / name)
    export(layout_file, form, out / name, overwrite=True)


def test_meshes_lie_in_the_patient(layout_file, tmp_path):
    from vtkmodules.vtkIOGeometry import vtkSTLReader

    layout, bounds = read_layout(layout_file), {}
    for frame in ("lps", "detector"):
        export(layout_file, "stl", tmp_path / f"{frame}.stl", frame=frame, parts="cells")
        reader = vtkSTLReader()
        reader.SetFileName(str(tmp_path / f"{frame}.stl"))
        reader.Update()
        bounds[frame] = np.array(reader.GetOutput().GetBounds()).reshape(3, 2).T
    corners = layout.cells.corners_mm().reshape(-1, 3)
    assert np.allclose(bounds["lps"], [corners.min(axis=0), corners.max(axis=0)], atol=1e-3)
    corners = layout.placement.detector(corners)
    assert np.allclose(bounds["detector"], [corners.min(axis=0), corners.max(axis=0)], atol=1e-3)


def test_the_label_map_by_simpleitk(layout_file, ct_folder, tmp_path):
    layout = read_layout(layout_file)
    export(layout_file, "labelmap", tmp_path / "own.nrrd", spacing=1)
    export(layout_file, "labelmap", tmp_path / "ct.nrrd", ct=ct_folder)
    for name in ("own.nrrd", "ct.nrrd"):
        image = sitk.ReadImage(str(tmp_path / name))
        for row, center in enumerate(layout.cells.centers_mm):
            assert image[image.TransformPhysicalPointToIndex(center.tolist())] == row + 1
    values, counts = np.unique(sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / "own.nrrd"))), return_counts=True)
    assert values.tolist() == list(range(12))
    assert (counts[1:11] == 1000).all()
    assert sitk.ReadImage(str(tmp_path / "ct.nrrd")).GetSize() == (60, 60, 40)


def test_a_ct_that_a_planning_system_can_read(layout_file, tmp_path):
    out = tmp_path / "detector"
    export(layout_file, "ct", out, surroundings="pmma", margin=20, patient_position="FFS")
    files = sorted((out / "CT").iterdir())
    for path in (files[0], files[-1], out / "RTSTRUCT.dcm"):
        assert dciodvfy_errors(path) == []
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(out / "CT")))
    image = reader.Execute()
    layout = read_layout(layout_file)
    for center in layout.cells.centers_mm:
        assert image[image.TransformPhysicalPointToIndex(center.tolist())] == 143
    beside = layout.placement.lps(np.array([36.5, -6, 6]))
    assert image[image.TransformPhysicalPointToIndex(beside.tolist())] == 124
    assert image[0, 0, 0] == -1000
    slice_ = pydicom.dcmread(files[0])
    assert (slice_.PatientPosition, slice_.Modality) == ("FFS", "CT")
    structures = pydicom.dcmread(out / "RTSTRUCT.dcm")
    assert structures.FrameOfReferenceUID == slice_.FrameOfReferenceUID
    names = [roi.ROIName for roi in structures.StructureSetROISequence]
    assert names == ["External", *layout.cells.labels]
    kinds = [item.RTROIInterpretedType for item in structures.RTROIObservationsSequence]
    assert kinds == ["EXTERNAL"] + ["DOSE_MEASUREMENT"] * 11


def test_sums_of_hu_are_exact(layout_file, tmp_path):
    """HU above water times volume: that of cells and walls, whatever the voxels."""
    layout = read_layout(layout_file)
    export(layout_file, "ct", tmp_path / "d", spacing=1.7, margin=10, hu_wall=200, hu_cell=1000)
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(tmp_path / "d" / "CT")))
    hu = sitk.GetArrayFromImage(reader.Execute()).astype(float)
    cells = layout.cells.volumes_mm3.sum()
    walls = (layout.cells.sizes_mm + 2).prod(axis=1).sum() - cells
    assert hu[hu > -1000].sum() * 1.7**3 == pytest.approx(1000 * cells + 200 * walls, rel=1e-3)


def test_walls_of_another_material(layout_file, tmp_path):
    result = export(layout_file, "ct", tmp_path / "d", walls="air", margin=10, surroundings="pmma")
    assert result.summary["HU of cells, walls, surroundings"] == "143, -1000, 123.87"
    (tmp_path / "hu.csv").write_text("HU,density\n-1000,0.001\n0,1.0\n1000,1.6\n", "utf-8")
    result = export(layout_file, "ct", tmp_path / "e", walls="air", margin=10, hu_table=tmp_path / "hu.csv")
    assert result.summary["HU of cells, walls, surroundings"] == "350, -1000, 0"


def test_oblique_cells_in_a_ct(tmp_path):
    """No voxel lies along them, and still every part of every voxel counts: sums of HU are those of the volumes."""
    turn = np.linalg.qr(np.random.default_rng(8).normal(size=(3, 3)))[0]
    layout = small_layout(turn=turn * np.sign(np.linalg.det(turn)))
    write_layout(layout, tmp_path / "l.csv")
    export(tmp_path / "l.csv", "ct", tmp_path / "d", margin=10, hu_wall=1000, hu_cell=2000)
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(tmp_path / "d" / "CT")))
    image = reader.Execute()
    hu = sitk.GetArrayFromImage(image).astype(float)
    cells = layout.cells.volumes_mm3.sum()
    walls = (layout.cells.sizes_mm + 2).prod(axis=1).sum() - cells
    assert hu[hu > -1000].sum() * 8 == pytest.approx(2000 * cells + 1000 * walls, rel=1e-4)
    for center in layout.cells.centers_mm:
        assert image[image.TransformPhysicalPointToIndex(center.tolist())] == 2000
    assert "oblique to the axes" in refused(tmp_path / "l.csv", "gate9", tmp_path / "g")


def test_the_ct_beside_the_patients(layout_file, ct_folder, tmp_path):
    export(layout_file, "ct", tmp_path / "d", ct=ct_folder, margin=20)
    mine = pydicom.dcmread(next((tmp_path / "d" / "CT").iterdir()))
    patients = pydicom.dcmread(next(ct_folder.iterdir()))
    for keyword in ("PatientID", "PatientName", "StudyInstanceUID", "FrameOfReferenceUID"):
        assert mine[keyword].value == patients[keyword].value
    assert mine.SeriesInstanceUID != patients.SeriesInstanceUID
    assert dciodvfy_errors(tmp_path / "d" / "CT" / "CT_0001.dcm") == []


def test_rtstruct_on_the_patients_ct(layout_file, ct_folder, tmp_path):
    export(layout_file, "rtstruct", tmp_path / "rs.dcm", ct=ct_folder)
    assert dciodvfy_errors(tmp_path / "rs.dcm") == []
    dataset, layout = pydicom.dcmread(tmp_path / "rs.dcm"), read_layout(layout_file)
    assert [roi.ROIName for roi in dataset.StructureSetROISequence] == list(layout.cells.labels)
    planes = {round(float(pydicom.dcmread(path).ImagePositionPatient[2]), 3) for path in ct_folder.iterdir()}
    for row, item in enumerate(dataset.ROIContourSequence):
        points = np.concatenate([np.reshape(c.ContourData, (-1, 3)) for c in item.ContourSequence]).astype(float)
        assert set(np.round(points[:, 2], 3)) <= planes
        corners = layout.cells.corners_mm()[row]
        for axis in (0, 1):
            assert np.allclose(np.unique(np.round(points[:, axis], 5)), np.unique(np.round(corners[:, axis], 5)))
        inside = (sorted(planes) >= corners[:, 2].min() - 1e-6) & (sorted(planes) < corners[:, 2].max() - 1e-6)
        assert len(item.ContourSequence) == inside.sum()


@pytest.mark.parametrize(("group", "count"), [("cell", 11), ("layer", 2), ("whole", 1)])
def test_seg_by_highdicom(layout_file, ct_folder, tmp_path, group, count):
    import highdicom

    export(layout_file, "seg", tmp_path / "seg.dcm", ct=ct_folder, group=group)
    assert dciodvfy_errors(tmp_path / "seg.dcm") == []
    found = highdicom.seg.segread(tmp_path / "seg.dcm")
    assert found.number_of_segments == count
    layout = read_layout(layout_file)
    volume = found.get_volume(combine_segments=True)
    centers = volume.map_reference_to_indices(layout.cells.centers_mm, round_output=True)
    values = volume.array[tuple(centers.T)]
    assert (values > 0).all()
    if group == "cell":
        assert values.tolist() == list(range(1, 12))


def test_a_plan_places_the_detector(layout_file, tmp_path):
    """The isocentre and the prone patient of the plan: G4RT's +x, +y, +z become left, superior, anterior."""
    plan = write_plan(tmp_path / "plan.dcm", [beam(1, (1.5, -2.5, 60))], "HFP")
    export(layout_file, "g4rt", tmp_path / "d", plan=plan)
    placed, layout = read_layout(tmp_path / "d" / "layout.csv"), read_layout(layout_file)
    expected = np.array([1.5, -2.5, 60]) + layout.detector_centers_mm() @ np.array([[1, 0, 0], [0, 0, 1], [0, -1, 0]])
    assert np.allclose(placed.cells.centers_mm, expected)
    record = json.loads((tmp_path / "d" / "provenance.json").read_text("utf-8"))
    assert record["inputs"][1]["kind"] == "RTPLAN"
    assert any("couch" in text for text in record["warnings"])


def test_the_patient_position_may_be_said(layout_file, tmp_path):
    plan = write_plan(tmp_path / "plan.dcm", [beam(1, (1.5, -2.5, 60))], "HFP")
    export(layout_file, "g4rt", tmp_path / "d", plan=plan, patient_position="FFDL")
    placed, layout = read_layout(tmp_path / "d" / "layout.csv"), read_layout(layout_file)
    expected = moved(layout, frame_placement("g4rt", np.array([1.5, -2.5, 60]), "FFDL"))
    assert np.allclose(placed.cells.centers_mm, expected.cells.centers_mm)


IN_THE_PATIENT = {  # what G4RT's +x, +y and +z are in LPS: the viewer's left, to the gantry, down
    "HFS": ("R", "S", "P"), "HFP": ("L", "S", "A"), "HFDR": ("A", "S", "R"), "HFDL": ("P", "S", "L"),
    "FFS": ("L", "I", "P"), "FFP": ("R", "I", "A"), "FFDR": ("P", "I", "R"), "FFDL": ("A", "I", "L"),
}  # fmt: skip
LETTERS = {"L": (1, 0, 0), "R": (-1, 0, 0), "P": (0, 1, 0), "A": (0, -1, 0), "S": (0, 0, 1), "I": (0, 0, -1)}


@pytest.mark.parametrize("position", IN_THE_PATIENT)
def test_an_asymmetric_detector_in_each_patient_position(tmp_path, position):
    """From G4RT's list of centres through a plan to the CT: SimpleITK finds each cell where a doll would have it."""
    points = np.array([[0, 0, 0], [12, 0, 0], [0, 24, 0], [0, 0, 36.0]])
    rows = "".join(f"{x},{y},{z}\n" for x, y, z in points)
    (tmp_path / "g4rt.csv").write_text(f"layer_1,,\n{rows}", "utf-8")
    center = np.array([15.0, -25.0, 80.0])
    plan = write_plan(tmp_path / "plan.dcm", [beam(1, center, PatientSupportAngle=None)], position)
    export(tmp_path / "g4rt.csv", "ct", tmp_path / "d", plan=plan, margin=45, spacing=4)
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(tmp_path / "d" / "CT")))
    image = reader.Execute()
    axes = np.array([LETTERS[letter] for letter in IN_THE_PATIENT[position]])

    def hu(point: np.ndarray) -> int:
        return image[image.TransformPhysicalPointToIndex((center + point @ axes).tolist())]

    assert [hu(point) for point in points] == [143] * 4
    assert [hu(-point) for point in points[1:]] == [0] * 3
    assert pydicom.dcmread(next((tmp_path / "d" / "CT").iterdir())).PatientPosition == position


def test_plan_and_ct_of_two_patients(layout_file, ct_folder, tmp_path):
    plan = write_plan(tmp_path / "p.dcm", [beam(1, CENTER)], PatientID="somebody else")
    line = refused(layout_file, "rtstruct", tmp_path / "r.dcm", ct=ct_folder, plan=plan)
    assert "is of patient 'T1', the plan of 'somebody else'" in line
    plan = write_plan(tmp_path / "q.dcm", [beam(1, CENTER)])
    result = export(layout_file, "rtstruct", tmp_path / "r.dcm", ct=ct_folder, plan=plan)
    assert any("different frames of reference" in text for text in result.warnings)


def test_a_real_patient(shared_data, tmp_path):
    """A detector in the middle of a real CT: outlines, segments and its own CT, all valid, all in one frame."""
    ct = shared_data / "openkbp_dicom" / "pt_226" / "CT"
    center = read_ct_reference(ct).grid.corners_mm().mean(axis=0)
    write_layout(preset_layout("procedural_shifted", Placement(center)), tmp_path / "l.csv")
    export(tmp_path / "l.csv", "rtstruct", tmp_path / "rs.dcm", ct=ct)
    export(tmp_path / "l.csv", "seg", tmp_path / "seg.dcm", ct=ct, group="layer")
    export(tmp_path / "l.csv", "ct", tmp_path / "d", ct=ct, margin=20, spacing=3)
    files = [tmp_path / "rs.dcm", tmp_path / "seg.dcm", tmp_path / "d/RTSTRUCT.dcm", tmp_path / "d/CT/CT_0001.dcm"]
    assert [dciodvfy_errors(path) for path in files] == [[]] * 4
    assert len({str(pydicom.dcmread(path).FrameOfReferenceUID) for path in files}) == 1
    assert len(pydicom.dcmread(files[0]).StructureSetROISequence) == 64


def refused(layout: Path, form: str, output: Path, **more) -> str:
    """The error's line; nothing may have been written."""
    before = sorted(output.parent.iterdir())
    with pytest.raises(InputError) as raised:
        export(layout, form, output, **more)
    assert sorted(output.parent.iterdir()) == before
    assert "\n" not in str(raised.value)
    return str(raised.value)


@pytest.mark.parametrize(
    ("form", "name", "more", "words"),
    [
        ("gdml", "d.xml", {}, "is no name for gdml; end it with .gdml"),
        ("g4rt", "job.toml", {}, "g4rt is a folder of files"),
        ("stl", "d.stl", {"surroundings": "air"}, "--surroundings: means nothing for the format stl"),
        ("gdml", "d.gdml", {"hu_cell": 100}, "--hu-cell: means nothing"),
        ("g4rt", "d", {"walls": "air"}, "--walls: means nothing for the format g4rt"),
        ("gdml", "d.gdml", {"ct": "x"}, "--ct: means nothing"),
        ("g4rt", "d", {"frame": "lps"}, "--frame: means nothing for the format g4rt"),
        ("seg", "d.dcm", {}, "--ct: is missing, and a seg refers to a CT"),
        ("rtstruct", "d.dcm", {"ct": "nothing"}, "nothing: does not exist"),
        ("gdml", "d.gdml", {"isocenter": (1,)}, "--isocenter: has 1 numbers"),
        ("gdml", "d.gdml", {"isocenter": (1, 2, 3), "plan": "p.dcm"}, "--isocenter: is given, and a plan as well"),
        ("gdml", "d.gdml", {"plan": "nothing.dcm"}, "nothing.dcm: there is no such file"),
        ("g4rt", "d", {"patient_position": "HFP"}, "--patient-position: turns nothing without a plan"),
        ("stl", "d.stl", {"parts": "all"}, "an STL is one surface"),
        ("ct", "d", {"spacing": 0.1, "margin": 100}, "--spacing: gives a CT of"),
        ("labelmap", "d.nrrd", {"spacing": 0.1, "margin": 300}, "--spacing: gives a CT of"),
        ("ct", "d", {"hu_table": "none.csv"}, "none.csv"),
        ("ct", "d", {"hu_table": "none.csv", "hu_cell": 3}, "--hu-table: is given, and single HU as well"),
    ],
)
def test_settings_that_cannot_be(layout_file, tmp_path, form, name, more, words):
    assert words in refused(layout_file, form, tmp_path / name, **more)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("layer_1,,\n0,0,0\n5,0,0\n", "overlap by 5 mm"),
        ("layer_1,,\n", "has no cells"),
        ("0,0\n", "numbers, not three"),
        ("cell,x_mm,y_mm,z_mm,size_x_mm,size_y_mm,size_z_mm\na,0,0,0,0,10,10\n", "not above 0"),
        ("cell,x_mm,y_mm,z_mm\na,0,0,=1+1\n", "spreadsheet formula"),
        ("cell,x_mm,y_mm,z_mm\na,0,0,nan\n", "not finite"),
    ],
)
@pytest.mark.parametrize("form", ["g4rt", "gdml", "stl", "ct"])
def test_bad_layouts(tmp_path, form, text, words):
    (tmp_path / "l.csv").write_text(text, "utf-8")
    output = tmp_path / {"gdml": "d.gdml", "stl": "d.stl"}.get(form, "d")
    assert words in refused(tmp_path / "l.csv", form, output)


def test_a_detector_outside_the_ct(layout_file, ct_folder, tmp_path):
    line = refused(layout_file, "rtstruct", tmp_path / "r.dcm", ct=ct_folder, isocenter=(0, 0, 500))
    assert "11 of 11 cells reach beyond the CT" in line


def test_a_plan_of_two_isocentres(layout_file, tmp_path):
    plan = write_plan(tmp_path / "p.dcm", [beam(1, (0, 0, 0)), beam(2, (0, 0, 90))])
    line = refused(layout_file, "gdml", tmp_path / "d.gdml", plan=plan)
    assert "has 2 isocentres (0.0, 0.0, 0.0; 0.0, 0.0, 90.0 mm, LPS)" in line


def test_an_image_is_no_series(layout_file, tmp_path):
    sitk.WriteImage(sitk.Image(5, 5, 5, sitk.sitkInt16), str(tmp_path / "ct.nrrd"))
    assert "is an image file" in refused(layout_file, "rtstruct", tmp_path / "r.dcm", ct=tmp_path / "ct.nrrd")


def test_the_command(layout_file, tmp_path, capsys):
    arguments = ["detector", "export", str(layout_file), "--output", str(tmp_path / "d.gdml")]
    assert main([*arguments, "--format", "gdml", "--frame", "iec", "--isocenter", "1", "2", "3"]) == 0
    assert "d.gdml.provenance.json" in capsys.readouterr().out
    assert main([*arguments, "--format", "stl"]) == 2
    errors = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error:")]
    assert errors == [f"error: {tmp_path / 'd.gdml'}: is no name for stl; end it with .stl"]
    assert main(["detector", "export", str(layout_file), "--output", "x", "--format", "obj"]) == 2
    assert "obj" in capsys.readouterr().err


def test_cancel_leaves_nothing(layout_file, tmp_path):
    reports = []

    def cancelled() -> bool:
        reports.append(1)
        return len(reports) > 20

    with pytest.raises(Cancelled):
        detector_export.run(
            Settings(layout=layout_file, format="ct", output=tmp_path / "out"), Progress(cancelled=cancelled)
        )
    assert [path.name for path in tmp_path.iterdir()] == ["LAYOUT.csv"]
