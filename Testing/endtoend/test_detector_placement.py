"""`detector choose`, `fidelity` and `plan-shifts` as commands, judged by the csv module and by plain geometry."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from Dose3DLib.cli.main import main
from Dose3DLib.core.errors import Cancelled
from Dose3DLib.core.progress import Progress
from Dose3DLib.geometry.files import write_seg_nrrd
from Dose3DLib.geometry.grid import Grid, Volume
from Dose3DLib.geometry.mask import Mask
from Dose3DLib.geometry.structure import Structure, StructureSet
from Dose3DLib.geometry.volume_files import write_volume
from Dose3DLib.tasks import detector_choose

GRID = Grid.axial((36, 40, 40), (3.0, 3.0, 3.0), (-58.5, -158.5, 41.5))
MIDDLE = GRID.to_lps(np.array([19.5, 19.5, 17.5]))
BALLS = {"PTV60": (24.0, (0, 0, 0)), "PTV_small": (5.0, (40, 10, 20)), "SpinalCord": (9.0, (0, 36, 0))}


def inside(points: np.ndarray, name: str) -> np.ndarray:
    radius, place = BALLS[name]
    return np.linalg.norm(points - MIDDLE - place, axis=-1) <= radius


@pytest.fixture(scope="module")
def patient(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("patient")
    k, j, i = np.indices(GRID.shape)
    points = GRID.to_lps(np.stack([i, j, k], -1))
    write_volume(Volume(np.zeros(GRID.shape, np.int16), GRID), folder / "ct.nrrd")
    found = [Structure(name, Mask.from_array(inside(points, name), GRID)) for name in BALLS]
    write_seg_nrrd(StructureSet(GRID, (*found, Structure("PTV_empty", Mask.empty(GRID)))), folder / "s.seg.nrrd", {})
    return folder


def words(patient: Path, *more: str) -> list[str]:
    return ["--structures", str(patient / "s.seg.nrrd"), "--ct", str(patient / "ct.nrrd"), *more]


def cells_of(path: Path) -> np.ndarray:
    """(n, 3) centres, by the csv module alone."""
    lines = [line for line in path.read_text("utf-8").splitlines() if not line.startswith("#")]
    return np.array([[float(row[a]) for a in ("x_mm", "y_mm", "z_mm")] for row in csv.DictReader(lines)])


def least_distance(centers: np.ndarray) -> float:
    """Of the farthest axis, between any two cells: at least a pitch where boxes stand side by side."""
    apart = np.abs(centers[:, None] - centers[None]).max(axis=-1)
    return float(apart[~np.eye(len(centers), dtype=bool)].min())


@pytest.fixture(scope="module")
def chosen(patient) -> Path:
    out = patient / "chosen"
    more = ("--targets", "PTV60", "PTV_small", "--organs", "SpinalCord", "--cells", "20", "--phases", "1")
    assert main(["detector", "choose", *words(patient, *more, "--output", str(out))]) == 0
    return out


def test_chosen_cells_are_a_layout(chosen):
    centers = cells_of(chosen / "layout.csv")
    assert centers.shape == (20, 3)
    assert least_distance(centers) >= 12 - 1e-6
    assert (np.linalg.norm(centers - MIDDLE - BALLS["PTV_small"][1], axis=1) < 14).sum() >= 3
    page = (chosen / "report.html").read_text("utf-8")
    assert page.count("data:image/png") == 1
    summary = json.loads((chosen / "summary.json").read_text("utf-8"))
    assert 0 < summary["variance_left"][0] < 1
    rows = {row["name"]: row for row in summary["layouts"][0]["structures"]}
    assert rows["PTV60"]["volume_cc"] == pytest.approx(4 / 3 * np.pi * 2.4**3, rel=0.03)
    record = json.loads((chosen / "provenance.json").read_text("utf-8"))
    assert record["settings"]["targets"] == ["PTV60", "PTV_small"]
    assert len(record["inputs"]) == 2


def test_one_file_and_targets_by_their_names(patient, capsys):
    out = patient / "one.csv"
    more = ("--cells", "9", "--phases", "1", "--minimum", "2", "--columns", "y")
    assert main(["detector", "choose", *words(patient, *more, "--output", str(out))]) == 0
    said = capsys.readouterr()
    assert "PTV60, PTV_small were taken" in said.out + said.err
    assert "PTV_empty" in said.out + said.err
    centers = cells_of(out)
    assert len(centers) == 9
    assert json.loads((patient / "one.csv.provenance.json").read_text("utf-8"))["task"] == "detector choose"
    for column in {tuple(place) for place in np.round(centers[:, :2], 3)}:  # the detector's y is the patient's S
        z = np.sort(centers[(np.abs(centers[:, :2] - column) < 0.01).all(axis=1), 2])
        assert np.allclose(np.diff(z), 12)


def test_several_set_ups(patient):
    out = patient / "setups"
    more = ("--targets", "PTV60", "--cells", "8", "--setups", "2", "--phases", "1", "--output", str(out))
    assert main(["detector", "choose", *words(patient, *more)]) == 0
    both = [cells_of(out / f"set-up-{n}.csv") for n in (1, 2)]
    assert [len(centers) for centers in both] == [8, 8]
    left = json.loads((out / "summary.json").read_text("utf-8"))["variance_left"]
    assert left[1] < left[0]


def test_cells_that_follow_the_shape(patient):
    out = patient / "shape"
    more = ("--targets", "PTV60", "PTV_small", "--objective", "shape", "--minimum", "2", "--output", str(out))
    assert main(["detector", "choose", *words(patient, *more)]) == 0
    centers = cells_of(out / "layout.csv")
    assert least_distance(centers) >= 12 - 1e-6
    assert inside(centers, "PTV60").mean() > 0.7
    assert (np.linalg.norm(centers - MIDDLE - BALLS["PTV_small"][1], axis=1) < 14).sum() >= 2
    rows = json.loads((out / "summary.json").read_text("utf-8"))["layouts"][0]["structures"]
    assert rows[0]["dice"] > 0.8


def test_a_given_layout_is_chosen_from(patient, chosen):
    out = patient / "fewer.csv"
    more = ("--targets", "PTV60", "--cells", "5", "--candidates", str(chosen / "layout.csv"), "--output", str(out))
    assert main(["detector", "choose", *words(patient, *more)]) == 0
    centers, every = cells_of(out), cells_of(chosen / "layout.csv")
    assert len(centers) == 5
    assert all(np.abs(every - center).max(axis=1).min() < 1e-9 for center in centers)


def test_shifts_are_layouts_that_moved(patient, chosen):
    out = patient / "shifts"
    more = ("--targets", "PTV60", "PTV_small", "--organs", "SpinalCord", "--frames", "3", "--output", str(out))
    assert main(["detector", "plan-shifts", str(chosen / "layout.csv"), *words(patient, *more)]) == 0
    with (out / "shifts.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    first = cells_of(chosen / "layout.csv")
    for row in rows:
        shift = [float(row[name]) for name in ("left_mm", "posterior_mm", "superior_mm")]
        moved = cells_of(out / f"acquisition-{row['acquisition']}.csv")
        assert np.allclose(moved - first, shift, atol=0.006)
        own = [float(row[f"shift_{axis}_mm"]) for axis in "xyz"]
        assert np.allclose(shift, [-own[0], own[2], own[1]])  # G4RT's axes in a patient head first supine
    left = json.loads((out / "summary.json").read_text("utf-8"))["variance_left"]
    assert left["planned shifts"][2] < left["along the diagonal"][2] < left["no shift"][2]
    assert (out / "report.html").read_text("utf-8").count("data:image/png") == 2


def test_fidelity_of_a_layout(patient, chosen):
    out = patient / "fidelity"
    command = ["detector", "fidelity", str(chosen / "layout.csv"), *words(patient, "--output", str(out))]
    assert main(command) == 0
    rows = {row["name"]: row for row in json.loads((out / "summary.json").read_text("utf-8"))["structures"]}
    assert set(rows) == set(BALLS)
    centers = cells_of(chosen / "layout.csv")
    assert abs(rows["PTV60"]["cells"] - inside(centers, "PTV60").sum()) <= 3
    assert rows["PTV60"]["boxes_cc"] == pytest.approx(rows["PTV60"]["cells"] * 1.728)
    assert main(command) == 2  # it is there already


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (("--targets", "PTV60", "--cells", "5000"), "--cells: 5000 cells are more than the"),
        (("--targets", "PTV6"), "--targets: 'PTV6' is none of the structures"),
        (("--targets", "PTV_empty"), "it is empty or outside the CT"),
        (("--targets", "PTV60", "PTV60"), "names 'PTV60' twice"),
        (("--targets", "PTV60", "--organs", "PTV60"), "--organs: PTV60 is among the targets, too"),
        (("--cells", "4"), "--minimum: 3 cells for each of 2 targets are more than the 4"),
        (("--targets", "PTV60", "--pitch", "11"), "--pitch: is 11 mm"),
        (("--targets", "PTV60", "--objective", "shape", "--setups", "2"), "--setups: has no effect"),
        (("--targets", "PTV60", "--objective", "shape", "--columns", "x"), "--columns: has no effect"),
        (("--targets", "PTV60", "--isocenter", "1", "2"), "--isocenter: has 2 numbers"),
        (("--targets", "PTV60", "--candidates", "nothing.csv"), "nothing.csv"),
        (("--targets", "PTV60", "--cells", "0"), "--cells"),
    ],
)
def test_choices_refused_in_one_line(patient, tmp_path, capsys, more, said):
    out = tmp_path / "out"
    assert main(["detector", "choose", *words(patient, *more, "--output", str(out))]) == 2
    errors = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error:")]
    assert len(errors) == 1
    assert said in errors[0]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("task", ["fidelity", "plan-shifts"])
def test_a_layout_beside_the_patient_is_refused(patient, chosen, tmp_path, capsys, task):
    more = ("--isocenter", "900", "0", "0", "--output", str(tmp_path / "out"))
    more += ("--reach", "20") if task == "plan-shifts" else ()
    assert main(["detector", task, str(chosen / "layout.csv"), *words(patient, *more)]) == 2
    errors = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error:")]
    assert len(errors) == 1
    assert "layout.csv" in errors[0]
    assert "--isocenter" in errors[0]
    assert list(tmp_path.iterdir()) == []


def test_several_set_ups_need_a_folder(patient, tmp_path, capsys):
    more = ("--targets", "PTV60", "--setups", "2", "--output", str(tmp_path / "l.csv"))
    assert main(["detector", "choose", *words(patient, *more)]) == 2
    assert "is one file, and --setups asks for several; name a folder" in capsys.readouterr().err


def test_candidates_of_another_patient_are_refused(patient, chosen, tmp_path, capsys):
    text = (chosen / "layout.csv").read_text("utf-8")
    head, rows = text[: text.index("cell,")], text[text.index("cell,") :].splitlines()
    moved = [rows[0]] + [
        ",".join([*row.split(",")[:2], str(n * 20 + 5000), *row.split(",")[3:]]) for n, row in enumerate(rows[1:])
    ]
    (tmp_path / "far.csv").write_text(head + "\n".join(moved) + "\n", "utf-8")
    more = ("--targets", "PTV60", "--cells", "5", "--candidates", str(tmp_path / "far.csv"))
    assert main(["detector", "choose", *words(patient, *more, "--output", str(tmp_path / "out"))]) == 2
    assert "far.csv: none of its 20 cells is near the structures" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_no_targets_by_name(patient, tmp_path, capsys):
    k, j, i = np.indices(GRID.shape)
    box = Structure("Liver", Mask.from_array((k > 10) & (k < 20) & (j > 10) & (j < 20) & (i > 5), GRID))
    write_seg_nrrd(StructureSet(GRID, (box,)), tmp_path / "s.seg.nrrd", {})
    more = ["--structures", str(tmp_path / "s.seg.nrrd"), "--ct", str(patient / "ct.nrrd")]
    assert main(["detector", "choose", *more, "--output", str(tmp_path / "out")]) == 2
    assert "choose from Liver" in capsys.readouterr().err


def test_cancel_leaves_nothing(patient, tmp_path):
    reports = []

    def cancelled() -> bool:
        reports.append(1)
        return len(reports) > 6

    settings = detector_choose.Settings(
        structures=patient / "s.seg.nrrd", ct=patient / "ct.nrrd", targets=("PTV60",), output=tmp_path / "out", phases=2
    )
    with pytest.raises(Cancelled):
        detector_choose.run(settings, Progress(cancelled=cancelled))
    assert list(tmp_path.iterdir()) == []
