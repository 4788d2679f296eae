"""EGSnrc MODE0 and MODE2: bytes made by struct are read, bytes written are taken apart by struct."""

from __future__ import annotations

import struct

import pytest
from builders.format_builder import REST, ROWS, check_rows, egs_file
from builders.particle_builder import some_particles
from Dose3DLib.core.errors import InputError
from Dose3DLib.phasespace.formats.egs import EgsMode0Writer, EgsMode2Writer
from Dose3DLib.phasespace.read import open_phase_space
from Dose3DLib.phasespace.write import FileFacts


@pytest.mark.parametrize("mode", [0, 2])
@pytest.mark.parametrize("order", ["<", ">"])
def test_records_by_struct_are_read(tmp_path, mode, order):
    source = open_phase_space(egs_file(tmp_path / "beam.egsphsp1", mode, order=order), plane=27.0)
    assert (source.kind, source.count, source.histories) == (f"EGSnrc MODE{mode}", 4, 1000)
    particles = source.read(0, 10)
    check_rows(particles)
    assert particles.extras["LATCH"].tolist() == [_signed(row.latch & 0x9FFFFFFF) for row in ROWS]
    if mode == 2:
        assert particles.extras["ZLAST"].tolist() == [row.zlast for row in ROWS]
    assert source.stated_mev == 6.0
    assert source.notes == ()


def _signed(bits: int) -> int:
    return struct.unpack("i", struct.pack("I", bits))[0]


def test_the_charge_leaves_latch_for_the_species(tmp_path):
    latch = open_phase_space(egs_file(tmp_path / "b.egsphsp1")).read(0, 9).extras["LATCH"]
    assert not (latch & (3 << 29)).any()
    assert latch[1] < 0, "bit 31, which says that it crossed the plane before, stays"


def test_a_plane_that_nobody_gives_is_told(tmp_path):
    source = open_phase_space(egs_file(tmp_path / "b.egsphsp1"))
    assert (source.read(0, 4).z == 0).all()
    assert source.constants == {"z": 0.0}
    assert any("do not hold Z" in note for note in source.notes)
    assert open_phase_space(egs_file(tmp_path / "b.egsphsp1"), plane=12.5).constants == {"z": 12.5}


def test_the_content_decides_not_the_name(tmp_path):
    assert open_phase_space(egs_file(tmp_path / "beam.phsp", 2)).kind == "EGSnrc MODE2"


@pytest.mark.parametrize(("claimed", "words"), [(5, "says 5 particles, the file holds 4"), (3, "says 3 particles")])
def test_a_wrong_count_is_told_and_the_file_is_right(tmp_path, claimed, words):
    source = open_phase_space(egs_file(tmp_path / "b.egsphsp1", particles=claimed), plane=0)
    assert source.count == 4
    assert any(words in note for note in source.notes)


def test_a_file_cut_within_a_record(tmp_path):
    path = egs_file(tmp_path / "b.egsphsp1", 2)
    path.write_bytes(path.read_bytes()[:-5])
    source = open_phase_space(path, plane=27.0)
    assert source.count == 3
    assert any("its last 27 bytes are left out" in note for note in source.notes)
    check_rows(source.read(0, 9), ROWS[:3])


def test_histories_beyond_a_float32_are_told(tmp_path):
    source = open_phase_space(egs_file(tmp_path / "b.egsphsp1", histories=1e9 + 1), plane=0)
    assert source.histories == 1_000_000_000
    assert any("float32" in note for note in source.notes)
    assert open_phase_space(egs_file(tmp_path / "b.egsphsp1", histories=float("nan")), plane=0).histories is None


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"MODE0", "does not begin|holds no particles"),
        (b"MODE0" + b"\0" * 23, "holds no particles"),
        (b"MODE2" + b"\0" * 27, "holds no particles"),
        (b"MODE1" + b"\0" * 270, "no known format"),
        (b"MODE0" + b"\xff" * 2800, "hold no known particle"),
        (b"", "is empty"),
    ],
)
def test_what_is_no_phase_space(tmp_path, data, words):
    path = tmp_path / "b.egsphsp1"
    path.write_bytes(data)
    with pytest.raises(InputError, match=words) as caught:
        open_phase_space(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("writer", "length"), [(EgsMode0Writer, 28), (EgsMode2Writer, 32)])
def test_what_is_written_by_struct(tmp_path, writer, length):
    particles = some_particles(300, species=(1, 2, 3))
    facts = FileFacts(histories=12345, extras=(("ZLAST", "float32"), ("LATCH", "int32")))
    mine = writer(tmp_path / "b.egsphsp1", facts)
    mine.write(particles.select(slice(0, 100)))
    mine.write(particles.select(slice(100, 300)))
    (path,) = mine.close()
    data = path.read_bytes()
    assert len(data) == 301 * length
    mode, count, photons, highest, lowest, histories = struct.unpack("=5siifff", data[:25])
    assert mode == (b"MODE0" if length == 28 else b"MODE2")
    assert (count, photons, histories) == (300, int((particles.species == 1).sum()), 12345)
    assert highest == particles.energy.max()
    assert lowest == particles.energy[particles.species == 2].min()
    for n, values in enumerate(struct.iter_unpack("=I6f" if length == 28 else "=I7f", data[length:])):
        _check_record(values, particles, n)


def _check_record(values, particles, n) -> None:
    latch, energy, x, y, u, v, weight, *zlast = values
    charge = {1: 0, 2: 1 << 30, 3: 1 << 29}[int(particles.species[n])]
    assert latch & (3 << 29) == charge
    assert latch & 0x9FFFFFFF == int(particles.extras["LATCH"][n]) & 0x9FFFFFFF
    assert abs(energy) == pytest.approx(float(particles.energy[n]) + (REST if charge else 0), abs=5e-7)
    assert (energy < 0) == particles.is_new_history[n]
    assert (x, y, u, v) == tuple(getattr(particles, name)[n] for name in "xyuv")
    assert abs(weight) == particles.weight[n]
    assert (weight < 0) == (particles.w[n] < 0)
    assert not zlast or zlast[0] == particles.extras["ZLAST"][n]


def test_histories_that_nobody_knows_are_those_that_start(tmp_path):
    particles = some_particles(50, species=(1,))
    writer = EgsMode0Writer(tmp_path / "b.egsphsp1", FileFacts())
    writer.write(particles)
    (path,) = writer.close()
    assert struct.unpack("=f", path.read_bytes()[21:25])[0] == particles.is_new_history.sum()
    lowest = struct.unpack("=f", path.read_bytes()[17:21])[0]
    assert lowest == 0, "there are no electrons"


def test_more_than_int32_counts_is_refused(tmp_path):
    with pytest.raises(InputError, match="2,147,483,647 at most"):
        EgsMode2Writer(tmp_path / "b.egsphsp1", FileFacts(count=2**31))
    assert not (tmp_path / "b.egsphsp1").exists()
    writer = EgsMode2Writer(tmp_path / "b.egsphsp1", FileFacts())
    writer._particles = 2**31 - 50
    writer.write(some_particles(49, species=(1,)))
    with pytest.raises(InputError, match="int32"):
        writer.write(some_particles(1, species=(1,)))


@pytest.mark.parametrize("species", [4, 5])
def test_other_species_are_refused(tmp_path, species):
    writer = EgsMode0Writer(tmp_path / "b.egsphsp1", FileFacts())
    with pytest.raises(InputError, match="photons, electrons and positrons only"):
        writer.write(some_particles(5, species=(species,)))


def test_negative_weights_are_refused(tmp_path):
    particles = some_particles(5, species=(1,))
    particles.weight[2] *= -1
    with pytest.raises(InputError, match="negative"):
        EgsMode0Writer(tmp_path / "b.egsphsp1", FileFacts()).write(particles)


def test_3e9_particles_of_a_sparse_file(tmp_path):
    """Places are 64 bit: a file of 90 GB opens at once."""
    path = egs_file(tmp_path / "b.egsphsp1")
    count, record = 3_300_000_000, path.read_bytes()[28:56]
    with path.open("r+b") as file:
        file.truncate(28 * (count + 1))
        file.seek(28 * count)
        file.write(record)
    source = open_phase_space(path)
    assert source.count == count
    last = source.read(count - 1, count)
    assert (last.energy[0], last.x[0]) == (1.5, 1.0)
