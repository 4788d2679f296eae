"""MCPL: records made by struct are read; what is written is read by the package mcpl and by its tool in C."""

from __future__ import annotations

import gzip
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from builders.particle_builder import some_particles
from Dose3DLib.core.errors import InputError
from Dose3DLib.phasespace.formats import mcpl as own_mcpl
from Dose3DLib.phasespace.formats.mcpl import McplWriter
from Dose3DLib.phasespace.read import open_phase_space
from Dose3DLib.phasespace.write import FileFacts

mcpl = pytest.importorskip("mcpl")

RECORDS = (
    # x, y, z, packed direction and energy, time, weight, species: (0.6, 0, 0.8); (0.8, 0.6 -> 1/w, ...) of the paper
    (1.0, -2.0, 27.0, 0.6, 0.0, 1.5, 0.0, 0.25, 22),
    (0.5, 4.0, 27.0, 0.0, 1 / -0.6, 0.75, 0.0, 1.0, 11),
    (-3.0, 0.0, 27.0, 1 / 0.6, 0.0, -2.25, 0.0, 0.5, -11),
)
"""Along Z; along +Y with W = -0.6; along -X with W = 0.6."""
DIRECTIONS = ((0.6, 0, 0.8), (0, 0.8, -0.6), (-0.8, 0, 0.6))


def mcpl_file(path: Path, records=RECORDS, order: str = "<", double: bool = False, count: int | None = None,
              comments=("a comment",), weight: float | None = None, pdg: int = 0, flags=None) -> Path:  # fmt: skip
    """A file of version 3, value by value."""
    letter = "d" if double else "f"
    length = (7 + (weight is None)) * (8 if double else 4) + 4 * (pdg == 0) + 4 * (flags is not None)
    options = (len(comments), 0, int(flags is not None), 0, int(not double), pdg, length, int(weight is not None))
    data = b"MCPL003" + (b"L" if order == "<" else b"B")
    data += struct.pack(f"{order}Q5Ii2I", len(records) if count is None else count, *options)
    if weight is not None:
        data += struct.pack(f"{order}d", weight)
    for text in ("source", *comments):
        data += struct.pack(f"{order}I", len(text)) + text.encode()
    for n, record in enumerate(records):
        data += struct.pack(f"{order}7{letter}", *record[:7])
        data += struct.pack(f"{order}{letter}", record[7]) if weight is None else b""
        data += struct.pack(f"{order}i", record[8]) if pdg == 0 else b""
        data += struct.pack(f"{order}I", flags[n]) if flags is not None else b""
    path.write_bytes(data)
    return path


def check(particles, species=(1, 2, 3), weights=(0.25, 1.0, 0.5)) -> None:
    assert particles.x.tolist() == [1.0, 0.5, -3.0]
    assert particles.y.tolist() == [-2.0, 4.0, 0.0]
    assert particles.z.tolist() == [27.0] * 3
    assert particles.energy.tolist() == [1.5, 0.75, 2.25]
    assert particles.species.tolist() == list(species)
    assert particles.weight.tolist() == list(weights)
    found = np.stack([particles.u, particles.v, particles.w], axis=1)
    assert np.allclose(found, DIRECTIONS, atol=1e-7)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("double", [False, True])
def test_records_by_struct_are_read(tmp_path, order, double):
    source = open_phase_space(mcpl_file(tmp_path / "a.mcpl", order=order, double=double))
    assert (source.kind, source.count, source.histories) == ("MCPL", 3, None)
    check(source.read(0, 9))
    assert source.read(0, 9).is_new_history.all()
    assert source.header == {"SOURCE": "source", "COMMENT_1": "a comment"}
    assert any("does not say which particles share a history" in note for note in source.notes)


def test_what_all_share_is_in_the_header(tmp_path):
    source = open_phase_space(mcpl_file(tmp_path / "a.mcpl", weight=0.5, pdg=22))
    check(source.read(0, 9), (1, 1, 1), (0.5, 0.5, 0.5))
    check(source.take(np.array([2, 0, 1])).select(np.array([1, 2, 0])), (1, 1, 1), (0.5, 0.5, 0.5))


def test_compressed_files(tmp_path, monkeypatch):
    plain = mcpl_file(tmp_path / "a.mcpl", RECORDS * 50)
    packed = tmp_path / "b.mcpl.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    monkeypatch.setattr(own_mcpl, "BLOCK", 20)
    source, other = open_phase_space(packed), open_phase_space(plain)
    assert source.count == other.count == 150
    for start, stop in ((100, 150), (0, 7), (35, 61), (149, 150), (3, 3)):
        assert source.read(start, stop).x.tolist() == other.read(start, stop).x.tolist()
        assert source.read(start, stop).x.tolist() == [RECORDS[n % 3][0] for n in range(start, stop)]
    assert source.take(np.array([140, 3, 80])).x.tolist() == [RECORDS[n % 3][0] for n in (140, 3, 80)]


def test_flags_mean_histories_only_where_the_file_says_so(tmp_path):
    said = open_phase_space(
        mcpl_file(tmp_path / "a.mcpl", comments=(own_mcpl.HISTORY_COMMENT,), flags=(1, 0, 1))
    )  # fmt: skip
    assert said.read(0, 3).is_new_history.tolist() == [True, False, True]
    other = open_phase_space(mcpl_file(tmp_path / "a.mcpl", flags=(1, 0, 1)))
    assert other.read(0, 3).is_new_history.all()


def test_counts_that_disagree(tmp_path):
    path = mcpl_file(tmp_path / "a.mcpl", RECORDS * 2)
    path.write_bytes(path.read_bytes()[: -3 * 36 - 5])
    with pytest.raises(InputError, match="says 6 particles, the file holds 2"):
        open_phase_space(path)
    assert any("more than the 2" in note for note in open_phase_space(mcpl_file(path, count=2)).notes)
    assert open_phase_space(mcpl_file(path, count=0)).count == 3, "written by a program that was killed"
    with pytest.raises(InputError, match="holds no particles"):
        open_phase_space(mcpl_file(path, ()))


def test_3e9_particles_of_a_sparse_mcpl_file(tmp_path):
    path = mcpl_file(tmp_path / "a.mcpl", RECORDS * 2000, count=3_000_000_000, pdg=22)
    header = path.stat().st_size - 6000 * 32
    with path.open("r+b") as file:
        file.truncate(header + 32 * 3_000_000_000)
    source = open_phase_space(path)
    assert source.count == 3_000_000_000
    assert source.read(0, 3).x.tolist() == [1.0, 0.5, -3.0]


def test_what_is_refused(tmp_path):
    path = tmp_path / "a.mcpl"
    whole = mcpl_file(path).read_bytes()
    cases = [whole[:40], whole[:6], b"MCPL009L" + whole[8:], b"MCPL003X" + whole[8:], b"MCPL" + b"\xff" * 500]
    cases += [gzip.compress(whole)[:50], gzip.compress(b"words"), b"\x1f\x8b\x08" + b"\xff" * 100]
    for data in cases:
        path.write_bytes(data)
        with pytest.raises(InputError) as caught:
            open_phase_space(path).read(0, 9)
        assert "\n" not in str(caught.value)


def directions(count: int) -> np.ndarray:
    """Every axis, both signs, ties of the largest, and random ones."""
    rng = np.random.default_rng(3)
    special = [(x, y, z) for x in (-1, 0, 1) for y in (-1, 0, 1) for z in (-1, 0, 1) if (x, y, z) != (0, 0, 0)]
    all_of_them = np.concatenate([np.array(special, float), rng.normal(size=(count - len(special), 3))])
    return all_of_them / np.linalg.norm(all_of_them, axis=1, keepdims=True)


@pytest.fixture(params=["b.mcpl", "b.mcpl.gz"])
def written(tmp_path, request):
    particles = some_particles(3000)
    for values, name in zip(directions(3000).T, "uvw", strict=True):
        getattr(particles, name)[:] = values
    facts = FileFacts("a title", 54321, notes=("left out electrons",))
    writer = McplWriter(tmp_path / request.param, facts)
    writer.write(particles.select(slice(0, 1000)))
    writer.write(particles.select(slice(1000, 3000)))
    assert writer.close() == (tmp_path / request.param,)
    assert list(tmp_path.iterdir()) == [tmp_path / request.param]
    return tmp_path / request.param, particles


def test_what_is_written_is_read_by_the_package(written):
    path, particles = written
    with mcpl.MCPLFile(str(path), blocklength=5000) as file:
        assert file.nparticles == 3000
        assert file.stat_sum["original_histories"] == 54321
        assert file.comments[:2] == ["a title", "left out electrons"]
        block = file.read_block()
    for axis in "xyz":
        assert np.array_equal(getattr(block, axis), getattr(particles, axis))
    assert np.array_equal(block.ekin, particles.energy)
    assert np.array_equal(block.weight, particles.weight)
    assert np.array_equal(block.pdgcode, np.array([0, 22, 11, -11, 2112, 2212])[particles.species])
    assert np.array_equal(block.userflags, particles.is_new_history)
    wanted = np.stack([particles.u, particles.v, particles.w], axis=1)
    assert np.abs(block.direction - wanted).max() < 2e-7, "the packed vector is one of single precision"


def test_what_is_written_is_read_by_the_tool_in_c(written):
    path, particles = written
    tool = shutil.which("mcpltool", path=str(Path(sys.executable).parent))
    if tool is None:
        pytest.skip("needs mcpltool, which comes with the package mcpl")
    listing = subprocess.run([tool, "-l0", str(path)], check=True, capture_output=True, text=True).stdout
    assert "No. of particles   : 3000" in listing
    rows = [line.split() for line in listing.splitlines() if line.split()[:1] and line.split()[0].isdecimal()]
    assert len(rows) == 3000
    found = np.array([[float(word) for word in row[1:9]] for row in rows])
    assert np.array_equal(found[:, 0], np.array([0, 22, 11, -11, 2112, 2212])[particles.species])
    assert np.allclose(found[:, 1], particles.energy, rtol=1e-4)
    assert np.allclose(found[:, 2:5], np.stack([particles.x, particles.y, particles.z], axis=1), rtol=1e-4, atol=1e-4)
    assert np.allclose(found[:, 5:8], np.stack([particles.u, particles.v, particles.w], axis=1), atol=1e-4)


def test_it_comes_back(written):
    path, particles = written
    source = open_phase_space(path)
    assert (source.count, source.histories, source.title, source.notes) == (3000, 54321, "a title", ())
    back = source.read(0, 3000)
    assert (back.is_new_history == particles.is_new_history).all()
    assert (back.species == particles.species).all()
    length = np.sqrt(back.u.astype(float) ** 2 + back.v.astype(float) ** 2 + back.w.astype(float) ** 2)
    assert np.abs(length - 1).max() < 2e-7


def test_mcpl_refuses_unknown_species(tmp_path):
    particles = some_particles(5)
    particles.species[1] = 0
    with pytest.raises(InputError, match="no known species"):
        McplWriter(tmp_path / "b.mcpl", FileFacts()).write(particles)
