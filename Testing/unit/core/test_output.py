"""Atomic output: complete or not there, also after a kill."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest
from Dose3DLib.core import output
from Dose3DLib.core.errors import OutputError
from Dose3DLib.core.output import atomic_output, is_finished, keep_journal, output_in_place, remove_drafts


@pytest.fixture
def journal(tmp_path, monkeypatch):
    monkeypatch.setattr(output, "_journals", [])
    (tmp_path / "room").mkdir()
    path = tmp_path / "room" / "journal"
    keep_journal(path)
    return path


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name != "room")


@pytest.mark.parametrize("kind", ["file", "folder"])
@pytest.mark.parametrize("there", [False, True])
def test_complete_output_appears(tmp_path, kind, there):
    target = tmp_path / "new" / "OUT Łódź"
    if there:
        target.mkdir(parents=True)
        (target / "provenance.json").touch()
    with atomic_output(target, overwrite=there) as draft:
        assert not draft.exists()
        if kind == "folder":
            draft.mkdir()
            draft = draft / "a"
        draft.write_text("new")
        assert names(target) == ["provenance.json"] if there else not target.exists()
    assert (target if kind == "file" else target / "a").read_text() == "new"
    assert names(tmp_path / "new") == ["OUT Łódź"]
    assert kind == "file" or names(target) == ["a"]


@pytest.mark.parametrize("error", [ValueError("x"), KeyboardInterrupt(), OSError(errno.ENOENT, "no such", "/else")])
def test_nothing_is_left_after_an_exception(tmp_path, error):
    def write():
        with atomic_output(tmp_path / "OUT") as draft:
            draft.mkdir()
            (draft / "half").touch()
            raise error

    with pytest.raises(type(error)):
        write()
    assert names(tmp_path) == []


def test_folders_made_for_the_output_go_with_it(tmp_path):
    def write(make):
        with make(tmp_path / "new" / "deep" / "OUT"):
            (tmp_path / "new" / "of somebody else").mkdir(exist_ok=True)
            raise ValueError("x")

    for make in (atomic_output, output_in_place):
        with pytest.raises(ValueError, match="x"):
            write(make)
        assert names(tmp_path) == ["new"]
        assert names(tmp_path / "new") == ["of somebody else"]


def test_a_folder_that_is_no_result_is_spared(tmp_path):
    (tmp_path / "photos").mkdir()
    with atomic_output(tmp_path / "photos", overwrite=True) as draft:
        draft.mkdir()  # an empty folder may be replaced
        (draft / "one.jpg").touch()
    with pytest.raises(OutputError, match="photos: is a folder that is no result of Dose3D"):
        atomic_output(tmp_path / "photos", overwrite=True).__enter__()
    assert names(tmp_path / "photos") == ["one.jpg"]


def test_what_appears_meanwhile_is_spared(tmp_path):
    def write():
        with atomic_output(tmp_path / "OUT") as draft:
            draft.touch()
            (tmp_path / "OUT").write_text("of another run")

    with pytest.raises(OutputError, match="exists already"):
        write()
    assert (tmp_path / "OUT").read_text() == "of another run"
    assert names(tmp_path) == ["OUT"]


def test_old_output_survives_an_exception(tmp_path):
    (tmp_path / "OUT").write_text("old")

    def write():
        with atomic_output(tmp_path / "OUT", overwrite=True) as draft:
            draft.write_text("new")
            raise ValueError("x")

    with pytest.raises(ValueError, match="x"):
        write()
    assert (tmp_path / "OUT").read_text() == "old"
    assert names(tmp_path) == ["OUT"]


def test_existing_output_is_refused(tmp_path):
    (tmp_path / "OUT").touch()
    with pytest.raises(OutputError, match="OUT: exists already; choose another output or add --overwrite"):
        atomic_output(tmp_path / "OUT").__enter__()


def test_a_full_disk_is_told_of_the_target(tmp_path):
    with pytest.raises(OutputError, match="OUT: No space left on device; free"), atomic_output(tmp_path / "OUT"):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert names(tmp_path) == []


def wrapped(error):
    """As pydicom does it: the same class, its own words with a traceback in them, no number."""
    try:
        raise error
    except OSError as cause:
        raise OSError(f"With tag (5200,9230) got exception: {cause}\nTraceback") from cause


def test_a_full_disk_in_a_librarys_words(tmp_path):
    with pytest.raises(OutputError, match="OUT: No space left on device; free"), atomic_output(tmp_path / "OUT"):
        wrapped(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))
    with pytest.raises(OutputError) as other, atomic_output(tmp_path / "OUT"):
        wrapped(OSError(errno.EIO, "broken"))
    assert "Traceback" not in str(other.value)


def test_words_of_a_library_that_lost_the_systems_error(tmp_path, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda place: shutil._ntuple_diskusage(9, 9, 0))

    def write():
        with atomic_output(tmp_path / "OUT") as draft:
            raise OSError(errno.EIO, "[nrrd] _nrrdGzClose: failed to flush pending data", str(draft))

    with pytest.raises(OutputError, match="OUT: No space left on device; free"):
        write()


def test_a_part_that_cannot_be_written_is_told_of_the_whole(tmp_path):
    """The draft's name says nothing to the user, and the draft is gone when the words are read."""

    def write():
        with atomic_output(tmp_path / "OUT") as draft:
            draft.mkdir()
            with atomic_output(draft / "structures.dcm"):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(OutputError, match="No space left on device") as error:
        write()
    assert error.value.what == str(tmp_path / "OUT")


@pytest.mark.parametrize("link", [False, True])
def test_a_folder_takes_the_place_of_a_file_or_a_link(tmp_path, link):
    """It must not turn out after an hour that the finished folder has no place."""
    (tmp_path / "kept").mkdir()
    (tmp_path / "OUT").symlink_to("kept") if link else (tmp_path / "OUT").write_text("old")
    with atomic_output(tmp_path / "OUT", overwrite=True) as draft:
        draft.mkdir()
        (draft / "a").touch()
    assert names(tmp_path / "OUT") == ["a"]
    assert names(tmp_path / "kept") == []
    assert names(tmp_path) == ["OUT", "kept"]


def test_own_folders_are_spared(tmp_path, monkeypatch):
    (tmp_path / "home").mkdir()
    (tmp_path / "work" / "deep").mkdir(parents=True)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("USERPROFILE", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path / "work" / "deep")
    for place in (".", "..", tmp_path, tmp_path / "home", "/"):
        with pytest.raises(OutputError, match="holds more than results"):
            atomic_output(Path(place), overwrite=True).__enter__()
        with pytest.raises(OutputError, match="holds more than results"):
            atomic_output(Path(place)).__enter__()
    assert (tmp_path / "work" / "deep").is_dir()


@pytest.mark.skipif(os.name == "nt", reason="POSIX permissions")
def test_output_has_the_rights_that_the_user_gives_new_files(tmp_path):
    (tmp_path / "plain").mkdir()
    with atomic_output(tmp_path / "OUT") as draft:
        draft.mkdir()
    assert stat.S_IMODE((tmp_path / "OUT").stat().st_mode) == stat.S_IMODE((tmp_path / "plain").stat().st_mode)


def test_journal_knows_what_is_complete(tmp_path, journal):
    with atomic_output(tmp_path / "one") as draft:
        draft.touch()
        assert not is_finished(journal, tmp_path / "one")
    with pytest.raises(ValueError, match="x"), atomic_output(tmp_path / "two"):
        raise ValueError("x")
    assert is_finished(journal, tmp_path / "one")
    assert not is_finished(journal, tmp_path / "two")
    remove_drafts(journal)
    assert names(tmp_path) == ["one"]


@pytest.mark.parametrize("there", [False, True])
def test_output_in_place(tmp_path, journal, there):
    folder = tmp_path / "deep" / "OUT"
    if there:
        folder.mkdir(parents=True)
    with output_in_place(folder) as place:
        assert place == folder
        (place / "a").touch()
        assert not is_finished(journal, folder)
    assert is_finished(journal, folder)
    remove_drafts(journal)
    assert names(folder) == ["a"]


def test_output_in_place_goes_when_it_fails_or_is_killed(tmp_path, journal):
    def write(error):
        with output_in_place(tmp_path / "OUT") as place:
            (place / "half").touch()
            raise error

    with pytest.raises(ValueError, match="x"):
        write(ValueError("x"))
    assert names(tmp_path) == []
    with pytest.raises(OutputError, match="OUT: No space left on device; free"):
        write(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/else"))
    (tmp_path / "OUT").mkdir()
    (tmp_path / "OUT" / "half").touch()  # as a killed process leaves it
    remove_drafts(journal)
    assert names(tmp_path) == []


def test_output_in_place_takes_no_folder_of_others(tmp_path, journal):
    (tmp_path / "OUT").mkdir()
    (tmp_path / "OUT" / "precious").touch()
    (tmp_path / "file").touch()
    for name in ("OUT", "file"):
        with pytest.raises(OutputError, match="exists already"):
            output_in_place(tmp_path / name).__enter__()
    with pytest.raises(OutputError, match="choose a folder that you may write to"):
        output_in_place(tmp_path / "file" / "OUT").__enter__()
    remove_drafts(journal)
    assert names(tmp_path / "OUT") == ["precious"]


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")
@pytest.mark.parametrize("there", [False, True])
def test_drafts_of_a_killed_process_are_removed(tmp_path, journal, there):
    if there:
        (tmp_path / "deep").mkdir()
        (tmp_path / "deep" / "OUT").write_text("old")
    script = f"""
import sys, time
sys.path.insert(0, {str(Path(output.__file__).parents[2])!r})
from pathlib import Path
from Dose3DLib.core.output import atomic_output, keep_journal
keep_journal(Path({str(journal)!r}))
with atomic_output(Path("deep/OUT"), overwrite=True) as draft:
    draft.mkdir()
    (draft / "half").touch()
    print("now", flush=True)
    time.sleep(60)
"""
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, cwd=tmp_path)
    assert process.stdout.readline() == b"now\n"
    assert len(names(tmp_path / "deep")) == 1 + there
    process.kill()
    process.communicate()
    remove_drafts(journal)
    assert names(tmp_path) == ["deep"] * there
    assert not there or (tmp_path / "deep" / "OUT").read_text() == "old"


def test_a_kill_in_the_middle_of_the_exchange_gives_the_old_output_back(tmp_path, journal, monkeypatch):
    target = tmp_path / "OUT"
    target.mkdir()
    (target / "provenance.json").touch()

    def killed(source, place, real=os.replace):
        if Path(place) == target:
            raise SystemExit  # stands for the kill: nothing behind it runs
        real(source, place)

    monkeypatch.setattr(os, "replace", killed)
    monkeypatch.setattr("shutil.rmtree", lambda *_, **__: None)
    with pytest.raises(SystemExit), atomic_output(target, overwrite=True) as draft:
        draft.mkdir()
    monkeypatch.undo()
    assert not target.exists()
    remove_drafts(journal)
    assert names(target) == ["provenance.json"]
    assert names(tmp_path) == ["OUT"]


def test_a_torn_last_line_of_the_journal_is_no_obstacle(tmp_path, journal):
    with atomic_output(tmp_path / "one") as draft:
        draft.touch()
    with journal.open("a") as file:
        file.write('{"target": "/som')
    assert is_finished(journal, tmp_path / "one")


def test_drafts_are_made_where_the_output_goes(tmp_path):
    """A rename within one file system is atomic; a copy from elsewhere would not be."""
    start = time.monotonic()
    with atomic_output(tmp_path / "OUT") as draft:
        assert draft.parent.parent == tmp_path
        draft.touch()
    assert time.monotonic() - start < 1
