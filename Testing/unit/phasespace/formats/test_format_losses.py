"""What is said of a format is what its writer does."""

from __future__ import annotations

import pytest
from builders.particle_builder import EXTRAS, some_particles
from Dose3DLib.phasespace.formats.losses import losses
from Dose3DLib.phasespace.read import open_phase_space
from Dose3DLib.phasespace.write import FORMATS, FileFacts, open_writer

ENDINGS = {"iaea": ".IAEAphsp", "egs-mode0": ".egsphsp1", "egs-mode2": ".egsphsp1", "peneasy": ".dat", "npy": ".npy",
           "npz": ".npz", "root": ".root", "mcpl": ".mcpl"}  # fmt: skip


@pytest.mark.parametrize("form", FORMATS)
def test_extras_that_are_lost_are_those_that_do_not_come_back(tmp_path, form):
    facts = FileFacts("", 1000, extras=EXTRAS)
    path = tmp_path / f"b{ENDINGS.get(form, '.phsp')}"
    with open_writer(path, facts, form) as writer:
        writer.write(some_particles(10, species=(1, 2, 3)))
    source = open_phase_space(path)
    said = [line for line in losses(form, facts) if "has no place for" in line]
    for name in ("ZLAST", "LATCH"):
        assert (name in source.read(0, 10).extras) != any(name in line for line in said), name
    assert (source.histories is None) == any("1,000 are in the provenance" in line for line in losses(form, facts))


@pytest.mark.parametrize("form", ["egs-mode0", "egs-mode2"])
def test_what_egsnrc_cannot_hold(form):
    assert "z = 27 cm" in losses(form, FileFacts(constants={"z": 27.0}))[0]
    assert "their planes" in losses(form, FileFacts())[0]
    assert len(losses(form, FileFacts(histories=2**24))) == 1
    assert "16,777,217 are rounded" in losses(form, FileFacts(histories=2**24 + 1))[1]
    assert losses("iaea", FileFacts(histories=2**40)) == ()
