"""`phsp compare` as a command: the folder, what it says of good, poor and unsuitable photons."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from builders.beam_builder import beam_particles, beam_photons
from builders.photon_model_builder import FakePhotonModel, save_small_model, small_model
from Dose3DLib.cli.main import main
from Dose3DLib.core.errors import Cancelled, InputError
from Dose3DLib.core.progress import Progress
from Dose3DLib.phasespace.coordinates import fit_coordinates
from Dose3DLib.phasespace.models.registry import model_class
from Dose3DLib.phasespace.photon_model import PhotonModel, calibrated
from Dose3DLib.phasespace.write import FileFacts, open_writer
from Dose3DLib.tasks import phsp_compare
from Dose3DLib.tasks.base import Result
from Dose3DLib.tasks.phsp_compare import Settings
from matplotlib.figure import Figure

FAST = ["--photons", "400", "--draws", "3", "--no-classifier", "--no-naive", "--make", "2000"]
PICTURES = {"figures", "marginals", "maps", "correlations", "focus", "rings", "spectra", "edges"}


def write(path: Path, count: int, seed: int = 0, plane_cm: float = 27.0, photons: np.ndarray | None = None) -> Path:
    photons = beam_photons(count, seed) if photons is None else photons
    with open_writer(path, FileFacts(histories=1000, constants={"z": plane_cm, "weight": 1.0})) as writer:
        writer.write(beam_particles(photons, seed, plane_cm))
    return path


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pictures are set up but not painted, which takes most of the time, in tests that don't look at them."""
    monkeypatch.setattr(Figure, "savefig", lambda figure, target, **options: target.write(b"\x89PNG undrawn"))


@pytest.fixture
def real(tmp_path: Path) -> Path:
    return write(tmp_path / "real.IAEAphsp", 3000)


@pytest.fixture
def generated(tmp_path: Path) -> Path:
    return write(tmp_path / "generated.IAEAphsp", 2500, seed=1)


def figures_of(folder: Path, model: str) -> dict:
    return json.loads((folder / "compare.json").read_text("utf-8"))["models"][model]["figures"]


def test_two_files(real, generated, tmp_path, capsys):
    out = tmp_path / "out"
    assert main(["phsp", "compare", str(real), str(generated), "--output", str(out), *FAST]) == 0
    assert {path.name for path in out.iterdir()} == {
        "report.html", "compare.json", "provenance.json", *(f"{name}.png" for name in PICTURES)
    }  # fmt: skip
    record = json.loads((out / "compare.json").read_text("utf-8"))
    assert record["floor"]["photons"] == 400
    assert record["floor"]["origin"].startswith("halves of real.IAEAphsp")
    figures = figures_of(out, "generated.IAEAphsp")
    assert len(figures["sliced W1"]["floor"]["draws"]) == 3
    assert figures["mean energy"]["within_error"] in (True, False)
    assert record["models"]["generated.IAEAphsp"]["edges"]["edges"]
    page = (out / "report.html").read_text("utf-8")
    assert page.count("data:image/png") == len(PICTURES)
    assert "The floor is what 3 draws of 400 real photons" in page
    provenance = json.loads((out / "provenance.json").read_text("utf-8"))
    assert [Path(one["path"]).name for one in provenance["inputs"]][::2] == ["real.IAEAphsp", "generated.IAEAphsp"]
    said = capsys.readouterr().out
    assert "sliced W1" in said
    assert "floor" in said


def test_the_same_seed_says_the_same(real, generated, tmp_path, undrawn):
    records = []
    for name in ("a", "b"):
        out = tmp_path / name
        phsp_compare.run(Settings(real=real, generated=generated, output=out, photons=300, draws=2, classifier=False,
                                  naive=False, seed=5))  # fmt: skip
        records.append((out / "compare.json").read_text("utf-8"))
    assert records[0] == records[1]


def test_a_model_a_second_real_file_and_the_naive_ones(real, tmp_path, undrawn):
    small = calibrated(small_model(), points=20_000)
    model = save_small_model(tmp_path / "small", small)
    floor = write(tmp_path / "more.IAEAphsp", 2000, seed=7)
    out = tmp_path / "out"
    settings = Settings(real=real, model=(str(model),), floor=floor, train=floor, output=out, photons=300, draws=2,
                        classifier=False, make=1500)  # fmt: skip
    result = phsp_compare.run(settings)
    assert Result.from_dict(json.loads(json.dumps(result.to_dict()))) == result
    assert {path.name for path in out.iterdir()} == set(result.files.values())
    record = json.loads((out / "compare.json").read_text("utf-8"))
    assert record["floor"]["origin"] == "draws of real.IAEAphsp against draws of more.IAEAphsp"
    assert set(record["mean_rank"]) == {"small", "Gaussian copula", "every variable shuffled"}
    part = record["models"]["small"]
    assert part["photons"] == 1500
    assert part["memorisation"]["photons"] == 1500
    assert not figures_of(out, "small")["sliced W1"]["at_floor"], "a network that was never trained"
    given = {name for name, figure in figures_of(out, "small").items() if figure["by_construction"]}
    marginals = {f"{kind} {name}" for kind in ("W1", "KS") for name in small.by_construction}
    assert given == marginals | {"mean energy", "511 keV window", "511 keV exact"}
    page = (out / "report.html").read_text("utf-8")
    assert "right by construction" in page
    assert "decoded" not in page, "this network has no encoder"


def test_original_against_decoded_of_an_autoencoder(real, tmp_path, undrawn):
    coordinates = fit_coordinates(FakePhotonModel().tensor(5000, 0).numpy(), 27.0, "physics")
    torch.manual_seed(0)
    network = model_class("beta-vae")(coordinates.size, coordinates.context, {"width": 8, "layers": 1})
    facts = small_model().metadata["dose3d"]
    folder = save_small_model(tmp_path / "vae", PhotonModel("vae", "beta-vae", coordinates, network, {"dose3d": facts}))
    out = tmp_path / "out"
    result = phsp_compare.run(Settings(real=real, model=(str(folder),), output=out, photons=300, draws=2,
                                       classifier=False, naive=False, make=500))  # fmt: skip
    assert {"decoded-marginals", "decoded-maps"} <= set(result.files)
    assert "Original against decoded" in (out / "report.html").read_text("utf-8")
    decoded = json.loads((out / "compare.json").read_text("utf-8"))["models"]["vae"]["decoded"]
    assert 0 < decoded["photons"] <= 300
    assert decoded["sliced W1"] > 0


def test_a_file_and_a_model_are_ranked_together(real, generated, tmp_path, undrawn):
    model = save_small_model(tmp_path / "small")
    out = tmp_path / "out"
    result = phsp_compare.run(Settings(real=real, generated=generated, model=(str(model),), output=out, photons=300,
                                       draws=2, classifier=False, naive=False, make=500))  # fmt: skip
    assert list(json.loads((out / "compare.json").read_text("utf-8"))["mean_rank"]) == ["generated.IAEAphsp", "small"]
    assert {"1-maps", "2-maps"} <= set(result.files)
    page = (out / "report.html").read_text("utf-8")
    assert page.index("generated.IAEAphsp: figures") < page.index("small: figures")


@pytest.mark.parametrize(
    ("count", "plane", "words"),
    [(1, 27.0, "has 1 photons that can be compared"), (2500, 50.0, "lies at z = 50 cm, real.IAEAphsp at 27 cm")],
)
def test_unsuitable_files_are_refused_in_a_line(real, tmp_path, capsys, count, plane, words):
    other = write(tmp_path / "other.IAEAphsp", count, 1, plane)
    assert main(["phsp", "compare", str(real), str(other), "--output", str(tmp_path / "out"), *FAST]) == 2
    said = capsys.readouterr().err.strip()
    assert words in said.splitlines()[-1]
    assert not (tmp_path / "out").exists()


def test_a_model_of_another_plane_is_refused(tmp_path):
    real = write(tmp_path / "far.IAEAphsp", 2000, plane_cm=50.0)
    model = save_small_model(tmp_path / "small")
    with pytest.raises(InputError, match=r"small: lies at z = 27 cm, far.IAEAphsp at 50 cm"):
        phsp_compare.run(Settings(real=real, model=(str(model),), output=tmp_path / "out"))


def test_the_training_file_is_no_judge(real, tmp_path, undrawn):
    trained_on = [{"name": real.name, "sha256": hashlib.sha256(real.read_bytes()).hexdigest()}]
    folder = save_small_model(tmp_path / "small", small_model(files=trained_on))
    out = tmp_path / "out"
    settings = {"model": (str(folder), str(folder)), "output": out, "photons": 200, "draws": 2, "make": 300}
    result = phsp_compare.run(Settings(real=real, classifier=False, naive=False, **settings))
    assert any("small was trained on real.IAEAphsp" in one for one in result.warnings)
    record = json.loads((out / "compare.json").read_text("utf-8"))
    assert set(record["models"]) == {"small", "small (2)"}, "models of one name are told apart"
    provenance = json.loads((out / "provenance.json").read_text("utf-8"))
    assert [one["trained_on"] for one in provenance["models"]] == [trained_on, trained_on]


def test_nothing_to_compare_is_refused(real, tmp_path):
    with pytest.raises(InputError, match="has nothing to compare"):
        phsp_compare.run(Settings(real=real, output=tmp_path / "out"))


@pytest.mark.parametrize("name", ["generated", "floor", "train"])
@pytest.mark.parametrize("ending", [".IAEAphsp", ".IAEAheader"])
def test_the_real_file_is_nothing_else_besides(real, generated, tmp_path, name, ending):
    given = {"generated": generated, name: real.with_suffix(ending)}
    with pytest.raises(InputError, match=f"is the real file, given as --{name} again; name another file"):
        phsp_compare.run(Settings(real=real, output=tmp_path / "out", **given))
    assert not (tmp_path / "out").exists()


def test_wrong_conditions_are_refused_before_anything_is_read(real, tmp_path):
    model = save_small_model(tmp_path / "small")
    with pytest.raises(InputError, match="no condition; 1 given"):
        phsp_compare.run(Settings(real=tmp_path / "absent", model=(str(model),), condition=(1.0,),
                                  output=tmp_path / "out"))  # fmt: skip


def test_a_conditional_model_is_compared_at_its_condition(real, tmp_path, undrawn):
    condition = {"name": "field (cm)", "lowest": 5.0, "highest": 10.0}
    folder = save_small_model(tmp_path / "small", small_model(conditions=[condition]))
    out = tmp_path / "out"
    phsp_compare.run(Settings(real=real, model=(str(folder),), condition=(7.5,), output=out, photons=300, draws=2,
                              classifier=False, naive=False, make=500))  # fmt: skip
    assert not [one for one in figures_of(out, "small").values() if one["by_construction"]]


def test_a_cancel_leaves_nothing(real, generated, tmp_path):
    calls = iter([False] * 12)
    progress = Progress(cancelled=lambda: next(calls, True))
    with pytest.raises(Cancelled):
        phsp_compare.run(Settings(real=real, generated=generated, output=tmp_path / "out"), progress)
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [
        ".IAEAheader",
        ".IAEAheader",
        ".IAEAphsp",
        ".IAEAphsp",
    ]


def test_the_inputs_are_never_replaced(real, generated, tmp_path):
    with pytest.raises(InputError, match="is a file"):
        phsp_compare.run(Settings(real=real, generated=generated, output=real, overwrite=True))
