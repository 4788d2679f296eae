"""`dose3d structures review`: what was changed, who says so; the DICOM file is judged by pydicom and dciodvfy."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import nibabel
import numpy as np
import pydicom
import pytest
from builders import ct_builder as cb
from builders.dciodvfy import dciodvfy_errors
from builders.rtstruct_decoder import decode, read_planes
from Dose3DLib.cli.main import main
from Dose3DLib.core.errors import InputError
from Dose3DLib.dicom.ct import read_ct_reference
from Dose3DLib.dicom.rtstruct_write import write_rtstruct
from Dose3DLib.geometry.files import write_masks, write_seg_nrrd, write_volume
from Dose3DLib.geometry.grid import Grid, Volume
from Dose3DLib.geometry.mask import Mask
from Dose3DLib.geometry.structure import Structure, StructureSet
from Dose3DLib.tasks import structures_review
from Dose3DLib.tasks.structures_review import Settings

SHAPE = (8, 40, 48)
VOXEL_CC = 2.5 * 1.5 * 1.0 / 1000


def arrays() -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Before and after: one grown on a slice, one moved, one as it was, one deleted, one drawn by hand, one renamed."""
    k, j, i = np.indices(SHAPE)
    far = (j - 20) ** 2 + (i - 24) ** 2
    inner = (k > 1) & (k < 7)
    grown = (far < 60) & inner
    later = grown | ((far < 130) & (k == 4))
    before = {
        "BODY": far < 380, "Parotid_L": grown, "Cord": (far < 30) & inner, "Gone": (i < 4) & (j < 4) & inner,
        "Old name": (i > 42) & (j > 34) & inner,
    }  # fmt: skip
    after = {
        "BODY": before["BODY"], "Parotid_L": later, "Cord": np.roll(before["Cord"], 2, axis=2),
        "Ręcznie µ": (i < 6) & (j > 30) & (k < 3), "New name": before["Old name"],
    }  # fmt: skip
    return before, after


BEFORE, AFTER = arrays()


def structure_set(grid: Grid, chosen: dict[str, np.ndarray]) -> StructureSet:
    made = [Structure(name, Mask.from_array(array, grid), None, (40 * n, 200, 90)) for n, (name, array) in
            enumerate(chosen.items())]  # fmt: skip
    return StructureSet(grid, (replace(made[0], interpreted_type="EXTERNAL"), *made[1:]))


@pytest.fixture(scope="module")
def case(tmp_path_factory) -> Path:
    """A folder with a CT (ct), its structures in several forms before and after the review."""
    folder = tmp_path_factory.mktemp("case")
    hu = np.where(BEFORE["BODY"], 30, -1000).astype(float)
    cb.write_series(folder / "ct", hu, spacing=(1.5, 1.0))
    reference = read_ct_reference(folder / "ct")
    for name, chosen in (("before", BEFORE), ("after", AFTER)):
        found = structure_set(reference.grid, chosen)
        write_seg_nrrd(found, folder / f"{name}.seg.nrrd")
        write_masks(found, folder / name / "masks")
        write_rtstruct(found, reference, folder / f"{name}.dcm")
    write_volume(Volume(hu.astype(np.int16), reference.grid), folder / "ct.nii.gz")
    return folder


@pytest.fixture(scope="module")
def done(case) -> Path:
    words = ["--reviewer", "Wiśniewska^Łucja", "--status", "APPROVED", "--comment", "cord moved; µ"]
    words += ["--reviewed-at", "2026-01-31T14:05:06"]
    inputs = [str(case / "before.seg.nrrd"), str(case / "after.seg.nrrd"), "--ct", str(case / "ct")]
    assert main(["structures", "review", *inputs, *words, "--output", str(case / "out")]) == 0
    return case / "out"


def dice(a: np.ndarray, b: np.ndarray) -> float:
    return 2 * np.logical_and(a, b).sum() / (a.sum() + b.sum())


def test_changes_are_listed_with_their_size(done):
    rows = {row["structure"]: row for row in csv.DictReader((done / "changes.csv").open(encoding="utf-8"))}
    states = {name: row["state"] for name, row in rows.items()}
    assert states == {
        "BODY": "unchanged", "Parotid_L": "changed", "Cord": "changed", "Ręcznie µ": "added", "New name": "renamed",
        "Gone": "removed",
    }  # fmt: skip
    assert {name for name, row in rows.items() if row["changed"] == "yes"} == {"Parotid_L", "Cord", "Ręcznie µ", "Gone"}
    assert rows["New name"]["former_name"] == "Old name"
    for name in ("Parotid_L", "Cord", "BODY"):
        a, b = BEFORE[name], AFTER[name]
        wanted = {
            "dice": dice(a, b), "before_cc": a.sum() * VOXEL_CC, "after_cc": b.sum() * VOXEL_CC,
            "added_cc": (b & ~a).sum() * VOXEL_CC, "removed_cc": (a & ~b).sum() * VOXEL_CC,
        }  # fmt: skip
        for key, value in wanted.items():
            assert float(rows[name][key]) == pytest.approx(value, rel=1e-5), (name, key)
    assert (rows["Parotid_L"]["lowest_slice"], rows["Parotid_L"]["changed_slices"]) == ("5", "1")
    assert float(rows["Gone"]["removed_cc"]) == pytest.approx(BEFORE["Gone"].sum() * VOXEL_CC)


def test_review_json_has_the_verdict_and_the_slices_lowest_first(done):
    record = json.loads((done / "review.json").read_text(encoding="utf-8"))
    assert record["status"] == "APPROVED"
    assert record["reviewer"] == "Wiśniewska^Łucja"
    assert record["reviewed_at"] == "2026-01-31T14:05:06"
    assert record["comment"] == "cord moved; µ"
    found = {one["name"]: one for one in record["structures"]}
    assert [s["index"] for s in found["Parotid_L"]["slices"]] == [4]
    assert found["Parotid_L"]["slices"][0]["dice"] == pytest.approx(dice(BEFORE["Parotid_L"][4], AFTER["Parotid_L"][4]))
    assert sorted(s["index"] for s in found["Cord"]["slices"]) == [2, 3, 4, 5, 6]
    assert found["Cord"]["changed_by_human"]
    assert not found["New name"]["changed_by_human"]


def test_rtstruct_says_who_approved_it_and_what_a_human_changed(done, case):
    ds = pydicom.dcmread(done / "structures.dcm")
    assert (ds.ApprovalStatus, ds.ReviewDate, ds.ReviewTime) == ("APPROVED", "20260131", "140506")
    assert (ds.ReviewerName.family_name, ds.ReviewerName.given_name) == ("Wiśniewska", "Łucja")
    assert ds.StructureSetDescription == "Research use only. cord moved; µ"
    description = ds.ContributingEquipmentSequence[0].ContributionDescription
    assert "structures changed by a human: Parotid_L, Cord, Ręcznie µ, Gone" in description
    items = {item.ROIName: item for item in ds.StructureSetROISequence}
    made = {name: item.ROIGenerationAlgorithm for name, item in items.items()}
    assert made == {
        "BODY": "", "Parotid_L": "SEMIAUTOMATIC", "Cord": "SEMIAUTOMATIC", "Ręcznie µ": "MANUAL", "New name": "",
    }  # fmt: skip
    assert items["BODY"].ROIDescription == "Reviewed: unchanged"
    assert items["Parotid_L"].ROIDescription.startswith("Reviewed: changed by a human, Dice 0.")
    assert items["New name"].ROIDescription == "Reviewed: unchanged, renamed from Old name"
    assert dciodvfy_errors(done / "structures.dcm") == []
    decoded = decode(done / "structures.dcm", read_planes(case / "ct"))
    assert decoded.keys() == AFTER.keys()
    for name, array in AFTER.items():
        assert np.array_equal(decoded[name], array), name


def test_masks_are_the_reviewed_ones(done):
    for name, array in AFTER.items():
        image = nibabel.load(done / "masks" / f"{name}.nii.gz")
        assert np.array_equal(np.asarray(image.dataobj).T > 0, array), name
    assert len(list((done / "masks").iterdir())) == len(AFTER)


def test_provenance_says_that_a_human_reviewed(done, case):
    record = json.loads((done / "provenance.json").read_text(encoding="utf-8"))
    assert record["review"]["by"] == "a human"
    assert record["review"]["changed_by_human"] == ["Parotid_L", "Cord", "Ręcznie µ", "Gone"]
    assert record["review"]["status"] == "APPROVED"
    assert [one["kind"] for one in record["inputs"]] == ["DICOM series", ".seg.nrrd", ".seg.nrrd"]
    assert record["original_made_by"] is None


def test_report_shows_verdict_changes_and_pictures(done):
    text = (done / "report.html").read_text(encoding="utf-8")
    for words in ("Wiśniewska^Łucja", "APPROVED; 4 of 6 structures changed by a human", "renamed, was Old name"):
        assert words in text
    assert text.count("data:image/png") == 1
    assert "Slices of lowest agreement" in text


def run(case: Path, output: Path, **changes) -> Path:
    values = {"original": case / "before.dcm", "reviewed": case / "after.seg.nrrd", "ct": case / "ct"}
    structures_review.run(Settings(**{**values, "output": output, **changes}))
    return output


@pytest.mark.parametrize("form", ["before.dcm", "before"])
def test_versions_may_have_any_form(case, done, tmp_path, form):
    output = run(case, tmp_path / "out", original=case / form)
    assert (output / "changes.csv").read_bytes() == (done / "changes.csv").read_bytes()


def test_unapproved_needs_no_name_and_writes_no_review(case, tmp_path):
    ds = pydicom.dcmread(run(case, tmp_path / "out") / "structures.dcm")
    assert ds.ApprovalStatus == "UNAPPROVED"
    assert not {"ReviewDate", "ReviewTime", "ReviewerName"} & set(ds.dir())
    assert dciodvfy_errors(tmp_path / "out" / "structures.dcm") == []


def test_rejected(case, tmp_path):
    output = run(case, tmp_path / "out", status="REJECTED", reviewer="Doe^Jane")
    ds = pydicom.dcmread(output / "structures.dcm")
    assert (ds.ApprovalStatus, str(ds.ReviewerName), len(ds.ReviewDate)) == ("REJECTED", "Doe^Jane", 8)
    assert dciodvfy_errors(output / "structures.dcm") == []


def test_nothing_changed(case, tmp_path):
    output = run(case, tmp_path / "out", reviewed=case / "before.dcm")
    text = (output / "report.html").read_text(encoding="utf-8")
    assert "0 of 5 structures changed by a human" in text
    assert "data:image/png" not in text


def test_image_file_as_ct_gives_no_rtstruct(case, tmp_path):
    output = run(case, tmp_path / "out", original=case / "before.seg.nrrd", ct=case / "ct.nii.gz")
    assert not (output / "structures.dcm").exists()
    assert "No structures.dcm" in (output / "report.html").read_text(encoding="utf-8")
    assert (output / "masks" / "Cord.nii.gz").exists()


def test_image_file_as_ct_becomes_a_series(case, tmp_path):
    output = run(case, tmp_path / "out", original=case / "before.seg.nrrd", ct=case / "ct.nii.gz", dicom=True)
    decoded = decode(output / "structures.dcm", read_planes(output / "ct"))
    assert np.array_equal(decoded["Cord"], AFTER["Cord"])
    assert dciodvfy_errors(output / "structures.dcm") == []


def test_structures_of_a_network_say_so(case, tmp_path):
    """The record beside the original says who found them: what no human touched stays AUTOMATIC."""
    original = tmp_path / "result"
    write_masks(structure_set(read_ct_reference(case / "ct").grid, BEFORE), original / "masks")
    record = {"task": "segment run", "made_utc": "2026-01-01T00:00:00", "model": {"name": "m"}, "seconds": {}}
    (original / "provenance.json").write_text(json.dumps(record))
    output = run(case, tmp_path / "out", original=original)
    items = pydicom.dcmread(output / "structures.dcm").StructureSetROISequence
    made = {item.ROIName: item.ROIGenerationAlgorithm for item in items}
    assert made["BODY"] == "AUTOMATIC"
    assert made["Cord"] == "SEMIAUTOMATIC"
    origin = json.loads((output / "provenance.json").read_text(encoding="utf-8"))["original_made_by"]
    assert origin == {"task": "segment run", "made_utc": "2026-01-01T00:00:00", "model": {"name": "m"}}


def other_grid(case: Path) -> Path:
    grid = Grid.axial(SHAPE, (2.5, 1.5, 1.0), (0.3, 0.3, 0.3))
    write_seg_nrrd(structure_set(grid, AFTER), case / "other.seg.nrrd")
    return case / "other.seg.nrrd"


def other_ct(case: Path) -> Path:
    if not (case / "other ct").exists():
        cb.write_series(case / "other ct", np.zeros(SHAPE), spacing=(1.5, 1.0), FrameOfReferenceUID="1.2.3.4")
    return case / "other ct"


def nothing(case: Path) -> Path:
    grid = read_ct_reference(case / "ct").grid
    write_seg_nrrd(structure_set(grid, {"A": np.zeros(SHAPE, bool)}), case / "nothing.seg.nrrd")
    return case / "nothing.seg.nrrd"


def nameless(case: Path) -> Path:
    path = case / "nameless.seg.nrrd"
    grid = read_ct_reference(case / "ct").grid
    write_seg_nrrd(structure_set(grid, {" ": BEFORE["Cord"]}), path)
    return path


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"status": "APPROVED"}, "--reviewer: is missing, and APPROVED needs one; name the reviewer"),
        (
            {"status": "APPROVED", "reviewer": " ^^"},
            "--reviewer: is missing, and APPROVED needs one; name the reviewer",
        ),
        ({"status": "REJECTED", "reviewer": "  "}, "--reviewer: is missing, and REJECTED needs one"),
        ({"reviewer": "a\\b"}, "--reviewer: holds a backslash"),
        ({"reviewer": "x" * 65}, "--reviewer: has 65 characters, DICOM allows 64; shorten it"),
        ({"comment": "x" * 1001}, "--comment: has 1001 characters, 1000 are allowed; shorten it"),
        ({"reviewed_at": "yesterday"}, "--reviewed-at: 'yesterday' is no time; write 2026-01-31T14:05:00"),
        ({"original": "nowhere.seg.nrrd"}, "nowhere.seg.nrrd: does not exist"),
        ({"reviewed": "nowhere.dcm"}, "nowhere.dcm: does not exist"),
        ({"ct": "nowhere"}, "nowhere: does not exist"),
        ({"reviewed": other_grid}, "other.seg.nrrd: "),
        ({"ct": other_ct}, "before.dcm: "),
        ({"reviewed": nothing}, "nothing.seg.nrrd: holds no voxel of any structure"),
        ({"reviewed": nameless}, "nameless.seg.nrrd: has a structure with an empty name"),
        ({"ct": "ct.nii.gz"}, "before.dcm: is RTSTRUCT, which needs the CT as DICOM"),
    ],
)
def test_wrong_inputs_are_refused_in_one_line(case, tmp_path, changes, words):
    paths = {"original", "reviewed", "ct"}
    made = {
        key: value(case) if callable(value) else case / value if key in paths else value
        for key, value in changes.items()
    }
    with pytest.raises(InputError) as raised:
        run(case, tmp_path / "out", **made)
    assert words in str(raised.value)
    assert "\n" not in str(raised.value)
    assert list(tmp_path.iterdir()) == [], "nothing is written"


def test_command_line_says_it_in_one_line(case, tmp_path, capfd):
    inputs = [str(case / "before.dcm"), str(case / "after.dcm"), "--ct", str(case / "ct")]
    line = ["structures", "review", *inputs, "--status", "APPROVED", "--output", str(tmp_path / "out")]
    assert main(line) == 2
    said = capfd.readouterr().err.strip().splitlines()[-1]
    assert said == "error: --reviewer: is missing, and APPROVED needs one; name the reviewer"
