"""ROOT: trees made by uproot as GATE makes them are read; what is written is opened by uproot alone."""

from __future__ import annotations

import numpy as np
import pytest
from builders.particle_builder import some_particles
from Dose3DLib.core.errors import InputError
from Dose3DLib.phasespace.formats import root
from Dose3DLib.phasespace.formats.root import RootWriter
from Dose3DLib.phasespace.read import open_phase_space
from Dose3DLib.phasespace.write import FileFacts

uproot = pytest.importorskip("uproot")

COLUMNS = {
    "KineticEnergy": np.array([1.5, 0.5, 2.0]),
    "PrePosition_X": np.array([10.0, 30.0, 0.0]),
    "PrePosition_Y": np.array([-20.0, 40.0, 5.0]),
    "PrePosition_Z": np.array([270.0, 270.0, 270.0]),
    "PreDirection_X": np.array([0.6, 0.0, 0.0]),
    "PreDirection_Y": np.array([0.0, -0.8, 0.0]),
    "PreDirection_Z": np.array([0.8, -0.6, 1.0]),
    "Weight": np.array([1.0, 2.0, 3.0]),
    "PDGCode": np.array([22, 11, -11], np.int32),
    "EventID": np.array([4, 4, 9], np.int32),
    "TimeFromBeginOfEvent": np.array([0.1, 0.2, 0.3]),
}


def tree(path, name="PhaseSpace", times: int = 1, leave=(), **more):
    """A file as GATE's PhaseSpaceActor writes it."""
    columns = {key: np.tile(values, times) for key, values in (COLUMNS | more).items() if key not in leave}
    with uproot.recreate(path) as file:
        file.mktree(name, {key: values.dtype for key, values in columns.items()})
        file[name].extend(columns)
    return path


def test_a_tree_of_gate_is_read(tmp_path):
    source = open_phase_space(tree(tmp_path / "a.root"))
    assert (source.kind, source.count, source.histories) == ("ROOT", 3, None)
    particles = source.read(0, 9)
    assert particles.energy.tolist() == [1.5, 0.5, 2.0]
    assert particles.x.tolist() == [1.0, 3.0, 0.0]
    assert particles.y.tolist() == [-2.0, 4.0, 0.5]
    assert particles.z.tolist() == [27.0] * 3
    assert particles.u.tolist() == pytest.approx([0.6, 0, 0])
    assert particles.w.tolist() == pytest.approx([0.8, -0.6, 1])
    assert particles.weight.tolist() == [1, 2, 3]
    assert particles.species.tolist() == [1, 2, 3]
    assert particles.is_new_history.tolist() == [True, False, True]
    assert any("taken as mm" in note for note in source.notes)
    assert any("no number of histories" in note for note in source.notes)


def test_the_content_decides_not_the_name(tmp_path):
    assert open_phase_space(tree(tmp_path / "a.dat")).kind == "ROOT"


def test_the_names_of_gaga(tmp_path):
    renamed = dict(zip(("Ekine", "X", "Y", "Z", "dX", "dY", "dZ"), COLUMNS.values(), strict=False))
    path = tmp_path / "a.root"
    with uproot.recreate(path) as file:
        file.mktree("phsp", {key: "float32" for key in renamed})
        file["phsp"].extend({key: values.astype("f4") for key, values in renamed.items()})
    source = open_phase_space(path, unit="cm")
    assert source.read(0, 3).x.tolist() == [10.0, 30.0, 0.0]


def test_the_tree_of_particles_is_found_among_others(tmp_path):
    path = tmp_path / "a.root"
    with uproot.recreate(path) as file:
        file.mktree("Statistics", {"events": "int32"})
        file["Statistics"].extend({"events": np.array([5], np.int32)})
        file.mktree("beam", {key: values.dtype for key, values in COLUMNS.items()})
        file["beam"].extend(COLUMNS)
    assert open_phase_space(path).header["TREE"] == "beam"


def test_histories_go_on_across_blocks(tmp_path, monkeypatch):
    """Events that go on from one block into the next start no history there."""
    monkeypatch.setattr(root, "_BASKET", 2)
    source = open_phase_space(tree(tmp_path / "a.root", times=10, EventID=np.array([7, 7, 7], np.int32)))
    starts = [part.is_new_history for part in source.chunks(5)]
    assert np.concatenate(starts).tolist() == [True] + [False] * 29
    source = open_phase_space(tree(tmp_path / "a.root", times=10))
    assert source.read(0, 30).is_new_history.tolist() == [True, False, True] * 10
    assert source.take(np.array([29, 3, 4])).is_new_history.tolist() == [True, True, False]


@pytest.mark.parametrize("missing", ["KineticEnergy", "PrePosition_X", "PreDirection_Y"])
def test_trees_without_what_is_needed(tmp_path, missing):
    with pytest.raises(InputError, match="holds no tree with energies"):
        open_phase_space(tree(tmp_path / "a.root", leave=(missing,)))


def test_other_trees_and_damage(tmp_path):
    path = tmp_path / "a.root"
    with uproot.recreate(path) as file:
        file["words"] = "only"
    with pytest.raises(InputError, match="holds no tree"):
        open_phase_space(path)
    whole = tree(path).read_bytes()
    many = tree(path, times=100_000).read_bytes()
    for data in (b"root", whole[:100], many[: len(many) // 2], b"root" + b"\xff" * 5000):
        path.write_bytes(data)
        with pytest.raises(InputError) as caught:
            open_phase_space(path).read(299_000, 300_000)
        assert "\n" not in str(caught.value)
    with pytest.raises(InputError, match="holds no particles"):
        open_phase_space(tree(path, times=0))


def test_what_is_written_is_opened_by_uproot(tmp_path):
    particles = some_particles(300)
    facts = FileFacts("a title", 4321, extras=(("ZLAST", "float32"), ("LATCH", "int32")))
    writer = RootWriter(tmp_path / "b.root", facts)
    writer.write(particles.select(slice(0, 0)))
    writer.write(particles.select(slice(0, 100)))
    writer.write(particles.select(slice(100, 300)))
    writer.close()
    with uproot.open(tmp_path / "b.root") as file:
        assert file.keys(cycle=False)[0] == "PhaseSpace", "GATE reads the first key"
        assert str(file["histories"]) == "4321"
        found = file["PhaseSpace"].arrays(library="np")
    for axis in "xyz":
        wanted = 10 * getattr(particles, axis).astype(np.float64)
        assert np.allclose(found[f"PrePositionLocal_{axis.upper()}"], wanted, rtol=1e-7), "mm"
    for own, name in {"u": "X", "v": "Y", "w": "Z"}.items():
        assert np.array_equal(found[f"PreDirectionLocal_{name}"], getattr(particles, own))
    assert np.array_equal(found["KineticEnergy"], particles.energy)
    assert np.array_equal(found["Weight"], particles.weight)
    assert np.array_equal(found["PDGCode"], np.array([0, 22, 11, -11, 2112, 2212])[particles.species])
    assert np.array_equal(found["EventID"], np.cumsum(particles.is_new_history))
    assert np.array_equal(found["LATCH"], particles.extras["LATCH"])
    source = open_phase_space(tmp_path / "b.root")
    assert source.histories == 4321
    assert (source.read(0, 300).is_new_history == particles.is_new_history).all()
    assert source.notes == ()
