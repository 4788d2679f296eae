"""TOPAS binary, ASCII and Limited: bytes made by struct are read, bytes written are taken apart by struct."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from builders.format_builder import (
    ALL_ROWS,
    PDG,
    ROWS,
    TOPAS_COLUMNS,
    check_rows,
    pseudo,
    topas_ascii,
    topas_binary,
    topas_header,
    topas_limited,
)
from builders.particle_builder import some_particles
from builders.phase_space_builder import write_phase_space
from Dose3DLib.core.errors import InputError
from Dose3DLib.phasespace.formats.topas import TopasAsciiWriter, TopasLimitedWriter, TopasWriter
from Dose3DLib.phasespace.read import open_phase_space
from Dose3DLib.phasespace.write import FileFacts

MAKERS = {"Binary": topas_binary, "ASCII": topas_ascii, "Limited": topas_limited}
WRITERS = {"Binary": TopasWriter, "ASCII": TopasAsciiWriter, "Limited": TopasLimitedWriter}
MORE = (("i4", "Event ID", "i"), ("f4", "TOPAS Time [s]", "f"), ("f8", "Something Else", "d"))


@pytest.mark.parametrize("flavour", MAKERS)
@pytest.mark.parametrize("ending", [".phsp", ".header"])
def test_records_by_struct_are_read(tmp_path, flavour, ending):
    path = MAKERS[flavour](tmp_path, ALL_ROWS)
    source = open_phase_space(path.with_suffix(ending))
    assert (source.kind, source.count, source.histories) == (f"TOPAS {flavour}", 6, 1000)
    check_rows(source.read(0, 10), ALL_ROWS)
    assert source.notes == ()


def test_phsp_is_told_apart_by_the_header(tmp_path):
    """The same two endings: a pair of the IAEA, and three flavours of TOPAS."""
    iaea = write_phase_space(tmp_path)
    iaea.rename(tmp_path / "beam.phsp")
    iaea.with_suffix(".IAEAheader").rename(tmp_path / "beam.header")
    assert open_phase_space(tmp_path / "beam.phsp").kind == "IAEA"
    for flavour, make in MAKERS.items():
        assert open_phase_space(make(tmp_path)).kind == f"TOPAS {flavour}"


def test_further_columns_follow_the_list_of_the_header(tmp_path):
    source = open_phase_space(topas_binary(tmp_path, more=MORE, values=(41, 0.5, 2.25)))
    particles = source.read(0, 9)
    check_rows(particles)
    assert particles.extras["Event ID"].tolist() == [41] * 4
    assert particles.extras["Event ID"].dtype == np.int32
    assert particles.extras["Something Else"].tolist() == [2.25] * 4
    assert particles.extras["TOPAS Time [s]"].dtype == np.float32


def test_words_among_the_columns_of_ascii_are_left_out(tmp_path):
    more = (("", "Event ID"), ("", "Creator Process Name"), ("", "Charge [e+]"))
    particles = open_phase_space(topas_ascii(tmp_path, more=more, values=(41, "eBrem", -1.0))).read(0, 9)
    check_rows(particles)
    assert list(particles.extras) == ["Event ID", "Charge [e+]"]
    assert particles.extras["Event ID"].tolist() == [41] * 4


def test_columns_in_another_order(tmp_path):
    """The list decides, not the place."""
    columns = (TOPAS_COLUMNS[7], *TOPAS_COLUMNS[:7], *TOPAS_COLUMNS[8:])
    path = tmp_path / "beam.phsp"
    row = ROWS[1]
    path.write_bytes(struct.pack("<i7fbb", 11, row.x, row.y, row.z, row.u, row.v, row.energy, row.weight, 1, 0))
    path.with_suffix(".header").write_text(topas_header("Binary", columns, 1))
    check_rows(open_phase_space(path).read(0, 1), [row])


def test_the_old_list_of_bytes(tmp_path):
    path = topas_binary(tmp_path)
    text, start = "TOPAS Binary Phase Space\nNumber of Original Histories: 1000\n", 0
    for kind, name in TOPAS_COLUMNS:
        length = int(kind[1])
        text += f"{start:2d}-{start + length - 1:2d}: {name}\n"
        start += length
    path.with_suffix(".header").write_text(text)
    check_rows(open_phase_space(path).read(0, 9))


@pytest.mark.parametrize("make", [topas_binary, topas_ascii])
@pytest.mark.parametrize("said", [1000, 3])
def test_pseudo_particles_are_histories_not_photons(tmp_path, make, said):
    """Empty histories in sequence and at the end; TOPAS counts them among the original ones, converters may not."""
    rows = (pseudo(1), ROWS[0], ROWS[1], pseudo(40), pseudo(2), *ROWS[2:], pseudo(954))
    source = open_phase_space(make(tmp_path, rows, scored=4, histories=said))
    assert source.count == 4
    check_rows(source.read(0, 9))
    check_rows(source.read(1, 3), ROWS[1:3])
    check_rows(source.take(np.array([3, 0])), (ROWS[3], ROWS[0]))
    assert source.histories == 1000
    assert any("997 empty ones" in note for note in source.notes) == (said == 3)


def test_pseudo_particles_in_many_blocks(tmp_path, monkeypatch):
    monkeypatch.setattr("Dose3DLib.phasespace.formats.topas.BLOCK", 3)
    rows = [row for _ in range(20) for row in (pseudo(2), *ROWS)]
    source = open_phase_space(topas_binary(tmp_path, rows, scored=80, histories=120))
    check_rows(source.read(0, 80), ROWS * 20)
    check_rows(source.read(37, 61), (ROWS * 20)[37:61])


def test_a_converted_file_has_lost_its_empty_histories(tmp_path):
    source = open_phase_space(topas_binary(tmp_path, histories=3, reached=3))
    assert source.histories == 3
    assert any("converters lose the empty ones" in note for note in source.notes)


@pytest.mark.parametrize("make", [topas_binary, topas_ascii])
def test_a_wrong_count_is_told(tmp_path, make):
    source = open_phase_space(make(tmp_path, scored=7))
    assert source.count == 4
    assert any("says 7 particles, the file holds 4" in note for note in source.notes)
    source = open_phase_space(make(tmp_path, scored=2))
    assert source.count == 4, "there are no pseudo-particles among them"
    assert any("says 2 particles, the file holds 4" in note for note in source.notes)


@pytest.mark.parametrize("flavour", MAKERS)
def test_a_file_that_was_cut_off(tmp_path, flavour):
    path = MAKERS[flavour](tmp_path)
    path.write_bytes(path.read_bytes().rstrip(b"\n")[:-7])
    source = open_phase_space(path)
    check_rows(source.read(0, 9), ROWS[:3])
    assert any("are left out" in note for note in source.notes)
    assert any("file holds 3" in note for note in source.notes)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("f4: Weight\n", "", "lists no column"),
        ("f4: Weight", "q9: Weight", "which is unknown"),
        ("Position X [cm]", "Position X [mm]", "whose unit is not"),
        ("Energy [MeV]", "Energy [keV]", "whose unit is not"),
        ("TOPAS Binary", "MOPAS Binary", "no IAEA header"),
        ("f4: Weight", "f8: Weight", "known particle"),
    ],
)
def test_headers_that_are_refused(tmp_path, old, new, words):
    path = topas_binary(tmp_path, ROWS * 50)
    header = path.with_suffix(".header")
    header.write_text(header.read_text().replace(old, new))
    with pytest.raises(InputError, match=words) as caught:
        open_phase_space(path)
    assert "\n" not in str(caught.value)


def test_ascii_lines_that_are_refused(tmp_path):
    path = topas_ascii(tmp_path)
    lines = path.read_text().split("\n")
    for bad in ("1 2 3", "a b c d e f g h i j", "1 2 3 4 5 6 7 8 9 10 11"):
        path.write_text("\n".join([lines[0], bad, *lines[1:]]))
        with pytest.raises(InputError, match="line 2 does not") as caught:
            open_phase_space(path).read(0, 9)
        assert "\n" not in str(caught.value)
    path.write_text("\n".join([lines[0], "# a comment between them", "0", *lines[1:]]))
    with pytest.raises(InputError, match="line 3 does not"):
        open_phase_space(path).read(0, 9)
    path.write_text("\n".join([*lines[:3], "# a comment in place of a particle", ""]))
    with pytest.raises(InputError, match="behind line 1 there are lines"):
        open_phase_space(path).read(0, 9)
    path.write_bytes(b"")
    with pytest.raises(InputError, match="is empty"):
        open_phase_space(path)
    path.write_bytes(b"\n\n")
    with pytest.raises(InputError, match="holds no particles"):
        open_phase_space(path)


def test_limited_of_another_length_is_refused(tmp_path):
    path = topas_limited(tmp_path)
    header = path.with_suffix(".header")
    header.write_text(header.read_text().replace("29", "33"))
    with pytest.raises(InputError, match="33 bytes"):
        open_phase_space(path)


def test_nan_and_energies_below_zero(tmp_path):
    path = topas_binary(tmp_path, ROWS * 100)
    data = bytearray(path.read_bytes())
    data[20:24] = struct.pack("<f", float("nan"))
    path.write_bytes(data)
    assert any("1 of the first 400 records" in note for note in open_phase_space(path).notes)


@pytest.mark.parametrize("flavour", WRITERS)
def test_what_is_written_by_struct(tmp_path, flavour):
    particles = some_particles(300)
    writer = WRITERS[flavour](tmp_path / "b.phsp", FileFacts("a title", histories=9876))
    writer.write(particles.select(slice(0, 100)))
    writer.write(particles.select(slice(100, 300)))
    path, header = writer.close()
    rows = list({"Binary": _binary_rows, "ASCII": _ascii_rows, "Limited": _limited_rows}[flavour](path))
    assert len(rows) == 300
    for n, values in enumerate(rows):
        names = ("x", "y", "z", "u", "v", "energy", "weight")
        assert [np.float32(value) for value in values[:7]] == [getattr(particles, name)[n] for name in names]
        assert values[7] == PDG[int(particles.species[n])]
        assert values[8:] == (particles.w[n] < 0, particles.is_new_history[n])
    text = header.read_text()
    assert ("$ORIG_HISTORIES:\n9876" if flavour == "Limited" else "Number of Original Histories: 9876") in text
    assert ("$PARTICLES:\n300" if flavour == "Limited" else "Number of Scored Particles: 300") in text


def _binary_rows(path):
    return struct.iter_unpack("<7fi??", path.read_bytes())


def _limited_rows(path):
    for kind, energy, x, y, z, u, v, weight in struct.iter_unpack("<b7f", path.read_bytes()):
        yield (x, y, z, u, v, abs(energy), weight, PDG[abs(kind)], kind < 0, energy < 0)


def _ascii_rows(path):
    for line in path.read_text().splitlines():
        values = line.split()
        yield (*map(float, values[:7]), int(values[7]), values[8] == "1", values[9] == "1")


@pytest.mark.parametrize("writer", [TopasWriter, TopasAsciiWriter])
def test_extras_that_topas_knows_come_back(tmp_path, writer):
    particles = some_particles(20)
    particles.extras.update({"Event ID": np.arange(20, dtype=np.int32), "Charge [e+]": np.full(20, -1, np.float32)})
    facts = FileFacts(extras=(("Event ID", "int32"), ("Charge [e+]", "float32"), ("LATCH", "int32")))
    mine = writer(tmp_path / "b.phsp", facts)
    mine.write(particles)
    mine.close()
    back = open_phase_space(tmp_path / "b.phsp").read(0, 20)
    assert list(back.extras) == ["Event ID", "Charge [e+]"]
    assert back.extras["Event ID"].tolist() == list(range(20))


@pytest.mark.parametrize("writer", WRITERS.values())
def test_unknown_species_are_refused(tmp_path, writer):
    particles = some_particles(5)
    particles.species[3] = 0
    with pytest.raises(InputError, match="1 particles are of no known species"):
        writer(tmp_path / "b.phsp", FileFacts()).write(particles)


def test_a_sparse_file_of_3e9_particles(tmp_path):
    path = topas_binary(tmp_path, ROWS * 300, scored=3_000_000_000)
    with path.open("r+b") as file:
        file.truncate(34 * 3_000_000_000)
    source = open_phase_space(path)
    assert source.count == 3_000_000_000
    check_rows(source.read(0, 4))
    assert len(source.read(2_999_999_990, 3_000_000_000)) == 10
