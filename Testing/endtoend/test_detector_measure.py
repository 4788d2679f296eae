"""`detector measure` as a task and a command, judged by formulas and a plain CSV reader."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pydicom
import pytest
from builders import ct_builder as cb
from builders.detector_builder import small_layout
from builders.dose_builder import write_rtdose_file
from Dose3DLib.cli.main import main
from Dose3DLib.core.errors import Cancelled, InputError
from Dose3DLib.core.progress import Progress
from Dose3DLib.detector.layout import Layout
from Dose3DLib.detector.layout_csv import write_layout
from Dose3DLib.detector.placement import Placement
from Dose3DLib.geometry.grid import Grid, Volume
from Dose3DLib.geometry.volume_files import write_volume
from Dose3DLib.tasks import detector_measure
from Dose3DLib.tasks.detector_measure import Settings
from scipy.spatial.transform import Rotation

SLOPE = np.array([0.11, -0.07, 0.05])


def ramp(low=(-60.0, -110.0, 240.0), shape=(40, 45, 50), spacing=(3.0, 2.5, 2.0)) -> Volume:
    """30 Gy at small_layout's isocentre, rising along a direction that no axis has."""
    grid = Grid.axial(shape, spacing, low)
    k, j, i = np.indices(shape)
    lps = grid.to_lps(np.stack([i, j, k], axis=-1))
    return Volume((30 + (lps - [12.5, -40.25, 301.0]) @ SLOPE).astype(np.float32), grid)


def at(points: np.ndarray) -> np.ndarray:
    return 30 + (points - [12.5, -40.25, 301.0]) @ SLOPE


@pytest.fixture
def layout_file(tmp_path: Path) -> Path:
    turn = Rotation.from_euler("xyz", [10, 20, 30], degrees=True).as_matrix()
    write_layout(small_layout(turn=turn), tmp_path / "LAYOUT.csv")
    return tmp_path / "LAYOUT.csv"


@pytest.fixture
def dose_file(tmp_path: Path) -> Path:
    return write_rtdose_file(ramp(), tmp_path / "dose.dcm")


def rows_of(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(line for line in path.read_text("utf-8").splitlines() if not line.startswith("#")))


def column(path: Path, *names: str) -> np.ndarray:
    return np.array([[float(row[name] or "nan") for name in names] for row in rows_of(path)]).squeeze()


def test_an_rtdose_at_the_cells(dose_file, layout_file, tmp_path):
    out = tmp_path / "Łódź µ" / "CELLS.csv"
    result = detector_measure.run(Settings(dose=dose_file, layout=layout_file, output=out))
    assert {path.name for path in out.parent.iterdir()} == set(result.files.values())
    places = column(out, "x_mm", "y_mm", "z_mm")
    assert [row["cell"] for row in rows_of(out)] == [row["cell"] for row in rows_of(layout_file)]
    assert np.array_equal(places, column(layout_file, "x_mm", "y_mm", "z_mm"))
    assert column(out, "dose_gy") == pytest.approx(at(places), abs=1e-5)
    assert column(out, "fraction").tolist() == [1] * 11
    frame = pydicom.dcmread(dose_file).FrameOfReferenceUID
    assert f"# frame_of_reference_uid: {frame}\n" in out.read_text("utf-8")
    assert not result.warnings
    record = json.loads(out.with_name("CELLS.csv.provenance.json").read_text("utf-8"))
    assert [one["kind"] for one in record["inputs"]] == ["RTDOSE", "layout"]


@pytest.mark.parametrize("orientation", [cb.AXIAL, cb.PRONE, cb.FEET_FIRST])
def test_in_any_position_of_the_patient(layout_file, tmp_path, orientation):
    row, column_, normal = (
        np.array(orientation[:3]),
        np.array(orientation[3:]),
        np.cross(orientation[:3], orientation[3:]),
    )
    affine = np.eye(4)
    affine[:3, :3] = np.stack([row * 2.0, column_ * 2.5, normal * 3.0], axis=1)
    affine[:3, 3] = np.array([12.5, -40.25, 301.0]) - affine[:3, :3] @ [24.5, 22, 19.5]
    grid = Grid((40, 45, 50), affine)
    k, j, i = np.indices(grid.shape)
    dose = Volume(at(grid.to_lps(np.stack([i, j, k], axis=-1))).astype(np.float32), grid)
    path = write_rtdose_file(dose, tmp_path / "d.dcm", ImageOrientationPatient=cb.ds(orientation))
    detector_measure.run(Settings(dose=path, layout=layout_file, output=tmp_path / "C.csv"))
    assert column(tmp_path / "C.csv", "dose_gy") == pytest.approx(
        at(column(tmp_path / "C.csv", "x_mm", "y_mm", "z_mm")), abs=1e-4
    )


def test_outside_is_unknown(layout_file, tmp_path):
    short = ramp(shape=(24, 45, 50))  # ends at z = 310.5 mm
    write_volume(short, tmp_path / "d.nrrd")
    result = detector_measure.run(Settings(dose=tmp_path / "d.nrrd", layout=layout_file, output=tmp_path / "C.csv"))
    rows = rows_of(tmp_path / "C.csv")
    outside = [row for row in rows if float(row["fraction"]) == 0]
    cut = [row for row in rows if 0 < float(row["fraction"]) < 1]
    assert outside
    assert cut
    assert all(row["dose_gy"] == "" for row in outside)
    assert all(row["dose_gy"] != "" for row in rows if row not in outside)
    assert (
        f"{len(outside)} of 11 cells lie outside the dose's grid: they have no value, which is not 0 Gy."
        in result.warnings
    )
    assert any(text.startswith(f"{len(cut)} of 11 cells lie partly") for text in result.warnings)


def test_the_detector_elsewhere(layout_file, dose_file, tmp_path):
    settings = Settings(dose=dose_file, layout=layout_file, output=tmp_path / "C.csv", isocenter=(10.0, -45.0, 290.0))
    detector_measure.run(settings)
    there, here = column(tmp_path / "C.csv", "x_mm", "y_mm", "z_mm"), column(layout_file, "x_mm", "y_mm", "z_mm")
    assert there - here == pytest.approx(np.broadcast_to([-2.5, -4.75, -11.0], there.shape))
    assert column(tmp_path / "C.csv", "dose_gy") == pytest.approx(at(there), abs=1e-5)


def test_a_layout_of_g4rt(dose_file, tmp_path):
    (tmp_path / "G.csv").write_text("layer_1,,\n-6,0,0\n6,0,0\nlayer_2,,\n0,12,0\n")
    settings = Settings(
        dose=dose_file, layout=tmp_path / "G.csv", output=tmp_path / "C.csv", isocenter=(12.5, -40.0, 300.0)
    )
    result = detector_measure.run(settings)
    assert column(tmp_path / "C.csv", "x_mm", "y_mm", "z_mm").tolist() == [
        [18.5, -40, 300], [6.5, -40, 300], [12.5, -40, 312],
    ]  # fmt: skip
    assert any("no sizes" in text for text in result.warnings)


def test_noise_has_its_size_and_comes_again(dose_file, layout_file, tmp_path):
    out = [tmp_path / f"{n}.csv" for n in range(4)]
    detector_measure.run(Settings(dose=dose_file, layout=layout_file, output=out[0]))
    for path, seed in ((out[1], 5), (out[2], 5), (out[3], 6)):
        detector_measure.run(Settings(dose=dose_file, layout=layout_file, output=path, noise=1.0, seed=seed))
    exact, first, again, other = (column(path, "dose_gy") for path in out)
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    assert 0.002 < np.std(first / exact - 1) < 0.02
    assert column(out[1], "sd_gy") == pytest.approx(0.01 * exact)
    assert "# noise: 1 percent, seed 5\n" in out[1].read_text("utf-8")


def test_mass_weighting_by_a_ct(tmp_path):
    """A cell half in water with 1 Gy and half in 1 percent of its density with 50 Gy."""
    grid = Grid.axial((20, 20, 20), (2.0, 2.0, 2.0), (-19.0, -19.0, -19.0))
    dose, hu = np.full(grid.shape, 1.0, np.float32), np.zeros(grid.shape, np.int16)
    dose[:, :, 10:], hu[:, :, 10:] = 50, -990
    write_volume(Volume(dose, grid), tmp_path / "d.nrrd")
    write_volume(Volume(hu, grid), tmp_path / "ct.nrrd")
    (tmp_path / "hu.csv").write_text("hu,density\n-1000,0\n0,1\n")
    (tmp_path / "L.csv").write_text("cell,x_mm,y_mm,z_mm\na,0,0,0\n")
    paths = {"dose": tmp_path / "d.nrrd", "layout": tmp_path / "L.csv", "model": "constant", "overwrite": True}
    more = {"weighting": "mass", "ct": tmp_path / "ct.nrrd", "hu_table": tmp_path / "hu.csv"}
    found = []
    for extra in ({}, more, {**more, "hu_table": None}):
        detector_measure.run(Settings(output=tmp_path / "C.csv", **paths, **extra))
        found.append(float(column(tmp_path / "C.csv", "dose_gy")))
    assert found[0] == pytest.approx(25.5)
    assert found[1] == pytest.approx((1 + 0.01 * 50) / 1.01, rel=1e-5)
    assert found[2] == pytest.approx((1.019 + 0.0115 * 50) / 1.031, rel=0.01)  # Schneider's table


def test_a_ct_that_ends_in_the_detector(dose_file, layout_file, tmp_path):
    def measure(ct: Volume):
        write_volume(Volume(np.zeros(ct.grid.shape, np.int16), ct.grid), tmp_path / "ct.nrrd")
        output = tmp_path / f"{ct.grid.shape[2]}.csv"
        settings = Settings(
            dose=dose_file, layout=layout_file, output=output, weighting="mass", ct=tmp_path / "ct.nrrd"
        )
        return detector_measure.run(settings), column(output, "dose_gy")

    dose = ramp()
    result, found = measure(Volume(dose.array[:, :, :36], dose.grid.crop((0, 0, 0), (40, 45, 36))))
    lost = int(np.isnan(found).sum())
    assert 0 < lost < 11
    assert f"{lost} of 11 cells reach out of the CT: they have no mass-weighted dose." in result.warnings
    assert not any("outside the dose's grid" in text for text in result.warnings)
    with pytest.raises(InputError, match="holds none of the cells"):
        measure(Volume(dose.array[:, :, :3], dose.grid.crop((0, 0, 0), (40, 45, 3))))


def test_doses_of_odd_units_or_signs_are_said(layout_file, tmp_path):
    dose = ramp()
    dose.array[:] *= 100
    dose.array[0, 0, 0] = -3
    write_volume(dose, tmp_path / "d.nrrd")
    result = detector_measure.run(Settings(dose=tmp_path / "d.nrrd", layout=layout_file, output=tmp_path / "C.csv"))
    assert any("in cGy?" in text for text in result.warnings)
    assert any("1 voxels have a negative dose" in text for text in result.warnings)


def test_a_dose_without_a_frame_of_reference_is_said(layout_file, tmp_path):
    path = write_rtdose_file(ramp(), tmp_path / "d.dcm", FrameOfReferenceUID=None)
    result = detector_measure.run(Settings(dose=path, layout=layout_file, output=tmp_path / "C.csv"))
    assert any("has no Frame of Reference UID" in text for text in result.warnings)
    assert "frame_of_reference_uid" not in (tmp_path / "C.csv").read_text("utf-8")


def test_relative_doses_are_refused(layout_file, tmp_path):
    path = write_rtdose_file(ramp(), tmp_path / "d.dcm", DoseUnits="RELATIVE")
    with pytest.raises(InputError, match="is relative"):
        detector_measure.run(Settings(dose=path, layout=layout_file, output=tmp_path / "C.csv"))


HEAD = "cell,x_mm,y_mm,z_mm,size_x_mm,size_y_mm,size_z_mm\n"


@pytest.mark.parametrize(
    ("layout", "words"),
    [
        (HEAD + "a,900,0,0,10,10,10\nb,900,0,30,10,10,10\n", "all its 2 cells lie outside the dose"),
        (HEAD + "a,0,-40,300,10,10,10\nb,6,-40,300,10,10,10\n", "a and b overlap by 4 mm"),
        (HEAD + "a,0,-40,300,10,0,10\n", "a size that is not above 0"),
        (HEAD + "a,0,-40,nan,10,10,10\n", "z_mm is not finite"),
        (HEAD + "a,0,-40,=1+1,10,10,10\n", "is a spreadsheet formula"),
        (HEAD, "has no cells"),
    ],
)
def test_layouts_refused_in_one_line(dose_file, tmp_path, capsys, layout, words):
    (tmp_path / "L.csv").write_text(layout)
    refused(capsys, tmp_path, words, "--dose", dose_file, "--layout", tmp_path / "L.csv")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--isocenter", "1", "--isocenter", "2"], "--isocenter: has 2 numbers"),
        (["--weighting", "mass"], "--weighting mass: needs densities"),
        (["--ct", "ct.nrrd"], "--ct: is for --weighting mass"),
        (["--hu-table", "t.csv"], "--hu-table: is for --weighting mass"),
        (["--weighting", "mass", "--ct", "nothing"], "nothing: does not exist"),
        (["--layout", "nothing.csv"], "nothing.csv: "),
        (["--dose", "nothing.dcm"], "nothing.dcm: does not exist"),
        (["--noise", "-1"], "--noise"),
    ],
)
def test_settings_refused_in_one_line(dose_file, layout_file, tmp_path, capsys, arguments, words):
    given = {"--dose": dose_file, "--layout": layout_file}
    rest = [word for name, path in given.items() if name not in arguments for word in (name, path)]
    refused(capsys, tmp_path, words, *rest, *arguments)


def test_an_output_that_is_no_table_is_refused(dose_file, layout_file, tmp_path, capsys):
    words = ["detector", "measure", "--dose", str(dose_file), "--layout", str(layout_file)]
    assert main([*words, "--output", str(tmp_path / "cells.xlsx")]) == 2
    assert "another ending than .csv" in capsys.readouterr().err
    assert main([*words, "--output", str(layout_file), "--overwrite"]) == 2  # an input is never replaced
    assert layout_file.read_text("utf-8").startswith("# dose3d layout")


def test_a_ct_of_another_patient_is_refused(dose_file, layout_file, tmp_path):
    cb.write_series(tmp_path / "ct", PatientID="somebody else")
    settings = Settings(
        dose=dose_file, layout=layout_file, output=tmp_path / "C.csv", weighting="mass", ct=tmp_path / "ct"
    )
    with pytest.raises(InputError, match="is of patient 'somebody else'"):
        detector_measure.run(settings)


def refused(capsys, tmp_path: Path, words: str, *arguments: object) -> None:
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert main(["detector", "measure", *map(str, arguments), "--output", str(tmp_path / "C.csv")]) == 2
    errors = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error:")]
    assert len(errors) == 1
    assert words in errors[0]
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_a_cancel_leaves_nothing(dose_file, layout_file, tmp_path):
    stages: list[str] = []
    progress = Progress(lambda event: stages.append(event.get("stage", "")), lambda: "average" in stages)
    with pytest.raises(Cancelled):
        detector_measure.run(Settings(dose=dose_file, layout=layout_file, output=tmp_path / "o" / "C.csv"), progress)
    assert not (tmp_path / "o").exists()


def test_a_clinical_dose(shared_data, tmp_path):
    """The mean over cells that tile the hot region is the mean of the dose there, by SimpleITK's own numbers."""
    import SimpleITK as sitk

    image = sitk.ReadImage(str(shared_data / "dicom_slicerrt_eclipse" / "EclipseEnt_Dose.nrrd"))
    array, origin, step = sitk.GetArrayFromImage(image), np.array(image.GetOrigin()), np.array(image.GetSpacing())
    low = np.array([60, 20, 40])  # i, j, k of the block's first voxel; cells of 4 voxels a side
    places = np.stack(np.meshgrid(*[np.arange(6)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    centers = origin + step * (low + 4 * places + 1.5)
    layout = small_layout(Placement(np.zeros(3), np.eye(3)))
    cells = type(layout.cells)(
        tuple(map(str, range(216))), centers, np.broadcast_to(4 * step, centers.shape), np.eye(3)
    )
    write_layout(Layout(cells, layout.placement), tmp_path / "L.csv")
    dose = shared_data / "dicom_slicerrt_eclipse" / "EclipseEnt_Dose.nrrd"
    detector_measure.run(Settings(dose=dose, layout=tmp_path / "L.csv", output=tmp_path / "C.csv", model="constant"))
    block = array[40:64, 20:44, 60:84].reshape(6, 4, 6, 4, 6, 4).mean(axis=(1, 3, 5), dtype=float)
    assert column(tmp_path / "C.csv", "dose_gy") == pytest.approx(
        block[places[:, 2], places[:, 1], places[:, 0]], abs=1e-5
    )
