"""The door to all writers: which format a path means, which files appear, whose fault a fault is."""

from __future__ import annotations

from pathlib import Path

import pytest
from builders.particle_builder import some_particles
from Dose3DLib.core.errors import InputError
from Dose3DLib.phasespace.write import FORMATS, FileFacts, files_of, format_of, open_writer


@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("a.IAEAphsp", "iaea"), ("A.IAEAPHSP", "iaea"), ("a.b.iaeaphsp", "iaea"), ("a.egsphsp1", "egs-mode0"),
        ("a.phsp", "topas"), ("a.dat", "peneasy"), ("a.npy", "npy"), ("a.npz", "npz"), ("a.root", "root"),
        ("a.mcpl", "mcpl"), ("a.mcpl.gz", "mcpl"),
    ],
)  # fmt: skip
def test_the_ending_tells_the_format(name, form):
    assert format_of(Path(name)) == form
    assert form in FORMATS


def test_a_name_overrules_an_ending_that_several_have():
    for form in ("iaea", "topas-ascii", "topas-limited"):
        assert format_of(Path("a.phsp"), form) == form
    assert format_of(Path("a.egsphsp1"), "egs-mode2") == "egs-mode2"


@pytest.mark.parametrize(
    ("name", "form", "words"),
    [
        ("a.txt", None, "its ending does not tell the format"),
        ("a", None, "its ending does not tell the format"),
        ("a.IAEAheader", None, "its ending does not tell the format"),
        ("a.IAEAphsp.gz", None, "its ending does not tell the format"),
        ("a.root", "iaea", r"end it in \.IAEAphsp or \.phsp"),
        ("a.IAEAphsp", "iea", 'did you mean "iaea"'),
        ("a.IAEAphsp", "dicom", "choose from iaea, egs-mode0"),
    ],
)
def test_what_tells_nothing_is_refused_with_the_choices(name, form, words):
    with pytest.raises(InputError, match=words):
        format_of(Path(name), form)


@pytest.mark.parametrize(
    ("name", "form", "header"),
    [("v1.5.IAEAphsp", None, "v1.5.IAEAheader"), ("a.phsp", None, "a.header"), ("a.phsp", "iaea", "a.header")],
)
def test_headers_lie_beside(name, form, header):
    assert files_of(Path("x") / name, form) == (Path("x") / name, Path("x") / header)
    assert files_of(Path("x/a.npy")) == (Path("x/a.npy"),)


def test_the_files_that_appear_are_those_that_were_told(tmp_path):
    path = tmp_path / "v1.5.IAEAphsp"
    with open_writer(path, FileFacts(histories=3)) as writer:
        writer.write(some_particles(3))
    assert sorted(tmp_path.iterdir()) == sorted(files_of(path))


def test_a_fault_names_the_file_that_was_asked_for(tmp_path):
    """Not the draft in a temporary folder: neutrons cannot be in files of EGSnrc."""
    path = tmp_path / "a.egsphsp1"
    with pytest.raises(InputError) as raised, open_writer(path, FileFacts(histories=3)) as writer:
        writer.write(some_particles(30, species=(4,)))
    assert raised.value.what == str(path)
    assert list(tmp_path.iterdir()) == []
