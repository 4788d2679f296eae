"""What is written is judged by a decoder with struct; the reader only has to agree with it."""

from __future__ import annotations

import errno
import itertools
import os
import struct
from dataclasses import fields, replace

import numpy as np
import pytest
from builders.iaea_decoder import NAMES, decode, decode_header
from builders.particle_builder import EXTRAS, some_particles
from Dose3DLib.core.errors import Cancelled, InputError, OutputError
from Dose3DLib.phasespace.formats import iaea_write
from Dose3DLib.phasespace.formats.iaea_header import parse_header
from Dose3DLib.phasespace.formats.iaea_header_text import constant_survives, header_text
from Dose3DLib.phasespace.formats.statistics import SpeciesFigures, Statistics
from Dose3DLib.phasespace.particles import Particles
from Dose3DLib.phasespace.read import open_phase_space
from Dose3DLib.phasespace.write import FileFacts, open_writer


def write(path, particles: Particles, facts: FileFacts, piece: int = 10**6, **how) -> None:
    with open_writer(path, facts, **how) as writer:
        for start in range(0, len(particles), piece):
            writer.write(particles.select(slice(start, start + piece)))


def sharing(particles: Particles, constants: dict[str, float]) -> Particles:
    """The same with constant columns; W follows where the direction changes."""
    same = {name: np.full(len(particles), value, np.float32) for name, value in constants.items()}
    return replace(particles, **same)


def same(found: Particles, wanted: Particles) -> None:
    for name in (field.name for field in fields(Particles) if field.name not in ("w", "extras")):
        assert np.array_equal(getattr(found, name), getattr(wanted, name)), name
    assert np.allclose(found.w, wanted.w, atol=2e-4)  # a float32 U near 1 leaves W that much freedom
    assert (np.signbit(found.w) == np.signbit(wanted.w)).all()
    for name, values in wanted.extras.items():
        assert np.array_equal(found.extras[name], values), name


@pytest.mark.parametrize("order", ["little", "big"])
@pytest.mark.parametrize("extras", [(), EXTRAS[:1], EXTRAS[1:], EXTRAS], ids=len)
def test_each_field_of_each_record(tmp_path, order, extras):
    wanted = some_particles(100)
    wanted = replace(wanted, extras={name: wanted.extras[name] for name, _ in extras})
    path = tmp_path / "a.IAEAphsp"
    write(path, wanted, FileFacts(histories=500, extras=extras, byte_order=order), piece=17)
    found = decode(path)
    for n, record in enumerate(found.records):
        assert record["type"] == int(wanted.species[n]) * (-1 if wanted.w[n] < 0 else 1)
        assert abs(record["energy"]) == wanted.energy[n]
        assert (record["energy"] < 0) == wanted.is_new_history[n]
        for name in ("x", "y", "z", "u", "v", "weight"):
            assert record[name] == getattr(wanted, name)[n], name
        assert [record[name] for name in record if name.startswith(("float", "long"))] == [
            wanted.extras[name][n] for name, _ in extras
        ]
    kinds = {"ZLAST": "3", "incremental history": "1", "LATCH": "2"}
    assert found.blocks["RECORD_CONTENTS"][9:] == [kinds[name] for name, _ in extras]
    same(open_phase_space(path).read(0, 100), wanted)


@pytest.mark.parametrize("flags", list(itertools.product((0, 1), repeat=5)), ids=str)
def test_all_flags(tmp_path, flags):
    """Every choice of stored and constant x, y, z, weight and direction."""
    values = {"x": 1.5, "y": -2.25, "z": 26.7, "weight": 0.125, "uvw": None}
    constants = {name: values[name] for name, flag in zip(values, flags, strict=True) if not flag and values[name]}
    constants |= {} if flags[4] else {"u": 0.0, "v": 0.6, "w": -0.8}
    wanted = replace(sharing(some_particles(40), constants), extras={})
    path = tmp_path / "a.IAEAphsp"
    write(path, wanted, FileFacts(histories=40, constants=constants))
    found = decode(path)
    assert found.constants() == pytest.approx(constants)
    assert [int(line) for line in found.blocks["RECORD_CONTENTS"][:7]] == [int(name not in constants) for name in NAMES]
    assert found.number("RECORD_LENGTH") == 5 + 4 * len([n for n in NAMES if n not in constants and n != "w"])
    for n, record in enumerate(found.records):
        for name in set(NAMES) - {"w"} - set(constants):
            assert record[name] == getattr(wanted, name)[n]
    same(open_phase_space(path).read(0, 40), wanted)


@pytest.mark.parametrize(
    ("weight", "is_constant"),
    [(0.1, True), (0.025, True), (float(np.float32(0.1)), True), (1.0, True), (0.0001, True), (-2.0, True),
     (5e-5, False), (1e-6, False), (0.12345, False), (1 / 3, False), (1e-12, False)],
)  # fmt: skip
def test_a_weight_that_four_decimals_lose_is_stored(tmp_path, weight, is_constant):
    wanted = replace(sharing(some_particles(5), {"weight": weight}), extras={})
    path = tmp_path / "a.IAEAphsp"
    write(path, wanted, FileFacts(histories=5, constants={"weight": weight}))
    found = decode(path)
    assert ("weight" in found.constants()) == is_constant
    stated = np.float32(found.constants().get("weight", found.records[0].get("weight")))
    assert stated == np.float32(weight)
    assert (open_phase_space(path).read(0, 5).weight == np.float32(weight)).all()


def test_statistics_are_those_of_the_particles(tmp_path):
    wanted = replace(some_particles(70_000), extras={})  # several pieces
    path = tmp_path / "a.IAEAphsp"
    write(path, wanted, FileFacts(histories=10**6))
    blocks = decode_header(path.with_suffix(".IAEAheader"))
    names = {1: "PHOTONS", 2: "ELECTRONS", 3: "POSITRONS", 4: "NEUTRONS", 5: "PROTONS"}
    lines = {line.split()[-1]: [float(word) for word in line.split()[:-1]]
             for line in blocks["STATISTICAL_INFORMATION_PARTICLES"]}  # fmt: skip
    assert int(blocks["PARTICLES"][0]) == 70_000
    for code, name in names.items():
        chosen = wanted.species == code
        weight, energy = wanted.weight[chosen].astype(float), wanted.energy[chosen].astype(float)
        expected = [weight.sum(), weight.min(), weight.max(), np.average(energy, weights=weight)]
        assert lines[name] == pytest.approx([*expected, energy.min(), energy.max()], rel=1e-6)
        assert int(blocks[name][0]) == chosen.sum()
    extents = [[float(word) for word in line.split()] for line in blocks["STATISTICAL_INFORMATION_GEOMETRY"]]
    expected = [[values.min(), values.max()] for values in (wanted.x, wanted.y, wanted.z)]
    assert np.allclose(extents, expected, atol=5.1e-5)


def test_species_that_do_not_occur_are_not_named(tmp_path):
    path = tmp_path / "a.IAEAphsp"
    write(path, replace(some_particles(9, species=(2,)), extras={}), FileFacts(histories=9))
    assert "PHOTONS" not in decode_header(path.with_suffix(".IAEAheader"))
    assert decode_header(path.with_suffix(".IAEAheader"))["ELECTRONS"] == ["9"]


def test_words_cannot_break_the_header(tmp_path):
    title = "Łódź\n$PARTICLES:\n7 // no comment"
    facts = FileFacts(title, 77, "Z down\n$BYTE_ORDER: 1", ("$CHECKSUM: 1", "// nothing"), texts={"AUTHORS": "$A\n$B"})
    path = tmp_path / "a.IAEAphsp"
    write(path, replace(some_particles(3), extras={}), facts)
    found = parse_header(path.with_suffix(".IAEAheader").read_text("utf-8"))
    assert (found.particles, found.checksum, found.histories) == (3, 3 * 29 + 0, 77)
    assert found.title.startswith("Łódź $PARTICLES: 7")
    assert found.texts["AUTHORS"] == "A\nB"
    assert found.texts["ADDITIONAL_NOTES"] == "CHECKSUM: 1\nnothing"


def test_unknown_histories_are_said_to_be_those_in_the_file(tmp_path):
    path = tmp_path / "a.IAEAphsp"
    wanted = replace(some_particles(50), extras={})
    write(path, wanted, FileFacts())
    blocks = decode_header(path.with_suffix(".IAEAheader"))
    assert int(blocks["ORIG_HISTORIES"][0]) == wanted.is_new_history.sum()
    assert "is not known" in blocks["ADDITIONAL_NOTES"][0]


def test_counts_pass_32_bits():
    found = Statistics(5 * 10**9, 3 * 10**9, {1: SpeciesFigures(5 * 10**9, 1.0, 1.0, (1, 1), (1, 2))}, {"x": (0, 1)})
    text = header_text(FileFacts(histories=9 * 10**12), ("x",), {}, 29, found)
    header = parse_header(text.replace("$RECORD_CONSTANT:", "$RECORD_CONSTANT:\n1\n1\n1\n1\n1"))
    assert (header.particles, header.species[1]) == (5 * 10**9, 5 * 10**9)
    assert (header.checksum, header.histories) == (29 * 5 * 10**9, 9 * 10**12)


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [("energy", 0.0, "energy of 0 or less"), ("energy", -1.0, "energy of 0 or less"), ("energy", np.nan, "not finite"),
     ("x", np.inf, "not finite"), ("z", np.nan, "not finite"), ("weight", np.nan, "not finite"),
     ("u", 1.1, "no unit vectors"), ("v", np.nan, "no unit vectors"), ("species", 0, "unknown species"),
     ("species", 9, "unknown species")],
)  # fmt: skip
def test_what_no_file_should_hold_is_not_written(tmp_path, name, value, words):
    particles = some_particles(10)
    getattr(particles, name)[7] = value
    with pytest.raises(InputError, match=words):
        write(tmp_path / "a.IAEAphsp", particles, FileFacts(histories=10))
    assert list(tmp_path.iterdir()) == []


def test_a_constant_that_is_none_is_not_written(tmp_path):
    with pytest.raises(InputError, match="not all have the z of 27"):
        write(tmp_path / "a.IAEAphsp", some_particles(10), FileFacts(constants={"z": 27.0}))
    assert list(tmp_path.iterdir()) == []


# ---------------------------------------------------------------- complete, or not at all
def test_the_header_comes_last(tmp_path, monkeypatch):
    """A reader that looks in between finds no pair, never half of one."""
    seen, replace_file = [], os.replace

    def watched(source, target):
        replace_file(source, target)
        seen.append(sorted(path.name for path in tmp_path.iterdir() if path.is_file()))

    monkeypatch.setattr(os, "replace", watched)
    write(tmp_path / "a.IAEAphsp", some_particles(3), FileFacts(histories=3))
    assert [names for names in seen if names] == [["a.IAEAphsp"], ["a.IAEAheader", "a.IAEAphsp"]]


@pytest.mark.parametrize("error", [RuntimeError("broken"), Cancelled()], ids=["a fault", "a cancel"])
@pytest.mark.parametrize("existed", [False, True])
def test_an_interrupted_file_leaves_what_was_there(tmp_path, error, existed):
    path = tmp_path / "a.IAEAphsp"
    if existed:
        write(path, some_particles(5), FileFacts(histories=5))
    before = {one.name: one.read_bytes() for one in tmp_path.iterdir()}

    def interrupted() -> None:
        with open_writer(path, FileFacts(histories=9), overwrite=True) as writer:
            writer.write(some_particles(9))
            raise error

    with pytest.raises(type(error)):
        interrupted()
    assert {one.name: one.read_bytes() for one in tmp_path.iterdir()} == before


@pytest.mark.parametrize("other", [".IAEAphsp", ".IAEAheader"])
def test_an_existing_file_of_the_pair_is_not_replaced(tmp_path, other):
    (tmp_path / f"a{other}").write_text("mine")
    with pytest.raises(OutputError, match="exists already"):
        write(tmp_path / "a.IAEAphsp", some_particles(3), FileFacts(histories=3))
    assert [(one.name, one.read_text()) for one in tmp_path.iterdir()] == [(f"a{other}", "mine")]


def test_records_do_not_stay_without_their_header(tmp_path, monkeypatch):
    """Somebody writes a header of that name meanwhile: it stays, and no records lie beside that are not its own."""
    path = tmp_path / "a.IAEAphsp"
    replace_file = os.replace

    def watched(source, target):
        replace_file(source, target)
        if str(target).endswith("a.IAEAphsp"):
            path.with_suffix(".IAEAheader").write_text("theirs")

    monkeypatch.setattr(os, "replace", watched)
    with pytest.raises(OutputError, match="exists already"):
        write(path, some_particles(3), FileFacts(histories=3))
    assert [(one.name, one.read_text()) for one in tmp_path.iterdir()] == [("a.IAEAheader", "theirs")]


@pytest.mark.parametrize("when", ["in the records", "in the header"])
def test_a_full_disk_is_one_line_and_leaves_nothing(tmp_path, monkeypatch, when):
    full = OSError(errno.ENOSPC, "No space left on device")

    class FullFile:
        def __init__(self, file):
            self.file = file

        def write(self, data):
            self.file.write(bytes(data)[: len(data) // 2])  # part of it gets there
            raise full

        def close(self):
            self.file.close()

    if when == "in the records":
        real = iaea_write.IaeaWriter.__init__
        monkeypatch.setattr(
            iaea_write.IaeaWriter, "__init__",
            lambda self, *given: (real(self, *given), setattr(self, "_file", FullFile(self._file)))[0],
        )  # fmt: skip
    else:
        monkeypatch.setattr(iaea_write, "header_text", lambda *given: (_ for _ in ()).throw(full))
    with pytest.raises(OutputError, match="No space left on device; free some space"):
        write(tmp_path / "a.IAEAphsp", some_particles(100_000), FileFacts(histories=3))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_a_really_full_device_is_heard(tmp_path):
    writer = iaea_write.IaeaWriter(tmp_path / "a.IAEAphsp", FileFacts(histories=3))
    writer._file.close()
    writer._file = open("/dev/full", "wb")  # noqa: SIM115
    with pytest.raises(OSError, match="No space left"):
        writer.write(some_particles(100_000))


def test_survival_of_constants_in_four_decimals():
    assert constant_survives(27.0)
    assert not constant_survives(27.00005)
    assert struct.pack("<f", 0.1) == np.float32(float(f"{np.float32(0.1):.4f}")).tobytes()
