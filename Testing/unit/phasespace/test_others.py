"""Electrons and others carried over into generated files: how many, which, where, with what weight."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
from builders.phase_space_builder import Record, beam_records, write_phase_space
from builders.photon_model_builder import FakePhotonModel
from Dose3DLib.core.errors import InputError
from Dose3DLib.core.progress import Progress
from Dose3DLib.phasespace import others as module
from Dose3DLib.phasespace.generate import Order, header_facts, photon_iterator, write_photons
from Dose3DLib.phasespace.others import Others, OthersPool, mixed, read_others
from Dose3DLib.phasespace.read import open_phase_space
from Dose3DLib.phasespace.write import open_writer

PHOTONS, ELECTRONS, POSITRONS, HISTORIES = 2000, 60, 20, 1000
"""Of the file that is carried over from; the builder's header says 1000 histories, z = 27 and weight 0.5."""

RECORD = struct.Struct("<bffffff")
"""Type, energy, X, Y, U, V, weight: 25 bytes."""


def charged(count: int, kind: int) -> list[Record]:
    return [(kind, -(0.1 + 0.01 * n), 0.1 * n, -0.1 * n, 0.001 * n, 0.0, 11.0, 1 << 30) for n in range(count)]


@pytest.fixture
def beam(tmp_path: Path) -> Path:
    """Photons, then electrons, then positrons."""
    records = [*beam_records(PHOTONS), *charged(ELECTRONS, 2), *charged(POSITRONS, -3)]
    return write_phase_space(tmp_path, records)


def pool_of(path: Path, plane_cm: float = 27.0) -> OthersPool:
    return read_others(open_phase_space(path), plane_cm, np.random.default_rng(0), lambda share: None)


def write(path: Path, model, count: int, others: Others, seed: int = 1) -> list[tuple]:
    """The file's records by struct."""
    order = Order(count, seed)
    with open_writer(path, header_facts(model, order, others), overwrite=True) as writer:
        written = write_photons(model, order, writer, others, Progress())
    records = list(RECORD.iter_unpack(path.read_bytes()))
    assert written == len(records)
    return records


def test_the_pool_holds_all_but_photons(beam):
    pool = pool_of(beam)
    assert pool.count == len(pool.particles) == ELECTRONS + POSITRONS
    assert np.bincount(pool.particles.species).tolist() == [0, 0, ELECTRONS, POSITRONS]
    assert pool.histories == HISTORIES
    assert pool.photon_weight == pytest.approx(0.5 * PHOTONS)
    assert pool.particles.is_new_history.all()
    assert pool.particles.extras == {}
    assert (pool.particles.w[-POSITRONS:] < 0).all()


def test_the_share_is_by_histories_where_they_are_known(beam):
    """80 in 1000 histories, a photon stands for 2.5: 0.2 a photon, whatever the weights are."""
    pool = pool_of(beam)
    assert pool.per_photon(2.5, 0.1) == pytest.approx(0.2)
    assert pool.per_photon(2.5, 0.5) == pytest.approx(0.2)


def test_the_share_is_by_photons_where_histories_are_not_known(beam):
    """80 beside photons of weight 1000 in all: a photon of weight 0.5 brings 0.04."""
    assert pool_of(beam).per_photon(None, 0.5) == pytest.approx(0.04)


@pytest.mark.parametrize("rate", [0.2, 0.0031, 3.7])
@pytest.mark.parametrize("count", [1, 1000, 70_000])
def test_their_number_is_right_to_one(beam, tmp_path, rate, count):
    others = Others(pool_of(beam), rate, 1)
    records = write(tmp_path / "out.IAEAphsp", FakePhotonModel(), count, others)
    found = sum(abs(record[0]) != 1 for record in records)
    assert found == others.count(count)
    assert abs(found - rate * count) <= 1
    assert len(records) == count + found


def test_photons_are_untouched_and_in_order(beam, tmp_path):
    records = write(tmp_path / "out.IAEAphsp", FakePhotonModel(), 70_000, Others(pool_of(beam), 0.2, 1))
    photons = np.array([record for record in records if record[0] == 1])
    expected = FakePhotonModel().tensor(70_000, 1).numpy()
    assert (photons[:, 2:6] == expected[:, :4]).all()
    assert (photons[:, 1] == -expected[:, 5]).all()
    assert np.allclose(photons[:, 6], 0.1)


def test_others_are_as_they_were_and_start_histories(beam, tmp_path):
    records = write(tmp_path / "out.IAEAphsp", FakePhotonModel(), 20_000, Others(pool_of(beam), 0.2, 1))
    given = {(kind, *np.float32(rest).tolist(), 0.5) for kind, *rest, _, _ in charged(60, 2) + charged(20, -3)}
    others = [record for record in records if abs(record[0]) != 1]
    assert set(others) <= given
    assert len(set(others)) == 80  # each of them comes up among 4000
    shares = np.bincount([abs(record[0]) for record in others])[2:] / len(others)
    assert shares == pytest.approx([0.75, 0.25], abs=0.03)


def test_weight_carries_over(beam, tmp_path):
    """The weight of electrons a history is the file's: 40 in 1000 histories."""
    others = Others(pool_of(beam), pool_of(beam).per_photon(2.5, 0.1), 1)
    records = write(tmp_path / "out.IAEAphsp", FakePhotonModel(), 40_000, others)
    weight = sum(record[6] for record in records if abs(record[0]) != 1)
    assert weight / (40_000 * 2.5) == pytest.approx(80 * 0.5 / HISTORIES, rel=1e-3)


def test_they_stand_at_random_places(beam, tmp_path):
    """Uniform in the file: against places at equal distances and against others at the end."""
    records = write(tmp_path / "out.IAEAphsp", FakePhotonModel(), 50_000, Others(pool_of(beam), 0.05, 1))
    places = np.flatnonzero([abs(record[0]) != 1 for record in records])
    assert np.abs(places / len(records) - (np.arange(len(places)) + 0.5) / len(places)).max() < 1e-3
    gaps = np.diff(places)
    assert gaps.std() == pytest.approx(21 / np.sqrt(6), rel=0.1)  # triangular law of neighbouring stretches


def test_nothing_comes_round_again(beam):
    """Places within their stretches and choices, over three runs of random numbers."""
    places, found = Others(pool_of(beam), 0.5, 1).between(0, 3 * 8192)
    assert len(places) in (12_287, 12_288, 12_289)
    inside = places[:12_000] % 8192
    assert (inside[:4000] != inside[4096:8096]).mean() > 0.2
    energy = found.energy
    assert (energy[:4000] != energy[4096:8096]).mean() > 0.9
    assert (energy[:4000] != energy[8192:12_192]).mean() > 0.9


def test_thousands_of_millions_of_photons_are_no_other_matter(beam):
    """Beyond 32 bits nothing is lost: numbers and places by the law of the first ones."""
    others, start = Others(pool_of(beam), 0.2, 1), 3 * 10**12
    places, found = others.between(start, start + 50_000)
    assert len(places) == len(found) == others.count(start + 50_000) - others.count(start)
    assert abs(len(places) - 10_000) <= 1
    assert places.min() >= start
    assert places.max() < start + 50_000
    assert (np.diff(places) % 2 == 1).mean() == pytest.approx(0.5, abs=0.05)  # float64 still knows single photons


def test_seed_blocks_and_number_of_photons_change_nothing(beam, tmp_path):
    def content(count: int, block: int, seed: int) -> bytes:
        others = Others(pool_of(beam), 0.37, seed)
        write(tmp_path / "out.IAEAphsp", FakePhotonModel(block), count, others, seed)
        return (tmp_path / "out.IAEAphsp").read_bytes()

    whole = content(9000, 65_536, 5)
    assert content(9000, 77, 5) == whole
    part = content(5003, 1000, 5)
    assert part == whole[: len(part)]
    assert content(9000, 65_536, 6) != whole


def test_the_header_states_it(beam, tmp_path):
    write(tmp_path / "out.IAEAphsp", FakePhotonModel(), 1000, Others(pool_of(beam), 0.2, 1))
    text = (tmp_path / "out.IAEAheader").read_text("utf-8")
    assert "(0.2 a photon) were drawn with replacement from the 80 of beam.IAEAphsp, with their weights" in text
    assert "Photons only" not in text
    assert "$ELECTRONS:" in text


def test_equal_weights_stay_a_constant(beam):
    others = Others(pool_of(beam), 0.2, 1)
    assert header_facts(FakePhotonModel(weight=0.5), Order(10, 0), others).constants == {"z": 27.0, "weight": 0.5}
    assert header_facts(FakePhotonModel(weight=0.1), Order(10, 0), others).constants == {"z": 27.0}


def test_a_large_pool_is_a_random_choice_and_it_is_said(beam, monkeypatch):
    monkeypatch.setattr(module, "LARGEST_POOL", 40)
    pool = pool_of(beam)
    assert pool.count == 80
    assert len(pool.particles) == 40
    assert 20 <= (pool.particles.species == 2).sum() < 40  # some of both
    facts = header_facts(FakePhotonModel(), Order(10, 0), Others(pool, 0.2, 1))
    assert any("a random choice of 40 of them" in note for note in facts.notes)


def test_a_file_of_photons_only_is_refused(tmp_path):
    with pytest.raises(InputError, match="holds photons only.*leave out --others"):
        pool_of(write_phase_space(tmp_path, beam_records(50)))


def test_another_plane_is_refused(beam):
    with pytest.raises(InputError, match=r"z = 27 cm.*than the model \(50 cm\).*convert beam.IAEAphsp .*--plane 50"):
        pool_of(beam, 50.0)


def test_mixing_nothing_copies_nothing(beam):
    block = next(photon_iterator(FakePhotonModel(), 10, 0))
    places, found = Others(pool_of(beam), 1e-9, 1).between(0, 10)
    assert mixed(block, places, found) is block
