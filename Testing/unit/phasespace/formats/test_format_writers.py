"""What all writers owe: nothing stays of what fails, pieces make no difference, memory stays small."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from builders.format_builder import ROWS, peneasy_file, topas_ascii
from builders.particle_builder import EXTRAS, some_particles
from Dose3DLib.core.errors import InputError
from Dose3DLib.phasespace.formats import text
from Dose3DLib.phasespace.read import open_phase_space
from Dose3DLib.phasespace.write import FORMATS, FileFacts, open_writer

ENDINGS = {"iaea": ".IAEAphsp", "egs-mode0": ".egsphsp1", "egs-mode2": ".egsphsp1", "peneasy": ".dat", "npy": ".npy",
           "npz": ".npz", "root": ".root", "mcpl": ".mcpl"}  # fmt: skip
OTHERS = [name for name in FORMATS if name != "iaea"]


def path_of(folder, form):
    return folder / f"b{ENDINGS.get(form, '.phsp')}"


@pytest.mark.parametrize("form", OTHERS)
def test_nothing_stays_of_what_fails(tmp_path, form):
    path = path_of(tmp_path, form)

    def fail_halfway() -> None:
        with open_writer(path, FileFacts(), form) as writer:
            writer.write(some_particles(10, species=(1,)))
            raise RuntimeError("halfway")

    with pytest.raises(RuntimeError, match="halfway"):
        fail_halfway()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("form", OTHERS)
def test_no_particles_make_a_file_that_is_told_to_be_empty(tmp_path, form):
    path = path_of(tmp_path, form)
    with open_writer(path, FileFacts(histories=10), form) as writer:
        writer.write(some_particles(0))
    with pytest.raises(InputError, match="holds no particles|is empty|less than a record"):
        open_phase_space(path)


@pytest.mark.parametrize("form", [name for name in OTHERS if name != "root"])
def test_pieces_make_no_difference(tmp_path, form):
    """ROOT's baskets are pieces; in all others the bytes are the same."""
    particles = some_particles(200, species=(1, 2, 3))
    data = []
    for size in (200, 7):
        path = path_of(tmp_path, form)
        with open_writer(path, FileFacts("t", 500, extras=EXTRAS), form, overwrite=True) as writer:
            for start in range(0, 200, size):
                writer.write(particles.select(slice(start, start + size)))
        # Archives hold dates.
        data.append(np.load(path)["particles"].tobytes() if form == "npz" else path.read_bytes())
    assert data[0] == data[1]


@pytest.mark.parametrize("form", OTHERS)
def test_one_photon(tmp_path, form):
    path = path_of(tmp_path, form)
    photon = some_particles(1, species=(1,))
    with open_writer(path, FileFacts(histories=10), form) as writer:
        writer.write(photon)
    back = open_phase_space(path).read(0, 5)
    assert len(back) == 1
    assert back.energy[0] == pytest.approx(photon.energy[0], rel=1e-6)
    assert back.is_new_history[0]


@pytest.mark.parametrize("make", [topas_ascii, lambda folder, rows: peneasy_file(folder / "b.dat", rows)])
def test_text_is_read_in_constant_memory(tmp_path, monkeypatch, make):
    """Megabytes of text in pieces of 16 kB."""
    monkeypatch.setattr(text, "PIECE", 1 << 14)
    path = make(tmp_path, ROWS * 500)
    first, second, rest = path.read_bytes().split(b"\n", 2)
    path.write_bytes(b"\n".join([first, second, rest * 20]))
    size = path.stat().st_size
    assert size > 1e6
    tracemalloc.start()
    try:
        source = open_phase_space(path)
        total = sum(len(chunk) for chunk in source.chunks(1000))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert total == source.count >= 39_000
    assert peak < size / 2
