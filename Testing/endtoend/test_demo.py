"""`dose3d demo` from nothing to files that independent readers open."""

from __future__ import annotations

import json
import zipfile

import numpy as np
import pydicom
import pytest
from Dose3DLib.geometry.phantom import population_phantom
from Dose3DLib.tasks import demo

FOUND = {"Brainstem", "SpinalCord", "Parotid_L", "Parotid_R", "Mandible", "BODY"}
"""What any model that is shipped must find; esophagus and larynx are hard, and may be missed with a warning."""


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo") / "out"
    return folder, demo.run(demo.Settings(output=folder, device="cpu"))


@pytest.mark.slow
def test_everything_is_there(made):
    folder, result = made
    for name in ("structures.dcm", "segmentation.dcm", "report.html", "provenance.json"):
        assert (folder / "result" / name).stat().st_size > 1000, name
    assert {path.name for path in (folder / "result/masks").iterdir()} >= {f"{name}.nii.gz" for name in FOUND}
    assert all((folder / path).exists() for path in result.files.values())
    if (folder / "result/scene.mrb").exists():
        assert zipfile.is_zipfile(folder / "result/scene.mrb")


@pytest.mark.slow
def test_structures_refer_to_the_series(made):
    folder, _ = made
    structures = pydicom.dcmread(folder / "result/structures.dcm")
    assert structures.PatientID == "DOSE3D-PHANTOM"
    assert {roi.ROIName for roi in structures.StructureSetROISequence} >= FOUND
    slices = {pydicom.dcmread(path, stop_before_pixels=True).SOPInstanceUID for path in (folder / "ct").iterdir()}
    used = {
        image.ReferencedSOPInstanceUID
        for roi in structures.ROIContourSequence
        for contour in roi.get("ContourSequence", ())
        for image in contour.ContourImageSequence
    }
    assert used
    assert used <= slices


@pytest.mark.slow
def test_organs_are_found_where_the_phantom_has_them(made):
    # A check of the pipe (sides, order of slices, frames), not of the model: the phantom says nothing about quality.
    import nibabel

    folder, _ = made
    _, structures = population_phantom()
    for name in FOUND:
        image = nibabel.load(folder / "result/masks" / f"{name}.nii.gz")
        found = np.argwhere(np.asarray(image.dataobj) > 0).mean(axis=0)
        ras = image.affine[:3, :3] @ found + image.affine[:3, 3]
        mask = structures[name].mask
        kji = np.argwhere(mask.block).mean(axis=0) + mask.offset
        assert np.abs(ras * (-1, -1, 1) - mask.grid.to_lps(kji[::-1])).max() < 25, name


@pytest.mark.slow
def test_provenance_has_no_quality_figure(made):
    folder, result = made
    text = json.dumps(result.to_dict()) + (folder / "demo.json").read_text()
    assert "dice" not in text.lower()
    assert json.loads((folder / "demo.json").read_text())["phantom"] is True
