"""`dose3d detector layout` as a task and a command; what is written is read by csv, numbers come from formulas."""

from __future__ import annotations

import csv
import json
import re
from itertools import product
from pathlib import Path

import numpy as np
import pydicom
import pytest
from builders.plan_builder import beam, write_plan
from Dose3DLib.cli.main import main
from Dose3DLib.core.errors import InputError, OutputError
from Dose3DLib.detector.layout_csv import read_layout
from Dose3DLib.geometry.files import write_masks, write_seg_nrrd
from Dose3DLib.geometry.grid import Grid, Volume
from Dose3DLib.geometry.mask import Mask
from Dose3DLib.geometry.structure import Structure, StructureSet
from Dose3DLib.geometry.volume_files import write_volume
from Dose3DLib.tasks import detector_layout
from Dose3DLib.tasks.base import options_of
from Dose3DLib.tasks.detector_layout import Settings

GRID = Grid.axial((40, 60, 70), (3.0, 2.0, 2.0), (-70.0, -60.0, -60.0))
TARGET_LOW, TARGET_HIGH = np.array([7.0, -21.0, -13.5]), np.array([31.0, 3.0, 22.5])
"""24 x 24 x 36 mm of whole voxels: 2 x 2 x 3 pitch boxes."""


def _body() -> np.ndarray:
    z, y, x = (GRID.affine[a, 3] + GRID.affine[a, a] * np.arange(n) for a, n in zip((2, 1, 0), GRID.shape, strict=True))
    return np.broadcast_to((x[None, None] ** 2 / 60**2 + y[None, :, None] ** 2 / 50**2) < 1, (len(z), len(y), len(x)))


def _target() -> np.ndarray:
    start, stop = (np.rint(GRID.to_index(corner) + 0.5).astype(int) for corner in (TARGET_LOW, TARGET_HIGH))
    array = np.zeros(GRID.shape, bool)
    array[start[2] : stop[2], start[1] : stop[1], start[0] : stop[0]] = True
    return array


@pytest.fixture(scope="module")
def patient(tmp_path_factory) -> Path:
    """ct.nrrd: water in air, 40 HU in the target; s.seg.nrrd: BODY, PTV and a small Lens."""
    folder = tmp_path_factory.mktemp("patient")
    body, target = _body(), _target()
    hu = np.where(body, np.where(target, 40, 0), -1000).astype(np.int16)
    write_volume(Volume(hu, GRID), folder / "ct.nrrd")
    lens = np.zeros(GRID.shape, bool)
    lens[20:22, 15:18, 33:36] = True
    parts = [
        ("BODY", body, "EXTERNAL", (0, 160, 0)),
        ("PTV", target, "PTV", (220, 0, 0)),
        ("Lens", lens, "ORGAN", (0, 0, 220)),
    ]
    structures = tuple(Structure(n, Mask.from_array(a, GRID), None, c, kind) for n, a, kind, c in parts)
    write_seg_nrrd(StructureSet(GRID, structures), folder / "s.seg.nrrd", {})
    return folder


def rows_of(path: Path) -> list[dict[str, str]]:
    lines = [line for line in path.read_text("utf-8").splitlines() if not line.startswith("#")]
    return list(csv.DictReader(lines))


def test_structures_are_filled(patient, tmp_path):
    """Without --fill the targets get cells: a box of 2 x 2 x 3 pitch boxes gets one in each."""
    out = tmp_path / "L.csv"
    settings = Settings(structures=patient / "s.seg.nrrd", ct=patient / "ct.nrrd", output=out, phase=(6.0, 0.0, 6.0))
    result = detector_layout.run(settings)
    rows = rows_of(out)
    places = {tuple(float(row[name]) for name in ("x_mm", "y_mm", "z_mm")) for row in rows}
    steps = [np.arange(low + 6, high, 12).tolist() for low, high in zip(TARGET_LOW, TARGET_HIGH, strict=True)]
    assert places == set(product(*steps))
    assert len(rows) == 12
    for row in rows:
        assert float(row["occupancy:PTV"]) == pytest.approx(1, abs=1e-5)
        assert row["main_structure"] == "PTV"
        assert float(row["mean_hu"]) == pytest.approx(40, abs=1e-3)
        assert float(row["density_g_cm3"]) == pytest.approx(1.031 + 17 / 77 * (1.1199 - 1.031), abs=1e-4)
        assert row["in_ct"] == "1.0"
    assert "PTV" in result.summary
    assert any("middle of PTV" in warning for warning in result.warnings)
    provenance = json.loads((tmp_path / "L.csv.provenance.json").read_text("utf-8"))
    assert [item["kind"] for item in provenance["inputs"]] == ["image file", ".seg.nrrd"]


def test_a_published_layout_stands_at_the_isocentre_of_the_plan(patient, tmp_path):
    """G4RT's axes in a patient lying feet first and supine: X left, Y inferior, Z posterior."""
    plan = write_plan(tmp_path / "plan.dcm", [beam(PatientSupportAngle="0")], position="FFS")
    arguments = ["--preset", "1x2x16_tower", "--plan", str(plan), "--output", str(tmp_path / "L.csv")]
    assert main(["detector", "layout", *arguments]) == 0
    first = rows_of(tmp_path / "L.csv")[0]  # 5.95, 0, 12 in its file
    assert [float(first[name]) for name in ("x_mm", "y_mm", "z_mm")] == pytest.approx([10 + 5.95, -20 + 12, 30])


def test_a_file_of_others_becomes_ours_and_ours_stays_itself(tmp_path):
    (tmp_path / "g4rt.csv").write_text("layer_1,,\n1,2,3\n31,2,3\nlayer_2,,\n1,22,3\n")
    given = ["--from-file", str(tmp_path / "g4rt.csv"), "--isocenter", "100", "0", "-50"]
    assert main(["detector", "layout", *given, "--output", str(tmp_path / "A.csv")]) == 0
    assert (
        main(["detector", "layout", "--from-file", str(tmp_path / "A.csv"), "--output", str(tmp_path / "B.csv")]) == 0
    )
    assert (tmp_path / "A.csv").read_text("utf-8") == (tmp_path / "B.csv").read_text("utf-8")
    assert [float(rows_of(tmp_path / "A.csv")[0][name]) for name in ("x_mm", "y_mm", "z_mm")] == [99, 3, -48]
    moved = ["--from-file", str(tmp_path / "A.csv"), "--isocenter", "0", "0", "0", "--angle", "90"]
    assert main(["detector", "layout", *moved, "--output", str(tmp_path / "C.csv")]) == 0
    a, c = read_layout(tmp_path / "A.csv"), read_layout(tmp_path / "C.csv")
    assert np.allclose(a.detector_centers_mm(), c.detector_centers_mm())
    assert np.allclose(c.cells.centers_mm[0], [-3, -1, 2])  # x (Right) went Anterior, z (Posterior) Right


def test_sizes_that_a_file_states_stay(tmp_path):
    (tmp_path / "g4rt.csv").write_text("1,2,3\n")
    detector_layout.run(Settings(from_file=tmp_path / "g4rt.csv", size=(4.0,), output=tmp_path / "A.csv"))
    assert read_layout(tmp_path / "A.csv").cells.sizes_mm.tolist() == [[4, 4, 4]]
    with pytest.raises(InputError, match="--size: is for files that state no sizes"):
        detector_layout.run(Settings(from_file=tmp_path / "A.csv", size=(5.0,), output=tmp_path / "B.csv"))


def test_a_regular_lattice(tmp_path):
    settings = Settings(output=tmp_path / "L.csv", count=(3, 2, 2), size=(5.0,), wall=0.5, frame="lps", row_shift=3.0,
                        gap_every=(2, 0, 0), gap=(4, 0, 0), isocenter=(1, 2, 3))  # fmt: skip
    detector_layout.run(settings)
    layout = read_layout(tmp_path / "L.csv")
    x = np.array([0, 6, 16.0])
    expected = [(a, b, c) for b in (0, 6) for c in (0, 6) for a in x + (3 if c else 0)]
    offsets = np.array(expected) - [9.5, 3, 3] + [1, 2, 3]
    assert np.allclose(layout.cells.centers_mm, offsets)
    assert layout.wall_mm == 0.5
    assert layout.layers == ("Layer_0",) * 6 + ("Layer_1",) * 6


def test_centred_presets(tmp_path):
    detector_layout.run(Settings(output=tmp_path / "L.csv", preset="full_tower", centered=True, isocenter=(7, 8, 9)))
    centers = read_layout(tmp_path / "L.csv").cells.centers_mm
    assert np.allclose((centers.min(axis=0) + centers.max(axis=0)) / 2, [7, 8, 9])


def test_the_report(patient, tmp_path):
    settings = Settings(structures=patient / "s.seg.nrrd", ct=patient / "ct.nrrd", output=tmp_path / "L.csv",
                        report_output=tmp_path / "report", cells=5, columns="y")  # fmt: skip
    detector_layout.run(settings)
    page = (tmp_path / "report" / "report.html").read_text("utf-8")
    assert page.count("data:image/png") == 1
    for words in ("Detector layout", "Cells half in it", "The budget of 5 cells", "Lens", "Layer_0_Cell_0_0_0"):
        assert words in page
    assert (tmp_path / "report" / "provenance.json").is_file()


def test_cells_of_which_parts_lie_outside_are_named(patient, tmp_path):
    settings = Settings(structures=patient / "s.seg.nrrd", ct=patient / "ct.nrrd", output=tmp_path / "L.csv",
                        count=(1, 1, 12), frame="lps", isocenter=(0, 0, 0))  # fmt: skip
    result = detector_layout.run(settings)
    assert any("cells reach out of the CT" in warning for warning in result.warnings)
    rows = rows_of(tmp_path / "L.csv")
    assert 0 < float(rows[0]["in_ct"]) < 1
    wide = Settings(structures=patient / "s.seg.nrrd", output=tmp_path / "W.csv", count=(12, 1, 1), frame="lps",
                    isocenter=(0, 0, 0))  # fmt: skip
    result = detector_layout.run(wide)
    assert any("cells lie outside BODY" in warning for warning in result.warnings)


def test_a_clinics_table_of_densities(patient, tmp_path):
    (tmp_path / "hu.csv").write_text("HU;density\n-1000;0,0\n1000;2,0\n")
    settings = Settings(ct=patient / "ct.nrrd", preset="procedural", output=tmp_path / "L.csv", isocenter=(0, 0, 0),
                        hu_table=tmp_path / "hu.csv")  # fmt: skip
    detector_layout.run(settings)
    for row in rows_of(tmp_path / "L.csv"):
        assert float(row["density_g_cm3"]) == pytest.approx(1 + float(row["mean_hu"]) / 1000, abs=1e-4)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "nothing says which cells there are"),
        (["--preset", "2x2x8-tower"], 'did you mean "2x2x8_tower"'),
        (["--preset", "full_tower", "--count", "2"], "each say which cells there are"),
        (["--preset", "full_tower", "--pitch", "12"], "is about a lattice"),
        (["--preset", "full_tower", "--cells", "12"], "chooses cells of a lattice"),
        (["--preset", "full_tower", "--size", "12"], "overlap by"),
        (["--preset", "full_tower", "--wall", "2"], "give walls of at most"),
        (["--preset", "full_tower", "--ct", "{p}/ct.nrrd", "--isocenter", "9000", "0", "0"], "lies outside the CT"),
        (["--preset", "x_16x1x1", "--ct", "{p}/ct.nrrd", "--isocenter", "0", "-59", "0"], "stands in air"),
        (["--preset", "y_1x16x1", "--structures", "{p}/s.seg.nrrd", "--isocenter", "90", "0", "0"], "outside the p"),
        (["--structures", "{p}/s.seg.nrrd", "--fill", "PTV70"], "no structure 'PTV70'; did you mean PTV"),
        (["--structures", "{p}/s.seg.nrrd", "--names", "{p}/x.csv"], "names the labels of a label map"),
        (["--structures", "{p}/s.seg.nrrd", "--centered"], "here structures are filled"),
        (["--structures", "{p}/s.seg.nrrd", "--hu-table", "{p}/x.csv"], "is about a CT"),
        (["--structures", "{p}/s.seg.nrrd", "--pitch", "5"], "overlap; give a pitch"),
        (["--structures", "{p}/s.seg.nrrd", "--wall", "1", "--pitch", "11"], "no room for walls of 1 mm"),
        (["--structures", "{p}/s.seg.nrrd", "--pitch", "12", "13"], "has 2 numbers"),
        (["--structures", "{p}/s.seg.nrrd", "--size", ".05", "--wall", "0", "--fill", "BODY"], "more than a million"),
        (["--structures", "{p}/s.seg.nrrd", "--cells", "1", "--fill", "PTV", "Lens"], "too few"),
        (["--structures", "{p}/s.seg.nrrd", "--gap", "5"], "and --gap don't fit"),
        (["--structures", "{p}/nothing.dcm"], "does not exist"),
        (["--count", "2", "2.5", "2"], "no whole number"),
        (["--count", "2", "--isocenter", "0", "0", "1e300"], "1e+300 mm are more than"),
        (["--count", "2", "--pitch", "1e308"], "1e+308 mm are more than"),
        (["--count", "1e300"], "more than a million"),
        (["--count", "101", "100", "100"], "more than a million"),
        (["--from-file", "{p}/ct.nrrd"], "is not text"),
        (["--count", "2", "--isocenter", "1", "2"], "has 2 numbers; give x y z"),
        (["--count", "2", "--report-output", "{o}"], "lie in one another"),
        (["--count", "2", "--turn-axis", "x"], "is the axis of --angle"),
    ],
)  # fmt: skip
def test_refused_in_one_line(patient, tmp_path, arguments, words):
    out = tmp_path / "out" / "L.csv"
    arguments = [text.format(p=patient, o=tmp_path / "out") for text in arguments]
    with pytest.raises(InputError, match=re.escape(words)) as caught:
        detector_layout.run(_settings([*arguments, "--output", str(out)]))
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()


def _settings(arguments: list[str]) -> Settings:
    """Settings of a command line, without the child process that a command costs."""
    kinds = {item.flag: item for item in options_of(Settings)}
    values: dict[str, list[str]] = {}
    for word in arguments:
        if word in kinds:
            flag = word
            values[flag] = []
        else:
            values[flag].append(word)
    read = {flag: [kinds[flag].element(text) for text in texts] if kinds[flag].kind is tuple else
            kinds[flag].kind(texts[0]) if texts else True for flag, texts in values.items()}  # fmt: skip
    return Settings(**{kinds[flag].name: value for flag, value in read.items()})


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--preset", "2x2x8-tower"], 'did you mean "2x2x8_tower"'),
        (["--preset", "full_tower", "--size", "12"], "overlap by"),
        (["--structures", "{p}/s.seg.nrrd", "--fill", "PTV70"], "no structure 'PTV70'; did you mean PTV"),
        (["--preset", "full_tower", "--ct", "{p}/ct.nrrd", "--isocenter", "9000", "0", "0"], "lies outside the CT"),
    ],
)
def test_refused_at_the_command_line(patient, tmp_path, capsys, arguments, words):
    out = tmp_path / "out" / "L.csv"
    arguments = [text.format(p=patient) for text in arguments]
    assert main(["detector", "layout", *arguments, "--output", str(out)]) == 2
    errors = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error:")]
    assert len(errors) == 1
    assert words in errors[0]
    assert not (tmp_path / "out").exists()


def test_an_rtstruct_needs_its_ct(tmp_path, shared_data, capsys):
    structures = shared_data / "openkbp_dicom" / "pt_226" / "RTSTRUCT.dcm"
    assert main(["detector", "layout", "--structures", str(structures), "--output", str(tmp_path / "L.csv")]) == 2
    assert "--ct: is missing, and RTSTRUCT needs the CT it belongs to" in capsys.readouterr().err


def _counted_share(center, contours, thickness, size=10.0, per_axis=80) -> float:
    """Share of a cell within contours {z: [polygon in mm]}: points counted by matplotlib's paths, exclusive or."""
    from matplotlib.path import Path as Outline

    steps = size * ((np.arange(per_axis) + 0.5) / per_axis - 0.5)
    points = center[:2] + np.stack(np.meshgrid(steps, steps), axis=-1).reshape(-1, 2)
    share = 0.0
    for z, polygons in contours.items():
        thick = min(z + thickness / 2, center[2] + size / 2) - max(z - thickness / 2, center[2] - size / 2)
        if thick > 0:
            inside = np.logical_xor.reduce(
                [Outline(polygon, closed=False).contains_points(points) for polygon in polygons]
            )
            share += inside.mean() * thick / size
    return share


def test_a_patient_from_dicom(tmp_path, shared_data):
    """Shares from an RTSTRUCT, against points counted in the contours that pydicom reads."""
    patient = shared_data / "openkbp_dicom" / "pt_226"
    settings = Settings(
        structures=patient / "RTSTRUCT.dcm", ct=patient / "CT", fill=("PTV70",), output=tmp_path / "L.csv"
    )
    detector_layout.run(settings)
    rows = rows_of(tmp_path / "L.csv")
    assert 190 < len(rows) < 220
    dataset = pydicom.dcmread(patient / "RTSTRUCT.dcm")
    number = next(roi.ROINumber for roi in dataset.StructureSetROISequence if roi.ROIName == "PTV70")
    roi = next(item for item in dataset.ROIContourSequence if item.ReferencedROINumber == number)
    contours: dict[float, list[np.ndarray]] = {}
    for item in roi.ContourSequence:
        points = np.array(item.ContourData, float).reshape(-1, 3)
        contours.setdefault(points[0, 2], []).append(np.vstack([points[:, :2], points[:1, :2]]))
    thickness = float(np.diff(sorted(contours))[0])
    partly = [row for row in rows if float(row["occupancy:PTV70"]) < 0.999]
    for row in (*partly[::6], rows[len(rows) // 2]):
        center = np.array([float(row[name]) for name in ("x_mm", "y_mm", "z_mm")])
        assert float(row["occupancy:PTV70"]) == pytest.approx(_counted_share(center, contours, thickness), abs=4e-3)


def test_masks_in_a_folder(patient, tmp_path):
    structures = StructureSet(GRID, (Structure("PTV", Mask.from_array(_target(), GRID)),))
    write_masks(structures, tmp_path / "masks")
    detector_layout.run(Settings(structures=tmp_path / "masks", output=tmp_path / "L.csv", threshold=99.0))
    assert "occupancy:PTV" in rows_of(tmp_path / "L.csv")[0]


def test_outputs_that_cannot_be(tmp_path):
    with pytest.raises(InputError, match="another ending than .csv"):
        detector_layout.run(Settings(preset="x_16x1x1", output=tmp_path / "L.txt"))
    (tmp_path / "L.csv").write_text("mine")
    with pytest.raises(OutputError, match="exists already"):
        detector_layout.run(Settings(preset="x_16x1x1", output=tmp_path / "L.csv", report_output=tmp_path / "r"))
    assert [path.name for path in tmp_path.iterdir()] == ["L.csv"]
    assert (tmp_path / "L.csv").read_text() == "mine"
    detector_layout.run(Settings(preset="x_16x1x1", output=tmp_path / "L.csv", overwrite=True))
    assert len(read_layout(tmp_path / "L.csv")) == 16
