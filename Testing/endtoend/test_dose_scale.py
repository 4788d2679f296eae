"""`dose scale` as a task and a command, judged by the phantom's formula, SimpleITK, pydicom and dciodvfy."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from builders.dciodvfy import dciodvfy_errors
from builders.dose_builder import write_rtdose_file
from builders.scale_builder import ball_problem, lattice_cells
from Dose3DLib.cli.main import main
from Dose3DLib.core.errors import Cancelled, InputError, OutputError
from Dose3DLib.core.progress import Progress
from Dose3DLib.detector.layout import Layout
from Dose3DLib.detector.layout_csv import write_layout
from Dose3DLib.detector.readings import Readings
from Dose3DLib.detector.readings_csv import write_readings
from Dose3DLib.geometry.grid import Grid, Volume
from Dose3DLib.geometry.volume_files import write_volume
from Dose3DLib.tasks import dose_scale
from Dose3DLib.tasks.dose_scale import Settings
from Dose3DLib.tasks.scale_source import split_measured

CLASSICAL = ("nearest", "linear", "cubic", "ibp", "tikhonov", "kriging")
FOUR = ((0, 0, 0), (0, 6, 6), (6, 0, 6), (6, 6, 0))


def write_cells(path: Path, values=None, shift_mm=(0, 0, 0), frame: str = "", count: int = 7) -> Path:
    """What cells measure of the ball with 1 % noise, as CELLS.csv."""
    cells = lattice_cells(count, shift_mm=shift_mm)
    if values is None:
        values = ball_problem((shift_mm,), noise=0.01)[0].values[0]
    fraction, unknown = np.ones(len(cells)), np.full(len(cells), np.nan)
    write_readings(Readings(cells, values, fraction, unknown, frame), path)
    return path


@pytest.fixture
def truth() -> np.ndarray:
    return ball_problem()[1]


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    """Cells, a CT of the ball (image), its body and a plan that is 5 % too high."""
    problem, truth = ball_problem()
    ct = np.where(problem.body, 30, -1000).astype(np.int16)
    write_volume(Volume(ct, problem.grid), tmp_path / "ct.nrrd")
    (tmp_path / "masks").mkdir()
    write_volume(Volume(problem.body.astype(np.uint8), problem.grid), tmp_path / "masks" / "BODY.nii.gz")
    write_volume(Volume((1.05 * truth).astype(np.float32), problem.grid), tmp_path / "plan.nrrd")
    return {
        "cells": write_cells(tmp_path / "CELLS.csv"),
        "ct": tmp_path / "ct.nrrd",
        "masks": tmp_path / "masks",
        "plan": tmp_path / "plan.nrrd",
    }


def error_of(path: Path, truth: np.ndarray) -> float:
    array = sitk.GetArrayFromImage(sitk.ReadImage(str(path)))
    return float(np.abs(array - truth)[truth > 0].mean())


def run(files: dict[str, Path], output: Path, **more):
    settings = {"measured": (str(files["cells"]),), "grid": files["ct"], "output": output, **more}
    return dose_scale.run(Settings(**settings))


@pytest.mark.parametrize("method", CLASSICAL)
def test_each_method_writes_a_dose_that_slicerrt_knows(files, tmp_path, truth, method):
    result = run(files, tmp_path / "dose.nrrd", method=method)
    image = sitk.ReadImage(str(tmp_path / "dose.nrrd"))
    assert image.GetSize() == (32, 32, 32)
    assert np.allclose(image.GetOrigin(), [-46.5] * 3)
    assert image.GetMetaData("DicomRtImport.DoseVolume") == "1"
    assert image.GetMetaData("DicomRtImport.DoseUnitName") == "Gy"
    assert error_of(tmp_path / "dose.nrrd", truth) < (5 if method == "nearest" else 3.5)
    record = json.loads((tmp_path / "dose.nrrd.provenance.json").read_text("utf-8"))
    assert record["settings"]["method"] == method
    assert [one["kind"] for one in record["inputs"]] == ["cells", "image file, a CT"]
    assert "scintillator" in result.summary["physical step"]


def test_the_report_has_maps_cells_samples_and_both_steps(files, tmp_path):
    values = ball_problem(noise=0.01)[0].values[0].copy()
    values[3], values[170] = 20.0, np.nan
    files["cells"] = write_cells(tmp_path / "CELLS.csv", values)
    out = tmp_path / "report µ"
    result = run(files, tmp_path / "dose.nii.gz", structures=files["masks"], report=out, samples=2, plan=files["plan"])
    page = (out / "report.html").read_text("utf-8")
    assert page.count("data:image/png") == 5
    for text in ("Geometry, CELLS.csv", "Physical step", "What is not known", "dose outside the body", "no value"):
        assert text in page
    rows = list(csv.DictReader((out / "cells.csv").open(encoding="utf-8")))
    assert len(rows) == 343
    assert "dose outside the body" in rows[3]["notes"]
    assert rows[170]["notes"] == "no value"
    assert rows[170]["measured_gy"] == ""
    assert any("1 cells measured dose outside the body BODY" in text for text in result.warnings)
    assert any("1 of 343 cells" in text for text in result.warnings)
    samples = [sitk.GetArrayFromImage(sitk.ReadImage(str(p))) for p in sorted((out / "samples").iterdir())]
    assert len(samples) == 2
    assert np.abs(samples[0] - samples[1]).max() > 0.5
    for name in ("half_width_95", "not_seen", "difference_from_plan"):
        assert sitk.ReadImage(str(out / f"{name}.nrrd")).GetSize() == (32, 32, 32)


def test_samples_agree_with_the_cells_and_follow_the_seed(files, tmp_path):
    problem, _ = ball_problem(noise=0.01)
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        run(files, tmp_path / f"{name}.nrrd", structures=files["masks"], report=tmp_path / name, samples=1, seed=seed)
    first, same, other = (
        sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / n / "samples" / "dose_001.nrrd"))) for n in "abc"
    )
    assert np.array_equal(first, same)
    assert not np.array_equal(first, other)
    left = problem.operators[0].apply(first) - problem.values[0]
    assert np.sqrt(np.mean((left / np.maximum(problem.sd[0], 0.1)) ** 2)) < 2.0


def test_body_plan_and_more_acquisitions_help(files, tmp_path, truth):
    more = tuple(str(write_cells(tmp_path / f"c{n}.csv", shift_mm=shift)) for n, shift in enumerate(FOUR))
    errors = {}
    for name, settings in {
        "nothing": {"body": "none"},
        "body": {"structures": files["masks"]},
        "plan": {"structures": files["masks"], "plan": files["plan"]},
        "four": {"structures": files["masks"], "measured": more},
    }.items():
        run(files, tmp_path / f"{name}_dose.nrrd", **settings)
        errors[name] = error_of(tmp_path / f"{name}_dose.nrrd", truth)
    assert errors["body"] < 0.6 * errors["nothing"]
    assert errors["plan"] < 0.5 * errors["body"]
    assert errors["four"] < errors["body"]


def test_the_physical_step_is_carried_to_the_patient(files, tmp_path, truth):
    """A detector that sees 80 % of the patient's dose: with the plan recomputed in it the dose is the patient's."""
    problem, _ = ball_problem(noise=0.01)
    files["cells"] = write_cells(tmp_path / "CELLS.csv", 0.8 * problem.values[0])
    write_volume(Volume((0.8 * 1.05 * truth).astype(np.float32), problem.grid), tmp_path / "phantom.nrrd")
    common = {"plan": files["plan"], "structures": files["masks"]}
    run(files, tmp_path / "raw.nrrd", **common)
    result = run(files, tmp_path / "ratio.nrrd", plan_in_detector=tmp_path / "phantom.nrrd", carry="ratio", **common)
    assert error_of(tmp_path / "ratio.nrrd", truth) < 0.6
    assert error_of(tmp_path / "raw.nrrd", truth) > 3
    assert "ratio" in result.summary["physical step"]


def dicom_ct(folder: Path, problem) -> pydicom.Dataset:
    from Dose3DLib.dicom.ct_write import PatientAttributes, write_ct

    hu = np.where(problem.body, 30, -1000).astype(np.int16)
    return write_ct(Volume(hu, problem.grid), folder, PatientAttributes(patient_name="A^B", patient_id="P1"))


def test_an_rtdose_of_the_patient(files, tmp_path, truth):
    problem, _ = ball_problem()
    reference = dicom_ct(tmp_path / "ct", problem)
    frame = reference.header.FrameOfReferenceUID
    plan_uid = "1.2.826.0.1.3680043.8.498.77"
    item = pydicom.Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = "1.2.840.10008.5.1.4.1.1.481.5", plan_uid
    plan = write_rtdose_file(
        Volume((1.05 * truth).astype(np.float32), problem.grid), tmp_path / "plan.dcm", FrameOfReferenceUID=frame,
        PatientID="P1", ReferencedRTPlanSequence=[item],
    )  # fmt: skip
    from Dose3DLib.dicom.rtstruct_write import write_rtstruct
    from Dose3DLib.geometry.mask import Mask
    from Dose3DLib.geometry.structure import Structure, StructureSet

    body = Structure(
        "Patient outline", Mask.from_array(problem.body, reference.grid), None, interpreted_type="EXTERNAL"
    )
    write_rtstruct(StructureSet(reference.grid, (body,)), reference, tmp_path / "rs.dcm")
    files["cells"] = write_cells(tmp_path / "CELLS.csv", frame=frame)
    run(files, tmp_path / "dose.dcm", grid=tmp_path / "ct", plan=plan, structures=tmp_path / "rs.dcm")
    written = pydicom.dcmread(tmp_path / "dose.dcm")
    assert written.FrameOfReferenceUID == frame
    assert written.PatientID == "P1"
    assert written.ReferencedRTPlanSequence[0].ReferencedSOPInstanceUID == plan_uid
    structures = pydicom.dcmread(tmp_path / "rs.dcm").SOPInstanceUID
    assert written.ReferencedStructureSetSequence[0].ReferencedSOPInstanceUID == structures
    dose = written.pixel_array * float(written.DoseGridScaling)
    assert np.abs(dose - truth)[truth > 0].mean() < 0.6
    curve = np.array(written.DVHSequence[0].DVHData, float).reshape(-1, 2)
    assert written.DVHSequence[0].DVHNumberOfBins == len(curve)
    assert curve[300, 1] == pytest.approx((dose[truth > 0] >= 30 - 1e-3).sum() * 0.027, rel=0.01)
    assert dciodvfy_errors(tmp_path / "dose.dcm") == []


def test_far_from_the_cells_nothing_is_known(files, tmp_path):
    wide = Grid.axial((60, 60, 60), (5.0, 5.0, 5.0), (-150.0, -150.0, -150.0))
    write_volume(Volume(np.zeros(wide.shape, np.int16), wide), tmp_path / "wide.nrrd")
    result = run(files, tmp_path / "dose.nrrd", grid=tmp_path / "wide.nrrd", report=tmp_path / "report")
    assert any("unknown there" in text for text in result.warnings)
    dose, width, unseen = (
        sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / name)))
        for name in ("dose.nrrd", "report/half_width_95.nrrd", "report/not_seen.nrrd")
    )
    assert dose[0, 0, 0] == 0
    assert np.isnan(width[0, 0, 0])
    assert unseen[0, 0, 0] == 1


def test_cells_and_layout_together(files, tmp_path, truth):
    write_layout(Layout(lattice_cells(7)), tmp_path / "LAYOUT.csv")
    run(files, tmp_path / "dose.nrrd", measured=(f"{files['cells']}:{tmp_path / 'LAYOUT.csv'}",))
    assert error_of(tmp_path / "dose.nrrd", truth) < 3.5
    assert split_measured(f"{files['cells']}:x.csv") == (files["cells"], Path("x.csv"))
    assert split_measured("C:/none.csv") == (Path("C:/none.csv"), None)


def test_dose_and_report_are_replaced_on_request(files, tmp_path):
    outputs = {"output": tmp_path / "d.nrrd", "report": tmp_path / "report"}
    run(files, method="nearest", **outputs)
    with pytest.raises(OutputError, match="--overwrite"):
        run(files, method="linear", **outputs)
    run(files, method="linear", overwrite=True, **outputs)
    record = json.loads((tmp_path / "report" / "provenance.json").read_text("utf-8"))
    assert record["settings"]["method"] == "linear"


def test_the_command(files, tmp_path, capsys):
    words = ["dose", "scale", "--measured", str(files["cells"]), "--grid", str(files["ct"])]
    assert main([*words, "--output", str(tmp_path / "d.nrrd")]) == 0
    assert "results in" in capsys.readouterr().out
    assert main([*words, "--output", str(tmp_path / "d.nrrd")]) == 2
    assert "--overwrite" in capsys.readouterr().err


def test_a_cancel_leaves_nothing(files, tmp_path):
    progress = Progress(cancelled=lambda: progress.fraction > 0.25)
    settings = Settings(measured=(str(files["cells"]),), grid=files["ct"], output=tmp_path / "d.nrrd")
    before = sorted(tmp_path.iterdir())
    with pytest.raises(Cancelled):
        dose_scale.run(settings, progress)
    assert sorted(tmp_path.iterdir()) == before


def refused(files, tmp_path, capsys, text: str, **more) -> None:
    """Exit code 2, one line, nothing written."""
    settings = {"measured": str(files["cells"]), "grid": files["ct"], "output": tmp_path / "out.nrrd", **more}
    before = sorted(p.name for p in tmp_path.rglob("*"))
    words = [word for key, value in settings.items() for word in ("--" + key.replace("_", "-"), str(value))]
    assert main(["dose", "scale", *words]) == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error")]
    assert len(lines) == 1
    assert text in lines[0]
    assert sorted(p.name for p in tmp_path.rglob("*")) == before


def test_bad_input_at_the_door(files, tmp_path, capsys):
    problem, truth = ball_problem()
    far = write_cells(tmp_path / "far.csv", np.ones(343), shift_mm=(900, 0, 0))
    zero = write_cells(tmp_path / "zero.csv", np.zeros(343))
    empty = write_cells(tmp_path / "empty.csv", np.full(343, np.nan))
    write_layout(Layout(lattice_cells(3)), tmp_path / "other.csv")
    refuse = lambda text, **more: refused(files, tmp_path, capsys, text, **more)  # noqa: E731
    refuse("no cell lies in the grid", measured=far)
    refuse("holds no dose above 0", measured=zero)
    refuse("has no cell with a value", measured=empty)
    refuse("is not in the layout", measured=f"{files['cells']}:{tmp_path / 'other.csv'}")
    refuse("none.csv: No such file", measured=tmp_path / "none.csv")
    refuse("does not exist", grid=tmp_path / "none.nrrd")
    refuse("has an ending that no dose has", output=tmp_path / "out.txt")
    refuse("needs patient and study", output=tmp_path / "out.dcm")
    refuse("there is no plan", plan_in_detector=files["plan"])
    refuse("written into the report's folder", samples=3)
    refuse("there are no structures", body="Skin")
    refuse('did you mean "BODY"', structures=files["masks"], body="BODI")
    refuse('Did you mean "linear"', method="splines")
    refuse("is out of range", noise=0)


def test_another_patient_is_refused(files, tmp_path, capsys):
    problem, truth = ball_problem()
    reference = dicom_ct(tmp_path / "ct", problem)
    dose = Volume((1.05 * truth).astype(np.float32), problem.grid)
    frame = reference.header.FrameOfReferenceUID
    strange = write_rtdose_file(dose, tmp_path / "strange.dcm", PatientID="P1", FrameOfReferenceUID="1.2.3.4")
    other = write_rtdose_file(dose, tmp_path / "other.dcm", PatientID="P2", FrameOfReferenceUID=frame)
    relative = write_rtdose_file(
        dose, tmp_path / "relative.dcm", PatientID="P1", FrameOfReferenceUID=frame, DoseUnits="RELATIVE"
    )
    files["ct"] = tmp_path / "ct"
    elsewhere = write_cells(tmp_path / "elsewhere.csv", frame="1.2.3.4.5")
    refused(files, tmp_path, capsys, "another frame of reference", plan=strange)
    refused(files, tmp_path, capsys, "is of patient P2", plan=other)
    refused(files, tmp_path, capsys, "is relative", plan=relative)
    refused(files, tmp_path, capsys, "another patient or scan", measured=elsewhere)


def test_units_and_values_that_are_odd_are_said(files, tmp_path):
    problem, _ = ball_problem(noise=0.01)
    values = 100 * problem.values[0]
    values[0] = -3.0
    files["cells"] = write_cells(tmp_path / "CELLS.csv", values)
    result = run(files, tmp_path / "d.nrrd")
    assert any("cGy" in text for text in result.warnings)
    assert any("negative dose" in text for text in result.warnings)


def test_settings_in_python(files, tmp_path):
    with pytest.raises(InputError, match="names no file"):
        run(files, tmp_path / "d.nrrd", measured=())
    with pytest.raises(InputError, match="is the output itself"):
        run(files, tmp_path / "d.nrrd", report=tmp_path / "d.nrrd")
    with pytest.raises(InputError, match="names one file twice"):
        run(files, tmp_path / "d.nrrd", measured=(str(files["cells"]),) * 2)
    with pytest.raises(OutputError, match="is an input itself"):
        run(files, files["ct"], overwrite=True)


def test_a_series_of_an_image_file(tmp_path, files):
    with pytest.raises(InputError, match="chooses among DICOM series"):
        run(files, tmp_path / "d.nrrd", series="1.2.3")
