"""`structures convert --ct-output`: structures on a CT that is no DICOM, with the series that they then refer to."""

from __future__ import annotations

import numpy as np
import pydicom
import pytest
from builders.structure_builder import grids, structures
from Dose3DLib.core.errors import InputError, OutputError
from Dose3DLib.geometry.files import write_seg_nrrd
from Dose3DLib.geometry.grid import Volume
from Dose3DLib.geometry.volume_files import write_volume
from Dose3DLib.tasks import structures_convert
from Dose3DLib.tasks.structures_convert import Settings
from pydicom.uid import CTImageStorage

GRID = grids()["axial"]


@pytest.fixture
def given(tmp_path):
    """An image file with a value of its own in each slice, and structures on it."""
    array = np.zeros(GRID.shape, np.int16) + np.arange(GRID.shape[0], dtype=np.int16)[:, None, None]
    write_volume(Volume(array, GRID), tmp_path / "ct.nrrd")
    write_seg_nrrd(structures(GRID), tmp_path / "a.seg.nrrd", {})
    return {"structures": tmp_path / "a.seg.nrrd", "ct": tmp_path / "ct.nrrd"}


def images_referred_to(dataset) -> set[str]:
    """UIDs of the CT images that a data set names, wherever in it."""
    found = set()
    for element in dataset:
        for item in element.value if element.VR == "SQ" else ():
            if item.get("ReferencedSOPClassUID") == CTImageStorage:
                found.add(item.ReferencedSOPInstanceUID)
            found |= images_referred_to(item)
    return found


@pytest.mark.parametrize("seg", [False, True])
def test_structures_refer_to_the_series_that_was_written(given, tmp_path, seg):
    chosen = Settings(**given, output=tmp_path / "s.dcm", ct_output=tmp_path / "series", seg=seg)
    structures_convert.run(chosen)
    slices = [pydicom.dcmread(path) for path in (tmp_path / "series").iterdir()]
    assert len(slices) == GRID.shape[0]
    low_to_high = sorted(slices, key=lambda s: s.ImagePositionPatient[2])
    assert [int(s.pixel_array[0, 0]) for s in low_to_high] == list(range(GRID.shape[0]))
    written = pydicom.dcmread(tmp_path / "s.dcm")
    assert written.Modality == ("SEG" if seg else "RTSTRUCT")
    assert written.StudyInstanceUID == slices[0].StudyInstanceUID
    referred = images_referred_to(written)
    assert referred
    assert referred <= {s.SOPInstanceUID for s in slices}


def test_a_series_that_is_there_is_not_replaced(given, tmp_path):
    (tmp_path / "series").mkdir()
    (tmp_path / "series" / "mine.dcm").touch()
    for overwrite in (False, True):
        chosen = Settings(**given, output=tmp_path / "s.dcm", ct_output=tmp_path / "series", overwrite=overwrite)
        with pytest.raises(OutputError, match="no result of Dose3D"):
            structures_convert.run(chosen)
    assert [p.name for p in (tmp_path / "series").iterdir()] == ["mine.dcm"]
    assert not (tmp_path / "s.dcm").exists()


def test_nothing_is_written_when_the_structures_are_refused(given, tmp_path):
    given["structures"].write_bytes(b"no nrrd")
    with pytest.raises(InputError):
        structures_convert.run(Settings(**given, output=tmp_path / "s.dcm", ct_output=tmp_path / "series"))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.seg.nrrd", "ct.nrrd"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"output": "s.nii.gz"}, "become RTSTRUCT or SEG"),
        ({"engine": "rt-utils"}, "by our own writer"),
        ({"ct": None}, "for a CT that is an image file"),
        ({"ct_output": "s.dcm"}, "lie in one another"),
    ],
)
def test_it_is_refused_where_it_would_have_no_effect(given, tmp_path, change, words):
    places = {k: tmp_path / v if k in ("output", "ct_output") else v for k, v in change.items()}
    values = {**given, "output": tmp_path / "s.dcm", "ct_output": tmp_path / "series", **places}
    with pytest.raises(InputError, match=words):
        structures_convert.run(Settings(**values))


def test_the_refusal_of_an_image_file_names_the_way_out(given, tmp_path):
    with pytest.raises(InputError, match="--ct-output"):
        structures_convert.run(Settings(**given, output=tmp_path / "s.dcm"))
