"""The demo's own part: the phantom as DICOM, what is replaced and what is left alone. The main job has a stand-in."""

from __future__ import annotations

from pathlib import Path

import pydicom
import pytest
from Dose3DLib.core.errors import InputError, OutputError
from Dose3DLib.tasks import demo
from Dose3DLib.tasks.base import Result


@pytest.fixture
def main_job(monkeypatch):
    """Replaces the main job; keeps its arguments."""
    calls = []

    def segment(settings, series, output, progress):
        calls.append((series, output))
        output.mkdir()
        (output / "report.html").write_text("report")
        return Result(output, {"report": "report.html"}, {"Brainstem": "25.0 cc"})

    monkeypatch.setattr(demo, "_segment", segment)
    return calls


@pytest.fixture
def quick_series(monkeypatch):
    def write(folder, progress=None):
        folder.mkdir()
        (folder / "1.dcm").write_text("slice")

    monkeypatch.setattr(demo, "write_phantom_series", write)


@pytest.mark.usefixtures("quick_series")
def test_series_and_result_lie_side_by_side(main_job, tmp_path):
    result = demo.run(demo.Settings(output=tmp_path / "out"))
    assert main_job == [(tmp_path / "out/ct", tmp_path / "out/result")]
    assert result.files == {"report": "result/report.html", "ct": "ct"}
    assert all((tmp_path / "out" / path).exists() for path in result.files.values())


@pytest.mark.usefixtures("quick_series")
def test_own_earlier_output_is_replaced(main_job, tmp_path):
    settings = demo.Settings(output=tmp_path / "out")
    demo.run(settings)
    (tmp_path / "out/result/old.txt").touch()
    demo.run(settings)
    assert len(main_job) == 2
    assert not (tmp_path / "out/result/old.txt").exists()


@pytest.mark.usefixtures("quick_series")
@pytest.mark.parametrize("present", ["thesis.txt", "ct"])
def test_what_no_demo_left_is_not_touched(main_job, tmp_path, present):
    (tmp_path / present).touch()
    with pytest.raises(OutputError, match="no earlier demo"):
        demo.run(demo.Settings(output=tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == [present]
    assert not main_job


@pytest.mark.usefixtures("quick_series")
def test_a_file_beside_an_earlier_demo_stops_it(main_job, tmp_path):
    demo.run(demo.Settings(output=tmp_path / "out"))
    (tmp_path / "out/notes.txt").touch()
    with pytest.raises(OutputError):
        demo.run(demo.Settings(output=tmp_path / "out"))
    assert (tmp_path / "out/result/report.html").exists()


@pytest.mark.usefixtures("quick_series")
def test_nothing_is_left_when_the_job_fails(monkeypatch, tmp_path):
    def fail(*arguments):
        raise InputError("x", "y", "z")

    monkeypatch.setattr(demo, "_segment", fail)
    with pytest.raises(InputError):
        demo.run(demo.Settings(output=tmp_path / "deep/out"))
    assert not (tmp_path / "deep/out").exists()


def test_own_ct_is_used_and_not_copied(main_job, tmp_path):
    (tmp_path / "mine").mkdir()
    result = demo.run(demo.Settings(output=tmp_path / "out", ct=tmp_path / "mine"))
    assert main_job[0][0] == tmp_path / "mine"
    assert "ct" not in result.files
    assert not (tmp_path / "out/ct").exists()


@pytest.mark.usefixtures("quick_series", "main_job")
@pytest.mark.parametrize(("ct", "cause"), [("out/ct", "lies in the output"), ("nowhere", "does not exist")])
def test_an_earlier_demo_is_not_lost_for_a_wrong_ct(tmp_path, ct, cause):
    demo.run(demo.Settings(output=tmp_path / "out"))
    with pytest.raises(InputError, match=cause):
        demo.run(demo.Settings(output=tmp_path / "out", ct=tmp_path / ct))
    assert (tmp_path / "out/ct/1.dcm").exists()
    assert (tmp_path / "out/result/report.html").exists()


def test_default_output():
    assert demo.Settings().output == Path("out/demo")


def test_phantom_series_says_that_nobody_was_scanned(tmp_path):
    demo.write_phantom_series(tmp_path / "ct")
    files = sorted((tmp_path / "ct").iterdir())
    datasets = [pydicom.dcmread(path, stop_before_pixels=True) for path in files]
    first = datasets[0]
    assert first.PatientID == "DOSE3D-PHANTOM"
    assert str(first.PatientName) == "Phantom^Population"
    assert "Synthetic" in first.ImageComments
    assert "DERIVED" in first.ImageType
    assert first.Modality == "CT"
    assert len({d.SOPInstanceUID for d in datasets}) == len(files) > 100
    heights = sorted(float(d.ImagePositionPatient[2]) for d in datasets)
    assert heights[1] - heights[0] == pytest.approx(2.5)


def test_phantom_series_keeps_its_identity(tmp_path):
    for name in ("a", "b"):
        demo.write_phantom_series(tmp_path / name)
    first, second = (sorted((tmp_path / name).iterdir())[7].read_bytes() for name in ("a", "b"))
    assert first == second
