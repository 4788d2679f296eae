"""`dose show` as a task and a command, judged by SimpleITK, pydicom and the balls' formula."""

from __future__ import annotations

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
from Dose3DLib.geometry.grid import Volume
from Dose3DLib.geometry.volume_files import write_volume
from Dose3DLib.tasks import dose_show
from Dose3DLib.tasks.dose_show import Settings


@pytest.fixture
def dose_file(tmp_path: Path) -> Path:
    return write_rtdose_file(ball_dose(), tmp_path / "dose.dcm")


def summary_of(folder: Path) -> dict:
    return json.loads((folder / "summary.json").read_text("utf-8"))


def test_an_rtdose_becomes_a_folder(dose_file, tmp_path):
    out = tmp_path / "Łódź µ"
    result = dose_show.run(Settings(dose=dose_file, output=out, levels=(25, 50), prescription=60))
    assert {path.name for path in out.iterdir()} == set(result.files.values())
    image = sitk.ReadImage(str(dose_file))
    written = sitk.ReadImage(str(out / "dose.nrrd"))
    assert np.allclose(sitk.GetArrayFromImage(written), sitk.GetArrayFromImage(image) * 1e-6, atol=1e-4)
    assert np.allclose(written.GetOrigin(), image.GetOrigin())
    summary = summary_of(out)
    assert summary["units"] == "Gy"
    assert summary["maximum"] == pytest.approx(60, abs=1e-4)
    assert summary["maximum_at_lps_mm"] == pytest.approx([10, -5, 20])
    assert [level["dose"] for level in summary["levels"]] == [15, 30]
    assert summary["levels"][1]["volume_cc"] == pytest.approx(4 / 3 * np.pi * 1.5**3, rel=0.03)
    page = (out / "report.html").read_text("utf-8")
    assert page.count("data:image/png") == 1
    assert "50 % (30 Gy)" in page
    assert json.loads((out / "provenance.json").read_text("utf-8"))["inputs"][0]["kind"] == "RTDOSE"


@pytest.mark.parametrize("orientation", [cb.AXIAL, cb.PRONE, cb.FEET_FIRST])
def test_the_hot_spot_is_where_the_patient_position_puts_it(tmp_path, orientation):
    dose = ball_dose()
    dose.array[5, 10, 30] = 70
    path = write_rtdose_file(dose, tmp_path / "d.dcm", ImageOrientationPatient=cb.ds(orientation))
    dose_show.run(Settings(dose=path, output=tmp_path / "out"))
    row, column = np.array(orientation[:3]), np.array(orientation[3:])
    place = dose.grid.affine[:3, 3] + row * 2 * 30 + column * 2 * 10 + np.cross(row, column) * 2.5 * 5
    assert summary_of(tmp_path / "out")["maximum_at_lps_mm"] == pytest.approx(place.tolist(), abs=1e-6)


def test_planes_in_any_order(tmp_path):
    dose = ball_dose()
    order = np.random.default_rng(3).permutation(33)
    order[[0, order.tolist().index(0)]] = order[[order.tolist().index(0), 0]]  # an offset vector starts with 0
    shuffled = Volume(dose.array[order], dose.grid)
    path = write_rtdose_file(shuffled, tmp_path / "d.dcm", GridFrameOffsetVector=cb.ds(order * 2.5))
    dose_show.run(Settings(dose=path, output=tmp_path / "out"))
    written = sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / "out" / "dose.nrrd")))
    assert np.allclose(written, dose.array, atol=1e-5)


def test_difference_of_two(dose_file, tmp_path):
    second = ball_dose(maximum=55.0, spacing_mm=(2.0, 2.0, 2.0))
    write_volume(second, tmp_path / "second.nii.gz")
    result = dose_show.run(Settings(dose=dose_file, reference=tmp_path / "second.nii.gz", output=tmp_path / "out"))
    array = sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / "out" / "difference.nrrd")))
    assert array.shape == (33, 41, 41)
    assert array[16, 20, 20] == pytest.approx(5, abs=0.01)
    assert np.isnan(array[0]).all()  # the second grid is shorter
    found = summary_of(tmp_path / "out")["difference"]
    assert found["highest"] == pytest.approx(np.nanmax(array))
    assert found["share_outside"] == pytest.approx(np.isnan(array).mean())
    assert any("no difference there" in text for text in result.warnings)
    assert any("resampled linearly" in text for text in result.warnings)
    assert (tmp_path / "out" / "report.html").read_text("utf-8").count("data:image/png") == 2


def test_over_a_ct(dose_file, tmp_path):
    ct = Volume(np.full((20, 30, 30), -50, np.int16), ball_dose().grid.crop((3, 3, 3), (20, 30, 30)))
    write_volume(ct, tmp_path / "ct.nrrd")
    dose_show.run(Settings(dose=dose_file, ct=tmp_path / "ct.nrrd", output=tmp_path / "out"))
    assert "over the CT" in (tmp_path / "out" / "report.html").read_text("utf-8")


def test_other_frames_of_reference_are_said(dose_file, tmp_path):
    other = write_rtdose_file(ball_dose(), tmp_path / "other.dcm", FrameOfReferenceUID="1.2.3.4")
    result = dose_show.run(Settings(dose=dose_file, reference=other, output=tmp_path / "out"))
    assert any("different frames of reference" in text for text in result.warnings)


def test_negative_and_unlikely_doses_are_said(tmp_path):
    dose = ball_dose(maximum=6000.0)
    dose.array[0, 0, 0] = -2
    write_volume(dose, tmp_path / "d.nrrd")
    result = dose_show.run(Settings(dose=tmp_path / "d.nrrd", output=tmp_path / "out"))
    assert any("1 voxels have a negative dose, down to -2 Gy" in text for text in result.warnings)
    assert any("in cGy?" in text for text in result.warnings)


def test_relative_doses_have_no_gy(tmp_path):
    path = write_rtdose_file(ball_dose(), tmp_path / "d.dcm", DoseUnits="RELATIVE")
    dose_show.run(Settings(dose=path, output=tmp_path / "out"))
    assert summary_of(tmp_path / "out")["units"] == "relative"
    with pytest.raises(InputError, match="is in Gy, and the dose is relative"):
        dose_show.run(Settings(dose=path, output=tmp_path / "o2", levels=(10,), unit="Gy"))
    gy = write_rtdose_file(ball_dose(), tmp_path / "gy.dcm")
    with pytest.raises(InputError, match="is in units"):
        dose_show.run(Settings(dose=gy, reference=path, output=tmp_path / "o3"))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--levels", "0"], "no isodose level"),
        (["--unit", "Gy"], "--levels: are missing"),
        (["--levels", "500"], "all above the highest dose"),
        (["--unit", "Gy", "--levels", "10", "--prescription", "60"], "--prescription"),
        (["--prescription", "0"], "--prescription"),
        (["--series", "1.2"], "--series"),
        (["--reference", "nothing.dcm"], "nothing.dcm: does not exist"),
        (["--ct", "nothing"], "nothing: does not exist"),
    ],
)
def test_refused_in_one_line(dose_file, tmp_path, capsys, arguments, words):
    assert main(["dose", "show", str(dose_file), "--output", str(tmp_path / "out"), *arguments]) == 2
    errors = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error:")]
    assert len(errors) == 1
    assert words in errors[0]
    assert not (tmp_path / "out").exists()


def test_no_dose(tmp_path):
    write_volume(
        Volume(np.zeros((3, 4, 5), np.float32), ball_dose().grid.crop((0, 0, 0), (3, 4, 5))), tmp_path / "z.nrrd"
    )
    with pytest.raises(InputError, match="holds no dose above 0"):
        dose_show.run(Settings(dose=tmp_path / "z.nrrd", output=tmp_path / "out"))
    with pytest.raises(InputError, match="is a folder"):
        dose_show.run(Settings(dose=tmp_path, output=tmp_path / "out"))


def test_one_plane_is_refused(tmp_path):
    flat = Volume(ball_dose().array[16:17].copy(), ball_dose().grid.crop((16, 0, 0), (1, 41, 41)))
    path = write_rtdose_file(flat, tmp_path / "d.dcm")
    with pytest.raises(InputError, match="one dose plane only"):
        dose_show.run(Settings(dose=path, output=tmp_path / "out"))


def test_doses_of_different_patients_in_different_places(dose_file, tmp_path):
    write_volume(ball_dose(center_mm=(900.0, 0.0, 0.0)), tmp_path / "far.nrrd")
    with pytest.raises(InputError, match=r"far.nrrd: lies nowhere"):
        dose_show.run(Settings(dose=dose_file, reference=tmp_path / "far.nrrd", output=tmp_path / "out"))


def test_cancel_leaves_nothing(dose_file, tmp_path):
    reports = []

    def cancelled() -> bool:
        reports.append(1)
        return len(reports) > 4

    with pytest.raises(Cancelled):
        dose_show.run(Settings(dose=dose_file, output=tmp_path / "out"), Progress(cancelled=cancelled))
    assert [path.name for path in tmp_path.iterdir()] == ["dose.dcm"]


def test_real_plan(shared_data, tmp_path):
    patient = shared_data / "openkbp_dicom" / "pt_226"
    dose_show.run(Settings(dose=patient / "RTDOSE.dcm", ct=patient / "CT", output=tmp_path / "out", prescription=70))
    image = sitk.ReadImage(str(patient / "RTDOSE.dcm"))
    assert summary_of(tmp_path / "out")["maximum"] == pytest.approx(sitk.GetArrayViewFromImage(image).max() * 0.002)


def test_eclipse_doses(shared_data, tmp_path):
    folder = shared_data / "dicom_slicerrt_eclipse"
    first, second = folder / "EclipseEnt_Dose.nrrd", folder / "EclipseEnt_Dose_Day2.nrrd"
    dose_show.run(Settings(dose=first, reference=second, output=tmp_path / "out"))
    judge = sitk.ReadImage(str(first)) - sitk.Resample(sitk.ReadImage(str(second)), sitk.ReadImage(str(first)))
    summary = summary_of(tmp_path / "out")
    assert summary["maximum"] == pytest.approx(62.6127, abs=1e-3)
    array = sitk.GetArrayViewFromImage(judge)
    assert summary["difference"]["highest"] == pytest.approx(float(array.max()), abs=1e-3)
    assert summary["difference"]["lowest"] == pytest.approx(float(array.min()), abs=1e-3)
