"""`dose compare` as a task and a command, judged by SimpleITK, pydicom, formulas and SlicerRT's gamma."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from builders import ct_builder as cb
from builders.dose_builder import ball_dose, write_rtdose_file
from Dose3DLib.cli.main import main
from Dose3DLib.core.errors import Cancelled, InputError
from Dose3DLib.core.progress import Progress
from Dose3DLib.geometry.grid import Grid, Volume
from Dose3DLib.geometry.volume_files import write_volume
from Dose3DLib.tasks import dose_compare
from Dose3DLib.tasks.dose_compare import Settings

FRAME = "1.2.826.0.1.3680043.8.498.1"

LAYOUT = """# dose3d layout 1
# frame: LPS
cell,layer,x_mm,y_mm,z_mm,size_x_mm,size_y_mm,size_z_mm
middle,1,10,-5,20,10,10,10
beside,1,25,-5,20,10,10,10
low,2,37,-5,20,10,10,10
away,2,400,-5,20,10,10,10
"""


def slope_dose(grid: Grid, offset: float = 0.0) -> Volume:
    """50 Gy and 0.3 Gy/mm along x."""
    k, j, i = np.meshgrid(*map(np.arange, grid.shape), indexing="ij")
    x = grid.to_lps(np.stack([i, j, k], axis=-1))[..., 0]
    return Volume((50 + offset + 0.3 * x).astype(np.float32), grid)


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    return (
        write_rtdose_file(ball_dose(), tmp_path / "reference.dcm", FrameOfReferenceUID=FRAME),
        write_rtdose_file(ball_dose(maximum=61.5), tmp_path / "evaluated.dcm", FrameOfReferenceUID=FRAME),
    )


def summary_of(folder: Path) -> dict:
    return json.loads((folder / "summary.json").read_text("utf-8"))


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def compare(reference: Path, evaluated: Path, output: Path, **others):
    return dose_compare.run(Settings(reference=reference, evaluated=evaluated, output=output, **others))


def test_two_rtdoses_become_a_folder(pair, tmp_path):
    out = tmp_path / "Łódź µ"
    result = compare(*pair, out)
    assert {path.name for path in out.iterdir()} == set(result.files.values())
    gamma, reference = (sitk.ReadImage(str(path)) for path in (out / "gamma.nrrd", pair[0]))
    assert gamma.GetSize() == reference.GetSize()
    assert np.allclose(gamma.GetOrigin(), reference.GetOrigin())
    array, dose = sitk.GetArrayFromImage(gamma), sitk.GetArrayFromImage(reference) * 1e-6
    assert (np.isfinite(array) == (dose >= 6.0 - 1e-6)).all()
    summary = summary_of(out)
    assert summary["passing"] == pytest.approx((array[np.isfinite(array)] <= 1 + 1e-5).mean())
    assert summary["criteria"]["label"] == "3 %/2 mm global"
    assert summary["criteria"]["normalisation"] == pytest.approx(60, abs=1e-4)
    assert summary["point_lps_mm"] == pytest.approx([10, -5, 20])
    assert summary["regions"][0]["highest"] == pytest.approx(1.5, abs=1e-3)
    page = (out / "report.html").read_text("utf-8")
    assert page.count("data:image/png") == 6
    assert "at grid points only" in page
    inputs = json.loads((out / "provenance.json").read_text("utf-8"))["inputs"]
    assert [one["kind"] for one in inputs] == ["RTDOSE", "RTDOSE"]


@pytest.mark.parametrize("orientation", [cb.AXIAL, cb.PRONE, cb.FEET_FIRST])
def test_any_patient_position_and_unequal_grids(tmp_path, orientation):
    """A slope in the patient: gamma has a formula, wherever the axes of the grids run."""
    row, column = np.array(orientation[:3]), np.array(orientation[3:])
    affine = np.eye(4)
    affine[:3, :3] = np.column_stack([row * 2.0, column * 2.0, np.cross(row, column) * 2.5])
    affine[:3, 3] = -affine[:3, :3] @ [10, 10, 10]
    reference = write_rtdose_file(slope_dose(Grid((21, 21, 21), affine)), tmp_path / "reference.dcm")
    write_volume(slope_dose(Grid.axial((30, 33, 36), (3.0, 2.7, 2.4), (-45, -44, -43)), 1.2), tmp_path / "other.nrrd")
    result = compare(reference, tmp_path / "other.nrrd", tmp_path / "out")
    summary = summary_of(tmp_path / "out")
    expected = 1.2 / np.hypot(0.03 * 56, 2 * 0.3)
    assert summary["regions"][0]["mean_gamma"] == pytest.approx(expected, rel=1e-3)
    assert summary["regions"][0]["highest_gamma"] == pytest.approx(expected, rel=1e-3)
    assert summary["regions"][0]["mean_difference"] == pytest.approx(1.2, abs=1e-3)
    assert not summary["same_grid"]
    assert any("different grids" in text for text in result.warnings)


def test_outside_the_evaluated_grid_is_not_evaluated_and_said(tmp_path):
    write_volume(ball_dose(), tmp_path / "reference.nrrd")
    part = Volume(ball_dose().array[:17].copy(), ball_dose().grid.crop((0, 0, 0), (17, 41, 41)))
    write_volume(part, tmp_path / "part.nrrd")
    result = compare(tmp_path / "reference.nrrd", tmp_path / "part.nrrd", tmp_path / "out")
    gamma = sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / "out" / "gamma.nrrd")))
    assert np.isnan(gamma[17:]).all()
    whole = summary_of(tmp_path / "out")["regions"][0]
    assert whole["unknown"] == int((ball_dose().array[17:] >= 6).sum())
    assert whole["passing"] == 1.0
    assert any("they are not evaluated" in text for text in result.warnings)


def test_structures_have_their_own_figures(pair, tmp_path):
    dose = ball_dose()
    labels = np.zeros(dose.array.shape, np.uint8)
    labels[16, 20, 20], labels[0, 0, 0] = 1, 2
    labels[15:18, 18:23, 10:13] = 3
    write_volume(Volume(labels, dose.grid), tmp_path / "labels.nrrd")
    (tmp_path / "names.csv").write_text("label,name\n1,Middle\n2,Corner\n3,Beside\n", encoding="utf-8")
    result = compare(
        *pair, tmp_path / "out", structures=tmp_path / "labels.nrrd", names=tmp_path / "names.csv",
        gamma="tg218", threshold=20,
    )  # fmt: skip
    rows = {row["name"]: row for row in rows_of(tmp_path / "out" / "regions.csv")}
    assert list(rows) == ["dose of 20 % and more", "Middle", "Corner", "Beside"]
    assert float(rows["Middle"]["mean_difference"]) == pytest.approx(1.5, abs=1e-3)
    assert rows["Middle"]["points"] == "1"
    assert rows["Corner"]["points"] == "0"
    assert rows["Corner"]["passing"] == ""
    assert rows["Beside"]["voxels"] == "45"
    expected = dose.array[labels == 3].mean()
    assert float(rows["Beside"]["mean_reference"]) == pytest.approx(expected, abs=1e-3)
    assert any("No gamma in Corner" in text for text in result.warnings)
    assert summary_of(tmp_path / "out")["tolerance"] is None, "limits are for the preset's own criteria"


def test_in_a_detector(pair, tmp_path):
    (tmp_path / "layout.csv").write_text(LAYOUT, encoding="utf-8")
    result = compare(*pair, tmp_path / "out", layout=tmp_path / "layout.csv", gamma="2/2")
    rows = {row["cell"]: row for row in rows_of(tmp_path / "out" / "cells.csv")}
    assert rows["away"]["reference_gy"] == ""
    assert (rows["away"]["fraction"], rows["away"]["judged"]) == ("0", "no")
    for name, within in (("middle", "no"), ("beside", "yes"), ("low", "no")):
        ratio = float(rows[name]["evaluated_gy"]) / float(rows[name]["reference_gy"])
        assert ratio == pytest.approx(61.5 / 60, rel=1e-4)
        assert rows[name]["within"] == within, "2 % of 60 Gy are 1.2 Gy; 'low' is below the threshold"
    # A ball's middle: 1 - r/R, and the mean of r over a cube of edge a is 0.4803 a.
    assert float(rows["middle"]["reference_gy"]) == pytest.approx(60 * (1 - 0.4803 * 10 / 30), rel=0.01)
    cells = summary_of(tmp_path / "out")["cells"]
    assert (cells["number"], cells["judged"], cells["within"]) == (4, 2, 0.5)
    assert "50.0 % within the dose difference" in result.summary["detector"]
    assert "In the detector" in (tmp_path / "out" / "report.html").read_text("utf-8")


def test_profiles_run_along_the_patients_axes(pair, tmp_path):
    compare(*pair, tmp_path / "out", point=(10.0, -5.0, 26.0))
    rows = rows_of(tmp_path / "out" / "profiles.csv")
    along = [row for row in rows if row["axis"] == "y"]
    at = np.array([float(row["position_mm"]) for row in along])
    dose = np.array([float(row["reference_gy"]) for row in along])
    expected = 60 * np.clip(1 - np.hypot(at + 5, 6.0) / 30, 0, None)
    assert dose == pytest.approx(expected, abs=0.6)
    ratio = np.array([float(row["evaluated_gy"]) for row in along])[dose > 5] / dose[dose > 5]
    assert ratio == pytest.approx(np.full(len(ratio), 1.025), rel=1e-4)


def test_a_dose_in_cgy_by_its_factor(pair, tmp_path):
    write_volume(Volume(ball_dose().array * 100, ball_dose().grid), tmp_path / "cgy.nrrd")
    result = compare(pair[0], tmp_path / "cgy.nrrd", tmp_path / "one")
    assert any("other units, or other fractions?" in text for text in result.warnings)
    compare(pair[0], tmp_path / "cgy.nrrd", tmp_path / "two", factor=0.01)
    assert summary_of(tmp_path / "two")["regions"][0]["highest_gamma"] == pytest.approx(0, abs=1e-3)


def test_random_voxels_only(pair, tmp_path):
    found = []
    for name in ("one", "two", "three"):
        compare(*pair, tmp_path / name, points=50, seed=3 if name == "three" else 0)
        found.append(np.isfinite(sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / name / "gamma.nrrd")))))
    assert found[0].sum() == 50
    assert (found[0] == found[1]).all()
    assert (found[0] != found[2]).any()


def test_of_different_patients_or_frames(pair, tmp_path):
    for tag, value, words in (("PatientID", "another", "another patient"), ("FrameOfReferenceUID", "1.2.3", "frame")):
        other = write_rtdose_file(ball_dose(), tmp_path / "other.dcm", **{"FrameOfReferenceUID": FRAME, tag: value})
        with pytest.raises(InputError, match=words):
            compare(pair[0], other, tmp_path / "out")
        result = compare(pair[0], other, tmp_path / f"out {tag}", lenient=True)
        assert any(words in text for text in result.warnings)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--gamma", "three"], '"three" is no criterion'),
        (["--gamma", "0/2"], '"0/2" is not above 0'),
        (["--gamma", "3/2/1"], "is no criterion"),
        (["--threshold", "101"], "--threshold"),
        (["--series", "1.2"], "--series: is about --ct"),
        (["--only", "PTV"], "--only: is about --structures"),
        (["--point", "1", "2"], "--point: has 2 numbers"),
        (["--point", "1", "2", "900"], "--point: lies outside"),
        (["--structures", "nothing"], "nothing: does not exist"),
        (["--layout", "nothing.csv"], "nothing.csv"),
        (["--ct", "nothing"], "nothing: does not exist"),
        (["--normalisation", "700"], "has no voxel of 10 % of 700 Gy"),
        (["--levels", "120"], "--levels: are all above"),
    ],
)
def test_refused_in_one_line(pair, tmp_path, capsys, arguments, words):
    code = main(["dose", "compare", *map(str, pair), "--output", str(tmp_path / "out"), *arguments])
    errors = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error:")]
    assert code == 2
    assert len(errors) == 1
    assert words in errors[0]
    assert not (tmp_path / "out").exists()


def test_doses_that_have_nothing_in_common(pair, tmp_path, capsys):
    write_volume(ball_dose(center_mm=(900.0, 0.0, 0.0)), tmp_path / "far.nrrd")
    relative = write_rtdose_file(ball_dose(), tmp_path / "relative.dcm", DoseUnits="RELATIVE")
    holed = Volume(ball_dose().array, ball_dose().grid)
    holed.array[16, 20, 20] = np.nan
    sitk.WriteImage(sitk.GetImageFromArray(holed.array), str(tmp_path / "holed.nrrd"))
    text = tmp_path / "text.nrrd"
    text.write_text("no image", encoding="utf-8")
    wrong = {
        tmp_path / "far.nrrd": "lies nowhere",
        relative: "in units relative",
        text: "text.nrrd",
        tmp_path / "holed.nrrd": "not numbers",
        tmp_path: "is a folder",
        tmp_path / "none.dcm": "does not exist",
    }
    for other, words in wrong.items():
        assert main(["dose", "compare", str(pair[0]), str(other), "--output", str(tmp_path / "out")]) == 2
        errors = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error:")]
        assert len(errors) == 1
        assert words in errors[0]
        assert not (tmp_path / "out").exists()


def test_cancel_leaves_nothing(pair, tmp_path):
    reports = []

    def cancelled() -> bool:
        reports.append(1)
        return len(reports) > 5

    settings = Settings(reference=pair[0], evaluated=pair[1], output=tmp_path / "out")
    with pytest.raises(Cancelled):
        dose_compare.run(settings, Progress(cancelled=cancelled))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["evaluated.dcm", "reference.dcm"]


def test_eclipse_doses_with_surfaces(shared_data, tmp_path):
    folder = shared_data / "dicom_slicerrt_eclipse"
    compare(
        folder / "EclipseEnt_Dose.nrrd", folder / "EclipseEnt_Dose_Day2.nrrd", tmp_path / "out", gamma="3/3",
        structures=folder / "EclipseEnt_Structures.seg", frame="LPS", only=("PTV1", "BRAIN"),
    )  # fmt: skip
    summary = summary_of(tmp_path / "out")
    assert summary["passing_grid_points"] == pytest.approx(0.809, abs=5e-4)
    assert summary["passing"] == pytest.approx(0.907, abs=5e-4)
    assert [one["name"] for one in summary["regions"][1:]] == ["BRAIN", "PTV1"]


def test_a_plan_against_itself_with_its_structures(shared_data, tmp_path):
    patient = shared_data / "openkbp_dicom" / "pt_226"
    structures = next(path for path in patient.iterdir() if "RTSTRUCT" in path.name.upper())
    compare(
        patient / "RTDOSE.dcm", patient / "RTDOSE.dcm", tmp_path / "out", ct=patient / "CT", structures=structures,
        gamma="dose3d",
    )  # fmt: skip
    summary = summary_of(tmp_path / "out")
    assert (summary["passing"], summary["passing_grid_points"]) == (1.0, 1.0)
    assert summary["criteria"]["is_local"]
    assert len(summary["regions"]) > 3
