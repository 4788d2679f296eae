"""Damaged files of all formats: a line, or particles; never a traceback. And the door that chooses the reader."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from builders.format_builder import ROWS, egs_file, peneasy_file, topas_ascii, topas_binary, topas_limited
from builders.particle_builder import some_particles
from builders.phase_space_builder import write_phase_space
from Dose3DLib.core.errors import InputError
from Dose3DLib.phasespace.read import READERS, open_phase_space
from Dose3DLib.phasespace.write import FORMATS, FileFacts, open_writer
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

ENDINGS = {"npy": ".npy", "npz": ".npz", "root": ".root", "mcpl": ".mcpl"}
QUICK = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))


def _written(folder: Path, name: str) -> Path:
    path = folder / f"b{ENDINGS[name]}"
    with open_writer(path, FileFacts("a title", 100), name) as writer:
        writer.write(some_particles(20))
    return path


MAKERS = {
    "egs-mode0": lambda folder: egs_file(folder / "b.egsphsp1", 0, ROWS * 5),
    "egs-mode2": lambda folder: egs_file(folder / "b.egsphsp1", 2, ROWS * 5),
    "topas": lambda folder: topas_binary(folder, ROWS * 5),
    "topas-ascii": lambda folder: topas_ascii(folder, ROWS * 5),
    "topas-limited": lambda folder: topas_limited(folder, ROWS * 5),
    "peneasy": lambda folder: peneasy_file(folder / "b.dat", ROWS * 5),
    **{name: lambda folder, name=name: _written(folder, name) for name in ENDINGS},
}
assert set(MAKERS) == set(FORMATS) - {"iaea"}


@pytest.fixture(scope="module", params=MAKERS)
def whole(request, tmp_path_factory) -> Path:
    return MAKERS[request.param](tmp_path_factory.mktemp("fuzz"))


def look(path: Path) -> None:
    """All that a task does with a file: open it, read it through, pick from it."""
    line = "particles will do, too"
    try:
        source = open_phase_space(path)
        total = sum(len(chunk) for chunk in source.chunks(7))
        assert total == source.count
        source.sample(3, np.random.default_rng(0))
    except InputError as error:
        line = str(error)
    assert "\n" not in line
    assert len(line) < 1000


@QUICK
@given(data=st.data())
def test_bytes_that_were_changed(whole, data):
    original = whole.read_bytes()
    changed = bytearray(original)
    for _ in range(data.draw(st.integers(1, 6))):
        # Mostly where headers are.
        place = data.draw(st.one_of(st.integers(0, min(300, len(original) - 1)), st.integers(0, len(original) - 1)))
        changed[place] = data.draw(st.integers(0, 255))
    try:
        whole.write_bytes(changed)
        look(whole)
    finally:
        whole.write_bytes(original)


@QUICK
@given(data=st.data())
def test_files_that_were_cut_or_lengthened(whole, data):
    original = whole.read_bytes()
    length = data.draw(st.integers(0, len(original)))
    try:
        whole.write_bytes(original[:length] + data.draw(st.binary(max_size=40)))
        look(whole)
    finally:
        whole.write_bytes(original)


@QUICK
@given(data=st.data())
def test_topas_headers_that_were_changed(tmp_path_factory, data):
    make = data.draw(st.sampled_from([topas_binary, topas_ascii, topas_limited]))
    path = make(tmp_path_factory.getbasetemp())
    text = path.with_suffix(".header").read_text()
    lines = text.split("\n")
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(lines) - 1))
        kind = data.draw(st.sampled_from(["leave out", "double", "other", "letter"]))
        old = lines.pop(place) if len(lines) > 1 else lines[0]
        if kind == "double":
            lines[place:place] = [old, old]
        elif kind == "other":
            lines.insert(place, data.draw(st.text(max_size=30)))
        elif kind == "letter" and old:
            at = data.draw(st.integers(0, len(old) - 1))
            lines.insert(place, old[:at] + data.draw(st.characters()) + old[at + 1 :])
    path.with_suffix(".header").write_bytes("\n".join(lines).encode("utf-8", "replace"))
    look(path)


@QUICK
@given(data=st.binary(max_size=300), start=st.sampled_from([b"MODE0", b"MODE2", b"MCPL003L", b"\x93NUMPY\x01\x00",
       b"PK\x03\x04", b"root", b"# [PHASE SPACE FILE FORMAT penEasy v.2008-05-15]\n", b"\x1f\x8b\x08"]))  # fmt: skip
def test_any_bytes_behind_a_known_start(tmp_path_factory, data, start):
    path = tmp_path_factory.getbasetemp() / "any.bin"
    path.write_bytes(start + data)
    look(path)


def test_every_format_has_a_reader_and_content_tells_it(tmp_path):
    """Whatever the file is called."""
    found = set()
    for n, make in enumerate(MAKERS.values()):
        folder = tmp_path / str(n)
        folder.mkdir()
        path = make(folder)
        if path.suffix != ".phsp":
            path = path.rename(folder / "beam.bin")
        found.add(open_phase_space(path).kind.split()[0])
    found.add(open_phase_space(write_phase_space(tmp_path)).kind)
    assert found == {"EGSnrc", "TOPAS", "penEasy", "numpy", "ROOT", "MCPL", "IAEA"}
    assert len(READERS) == 8


def test_what_no_reader_knows(tmp_path):
    for name, words in {"a.bin": "no known format", "a.gz": "is compressed", "a.phsp": "there is no a.header"}.items():
        (tmp_path / name).write_bytes(b"some words\n")
        with pytest.raises(InputError, match=words):
            open_phase_space(tmp_path / name)
    with pytest.raises(InputError, match="is a folder"):
        open_phase_space(tmp_path)
    with pytest.raises(InputError, match="does not exist"):
        open_phase_space(tmp_path / "none.npy")
