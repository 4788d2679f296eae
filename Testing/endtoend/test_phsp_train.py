"""`dose3d phsp train` on small files: the bundle, its documents, resume after a cancel, what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from builders.beam_builder import beam_particles, beam_photons
from Dose3DLib.core.errors import Cancelled, InputError, OutputError
from Dose3DLib.core.lock import only_one
from Dose3DLib.core.progress import Progress
from Dose3DLib.phasespace.photon_model import load_model
from Dose3DLib.phasespace.write import FileFacts, open_writer
from Dose3DLib.tasks import phsp_generate, phsp_train


@pytest.fixture(scope="module")
def beam(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("beam") / "beam.IAEAphsp"
    particles = beam_particles(beam_photons(4000))
    particles.species[:40] = 2
    with open_writer(path, FileFacts(title="A beam", histories=10_000, constants={"z": 27.0})) as writer:
        writer.write(particles)
    return path


def settings(beam: Path, output: Path, **changes) -> phsp_train.Settings:
    values = {"phase_spaces": (str(beam),), "output": output, "model": "distilled", "minutes": 5.0, "steps": 10}
    return phsp_train.Settings(**{**values, "device": "cpu", **changes})


@pytest.fixture(scope="module")
def trained(beam, tmp_path_factory) -> tuple[Path, list[dict]]:
    output, events = tmp_path_factory.mktemp("out") / "mine", []
    phsp_train.run(settings(beam, output), Progress(events.append))
    return output, events


def test_the_bundle_is_complete_and_loads(trained):
    output, _ = trained
    names = {path.relative_to(output).as_posix() for path in output.rglob("*") if path.is_file()}
    assert names >= {"LICENSE", "configs/metadata.json", "configs/inference.json", "models/model.safetensors",
                     "docs/README.md", "docs/curve.png", "docs/curve.csv", "docs/marginals.png",
                     "docs/provenance.json"}  # fmt: skip
    model = load_model(output)
    assert (model.kind, model.plane_cm) == ("distilled", 27.0)
    assert model.facts["files"][0]["histories"] == 10_000
    assert model.facts["left_out"]["particle_share"] == pytest.approx(0.01)
    assert "1 % of the particles" in (output / "docs" / "README.md").read_text(encoding="utf-8")
    assert json.loads((output / "docs" / "provenance.json").read_text(encoding="utf-8"))["task"] == "phsp train"


def test_curve_and_pictures_come_while_it_trains(trained):
    _, events = trained
    assert any(event["event"] == "curve" and "loss" in event for event in events)
    assert any(event["event"] == "picture" and event["path"].endswith("marginals.png") for event in events)


def test_nothing_is_left_beside_and_photons_can_be_made(trained, tmp_path):
    output, _ = trained
    assert [path.name for path in output.parent.iterdir()] == ["mine"]
    made = tmp_path / "made.IAEAphsp"
    phsp_generate.run(phsp_generate.Settings(model=str(output), photons=1000, output=made, device="cpu"))
    assert made.stat().st_size == 21_000


def test_a_cancel_keeps_the_checkpoint_and_the_same_command_goes_on(beam, tmp_path):
    cancel: list[bool] = []

    def listen(event: dict) -> None:
        if event.get("message", "").startswith("step 3,"):
            cancel.append(True)

    wanted = settings(beam, tmp_path / "mine", model="flow")
    progress, room = Progress(listen, lambda: bool(cancel)), phsp_train.work_folder(tmp_path / "mine")
    with pytest.raises(Cancelled):
        phsp_train.run(wanted, progress)
    assert f"what was learned so far is kept in {room}: the same command goes on there" in progress.warnings
    assert (room / "checkpoint.pt").is_file()
    assert not (tmp_path / "mine").exists()
    result = phsp_train.run(wanted)
    assert result.summary["trained"].startswith("10 steps")
    assert not room.exists()


def test_steps_stand_in_place_of_minutes(beam, tmp_path):
    result = phsp_train.run(settings(beam, tmp_path / "a", minutes=0.01, steps=12, model="flow"))
    assert result.summary["trained"].startswith("12 steps")


def test_an_existing_model_stays_unless_told_so(beam, trained):
    output, _ = trained
    before = (output / "models" / "model.safetensors").read_bytes()
    with pytest.raises(OutputError, match="exists"):
        phsp_train.run(settings(beam, output))
    assert (output / "models" / "model.safetensors").read_bytes() == before


def test_a_model_and_a_result_do_not_replace_each_other(beam, trained, tmp_path):
    from Dose3DLib.tasks import phsp_info

    model, result = trained[0], tmp_path / "report"
    with pytest.raises(OutputError, match="is no result of Dose3D"):
        phsp_info.run(phsp_info.Settings(phase_space=beam, output=model, overwrite=True))
    assert load_model(model).kind == "distilled"
    phsp_info.run(phsp_info.Settings(phase_space=beam, output=result, scene=False))
    with pytest.raises(OutputError, match="is no model of Dose3D"):
        phsp_train.run(settings(beam, result, overwrite=True))
    assert (result / "report.html").is_file()


def electrons_only(folder: Path) -> Path:
    particles = beam_particles(beam_photons(3000))
    particles.species[:] = 2
    with open_writer(folder / "e.IAEAphsp", FileFacts(histories=10, constants={"z": 27.0})) as writer:
        writer.write(particles)
    return folder / "e.IAEAphsp"


def test_what_cannot_be_trained_is_refused_and_leaves_nothing(beam, tmp_path):
    cases = {
        "does not exist": settings(tmp_path / "no.IAEAphsp", tmp_path / "a"),
        "holds no photons": settings(electrons_only(tmp_path), tmp_path / "b"),
        "not used by flow": settings(beam, tmp_path / "c", model="flow", teacher="6mv-flow"),
        "no such model": settings(beam, tmp_path / "d", teacher="6mv-flo"),
        "finds structures": settings(beam, tmp_path / "e", teacher="head_neck_ct"),
        "2 values for 1 files": settings(beam, tmp_path / "f", condition="size cm", values=(1.0, 2.0)),
    }
    cases["is given twice"] = phsp_train.Settings(phase_spaces=(str(beam), str(beam)), output=tmp_path / "g")
    for words, wanted in cases.items():
        with pytest.raises(InputError, match=words):
            phsp_train.run(wanted)
        assert not wanted.output.exists()
        assert not phsp_train.work_folder(wanted.output).exists()


@pytest.mark.parametrize("name", [".", ".."])
def test_a_folder_that_is_used_is_no_output(beam, tmp_path, monkeypatch, name):
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    with pytest.raises(OutputError, match="holds more than results"):
        phsp_train.run(settings(beam, Path(name), overwrite=True))
    assert [path.name for path in tmp_path.rglob("*")] == ["work"]


def test_a_teacher_is_a_flow_of_the_same_conditions(beam, trained, tmp_path):
    with pytest.raises(InputError, match="is no flow but distilled; give a flow as --teacher"):
        phsp_train.run(settings(beam, tmp_path / "a", teacher=str(trained[0])))
    assert list(tmp_path.iterdir()) == []


def test_two_trainings_do_not_work_in_one_folder(beam, tmp_path):
    wanted = settings(beam, tmp_path / "a")
    room = phsp_train.work_folder(wanted.output)
    room.mkdir()
    with only_one(room, "is taken", "wait"), pytest.raises(OutputError, match="another training works there; wait"):
        phsp_train.run(wanted)
    phsp_train.run(wanted)
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_no_file_at_all_is_refused(tmp_path):
    with pytest.raises(InputError, match="phase-spaces"):
        phsp_train.run(phsp_train.Settings(phase_spaces=(), output=tmp_path / "a"))


def test_a_format_without_z_must_be_told_its_plane(beam, tmp_path):
    from Dose3DLib.tasks import phsp_convert

    egs, array = tmp_path / "beam.egsphsp1", tmp_path / "beam.npy"
    for path in (egs, array):
        phsp_convert.run(phsp_convert.Settings(input=beam, output=path))
    whole = np.load(array)
    np.save(array, whole[[name for name in whole.dtype.names if name != "Z"]])
    for path in (egs, array):
        with pytest.raises(InputError, match="--input-plane"):
            phsp_train.run(settings(path, tmp_path / "a"))
    phsp_train.run(settings(egs, tmp_path / "a", model="flow", steps=2, input_plane=27.0))
    assert load_model(tmp_path / "a").plane_cm == 27.0
