"""What `structures convert` takes its input and output for, and how its settings travel."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from builders.ct_builder import write_series
from Dose3DLib.core.errors import InputError
from Dose3DLib.tasks.structure_source import form_of
from Dose3DLib.tasks.structures_convert import Settings, _form_of_output, run


@pytest.mark.parametrize(
    ("name", "seg", "form"),
    [
        ("a.dcm", False, "RTSTRUCT"),
        ("A.DCM", False, "RTSTRUCT"),
        ("a.dcm", True, "SEG"),
        ("a.seg.nrrd", False, ".seg.nrrd"),
        ("a.nrrd", False, "label map"),
        ("a.nii.gz", False, "label map"),
        ("a.mha", False, "label map"),
        ("patient", False, "masks"),
        ("patient v1.2", False, "masks"),
    ],
)
def test_output_is_known_by_its_ending(name, seg, form):
    assert _form_of_output(Settings(structures="x", output=name, seg=seg)) == form


def test_an_existing_folder_may_have_any_name(tmp_path):
    (tmp_path / "a.out").mkdir()
    assert _form_of_output(Settings(structures="x", output=tmp_path / "a.out")) == "masks"
    with pytest.raises(InputError, match="unknown ending"):
        _form_of_output(Settings(structures="x", output=tmp_path / "b.out"))


def test_input_is_known_by_what_it_is(tmp_path):
    for name in ("a.seg.nrrd", "b.nrrd", "c.nii.gz"):
        (tmp_path / name).write_bytes(b"x")
    assert form_of(tmp_path) == "masks"
    assert form_of(tmp_path / "a.seg.nrrd") == ".seg.nrrd"
    assert form_of(tmp_path / "b.nrrd") == "label map"
    assert form_of(tmp_path / "c.nii.gz") == "label map"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
@pytest.mark.parametrize("name", ["p.dcm", "p.nrrd", "p"])
def test_a_pipe_is_refused_and_not_waited_for(tmp_path, name):
    os.mkfifo(tmp_path / name)
    with pytest.raises(InputError, match="neither a file nor a folder"):
        form_of(tmp_path / name)


def test_overwrite_spares_the_ct(tmp_path):
    """A slip in the shell's completion must not cost a slice."""
    paths = write_series(tmp_path / "ct")
    content = paths[0].read_bytes()
    (tmp_path / "masks").mkdir()
    for ct in (tmp_path / "ct", paths[0]):
        settings = Settings(structures=tmp_path / "masks", ct=ct, output=paths[0], overwrite=True)
        with pytest.raises(InputError, match=r"is an image of the CT|is the CT itself"):
            run(settings)
    assert paths[0].read_bytes() == content
    (tmp_path / "ct" / "rs.dcm").write_bytes(b"old structures")
    with pytest.raises(InputError, match="has no masks"):
        run(
            Settings(
                structures=tmp_path / "masks", ct=tmp_path / "ct", output=tmp_path / "ct" / "rs.dcm", overwrite=True
            )
        )


def test_dicom_is_known_without_ending_too(tmp_path):
    pydicom = pytest.importorskip("pydicom")
    dataset = pydicom.Dataset()
    dataset.SOPInstanceUID = "1.2"
    for name, uid, form in (
        ("SG01", pydicom.uid.SegmentationStorage, "SEG"),
        ("RS.1.2.840", pydicom.uid.RTStructureSetStorage, "RTSTRUCT"),
    ):
        dataset.SOPClassUID = uid
        dataset.file_meta = pydicom.dataset.FileMetaDataset()
        dataset.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
        dataset.save_as(tmp_path / name, enforce_file_format=True)
        assert form_of(tmp_path / name) == form


def test_settings_survive_job_file_and_command():
    settings = Settings(structures="ä b.nrrd", output="o", ct="CT", overlaps="last", standard_names=True)
    assert Settings.from_json(settings.to_json()) == settings
    command = "dose3d structures convert 'ä b.nrrd' --output o --ct CT --overlaps last --standard-names"
    assert settings.to_command() == command
    assert settings.output == Path("o")
