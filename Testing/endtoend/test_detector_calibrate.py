"""`detector calibrate` as a task and a command: from files of a readout to CELLS.csv, judged by a plain CSV reader."""

from __future__ import annotations

import csv
import json
import re
from html import escape
from pathlib import Path

import numpy as np
import pytest
from builders.detector_builder import small_layout
from Dose3DLib.cli.main import main
from Dose3DLib.detector.layout import Layout
from Dose3DLib.detector.layout_csv import write_layout
from Dose3DLib.detector.readings_csv import read_readings
from Dose3DLib.tasks import detector_calibrate
from Dose3DLib.tasks.detector_calibrate import Settings

LAYOUT = small_layout()
LABELS = LAYOUT.cells.labels
READINGS = np.linspace(100, 200, 11)


def table(path: Path, header: str, rows) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        file.write(header + "\n")
        csv.writer(file).writerows(rows)
    return path


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    write_layout(LAYOUT, tmp_path / "LAYOUT.csv")
    rows = [(f"ch{n}", READINGS[n] + noise) for noise in (-1, 0, 1) for n in range(11)]
    factors = [(f"ch{n}", LABELS[n], 0.01 * (n + 1), 2) for n in range(11)]
    return {
        "layout": tmp_path / "LAYOUT.csv",
        "readings": table(tmp_path / "raw.csv", "channel,reading", rows),
        "calibration": table(tmp_path / "cal.csv", "channel,cell,factor,factor_sd_percent", factors),
        "background": table(tmp_path / "dark.csv", "channel,reading", [(f"ch{n}", 2 * n) for n in range(11)]),
    }


def settings_of(files: dict[str, Path], tmp_path: Path, **more) -> Settings:
    given = {"readings": (str(files["readings"]),), "layout": files["layout"], "calibration": files["calibration"]}
    return Settings(output=tmp_path / "CELLS.csv", **{**given, **more})


def rows_of(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(line for line in path.read_text("utf-8").splitlines() if not line.startswith("#")))


def test_from_readings_to_doses(files, tmp_path):
    settings = settings_of(
        files, tmp_path, background=files["background"], seconds=60.0, background_seconds=120.0, dead=("ch2",),
        saturation=199.5, fractions=30, measured_fractions=2,
    )  # fmt: skip
    result = detector_calibrate.run(settings)
    rows = rows_of(tmp_path / "CELLS.csv")
    number = np.arange(11)
    expected = (READINGS - number) * 0.01 * (number + 1) * 15
    good = [n for n in range(11) if n not in (2, 10)]
    assert [float(rows[n]["dose_gy"]) for n in good] == pytest.approx(expected[good])
    error = np.hypot(0.02 * expected, 15 * 0.01 * (number + 1) / 3**0.5)
    assert [float(rows[n]["sd_gy"]) for n in good] == pytest.approx(error[good])
    assert [(row["state"], row["dose_gy"] == "", float(row["fraction"])) for row in (rows[2], rows[10], rows[0])] == [
        ("dead", True, 0), ("saturated", True, 0), ("ok", False, 1),
    ]  # fmt: skip
    assert [float(rows[0][name]) for name in ("x_mm", "y_mm", "z_mm")] == LAYOUT.cells.centers_mm[0].tolist()
    readings = read_readings(tmp_path / "CELLS.csv", LAYOUT)
    assert readings.dose_gy[good] == pytest.approx(expected[good])
    assert any("1 cells are saturated" in text for text in result.warnings)
    assert set(result.files.values()) == {"CELLS.csv", "CELLS.csv.provenance.json", "CELLS.csv.report.html"}


def test_each_step_is_on_record_three_times(files, tmp_path):
    detector_calibrate.run(settings_of(files, tmp_path, background_level=1.5))
    steps = json.loads((tmp_path / "CELLS.csv.provenance.json").read_text("utf-8"))["steps"]
    assert [step["name"] for step in steps] == ["readings", "repeats", "background", "dead channels", "calibration"]
    text, page = ((tmp_path / f"CELLS.csv{end}").read_text("utf-8") for end in ("", ".report.html"))
    for n, step in enumerate(steps, 1):
        assert f"# step {n}: {step['name']}: {step['text']}\n" in text
        assert escape(step["text"], quote=True).replace("&#x27;", "&#39;") in page
    assert "Research use only" in page
    assert "Zelle Nr. 9 ä&amp;&lt;" in page
    assert not re.search(r"\bnan\b", page, re.IGNORECASE)


def test_files_of_repeats(files, tmp_path):
    again = table(tmp_path / "again.csv", "cell,reading", [(label, 160) for label in LABELS])
    first = table(tmp_path / "first.csv", "cell,reading", [(label, 140) for label in reversed(LABELS)])
    settings = settings_of(files, tmp_path, readings=(str(first), str(again)), calibration=None, factor=0.1)
    detector_calibrate.run(settings)
    found = read_readings(tmp_path / "CELLS.csv")
    assert found.dose_gy == pytest.approx(np.full(11, 15.0))
    assert found.sd_gy == pytest.approx(np.full(11, 0.1 * np.std([140, 160], ddof=1) / 2**0.5))


def test_a_simulation_of_g4rt_scaled_to_a_known_cell(files, tmp_path):
    lines = ["Cell IdX,Cell IdY,Cell IdZ,X [mm],Y [mm],Z [mm],Dose,FieldScalingFactor"]
    for n, place in enumerate(LAYOUT.detector_centers_mm()):
        lines.append(f"0,0,{n},{place[0]:.5f},{place[1]:.5f},{place[2]:.5f},{(n + 1) * 1e-8},1")
    (tmp_path / "job").mkdir()
    for n in range(3):
        (tmp_path / "job" / f"cp-{n}_Dose3D_cell.csv").write_text("\n".join(lines))
    facts = {"cal_params": np.linspace(0.8, 1.25, 11)}  # of photomultipliers: a simulation has none
    write_layout(Layout(LAYOUT.cells, LAYOUT.placement, LAYOUT.layers, 1.0, "x", facts), files["layout"])
    settings = settings_of(
        files, tmp_path, readings=(str(tmp_path / "job"),), calibration=None, reference_cell=LABELS[1],
        reference_dose=2.0,
    )  # fmt: skip
    result = detector_calibrate.run(settings)
    found = read_readings(tmp_path / "CELLS.csv", LAYOUT)
    assert found.dose_gy == pytest.approx(np.arange(1, 12))
    assert any("3 control points were added" in text for text in result.warnings)


def test_factors_of_the_layout_need_an_absolute_one(files, tmp_path):
    facts = {"cal_params": np.linspace(0.8, 1.25, 11), "pmt_chn": np.array([f"ch{n}" for n in range(11)])}
    write_layout(Layout(LAYOUT.cells, LAYOUT.placement, LAYOUT.layers, 1.0, "x", facts), tmp_path / "L2.csv")
    settings = settings_of(
        files, tmp_path, layout=tmp_path / "L2.csv", calibration=None, factor=0.02, isocenter=(0, 0, 0)
    )
    result = detector_calibrate.run(settings)
    found = read_readings(tmp_path / "CELLS.csv")
    assert found.dose_gy == pytest.approx(READINGS * 0.02 * np.linspace(0.8, 1.25, 11))
    assert found.cells.centers_mm == pytest.approx(LAYOUT.cells.centers_mm - LAYOUT.placement.isocenter_mm)
    assert "The channels' factors are the layout's cal_params." in result.warnings


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--background-level", "1", "--background", "dark.csv"], "--background-level: is given beside --background"),
        (["--reference-cell", "a"], "--reference-cell: and --reference-dose go together"),
        (["--reference-cell", "a", "--reference-dose", "1"], "the cell 'a' is not among the readings"),
        (["--readings-are", "dose-rate"], "--readings-are dose-rate: needs the time"),
        (["--background-seconds", "3"], "--background-seconds: is for --background"),
        (["--isocenter", "1"], "--isocenter: has 1 numbers"),
        (["--dead", "nobody"], "'nobody' is neither a cell nor a channel"),
        (["--dead-below", "1e9"], "no channel is left with a dose"),
        (["--readings", "cal.csv"], "has no column reading"),
        (["--readings", "nothing.csv"], "nothing.csv: "),
        (["--calibration", "raw.csv"], "has no columns factor"),
        (["--background", "cal.csv"], "has no column reading"),
        (["--no-calibration"], "have no calibration"),
        (["--cells-of-another"], "the cell 'other' is not in the layout"),
        (["--factor", "0"], "--factor"),
    ],
)
def test_refused_in_one_line(files, tmp_path, capsys, monkeypatch, arguments, words):
    monkeypatch.chdir(tmp_path)
    given = {"--readings": "raw.csv", "--layout": "LAYOUT.csv", "--calibration": "cal.csv"}
    if arguments == ["--no-calibration"]:
        arguments, _ = [], given.pop("--calibration")
    if arguments == ["--cells-of-another"]:
        table(tmp_path / "o.csv", "cell,reading", [("other", 1)])
        arguments, _ = ["--readings", "o.csv", "--factor", "1"], given.pop("--calibration")
    rest = [word for name, value in given.items() if name not in arguments for word in (name, value)]
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert main(["detector", "calibrate", *rest, *arguments, "--output", "CELLS.csv"]) == 2
    errors = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error:")]
    assert len(errors) == 1
    assert words in errors[0]
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_inputs_are_never_replaced(files, tmp_path):
    words = ["--readings", str(files["readings"]), "--layout", str(files["layout"]), "--factor", "1", "--overwrite"]
    before = files["readings"].read_bytes()
    assert main(["detector", "calibrate", *words, "--output", str(files["readings"])]) == 2
    assert files["readings"].read_bytes() == before
