"""`phsp convert` as a command: histories and normalisation, what it does to particles, what it says and refuses."""

from __future__ import annotations

import json
import math
import struct
from pathlib import Path

import numpy as np
import pytest
from builders.iaea_decoder import decode
from builders.particle_builder import EXTRAS, some_particles
from builders.phase_space_builder import RECORDS, beam_records, write_phase_space
from Dose3DLib.cli.main import main
from Dose3DLib.core.errors import Cancelled, InputError
from Dose3DLib.core.progress import Progress
from Dose3DLib.phasespace.read import open_phase_space
from Dose3DLib.phasespace.write import FORMATS, FileFacts, open_writer
from Dose3DLib.tasks import phsp_convert
from Dose3DLib.tasks.base import options_of
from Dose3DLib.tasks.phsp_convert import Settings


@pytest.fixture
def beam(tmp_path: Path) -> Path:
    return write_phase_space(tmp_path, beam_records(2000))


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    """A file with all species and extra values, the number of histories known."""
    path = tmp_path / "mixed.IAEAphsp"
    with open_writer(path, FileFacts("Mixed", 3000, extras=EXTRAS)) as writer:
        writer.write(some_particles(3000))
    return path


def convert(source: Path, name: str = "out.IAEAphsp", **settings):
    output = source.parent / name
    result = phsp_convert.run(Settings(input=source, output=output, **settings))
    return output, result


def particles_of(path: Path):
    source = open_phase_space(path)
    return source.read(0, source.count)


def test_nothing_to_do_gives_the_same_bytes(beam):
    output, result = convert(beam)
    assert output.read_bytes() == beam.read_bytes()
    found = decode(output)
    assert found.number("ORIG_HISTORIES") == 1000
    assert found.constants() == {"z": 27.0, "weight": 0.5}
    assert result.warnings == ()
    assert {(output.parent / name).is_file() for name in result.files.values()} == {True}


def test_species_are_kept_unless_left_out(mixed):
    output, result = convert(mixed)
    assert output.read_bytes() == mixed.read_bytes()
    assert result.summary["electrons"] == f"{np.count_nonzero(some_particles(3000).species == 2):,}"
    output, result = convert(mixed, "photons.IAEAphsp", species=("photon",))
    assert [one["type"] in (1, -1) for one in decode(output).records] == [True] * decode(output).number("PARTICLES")
    assert decode(output).number("ORIG_HISTORIES") == 3000


def test_filters_mend_histories(mixed):
    output, _ = convert(mixed, max_radius=5, min_energy=1.0)
    whole = some_particles(3000)
    chosen = (np.hypot(whole.x.astype(float), whole.y) <= 5) & (whole.energy >= 1)
    history = np.cumsum(whole.is_new_history)
    found = decode(output)
    assert len(found.records) == chosen.sum()
    starts = [record["energy"] < 0 for record in found.records]
    assert starts == [n == 0 or history[chosen][n] != history[chosen][n - 1] for n in range(len(starts))]
    # Histories since the last record, added up to the last kept particle, are those of the whole file.
    last = np.flatnonzero(chosen)[-1]
    assert sum(record["long 0"] for record in found.records) == whole.extras["incremental history"][: last + 1].sum()
    assert "Kept: energy from 1 MeV, radius up to 5 cm" in " ".join(found.blocks["ADDITIONAL_NOTES"])


@pytest.mark.parametrize("first", [0, 700])
def test_a_part_takes_its_share_of_the_histories(mixed, first):
    output, _ = convert(mixed, first=first, particles=1000)
    found = decode(output)
    assert found.number("PARTICLES") == 1000
    assert found.number("ORIG_HISTORIES") == 1000
    assert found.records[0]["energy"] < 0
    assert abs(found.records[5]["energy"]) == some_particles(3000).energy[first + 5]


def test_a_part_is_scaled_by_its_share(beam):
    output, _ = convert(beam, first=100, particles=500)
    assert decode(output).number("ORIG_HISTORIES") == 250


def test_files_one_after_the_other(beam, mixed):
    other = write_phase_space(beam.parent, beam_records(300), stem="other")
    output, result = convert(beam, append=(str(other), str(beam)))
    assert any("a file is given twice" in warning for warning in result.warnings)
    found = decode(output)
    assert found.number("PARTICLES") == 4300
    assert found.number("ORIG_HISTORIES") == 3000
    assert found.constants() == {"z": 27.0, "weight": 0.5}
    assert output.read_bytes() == beam.read_bytes() + other.read_bytes() + beam.read_bytes()
    # Of different kinds: what not all have is left out, what differs is stored.
    output, result = convert(beam, "both.IAEAphsp", append=(str(mixed),))
    assert not any("given twice" in warning for warning in result.warnings)
    found = decode(output)
    assert found.constants() == {}
    assert found.blocks["RECORD_CONTENTS"][7:] == ["1", "1", "3", "2"]
    assert {round(record["z"]) for record in found.records[:2000]} == {27}


def test_a_cut_through_several_files(beam):
    other = write_phase_space(beam.parent, beam_records(300), stem="other")
    output, _ = convert(beam, append=(str(other),), first=1900, particles=200)
    found = decode(output)
    assert found.number("PARTICLES") == 200
    assert found.number("ORIG_HISTORIES") == 50 + 333  # 100 of 2000 and 100 of 300 records
    assert output.read_bytes() == beam.read_bytes()[-2900:] + other.read_bytes()[:2900]


def test_recycling_is_said_where_it_can_be_read(beam):
    output, result = convert(beam, recycle=3)
    found = decode(output)
    assert output.read_bytes() == beam.read_bytes() * 3
    assert found.number("ORIG_HISTORIES") == 3000
    assert found.blocks["TITLE"] == ["A test (recycled 3 times)"]
    assert "latent variance" in " ".join(found.blocks["ADDITIONAL_NOTES"])
    assert any("latent variance" in text for text in result.warnings)


def test_another_plane(beam):
    """The test beam comes from a point at z = 0."""
    output, _ = convert(beam, plane=100)
    found, before = decode(output), decode(beam)
    assert found.constants() == {"z": 100.0, "weight": 0.5}
    for after, record in zip(found.records, before.records, strict=True):
        assert after["x"] == pytest.approx(record["x"] * 100 / 27, abs=2e-4)
        assert after["u"] == record["u"]


def test_gantry_and_collimator(beam):
    output, _ = convert(beam, gantry=90, collimator=0)
    found, before = decode(output), decode(beam)
    assert found.constants() == {"weight": 0.5}
    record, first = found.records[3], before.records[3]
    assert (record["x"], record["z"]) == pytest.approx((73, -first["x"]), abs=1e-4)
    assert record["y"] == pytest.approx(-first["y"], abs=1e-5)
    assert "isocentre" in found.blocks["COORDINATE_SYSTEM_DESCRIPTION"][0]
    assert "gantry 90" in " ".join(found.blocks["ADDITIONAL_NOTES"])


def test_big_endian(beam):
    output, _ = convert(beam, byte_order="big")
    assert decode(output).blocks["BYTE_ORDER"] == ["4321"]
    assert np.array_equal(particles_of(output).x, particles_of(beam).x)


def test_provenance(beam):
    output, result = convert(beam, max_energy=2)
    record = json.loads((output.parent / result.files["provenance"]).read_text("utf-8"))
    assert [Path(one["path"]).name for one in record["inputs"]] == ["beam.IAEAphsp", "beam.IAEAheader"]
    assert record["histories"] == 1000
    assert record["particles"]["photon"] + record["left_out"]["filtered"] == 2000


# ---------------------------------------------------------------- odd input, stated
def spoilt(folder: Path, number: int, **fields) -> Path:
    """A file of 2000 photons, the first `number` of the second half spoilt."""
    names = ("type", "energy", "x", "y", "u", "v", "zlast", "latch")
    records = [dict(zip(names, record, strict=True)) for record in beam_records(2000)]
    for record in records[1000 : 1000 + number]:
        sign = record["energy"]
        record.update(fields)
        record["energy"] = math.copysign(record["energy"], sign)  # the history is known still
    return write_phase_space(folder, [tuple(record.values()) for record in records])


NAN = float("nan")


@pytest.mark.parametrize(
    "fields",
    [{"energy": NAN}, {"x": NAN}, {"u": NAN}, {"energy": 0.0}, {"energy": float("inf")}, {"type": 0}, {"type": 9}],
    ids=str,
)
def test_records_that_are_no_particles_are_left_out_and_counted(tmp_path, fields, capsys):
    beam = spoilt(tmp_path, 7, **fields)
    assert main(["phsp", "convert", str(beam), str(tmp_path / "out.IAEAphsp")]) == 0
    assert "7 records hold no particle" in capsys.readouterr().err
    found = decode(tmp_path / "out.IAEAphsp")
    assert found.number("PARTICLES") == 1993
    # Histories of the beam are pairs: the one left over of each starts its history.
    assert sum(record["energy"] < 0 for record in found.records) == 997


def test_an_energy_above_the_stated_maximum_is_said(beam):
    header = beam.with_suffix(".IAEAheader")
    line = "$STATISTICAL_INFORMATION_PARTICLES:\n// Weight ...\n 1000 0.5 0.5 2.0 0.5 {} PHOTONS\n"
    for highest, expected in (("5.4501", 0), ("4.0", 1)):
        header.write_text(header.read_text("latin-1").partition("$STAT")[0] + line.format(highest), "latin-1")
        _, result = convert(beam, overwrite=True)
        assert len([text for text in result.warnings if "5.45 MeV, is above the 4 MeV" in text]) == expected


@pytest.mark.parametrize(("particles", "held"), [(1000, 2000), (4000, 2000)])
def test_header_and_file_disagree_in_both_directions(tmp_path, particles, held):
    beam = write_phase_space(tmp_path, beam_records(held), particles=particles)
    output, result = convert(beam)
    assert any(f"says {particles} particles, the file holds {held}" in text for text in result.warnings)
    assert decode(output).number("PARTICLES") == held


def test_a_file_cut_within_a_record(beam, capsys):
    beam.write_bytes(beam.read_bytes()[:-10])
    assert main(["phsp", "convert", str(beam), str(beam.parent / "out.IAEAphsp")]) == 0
    assert "ends within a record: its last 19 bytes are left out" in capsys.readouterr().err
    assert decode(beam.parent / "out.IAEAphsp").number("PARTICLES") == 1999


def test_one_photon(tmp_path):
    output, _ = convert(write_phase_space(tmp_path, RECORDS[:1]))
    assert decode(output).number("PARTICLES") == 1


def test_particles_along_the_plane_are_left_out_and_said(tmp_path):
    beam = write_phase_space(tmp_path, [*beam_records(10), (1, 1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0)])
    output, result = convert(beam, plane=30)
    assert decode(output).number("PARTICLES") == 10
    assert any("never reach it" in text for text in result.warnings)


def test_more_than_two_to_the_31_particles(tmp_path):
    """A sparse file of 2^31 + 5 records of 25 bytes: the last ones are found, counts and histories pass 32 bits."""
    count, record = 2**31 + 5, struct.Struct("<bffffff")
    path = tmp_path / "vast.IAEAphsp"
    with path.open("wb") as file:
        file.write(record.pack(1, -1.0, 1.0, 2.0, 27.0, 0.0, 0.0) * 1000)
        file.seek(record.size * (count - 3))
        file.write(b"".join(record.pack(1, -float(n), 3.0, 4.0, 27.0, 0.0, 0.6) for n in (4, 5, 6)))
    flags = "1\n1\n1\n1\n1\n1\n0\n0\n0"
    path.with_suffix(".IAEAheader").write_text(
        f"$RECORD_CONTENTS:\n{flags}\n$RECORD_CONSTANT:\n1\n$BYTE_ORDER:\n1234\n$ORIG_HISTORIES:\n{10 * count}\n"
        f"$PARTICLES:\n{count}\n$CHECKSUM:\n{count * record.size}\n"
    )
    assert open_phase_space(path).notes == ()
    output, _ = convert(path, first=2**31 + 2)
    found = decode(output)
    assert [record["energy"] for record in found.records] == [-4.0, -5.0, -6.0]
    assert found.number("ORIG_HISTORIES") == 30


# ---------------------------------------------------------------- refusals: one line, nothing written
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--species", "neutron"], "no particle is left (2,000 filtered)"),
        (["--first", "5000"], "no particle is left (the cut lies behind the end)"),
        (["--min-energy", "3", "--max-energy", "2"], "3 is above --max-energy 2"),
        (["--rectangle", "1", "2", "3"], "is no rectangle"),
        (["--rectangle", "2", "1", "3", "4"], "is no rectangle"),
        (["--input-plane", "27"], "holds z itself"),
        (["--append", "none.IAEAphsp"], "does not exist"),
        (["--plane", "1e300"], "give -100000 to 100000 cm"),
        (["--gantry", "1e308"], "give -360 to 360 degrees"),
        (["--format", "egs-mode0"], "does not end like a file of EGSnrc"),
        (["--format", "iaea2"], "--format"),
    ],
)
def test_refused_in_one_line(beam, capsys, words, said):
    before = sorted(beam.parent.iterdir())
    assert main(["phsp", "convert", str(beam), str(beam.parent / "out.IAEAphsp"), *words]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert sum("error:" in line for line in error.splitlines()) == 1
    assert sorted(beam.parent.iterdir()) == before


@pytest.mark.parametrize("name", ["beam.IAEAphsp.gz", "empty.IAEAphsp", "none.IAEAphsp", "text.IAEAphsp"])
def test_bad_files_are_refused(tmp_path, capsys, name):
    beam = write_phase_space(tmp_path, beam_records(50))
    header = beam.with_suffix(".IAEAheader").read_bytes()
    for stem, content in (("empty", b""), ("text", b"no records but words, " * 40)):
        (tmp_path / f"{stem}.IAEAphsp").write_bytes(content)
        (tmp_path / f"{stem}.IAEAheader").write_bytes(header)
    (tmp_path / "beam.IAEAphsp.gz").write_bytes(b"\x1f\x8b" + bytes(100))
    before = sorted(tmp_path.iterdir())
    assert main(["phsp", "convert", str(tmp_path / name), str(tmp_path / "out.IAEAphsp")]) == 2
    error = capsys.readouterr().err
    assert sum("error:" in line for line in error.splitlines()) == 1
    assert "Traceback" not in error
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize("order", ["<", ">"])
def test_the_wrong_byte_order_is_named(tmp_path, order):
    other = 4321 if order == "<" else 1234
    beam = write_phase_space(tmp_path, beam_records(200), order=order, byte_order=other)
    with pytest.raises(InputError, match=rf"set \$BYTE_ORDER to {1234 if order == '<' else 4321} in the header"):
        convert(beam)


@pytest.mark.parametrize("ending", [".IAEAphsp", ".IAEAheader"])
def test_no_input_is_ever_replaced(beam, ending):
    """Neither of the pair, whichever of them was named."""
    before = {path.name: path.read_bytes() for path in beam.parent.iterdir()}
    for output in (beam, beam.parent / "." / beam.name):
        with pytest.raises(InputError, match="is an input itself"):
            phsp_convert.run(Settings(input=beam.with_suffix(ending), output=output, overwrite=True))
    other = write_phase_space(beam.parent, beam_records(5), stem="other")
    with pytest.raises(InputError, match="is an input itself"):
        phsp_convert.run(Settings(input=other, append=(str(beam),), output=beam, overwrite=True))
    assert {name: (beam.parent / name).read_bytes() for name in before} == before


def test_cancel_leaves_nothing(beam):
    before = sorted(beam.parent.iterdir())
    calls = []
    progress = Progress(cancelled=lambda: calls.append(1) or len(calls) > 2)
    with pytest.raises(Cancelled):
        phsp_convert.run(Settings(input=beam, output=beam.parent / "out.IAEAphsp"), progress)
    assert sorted(beam.parent.iterdir()) == before


def test_choices_are_the_formats_that_can_be_written():
    choices = next(item.choices for item in options_of(Settings) if item.name == "format")
    assert set(choices) == set(FORMATS)
