"""`phsp generate` as a command: what it writes, what reads it, what it refuses."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from builders.phase_space_builder import beam_records, write_phase_space
from builders.photon_model_builder import SHA256, save_small_model, small_model
from Dose3DLib.bundles.folder import shipped_bundles
from Dose3DLib.cli.main import main
from Dose3DLib.core.errors import Cancelled, InputError, OutputError
from Dose3DLib.core.progress import Progress
from Dose3DLib.phasespace.write import FORMATS
from Dose3DLib.tasks import phsp_convert, phsp_generate, phsp_info
from Dose3DLib.tasks.base import Result
from Dose3DLib.tasks.phsp_generate import Settings

NAMES = {"iaea": "b.IAEAphsp", "egs-mode0": "b.egsphsp1", "egs-mode2": "b.egsphsp1", "topas": "b.phsp",
         "topas-ascii": "b.phsp", "topas-limited": "b.phsp", "peneasy": "b.dat", "npy": "b.npy", "npz": "b.npz",
         "root": "b.root", "mcpl": "b.mcpl"}  # fmt: skip


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    return save_small_model(tmp_path_factory.mktemp("models") / "small")


def settings(model: Path, output: Path, **changes: object) -> Settings:
    return Settings(**{"model": str(model), "photons": 500, "output": output, "device": "cpu", "threads": 1, **changes})


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_the_command(model, tmp_path, capsys):
    output = tmp_path / "out" / "beam.IAEAphsp"  # a folder that is not there yet
    assert main(["phsp", "generate", "--model", str(model), "--photons", "3000", "--output", str(output)]) == 0
    said = capsys.readouterr().out
    assert re.search(r"original histories +7,500", said)
    assert "photons a second on cpu" in said
    assert "TOPAS (choose --format topas)" in said
    assert names_in(output.parent) == ["beam.IAEAheader", "beam.IAEAphsp", "beam.IAEAphsp.provenance.json",
                                       "beam.egsnrc.txt"]  # fmt: skip
    assert output.stat().st_size == 21 * 3000


def test_the_result_names_its_files_and_survives_the_worker(model, tmp_path):
    result = phsp_generate.run(settings(model, tmp_path / "b.IAEAphsp"))
    assert sorted(result.files.values()) == names_in(tmp_path)
    assert set(result.files) == {"records", "header", "provenance", "source for EGSnrc"}
    assert Result.from_dict(json.loads(json.dumps(result.to_dict()))) == result


def test_the_provenance(model, tmp_path):
    phsp_generate.run(settings(model, tmp_path / "b.IAEAphsp", seed=5))
    found = json.loads((tmp_path / "b.IAEAphsp.provenance.json").read_text("utf-8"))
    assert found["seed"] == 5
    assert found["model"]["trained_on"][0]["sha256"] == SHA256
    metadata = json.loads((model / "configs" / "metadata.json").read_text("utf-8"))
    assert found["model"]["weights_sha256"] == metadata["dose3d"]["weights_sha256"]
    assert found["photons"] == found["particles"] == 500
    assert found["histories"] == 1250
    assert found["seconds"]["generate"] > 0


@pytest.mark.parametrize("format", FORMATS)
def test_every_format_serves_info_and_convert(model, tmp_path, format):
    """The same photons, whatever they are written to: summary as of the IAEA file."""
    pytest.importorskip({"root": "uproot", "mcpl": "mcpl"}.get(format, "numpy"))
    output = tmp_path / NAMES[format]
    phsp_generate.run(settings(model, output, format=format))
    converted = tmp_path / "again.IAEAphsp"
    plane = {"input_plane": 27.0} if format.startswith("egs") else {}
    phsp_convert.run(phsp_convert.Settings(input=output, output=converted, **plane))
    phsp_generate.run(settings(model, tmp_path / "iaea.IAEAphsp"))
    again, iaea = (phsp_info.run(phsp_info.Settings(phase_space=path)).summary
                   for path in (converted, tmp_path / "iaea.IAEAphsp"))  # fmt: skip
    for name in ("particles", "photons", "start a history", "x", "y", "z"):
        assert again[name] == iaea[name]
    assert phsp_info.run(phsp_info.Settings(phase_space=output)).summary["particles"] == "500"


def test_a_job_file_makes_the_same_file(model, tmp_path):
    first = settings(model, tmp_path / "a.IAEAphsp", seed=3)
    phsp_generate.run(Settings.from_json(first.to_json()))
    (tmp_path / "sub").mkdir()
    again = settings(model, tmp_path / "sub" / "a.IAEAphsp", seed=3)
    assert main(again.to_command().split()[1:]) == 0
    assert (tmp_path / "a.IAEAphsp").read_bytes() == (tmp_path / "sub" / "a.IAEAphsp").read_bytes()


def test_one_photon(model, tmp_path):
    result = phsp_generate.run(settings(model, tmp_path / "b.IAEAphsp", photons=1))
    assert (tmp_path / "b.IAEAphsp").stat().st_size == 21
    assert result.summary["original histories"] == "2"


def test_without_sources(model, tmp_path):
    result = phsp_generate.run(settings(model, tmp_path / "b.IAEAphsp", sources=False))
    assert names_in(tmp_path) == ["b.IAEAheader", "b.IAEAphsp", "b.IAEAphsp.provenance.json"]
    assert "no source for" not in result.summary


def test_a_format_that_no_code_reads_gets_advice_in_place_of_a_source(model, tmp_path):
    result = phsp_generate.run(settings(model, tmp_path / "b.npy"))
    assert names_in(tmp_path) == ["b.npy", "b.npy.provenance.json"]
    assert "EGSnrc (choose --format iaea)" in result.summary["no source for"]


def test_what_a_format_does_not_hold_is_a_warning(model, tmp_path):
    egs, npy, iaea = (phsp_generate.run(settings(model, tmp_path / name)).warnings
                      for name in ("b.egsphsp1", "c.npy", "d.IAEAphsp"))  # fmt: skip
    assert any("do not hold z" in text for text in egs)
    assert any("do not hold original histories" in text for text in npy)
    assert iaea == ()


def test_others_are_mixed_in(model, tmp_path):
    """60 electrons in 1000 histories; 4000 photons stand for 10,000 of them."""
    electrons = [(2, -1.0, 0.1 * n, 0.0, 0.0, 0.0, 0.0, 0) for n in range(60)]
    beam = write_phase_space(tmp_path, [*beam_records(100), *electrons], stem="real")
    result = phsp_generate.run(settings(model, tmp_path / "b.IAEAphsp", photons=4000, others=beam))
    assert abs(int(result.summary["others"]) - 600) <= 1
    assert any("each of the 60 others of real.IAEAphsp is used 10 times" in text for text in result.warnings)
    found = phsp_info.run(phsp_info.Settings(phase_space=tmp_path / "b.IAEAphsp")).summary
    assert found["electrons"].startswith(result.summary["others"] + ";")
    assert found["photons"].startswith("4,000;")
    assert found["histories"] == "10,000"
    provenance = json.loads((tmp_path / "b.IAEAphsp.provenance.json").read_text("utf-8"))
    assert [Path(one["path"]).name for one in provenance["inputs"]] == ["real.IAEAphsp", "real.IAEAheader"]


def test_others_of_a_file_that_holds_no_plane_lie_in_the_model_s(model, tmp_path):
    beam = write_phase_space(tmp_path, [*beam_records(100), *[(2, -1.0, 0.1, 0.0, 0.0, 0.0, 0.0, 0)] * 60], stem="real")
    egs = tmp_path / "real.egsphsp1"
    phsp_convert.run(phsp_convert.Settings(input=beam, output=egs))
    result = phsp_generate.run(settings(model, tmp_path / "b.IAEAphsp", others=egs))
    assert any("does not say where its particles lie: taken as z = 27 cm" in text for text in result.warnings)
    assert phsp_info.run(phsp_info.Settings(phase_space=tmp_path / "b.IAEAphsp")).summary["z"] == "27 cm"


def test_conditions_reach_the_model(tmp_path):
    conditions = [{"name": "field cm", "lowest": 3.0, "highest": 10.0}]
    folder = save_small_model(tmp_path / "wide", small_model(conditions=conditions))
    for value in (3.0, 10.0):
        phsp_generate.run(settings(folder, tmp_path / f"{value:g}.IAEAphsp", condition=(value,)))
    assert (tmp_path / "3.IAEAphsp").read_bytes() != (tmp_path / "10.IAEAphsp").read_bytes()
    assert "field cm 10" in (tmp_path / "10.IAEAheader").read_text("utf-8")


def test_histories_that_are_not_known_or_fewer_than_photons_are_a_warning(tmp_path):
    for share, words in ((None, "are not known"), (0.5, "more photons start a history")):
        folder = save_small_model(tmp_path / f"m{share}", small_model(histories_per_photon=share))
        result = phsp_generate.run(settings(folder, tmp_path / f"{share}.IAEAphsp"))
        assert any(words in text for text in result.warnings)


def refused(match: str, *wanted: Settings, error: type[Exception] = InputError, folder: Path) -> None:
    before = names_in(folder)
    for one in wanted:
        with pytest.raises(error, match=match):
            phsp_generate.run(one)
    assert names_in(folder) == before


def test_wrong_conditions_are_refused(model, tmp_path):
    refused("needs no condition", settings(model, tmp_path / "b.IAEAphsp", condition=(1.0,)), folder=tmp_path)
    wide = [{"name": "field cm", "lowest": 3.0, "highest": 10.0}]
    folder = save_small_model(tmp_path / "wide", small_model(conditions=wide))
    none, far = (settings(folder, tmp_path / "b.IAEAphsp", condition=given) for given in ((), (11.0,)))
    refused(r"needs field cm \(3 to 10\)", none, folder=tmp_path)
    refused("give 3 to 10", far, folder=tmp_path)


def test_another_plane_is_refused_with_the_way_there(model, tmp_path):
    wanted = settings(model, tmp_path / "b.IAEAphsp", plane=50.0)
    refused(r"z = 27 cm, not at 50 cm; .*phsp convert FILE OUTPUT --plane 50", wanted, folder=tmp_path)
    phsp_generate.run(settings(model, tmp_path / "b.IAEAphsp", plane=27.0))


def test_models_that_are_none(model, tmp_path):
    output = tmp_path / "b.IAEAphsp"
    refused("no such model", settings(Path("6mv-fats"), output), folder=tmp_path)
    refused("finds structures on a CT", settings(Path("head_neck_ct"), output), folder=tmp_path)


def test_a_damaged_model_is_refused(model, tmp_path):
    shutil.copytree(model, tmp_path / "small")
    weights = tmp_path / "small" / "models" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x00\x01")
    refused("is damaged", settings(tmp_path / "small", tmp_path / "b.IAEAphsp"), folder=tmp_path)


@pytest.mark.parametrize("photons", [0, -5])
def test_no_photons_are_refused(model, tmp_path, photons):
    with pytest.raises(InputError, match="--photons.*give 1 to"):
        settings(model, tmp_path / "b.IAEAphsp", photons=photons)


def test_a_disk_that_cannot_hold_it_is_said_before(model, tmp_path):
    wanted = settings(model, tmp_path / "b.IAEAphsp", photons=10**15)
    refused(r"needs 2.1e\+07 GB", wanted, error=OutputError, folder=tmp_path)


def test_a_disk_that_fills_up_leaves_nothing(model, tmp_path, monkeypatch):
    """The system's own error in the middle of the records."""
    from Dose3DLib.phasespace.formats.iaea_write import IaeaWriter

    real, calls = IaeaWriter.write, []

    def full(self, particles) -> None:
        calls.append(1)
        if len(calls) == 2:
            raise OSError(28, "No space left on device")
        real(self, particles)

    monkeypatch.setattr(IaeaWriter, "write", full)
    wanted = settings(model, tmp_path / "b.IAEAphsp", photons=140_000)
    refused("No space left on device", wanted, error=OutputError, folder=tmp_path)


@pytest.mark.parametrize("name", ["b.IAEAphsp", "b.IAEAheader", "b.egsnrc.txt", "b.IAEAphsp.provenance.json"])
def test_nothing_is_replaced_unless_asked(model, tmp_path, name):
    (tmp_path / name).write_text("mine")
    wanted = settings(model, tmp_path / "b.IAEAphsp")
    refused(rf"{re.escape(name)}: exists already.*--overwrite", wanted, error=OutputError, folder=tmp_path)
    assert (tmp_path / name).read_text() == "mine"
    phsp_generate.run(settings(model, tmp_path / "b.IAEAphsp", overwrite=True))
    assert (tmp_path / name).read_bytes() != b"mine"


def test_an_existing_file_is_refused_before_others_are_read(model, tmp_path):
    (tmp_path / "b.IAEAphsp").write_text("mine")
    wanted = settings(model, tmp_path / "b.IAEAphsp", others=tmp_path / "nothing.IAEAphsp")
    refused("b.IAEAphsp: exists already", wanted, error=OutputError, folder=tmp_path)


def test_the_source_of_others_is_never_replaced(model, tmp_path):
    beam = write_phase_space(tmp_path, [*beam_records(50), (2, -1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0)], stem="real")
    before = beam.read_bytes()
    wanted = settings(model, beam, others=beam, overwrite=True)
    refused("is an input itself", wanted, error=OutputError, folder=tmp_path)
    assert beam.read_bytes() == before


def test_the_model_is_never_replaced(tmp_path):
    """A model's folder may be called anything."""
    folder = save_small_model(tmp_path / "small.IAEAphsp")
    wanted = settings(folder, folder, overwrite=True)
    refused("is a folder that is no result of Dose3D", wanted, error=OutputError, folder=tmp_path)
    assert (folder / "configs" / "metadata.json").is_file()


def test_more_than_egsnrc_can_count_is_refused(model, tmp_path, monkeypatch):
    monkeypatch.setattr(phsp_generate, "_LEAST_BYTES", {})  # whatever this disk holds
    wanted = settings(model, tmp_path / "b.egsphsp1", photons=2**31)
    refused("2,?147,?483,?64", wanted, folder=tmp_path)


def test_cancel_leaves_nothing(model, tmp_path):
    asked = []

    def cancelled() -> bool:
        asked.append(1)
        return len(asked) > 3

    for threads in (1, 2):
        asked.clear()
        wanted = settings(model, tmp_path / "b.IAEAphsp", photons=10**8, threads=threads)
        with pytest.raises(Cancelled):
            phsp_generate.run(wanted, Progress(cancelled=cancelled))
        assert names_in(tmp_path) == []


@pytest.mark.parametrize(
    "arguments",
    [
        ["--model", "nothing"],
        ["--photons", "0"],
        ["--photons", "1" + 26 * "0"],
        ["--format", "iaeaa"],
        ["--device", "cudaa"],
        ["--plane", "1"],
    ],
)
def test_refused_in_one_line(model, tmp_path, capsys, arguments):
    base = {"--model": str(model), "--photons": "5", "--output": str(tmp_path / "out.IAEAphsp")}
    words = [word for pair in {**base, arguments[0]: arguments[1]}.items() for word in pair]
    assert main(["phsp", "generate", *words]) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert sum("error:" in line for line in lines) == 1
    assert names_in(tmp_path) == []


@pytest.mark.parametrize("name", shipped_bundles("phase_space"))
def test_each_shipped_model(name, tmp_path):
    """Records by numpy alone: type, energy, x, y, u, v."""
    phsp_generate.run(Settings(model=name, photons=20_000, output=tmp_path / "b.IAEAphsp", device="cpu"))
    records = np.fromfile(tmp_path / "b.IAEAphsp", [("type", "i1"), *((field, "<f4") for field in "exyuv")])
    assert len(records) == 20_000
    assert (records["type"] == 1).all()
    assert (records["e"] < 0).all()
    assert -records["e"].min() < 6.2  # of 6.0 MeV electrons with a width of 0.18
    assert (np.hypot(records["u"], records["v"]) < 1).all()
    text = (tmp_path / "b.IAEAheader").read_text("utf-8")
    assert re.search(r"learned from open_train\S*, SHA-256 9aadb4e17a400b3b", text)
    assert re.search(r"times 2\.46", text)  # 3,100,000 electrons, 1,259,210 photons


def test_the_yield_of_a_real_file_carries_over(shared_data, tmp_path):
    """Photons times the training file's histories a photon: weight a history as in the file."""
    from Dose3DLib.phasespace.read import open_phase_space

    space = open_phase_space(shared_data / "phasespace_6mv" / "jaws_10x10.IAEAphsp")
    photons = sum(int((chunk.species == 1).sum()) for chunk in space.chunks())
    share = space.histories / photons
    folder = save_small_model(tmp_path / "m", small_model(histories_per_photon=share, weight=0.025))
    phsp_generate.run(settings(folder, tmp_path / "b.IAEAphsp", photons=30_000))
    text = (tmp_path / "b.IAEAheader").read_text("utf-8")
    histories = int(re.search(r"\$ORIG_HISTORIES:\n(\d+)", text)[1])
    weight = np.float64(30_000 * 0.025) / histories
    assert weight == pytest.approx(photons * 0.025 / space.histories, rel=1e-5)


def test_electrons_of_a_real_file_keep_weight_and_share(shared_data, tmp_path):
    """The sample holds 13 electrons of weight 1 beside photons of weight 0.2, in 40,000 histories."""
    sample = shared_data / "phasespace_6mv" / "format_samples" / "beamnrc_raw.IAEAphsp"
    folder = save_small_model(tmp_path / "m")
    phsp_generate.run(settings(folder, tmp_path / "b.IAEAphsp", photons=200_000, others=sample))
    text = (tmp_path / "b.IAEAheader").read_text("utf-8")
    weight, lowest, highest, mean = map(float, re.search(r"^ +([\d. ]+) ELECTRONS", text, re.M)[1].split()[:4])
    assert lowest == highest == 1.0
    assert weight / 500_000 == pytest.approx(13 / 40_000, abs=1 / 500_000)  # 2.5 histories a photon
    assert 0.32 < mean < 2.47
