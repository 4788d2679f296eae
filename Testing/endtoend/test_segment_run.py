"""The main job with the shipped model: what it writes is judged by readers that are not ours."""

from __future__ import annotations

import hashlib
import json
import zipfile
from html.parser import HTMLParser

import nibabel
import numpy as np
import pydicom
import pytest
from builders.dciodvfy import dciodvfy_errors
from builders.rtstruct_decoder import decode, read_planes
from Dose3DLib.cli.main import main
from Dose3DLib.core.errors import InputError, OutputError
from Dose3DLib.geometry.grid import Grid, Volume
from Dose3DLib.geometry.phantom import population_phantom
from Dose3DLib.geometry.resample import pool_to
from Dose3DLib.geometry.volume_files import write_volume
from Dose3DLib.tasks import segment_run
from Dose3DLib.tasks.demo import write_phantom_series

ORGANS = {"Brainstem", "SpinalCord", "Parotid_L", "Parotid_R", "Mandible", "Esophagus", "Larynx", "BODY"}


def run(ct, output, **options):
    return segment_run.run(segment_run.Settings(ct=ct, output=output, device="cpu", **options))


def masks_of(folder):
    """Name -> bool [k, j, i] and the NIfTI affine, read by nibabel."""
    images = {path.name.removesuffix(".nii.gz"): nibabel.load(path) for path in (folder / "masks").iterdir()}
    return {name: np.asarray(image.dataobj).T > 0 for name, image in images.items()}, images


def hounsfield(folder):
    """The bytes of a series that is stored as whole HU, from feet to head, by pydicom."""
    slices = sorted(map(pydicom.dcmread, folder.iterdir()), key=lambda one: one.ImagePositionPatient[2])
    assert {(one.RescaleSlope, one.RescaleIntercept, one.PixelRepresentation) for one in slices} == {(1, 0, 1)}
    return b"".join(one.PixelData for one in slices)


def dice(a, b):
    return 2 * (a & b).sum() / max(a.sum() + b.sum(), 1)


@pytest.fixture(scope="module")
def series(tmp_path_factory):
    folder = tmp_path_factory.mktemp("phantom") / "ct"
    write_phantom_series(folder)
    return folder


@pytest.fixture(scope="module")
def done(series, tmp_path_factory):
    output = tmp_path_factory.mktemp("done") / "out"
    return output, run(series, output, seg=True)


def test_every_file_is_there(done):
    output, result = done
    assert result.output == output
    assert {path.name for path in output.iterdir()} >= {
        "structures.dcm", "segmentation.dcm", "masks", "report.html", "provenance.json",
    }  # fmt: skip
    assert all((output / name).exists() for name in result.files.values())


def test_rtstruct_holds_the_masks_for_another_reader(done, series):
    output, _ = done
    decoded = decode(output / "structures.dcm", read_planes(series))
    masks, _ = masks_of(output)
    assert set(decoded) == set(masks) == ORGANS
    for name in ORGANS:
        assert np.array_equal(decoded[name], masks[name]), name


BOX = (30.0, 85.0, -60.0, 10.0, -90.0, -45.0)
"""Around the phantom's left parotid, LPS mm."""


def test_region_of_interest(done, series, tmp_path):
    """By the command line, negative numbers too: the organ of the whole CT there, nothing outside, whole BODY."""
    output = tmp_path / "out"
    words = ["segment", "run", str(series), "--output", str(output), "--device", "cpu", "--roi", *map(str, BOX)]
    assert main(words) == 0
    whole, images = masks_of(done[0])
    found, _ = masks_of(output)
    affine = images["BODY"].affine
    i, j, k = np.indices(images["BODY"].shape)
    ras = np.stack([i, j, k], axis=-1) @ affine[:3, :3].T + affine[:3, 3]
    lps = ras * [-1, -1, 1]
    inside = ((lps >= BOX[0::2]) & (lps <= BOX[1::2])).all(axis=-1).T
    assert "Parotid_L" in found
    assert "Parotid_R" not in found
    for name in found.keys() - {"BODY"}:
        assert not (found[name] & ~inside).any(), name
    assert dice(found["Parotid_L"], whole["Parotid_L"] & inside) > 0.999
    assert np.array_equal(found["BODY"], whole["BODY"])
    record = json.loads((output / "provenance.json").read_text())
    assert record["settings"]["roi"] == list(BOX)
    assert record["region_of_interest"]["low_lps_mm"] == list(BOX[0::2])
    assert "Looked in" in (output / "report.html").read_text()
    description = pydicom.dcmread(output / "structures.dcm").ContributingEquipmentSequence[0].ContributionDescription
    assert "in a region of interest" in description


@pytest.mark.parametrize(
    ("numbers", "words"),
    [
        ("1 2 3", "--roi: has 3 numbers, not six"),
        ("9 -9 0 1 0 1", "--roi: in x (right to left), 9 mm is not below -9 mm"),
        ("5000 5001 0 1 0 1", "--roi: holds no voxel of the CT"),
        ("0 nan 0 1 0 1", "--roi: nan is not a finite number"),
        ("0 a 0 1 0 1", '--roi: unable to convert "a"'),
    ],
)
def test_bad_region_is_refused_in_one_line(series, tmp_path, capfd, numbers, words):
    assert main(["segment", "run", str(series), "--output", str(tmp_path / "out"), "--roi", *numbers.split()]) == 2
    said = [line for line in capfd.readouterr().err.splitlines() if line.startswith("error")]
    assert len(said) == 1
    assert words in said[0] or words.partition(": ")[2] in said[0]
    assert not (tmp_path / "out").exists()


def test_rtstruct_says_what_it_is(done, series):
    output, _ = done
    dataset = pydicom.dcmread(output / "structures.dcm")
    ct = pydicom.dcmread(next(series.iterdir()))
    assert dataset.StudyInstanceUID == ct.StudyInstanceUID
    assert dataset.StructureSetROISequence[0].ReferencedFrameOfReferenceUID == ct.FrameOfReferenceUID
    assert dataset.ApprovalStatus == "UNAPPROVED"
    numbers = {roi.ROINumber: roi.ROIName for roi in dataset.StructureSetROISequence}
    types = {numbers[item.ReferencedROINumber]: item.RTROIInterpretedType for item in dataset.RTROIObservationsSequence}
    assert types == {name: "EXTERNAL" if name == "BODY" else "ORGAN" for name in ORGANS}
    assert len({tuple(item.ROIDisplayColor) for item in dataset.ROIContourSequence}) == len(ORGANS)


@pytest.mark.parametrize("name", ["structures.dcm", "segmentation.dcm"])
def test_dicom_says_which_model_made_it(done, name):
    weights = json.loads((done[0] / "provenance.json").read_text(encoding="utf-8"))["model"]["weights_sha256"]
    (made,) = pydicom.dcmread(done[0] / name, stop_before_pixels=True).ContributingEquipmentSequence
    assert weights in made.ContributionDescription
    assert "head_neck_ct" in made.ContributionDescription
    assert str(done[0].parent) not in made.ContributionDescription


@pytest.mark.parametrize("name", ["structures.dcm", "segmentation.dcm"])
def test_dicom_is_valid(done, name):
    assert dciodvfy_errors(done[0] / name) == []


def test_seg_holds_the_masks(done):
    """Decoded with plain pydicom: frames by position and segment."""
    output, _ = done
    dataset = pydicom.dcmread(output / "segmentation.dcm")
    masks, images = masks_of(output)
    names = {item.SegmentNumber: item.SegmentLabel for item in dataset.SegmentSequence}
    assert set(names.values()) == ORGANS
    affine = images["BODY"].affine
    counts = dict.fromkeys(ORGANS, 0)
    for frame, item in zip(dataset.pixel_array, dataset.PerFrameFunctionalGroupsSequence, strict=True):
        name = names[item.SegmentIdentificationSequence[0].ReferencedSegmentNumber]
        position = [float(v) for v in item.PlanePositionSequence[0].ImagePositionPatient]
        k = round((position[2] - affine[2, 3]) / affine[2, 2])
        assert np.array_equal(frame > 0, masks[name][k]), (name, k)
        counts[name] += int(frame.sum())
    assert counts == {name: int(masks[name].sum()) for name in ORGANS}


def test_masks_lie_on_the_cts_grid(done, series):
    """Corner by corner against positions that the CT's headers give."""
    _, images = masks_of(done[0])
    planes = read_planes(series)
    for image in images.values():
        assert image.shape == (*planes[0].shape[::-1], len(planes))
        for k in (0, len(planes) - 1):
            lps = image.affine[:3] @ [0, 0, k, 1] * [-1, -1, 1]
            assert np.abs(lps - planes[k].position).max() < 1e-3


def test_scene_names_patient_and_segments(done):
    path = done[0] / "scene.mrb"
    if not path.exists():
        pytest.skip("slicer-core is not installed here")
    with zipfile.ZipFile(path) as archive:
        mrml = next(archive.read(name).decode() for name in archive.namelist() if name.endswith(".mrml"))
        nrrd = next(archive.read(name) for name in archive.namelist() if name.endswith(".seg.nrrd"))
    assert "Phantom^Population" in mrml
    header = nrrd.split(b"\n\n", 1)[0].decode()
    for name in ORGANS:
        assert f":={name}\n" in header + "\n", name


def test_report_is_self_contained(done):
    text = (done[0] / "report.html").read_text(encoding="utf-8")

    class Links(HTMLParser):
        found: list[str] = []  # noqa: RUF012

        def handle_starttag(self, tag, attributes):
            self.found += [value for key, value in attributes if key in {"src", "href"} and value]

    Links().feed(text)
    assert all(link.startswith(("data:", "#")) for link in Links.found)
    assert all(name in text for name in ORGANS)
    assert "esearch use" in text


def test_provenance_tells_how(done, series):
    record = json.loads((done[0] / "provenance.json").read_text(encoding="utf-8"))
    assert record["model"]["name"] == "head_neck_ct"
    assert len(record["model"]["weights_sha256"]) == 64
    uids = {str(pydicom.dcmread(path, stop_before_pixels=True).SOPInstanceUID) for path in series.iterdir()}
    assert set(record["inputs"][0]["sop_instance_uids"]) == uids
    assert record["inputs"][0]["hu_sha256"] == hashlib.sha256(hounsfield(series)).hexdigest()
    assert (record["device"], record["device_reason"]) == ("cpu", "asked for")
    assert {"read headers", "network", "RTSTRUCT", "report"} <= set(record["seconds"])
    assert record["research_use_only"] is True


@pytest.fixture(scope="module")
def coarse(tmp_path_factory):
    """The phantom as an oblique NIfTI of few voxels: every form but DICOM, quickly."""
    volume = pool_to(population_phantom()[0], (5.0, 4.0, 4.0))
    array = np.ascontiguousarray(volume.array.round().astype(np.int16))
    path = tmp_path_factory.mktemp("nifti") / "köpf.nii.gz"
    write_volume(Volume(array, volume.grid), path)
    return path


def test_nifti_gives_masks_and_no_dicom(coarse, tmp_path):
    run(coarse, tmp_path / "out")
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert "structures.dcm" not in names
    masks, images = masks_of(tmp_path / "out")
    assert "BODY" in masks
    assert np.abs(images["BODY"].affine - nibabel.load(coarse).affine).max() < 1e-4


def test_nifti_with_dicom_gets_a_series_and_an_rtstruct(coarse, tmp_path):
    run(coarse, tmp_path / "out", dicom=True, seg=True)
    decoded = decode(tmp_path / "out" / "structures.dcm", read_planes(tmp_path / "out" / "ct"))
    masks, _ = masks_of(tmp_path / "out")
    assert all(np.array_equal(decoded[name], mask) for name, mask in masks.items())
    slices = [pydicom.dcmread(path) for path in (tmp_path / "out" / "ct").iterdir()]
    slices.sort(key=lambda d: float(d.ImagePositionPatient[2]))
    written = np.stack([d.pixel_array * float(d.RescaleSlope) + float(d.RescaleIntercept) for d in slices])
    assert np.array_equal(written, np.asarray(nibabel.load(coarse).dataobj).T)


def test_same_input_same_masks(coarse, tmp_path):
    for name in "ab":
        run(coarse, tmp_path / name, organs=("Mandible", "Brainstem"))
    first, second = (masks_of(tmp_path / name)[0] for name in "ab")
    assert first.keys() == second.keys() <= {"Mandible", "Brainstem", "BODY"}
    assert all(np.array_equal(first[name], second[name]) for name in first)


# ---------------------------------------------------------------- bad input: one line, exit code 2, nothing written
def refused(capsys, output, *arguments):
    """Run the command line; returns its one line of error."""
    assert main(["segment", "run", *map(str, arguments), "--output", str(output)]) == 2
    assert not output.exists()
    assert list(output.parent.glob(f".{output.name}*")) == []
    return [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")][-1]


@pytest.mark.parametrize(
    ("name", "cause"), [("provenance.json", "exists already.*--overwrite"), ("keep.txt", "no result of Dose3D")]
)
def test_output_exists(series, tmp_path, name, cause):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / name).write_text("mine")
    with pytest.raises(OutputError, match=cause):
        run(series, tmp_path / "out")
    assert (tmp_path / "out" / name).read_text() == "mine"


def test_no_such_folder(capsys, tmp_path):
    line = refused(capsys, tmp_path / "out", tmp_path / "nothing")
    assert "nothing: does not exist; give a folder" in line


def test_unknown_organ(series, capsys, tmp_path):
    line = refused(capsys, tmp_path / "out", series, "--organs", "Liver")
    assert "--organs: head_neck_ct does not know Liver; choose from Brainstem" in line


def test_unknown_model(series, capsys, tmp_path):
    assert "no such model" in refused(capsys, tmp_path / "out", series, "--model", "head_nek")


def test_mr_as_nifti(tmp_path):
    grid = Grid.axial((8, 16, 16), (2, 2, 2), (0, 0, 0))
    array = np.random.default_rng(1).integers(0, 900, grid.shape).astype(np.int16)
    write_volume(Volume(array, grid), tmp_path / "mr.nii.gz")
    with pytest.raises(InputError, match=r"mr\.nii\.gz.*no Hounsfield units"):
        run(tmp_path / "mr.nii.gz", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_seg_of_an_image_file_needs_dicom(coarse, tmp_path):
    with pytest.raises(InputError, match="--seg.*add --dicom"):
        run(coarse, tmp_path / "out", seg=True)


def test_damaged_model(series, tmp_path):
    import shutil

    from Dose3DLib.bundles.folder import SHIPPED

    model = tmp_path / "model"
    shutil.copytree(SHIPPED / "head_neck_ct", model)
    weights = model / "models" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(InputError, match=r"model\.safetensors.*SHA-256"):
        run(series, tmp_path / "out", model=str(model))
    assert not (tmp_path / "out").exists()


# ---------------------------------------------------------------- real patients
@pytest.mark.parametrize("patient", ["pt_226", "pt_236"])
def test_openkbp_patients(shared_data, patient, tmp_path):
    """Validation patients: a guard of the whole pipe; the benchmark measures quality."""
    folder = shared_data / "openkbp_dicom" / patient
    run(folder / "CT", tmp_path / "out")
    masks, _ = masks_of(tmp_path / "out")
    file = np.load(folder / "truth_masks.npz")
    names = file["structure_names"].tolist()
    shape = tuple(int(n) for n in file["shape"])
    truth = np.unpackbits(file["structures"], count=int(np.prod(shape))).reshape(shape).astype(bool)
    first = int(file["ct_first_slice"])
    for organ, name in {"SpinalCord": "SpinalCord", "Parotid_L": "LeftParotid", "Parotid_R": "RightParotid"}.items():
        if name in names:
            there = truth[names.index(name), first : first + masks["BODY"].shape[0]]
            assert dice(masks[organ], there) > 0.6, organ


def test_real_head_and_neck_ct(shared_data, tmp_path):
    """512 x 512 pixels of another hospital, with couch, cut off in the middle of the neck.

    Its masks follow other habits (a cord with the canal, parotids without the part in the target), so beside Dice: the
    cord lies in that cord, down to the last slice, and the parotid holds most of that parotid.
    """
    folder = shared_data / "dicom_onko_hn"
    run(folder / "ct", tmp_path / "out")
    masks, _ = masks_of(tmp_path / "out")
    stack = np.load(folder / "masks_27.npz")

    def truth(name):
        return np.unpackbits(stack[name], count=60 * 512 * 512).reshape(60, 512, 512).astype(bool)

    assert dice(masks["Brainstem"], truth("Brainstem")) > 0.7
    assert (masks["SpinalCord"] & truth("Cord")).sum() > 0.9 * masks["SpinalCord"].sum()
    assert dice(masks["SpinalCord"], truth("Cord")) > 0.6
    assert masks["SpinalCord"][0].any()
    assert (masks["Parotid_R"] & truth("R Parotid")).sum() > 0.5 * truth("R Parotid").sum()
    left, right = (np.argwhere(masks[name])[:, 2].mean() for name in ("Parotid_L", "Parotid_R"))
    assert left > right + 50


def test_pelvis_is_said(shared_data, tmp_path):
    result = run(shared_data / "ct_pelvis" / "ct.nii.gz", tmp_path / "out")
    assert any("does not look like a head-and-neck CT" in warning for warning in result.warnings)
    assert "does not look like" in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
