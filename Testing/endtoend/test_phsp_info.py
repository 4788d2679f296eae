"""`phsp info` as a command: what it prints, what it writes, what it refuses."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from builders.phase_space_builder import beam_records, write_phase_space
from Dose3DLib.cli.main import main
from Dose3DLib.core.errors import Cancelled, InputError
from Dose3DLib.core.progress import Progress
from Dose3DLib.tasks import phsp_info
from Dose3DLib.tasks.base import Result
from Dose3DLib.tasks.phsp_info import Settings


@pytest.fixture
def beam(tmp_path: Path) -> Path:
    return write_phase_space(tmp_path, beam_records(2000))


def points_of(folder: Path) -> np.ndarray:
    return np.genfromtxt(folder / "points.csv", delimiter=",", names=True)


def test_without_an_output_it_only_says(beam, capsys):
    before = sorted(beam.parent.iterdir())
    assert main(["phsp", "info", str(beam)]) == 0
    said = capsys.readouterr().out
    assert "2,000; mean" in said
    assert "A test" in said
    assert "1,000" in said  # histories
    assert "27 cm" in said
    assert "results in" not in said
    assert sorted(beam.parent.iterdir()) == before


def test_a_result_without_output_survives_the_worker(beam):
    result = phsp_info.run(Settings(phase_space=beam))
    assert result.output is None
    assert Result.from_dict(json.loads(json.dumps(result.to_dict()))) == result


def test_the_folder(beam, tmp_path):
    result = phsp_info.run(Settings(phase_space=beam, output=tmp_path / "out", points=300, seed=4))
    assert {path.name for path in (tmp_path / "out").iterdir()} == set(result.files.values())
    summary = json.loads((tmp_path / "out" / "summary.json").read_text("utf-8"))
    assert summary["particles"] == summary["particles_read"] == 2000
    assert summary["species"]["photon"]["count"] == 2000
    assert summary["histories"] == 1000
    assert sum(summary["spectrum"]["weights"]) == pytest.approx(1000)
    provenance = json.loads((tmp_path / "out" / "provenance.json").read_text("utf-8"))
    assert provenance["seed"] == 4
    assert [Path(one["path"]).name for one in provenance["inputs"]] == ["beam.IAEAphsp", "beam.IAEAheader"]
    page = (tmp_path / "out" / "report.html").read_text("utf-8")
    assert "A test" in page
    assert page.count("data:image/png") == 4
    assert "All 2,000 particles" in page


def test_the_focus_of_a_point_source(beam, tmp_path):
    """The test beam comes from the origin, 27 cm before its plane; nothing is scattered."""
    result = phsp_info.run(Settings(phase_space=beam, output=tmp_path / "out"))
    focus = json.loads((tmp_path / "out" / "summary.json").read_text("utf-8"))["focus"]
    assert focus["best_z_cm"] == pytest.approx(0, abs=2e-3)
    assert max(focus["sigma_x_cm"], focus["sigma_y_cm"]) < 1e-3
    assert focus["share_within_cm"]["0.1"] == 1
    # Away from the focus the beam widens by similar triangles: its half width at z = 27 is 4 cm.
    z, sigma = np.array(focus["curve"]["z_cm"]), np.array(focus["curve"]["sigma_x_cm"])
    assert np.allclose(sigma / np.abs(z), sigma[-1] / z[-1], rtol=0.02, atol=1e-2)
    assert "focus of the photons" in result.summary


def test_the_focus_of_the_real_file(shared_data, tmp_path):
    """Against the card of the file: spot 0.11 x 0.13 cm FWHM on the target, blurred by scatter in it."""
    path = shared_data / "phasespace_6mv" / "open_test.IAEAphsp"
    phsp_info.run(Settings(phase_space=path, output=tmp_path / "out", points=0))
    focus = json.loads((tmp_path / "out" / "summary.json").read_text("utf-8"))["focus"]
    assert focus["best_z_cm"] == pytest.approx(0.05, abs=0.1)
    assert focus["sigma_x_cm"] == pytest.approx(0.0567, rel=0.03)
    assert focus["sigma_y_cm"] == pytest.approx(0.0651, rel=0.03)
    assert focus["share_within_cm"]["0.5"] == pytest.approx(0.914, abs=0.01)


def test_an_energy_above_what_the_header_states_is_said(beam):
    header = beam.with_suffix(".IAEAheader")
    line = "$STATISTICAL_INFORMATION_PARTICLES:\n 1000 0.5 0.5 2.0 0.5 4.0 PHOTONS\n"
    header.write_bytes(header.read_bytes() + line.encode("ascii"))
    result = phsp_info.run(Settings(phase_space=beam))
    assert [text for text in result.warnings if "5.45 MeV, is above the 4 MeV that the header states" in text]


def test_a_file_cut_within_a_record_is_read_and_said(beam, capsys):
    beam.write_bytes(beam.read_bytes()[: -29 * 500 - 10])
    assert main(["phsp", "info", str(beam)]) == 0
    told = capsys.readouterr()
    assert "1,499; mean" in told.out
    assert "ends within a record: its last 19 bytes are left out" in told.err
    assert "says 2000 particles, the file holds 1499: the file is right" in told.err
    assert "($CHECKSUM)" in told.err


@pytest.mark.parametrize("content", [b"", b"x" * 28])
def test_a_file_without_a_whole_record_is_refused(beam, capsys, content):
    beam.write_bytes(content)
    assert main(["phsp", "info", str(beam)]) == 2
    assert sum("error:" in line for line in capsys.readouterr().err.splitlines()) == 1


def test_records_that_are_no_particles_are_counted_and_said(tmp_path):
    nan, inf = float("nan"), float("inf")
    odd = [(1, -nan, 0.0, 0.0, 0.0, 0.0, 0.0, 0), (1, -1.0, inf, 0.0, 0.0, 0.0, 0.0, 0),
           (1, -1.0, 1e30, 0.0, 0.0, 0.0, 0.0, 0), (1, -1.0, 0.0, 0.0, nan, 0.0, 0.0, 0)]  # fmt: skip
    result = phsp_info.run(Settings(phase_space=write_phase_space(tmp_path, [*beam_records(200), *odd])))
    assert any("4 particles hold values that are not numbers or cannot be" in text for text in result.warnings)
    assert result.summary["photons"].startswith("200;")


def test_one_photon(tmp_path):
    beam = write_phase_space(tmp_path, beam_records(1))
    result = phsp_info.run(Settings(phase_space=beam, output=tmp_path / "out"))
    assert result.summary["particles"] == "1"
    assert json.loads((tmp_path / "out" / "summary.json").read_text("utf-8"))["focus"] is None


def test_a_format_without_z_is_told_its_plane(shared_data):
    path = shared_data / "phasespace_6mv" / "format_samples" / "beamnrc_mode0.egsphsp1"
    result = phsp_info.run(Settings(phase_space=path, input_plane=27.0))
    assert result.summary["z"] == "27 cm"
    assert result.summary["focus of the photons"].startswith("z = 0.")


def test_points_are_photons_of_the_file(beam, tmp_path):
    phsp_info.run(Settings(phase_space=beam, output=tmp_path / "out", points=300))
    points = points_of(tmp_path / "out")
    assert len(points) == 300
    # Each photon of the test file points away from (0, 0, 0), 27 cm before the plane.
    assert np.allclose(points["x_cm"] / 27, points["u"] / points["w"], atol=1e-5)
    assert np.allclose(points["y_cm"] / 27, points["v"] / points["w"], atol=1e-5)
    assert (points["z_cm"] == 27).all()
    assert (points["weight"] == 0.5).all()
    energies = {round(abs(record[1]), 5) for record in beam_records(2000)}
    assert {round(e, 5) for e in points["energy_mev"].tolist()} <= energies


def test_the_seed_decides(beam, tmp_path):
    texts = []
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        phsp_info.run(Settings(phase_space=beam, output=tmp_path / name, points=50, seed=seed))
        texts.append((tmp_path / name / "points.csv").read_text())
    assert texts[0] == texts[1] != texts[2]


def test_fewer_photons_than_asked_for_are_said(tmp_path):
    electrons = [(2, -1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0)] * 50
    beam = write_phase_space(tmp_path, [*beam_records(20), *electrons])
    result = phsp_info.run(Settings(phase_space=beam, output=tmp_path / "out", points=30))
    assert len(points_of(tmp_path / "out")) == 20
    assert any("holds 20 photons, 30 were asked for" in text for text in result.warnings)
    assert result.summary["electrons"].startswith("50;")


def test_the_scene_holds_the_points(beam, tmp_path):
    pytest.importorskip("slicer")
    from Dose3DLib.scene.mrb import read_scene
    from Dose3DLib.scene.phase_space_nodes import photon_columns

    phsp_info.run(Settings(phase_space=beam, output=tmp_path / "out", points=40))
    (tmp_path / "cache").mkdir()
    application = read_scene(tmp_path / "out" / "scene.mrb", tmp_path / "cache")
    photons = photon_columns(application.GetMRMLScene().GetFirstNodeByName("beam photons"))
    table = points_of(tmp_path / "out")
    for name in phsp_info.POINT_COLUMNS[:-1]:
        assert np.allclose(photons[name], table[name], rtol=1e-5), name


def test_no_scene_where_none_is_wanted_or_nothing_to_show(beam, tmp_path):
    for name, settings in (("a", {"scene": False}), ("b", {"points": 0})):
        result = phsp_info.run(Settings(phase_space=beam, output=tmp_path / name, **settings))
        assert "scene" not in result.files
        assert not (tmp_path / name / "scene.mrb").exists()


def test_no_photon_at_all(tmp_path):
    beam = write_phase_space(tmp_path, [(2, -1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0)] * 50)
    phsp_info.run(Settings(phase_space=beam, output=tmp_path / "out", points=5))
    with (tmp_path / "out" / "points.csv").open() as file:
        assert list(csv.reader(file)) == [list(phsp_info.POINT_COLUMNS)]
    assert "all particles" in (tmp_path / "out" / "report.html").read_text("utf-8")


def test_a_large_file_is_read_in_pieces_and_it_is_said(tmp_path):
    beam = write_phase_space(tmp_path, beam_records(40000))
    result = phsp_info.run(Settings(phase_space=beam, output=tmp_path / "out", points=0, limit=4000))
    assert result.summary["particles read"] == "4,000"
    assert any("4,000 of the 40,000 particles were read" in text for text in result.warnings)
    assert "4,000 of the 40,000" in (tmp_path / "out" / "report.html").read_text("utf-8")


def test_cancel_leaves_nothing(beam, tmp_path):
    reports = []

    def cancelled() -> bool:
        reports.append(1)
        return len(reports) > 2

    with pytest.raises(Cancelled):
        phsp_info.run(Settings(phase_space=beam, output=tmp_path / "out"), Progress(cancelled=cancelled))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["beam.IAEAheader", "beam.IAEAphsp"]


@pytest.mark.parametrize("name", ["beam.IAEAphsp", "nothing.IAEAphsp"])
def test_refused_in_one_line(beam, capsys, name):
    beam.with_suffix(".IAEAheader").unlink()
    assert main(["phsp", "info", str(beam.parent / name), "--output", str(beam.parent / "out")]) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert sum("error:" in line for line in lines) == 1
    assert not (beam.parent / "out").exists()


def test_the_source_is_never_replaced(beam):
    before = beam.read_bytes()
    with pytest.raises(InputError, match="is a file"):
        phsp_info.run(Settings(phase_space=beam, output=beam, overwrite=True))
    assert beam.read_bytes() == before


@pytest.mark.parametrize("weight", ["0.0000", "-0.5000"])
def test_weights_that_are_not_positive_still_give_a_report(tmp_path, weight):
    path = write_phase_space(tmp_path, beam_records())
    header = path.with_suffix(".IAEAheader")
    header.write_bytes(
        header.read_bytes().replace(b"0.5000 // Constant Weight", weight.encode() + b" // Constant Weight")
    )
    result = phsp_info.run(Settings(phase_space=path, output=tmp_path / "out"))
    assert (Path(result.output) / "report.html").is_file()
