"""One run written three times by BEAMnrc itself, and by particlezoo: all formats must hold the same particles.

particlezoo 1.1.2 judges both ways, but for two things that BEAMnrc's own files decide: it takes electrons of EGSnrc
files (bit 30 of LATCH) for positrons, and sets no charge when it writes them.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from builders import zoo
from Dose3DLib.phasespace.particles import Particles
from Dose3DLib.phasespace.phase_space import PhaseSpace
from Dose3DLib.phasespace.read import open_phase_space
from Dose3DLib.phasespace.write import FORMATS, FileFacts, open_writer

pytest.importorskip("particlezoo")

EXACT = ("species", "x", "y", "weight", "is_new_history")
COSINES = ("u", "v", "w")
EXTRAS = (("ZLAST", "float32"), ("LATCH", "int32"))
HISTORIES = 40_000
ENDINGS = {"iaea": ".IAEAphsp", "egs-mode0": ".egsphsp1", "egs-mode2": ".egsphsp1", "topas": ".phsp",
           "topas-ascii": ".phsp", "topas-limited": ".phsp", "peneasy": ".dat", "npy": ".npy", "npz": ".npz",
           "root": ".root", "mcpl": ".mcpl"}  # fmt: skip
IN_THE_ZOO = {"iaea": "IAEA", "egs-mode0": "EGS", "egs-mode2": "EGS", "topas": "TOPAS", "topas-ascii": "TOPAS",
              "topas-limited": "TOPAS", "peneasy": "penEasy"}  # fmt: skip


@pytest.fixture(scope="module")
def samples(shared_data) -> Path:
    return shared_data / "phasespace_6mv" / "format_samples"


@pytest.fixture(scope="module")
def truth(samples) -> Particles:
    return everything(open_phase_space(samples / "beamnrc_raw.IAEAphsp"))


@pytest.fixture(scope="module")
def written(truth, tmp_path_factory) -> dict[str, Path]:
    """The particles in each format, in pieces that end anywhere."""
    folder = tmp_path_factory.mktemp("written")
    paths = {}
    for name in FORMATS:
        paths[name] = folder / name / f"beam{ENDINGS[name]}"
        paths[name].parent.mkdir()
        with open_writer(paths[name], FileFacts("one run", HISTORIES, extras=EXTRAS), name) as writer:
            for start in range(0, len(truth), 3333):
                writer.write(truth.select(slice(start, start + 3333)))
    return paths


def everything(source: PhaseSpace) -> Particles:
    return source.read(0, source.count)


def worst(ours: Particles, truth: Particles, name: str) -> float:
    own, wanted = getattr(ours, name).astype(np.float64), getattr(truth, name).astype(np.float64)
    return float(np.abs(own - wanted).max())


@pytest.mark.parametrize("mode", [0, 2])
def test_beamnrc_wrote_the_same_particles_in_its_own_format(samples, truth, mode):
    source = open_phase_space(samples / f"beamnrc_mode{mode}.egsphsp1", plane=27.0)
    assert (source.count, source.histories) == (9100, HISTORIES)
    ours = everything(source)
    for name in (*EXACT, *COSINES, "z"):
        assert np.array_equal(getattr(ours, name), getattr(truth, name)), name
    photons = truth.species == 1
    assert np.array_equal(ours.energy[photons], truth.energy[photons])
    assert np.allclose(ours.energy, truth.energy, rtol=0, atol=6e-8), "float32 of the total energy"
    assert (~photons).sum() == 13
    for name in ours.extras:
        assert np.array_equal(ours.extras[name], truth.extras[name]), name


def test_the_topas_file_of_the_converter(samples, truth):
    source = open_phase_space(samples / "topas_binary.phsp")
    assert (source.count, source.histories) == (9100, 6727), "the converter lost the empty histories"
    assert any("converters lose the empty ones" in note for note in source.notes)
    ours = everything(source)
    for name in (*EXACT, "z", "energy"):
        assert np.array_equal(getattr(ours, name), getattr(truth, name)), name
    assert max(worst(ours, truth, name) for name in COSINES) < 6.1e-8


@pytest.mark.parametrize("mode", [0, 2])
def test_ours_is_beamnrcs_file_byte_for_byte(samples, written, mode):
    """All records; of the header all but the last bit of the lowest electron energy, a rounding of its own."""
    theirs = (samples / f"beamnrc_mode{mode}.egsphsp1").read_bytes()
    ours = written[f"egs-mode{mode}"].read_bytes()
    length = 28 + 2 * mode
    assert ours[length:] == theirs[length:]
    assert ours[:17] + ours[21:25] == theirs[:17] + theirs[21:25]
    lowest = [np.frombuffer(data, "<f4", 1, 17)[0] for data in (ours, theirs)]
    assert lowest[0] == pytest.approx(lowest[1], rel=2e-7)


@pytest.mark.parametrize("name", FORMATS)
def test_what_we_write_we_read(written, truth, name):
    source = open_phase_space(written[name])
    assert source.count == 9100
    assert source.histories == (None if name == "npy" else HISTORIES)
    ours = everything(source)
    lengths = 1e-6 if name in ("npy", "npz", "root") else 0, "mm of float32"
    assert np.array_equal(ours.species, truth.species)
    assert np.array_equal(ours.is_new_history, truth.is_new_history)
    assert np.array_equal(ours.weight, truth.weight)
    assert max(worst(ours, truth, axis) for axis in "xy") <= lengths[0]
    assert name.startswith("egs") or worst(ours, truth, "z") == 0
    assert worst(ours, truth, "energy") <= 6e-8
    assert max(worst(ours, truth, cosine) for cosine in COSINES) <= 6.1e-8


@pytest.mark.parametrize("name", IN_THE_ZOO)
def test_particlezoo_reads_ours(written, truth, name):
    found, count, histories = zoo.read(written[name], IN_THE_ZOO[name])
    assert count == 9100
    assert histories == HISTORIES or name == "peneasy", "which sums them while it reads"
    for column in ("x", "y", "weight", "starts"):
        assert zoo.difference(found, truth, column) == 0, column
    assert zoo.difference(found, truth, "energy") <= 5e-7, "single precision of eV, of the total energy"
    assert max(zoo.difference(found, truth, cosine) for cosine in "uvw") < 5e-7
    if name.startswith("egs"):
        assert found["species"][truth.species == 2].tolist() == [3.0] * 13, "see above"
        assert (found["species"][truth.species == 1] == 1).all()
    else:
        assert zoo.difference(found, truth, "species") == 0
        assert zoo.difference(found, truth, "z") == 0


@pytest.mark.parametrize(
    ("form", "target", "options", "kind", "digits"),
    [
        ("EGS", "a.egsphsp", (), "EGSnrc MODE0", 6e-7),
        ("EGS", "a.egsphsp", ("--EGS-mode", "MODE2"), "EGSnrc MODE2", 6e-7),
        ("TOPAS", "a.phsp", (), "TOPAS Binary", 6e-7),
        ("TOPAS", "a.phsp", ("--TOPAS-format", "ASCII"), "TOPAS ASCII", 6e-5),
        ("TOPAS", "a.phsp", ("--TOPAS-format", "LIMITED"), "TOPAS Limited", 6e-7),
        ("penEasy", "a.dat", (), "penEasy", 1e-6),
    ],
)
def test_we_read_what_particlezoo_writes(samples, truth, tmp_path, form, target, options, kind, digits):
    source = open_phase_space(
        zoo.convert(samples / "beamnrc_raw.IAEAphsp", "IAEA", tmp_path / target, form, *options)
    )  # fmt: skip
    assert (source.kind, source.count) == (kind, 9100)
    assert source.histories == 6727, "it knows those that reached the plane"
    ours = everything(source)
    photons = truth.species == 1
    for name in ("x", "y", "z", "weight", "is_new_history", "energy"):
        if (name, form) != ("z", "EGS"):
            assert worst(ours.select(photons), truth.select(photons), name) <= digits, name
    assert max(worst(ours, truth, cosine) for cosine in COSINES) <= max(digits, 1e-6) / (1 if digits < 1e-5 else 5)
    if form != "EGS":
        assert np.array_equal(ours.species, truth.species)
        assert worst(ours, truth, "energy") <= digits
    if "MODE2" in options:
        assert np.allclose(ours.extras["ZLAST"], truth.extras["ZLAST"], rtol=1e-6)
