"""Sides from files: whole histories in bounded memory, weights, planes, what is left out and said."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from builders.beam_builder import PLANE_CM, beam_particles, beam_photons
from Dose3DLib.core.errors import InputError
from Dose3DLib.core.progress import Progress
from Dose3DLib.phasespace.compare import load
from Dose3DLib.phasespace.compare.load import check_planes, read_side
from Dose3DLib.phasespace.compare.sides import Side
from Dose3DLib.phasespace.particles import Particles
from Dose3DLib.phasespace.read import open_phase_space
from Dose3DLib.phasespace.write import FileFacts, open_writer


def write(path: Path, particles: Particles) -> Path:
    with open_writer(path, FileFacts(histories=1000)) as writer:
        writer.write(particles)
    return path


def read(path: Path, limit: int = 10**6, seed: int = 0) -> tuple[Side, list[str]]:
    progress = Progress()
    return read_side(open_phase_space(path), limit, np.random.default_rng(seed), progress), progress.warnings


def beam(count: int, seed: int = 0) -> Particles:
    return beam_particles(beam_photons(count, seed), seed)


def test_the_whole_of_a_small_file(tmp_path):
    particles = beam(1000)
    side, said = read(write(tmp_path / "beam.IAEAphsp", particles))
    assert said == []
    assert side.photons[:, [0, 1, 5]] == pytest.approx(beam_photons(1000)[:, [0, 1, 5]])
    assert (side.name, side.plane_cm) == ("beam.IAEAphsp", PLANE_CM)
    assert np.array_equal(side.history, np.cumsum(particles.is_new_history))


def test_histories_go_on_from_one_piece_to_the_next(tmp_path, monkeypatch):
    path = write(tmp_path / "beam.IAEAphsp", beam(1000))
    whole, _ = read(path)
    monkeypatch.setattr(load, "CHUNK", 64)
    pieces, _ = read(path)
    assert np.array_equal(whole.history, pieces.history)


def test_of_a_large_file_whole_histories_at_random_places(tmp_path, monkeypatch):
    monkeypatch.setattr(load, "_PIECE", 50)
    particles = beam(5000)
    path = write(tmp_path / "beam.IAEAphsp", particles)
    side, said = read(path, limit=1000)
    assert "at random places of its 5,000 particles" in said[0]
    assert 800 < len(side) < 1000
    ids = np.cumsum(particles.is_new_history)
    by_place = {
        photon.tobytes(): history for photon, history in zip(beam_photons(5000)[:, [0, 1, 5]], ids, strict=True)
    }
    found = [by_place[photon.tobytes()] for photon in np.ascontiguousarray(side.photons[:, [0, 1, 5]])]
    assert len(np.unique(found)) == len(np.unique(side.history))
    sizes = dict(zip(*np.unique(ids, return_counts=True), strict=True))
    for history, count in zip(*np.unique(found, return_counts=True), strict=True):
        assert count == sizes[history], "a history was cut"
    assert max(found) > 0.8 * ids[-1], "only the beginning of the file was read"


def test_others_than_photons_are_left_out_with_their_histories_kept(tmp_path):
    particles = beam(1000)
    species = np.where(np.arange(1000) % 10 == 0, 2, 1).astype(np.int8)
    side, _ = read(write(tmp_path / "mixed.IAEAphsp", replace(particles, species=species)))
    assert len(side) == 900
    assert np.array_equal(side.history, np.cumsum(particles.is_new_history)[species == 1])


def test_unequal_weights_draw_photons_in_proportion(tmp_path):
    particles = beam(20_000)
    heavy = particles.x > 0
    weight = np.where(heavy, 3.0, 1.0).astype(np.float32)
    side, said = read(write(tmp_path / "weights.IAEAphsp", replace(particles, weight=weight)))
    assert "weights differ" in said[0]
    assert (side.photons[:, 0] > 0).mean() == pytest.approx(0.75, abs=0.01)
    assert len(side) == pytest.approx(20_000 * (2**2 / 5), rel=0.02), "the effective number, (sum w)^2 / sum w^2"


def test_weights_of_zero_or_below_are_left_out(tmp_path):
    particles = beam(1000)
    weight = np.ones(1000, np.float32)
    weight[:30], weight[30:50] = -1.0, 0.0
    side, said = read(write(tmp_path / "negative.IAEAphsp", replace(particles, weight=weight)))
    assert len(side) == 950
    assert said == ["negative.IAEAphsp: 50 photons of weight zero or below are left out"]


def test_photons_that_are_no_numbers_are_left_out(tmp_path):
    particles = beam(1000)
    energy = particles.energy.copy()
    energy[7] = np.nan
    side, said = read(write(tmp_path / "nan.npz", replace(particles, energy=energy)))
    assert len(side) == 999
    assert any("not finite" in one or "no number" in one for one in said)


def test_a_large_file_of_one_history_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(load, "_PIECE", 50)
    particles = beam(1000)
    path = write(tmp_path / "one.IAEAphsp", replace(particles, is_new_history=np.arange(1000) == 0))
    with pytest.raises(InputError, match=r"no whole history .*; raise --limit"):
        read(path, limit=200)


@pytest.mark.parametrize("count", [1, 99])
def test_too_few_photons_are_refused(tmp_path, count):
    path = write(tmp_path / "few.IAEAphsp", beam(count))
    with pytest.raises(InputError, match=rf"has {count} photons .* at least 100 are needed"):
        read(path)


def test_photons_at_several_depths_are_refused(tmp_path):
    particles = beam(500)
    z = np.linspace(26, 28, 500).astype(np.float32)
    path = write(tmp_path / "deep.IAEAphsp", replace(particles, z=z))
    with pytest.raises(InputError, match=r"between z = 26 and 28 cm, not on one plane"):
        read(path)


def test_planes_must_be_the_same_and_unknown_ones_are_said():
    first, other, unknown = (Side(beam_photons(5), np.arange(5), str(z), z) for z in (27.0, 50.0, float("nan")))
    progress = Progress()
    check_planes(first, Side(beam_photons(5), np.arange(5), "near", 27.001), progress)
    assert progress.warnings == []
    with pytest.raises(InputError, match=r"lies at z = 50 cm, 27.0 at 27 cm"):
        check_planes(first, other, progress)
    check_planes(first, unknown, progress)
    assert "is not known" in progress.warnings[0]
