"""`dose3d structures convert` between all five forms; what comes out is decoded by other code than Dose3D's.

The judges give the voxel centres of each structure in LPS millimetres, read from the written file alone.
"""

from __future__ import annotations

import json
from itertools import permutations
from pathlib import Path

import numpy as np
import pydicom
import pytest
from builders import ct_builder as cb
from builders.dciodvfy import dciodvfy_errors
from builders.structure_builder import grids, structures
from Dose3DLib.cli.main import main
from Dose3DLib.core.errors import Dose3DError, InputError, OutputError
from Dose3DLib.dicom.ct import read_ct_reference
from Dose3DLib.geometry.files import read_masks, write_label_map, write_masks, write_seg_nrrd
from Dose3DLib.geometry.grid import Grid
from Dose3DLib.geometry.mask import Mask
from Dose3DLib.geometry.structure import Structure, StructureSet
from Dose3DLib.tasks import structures_convert
from Dose3DLib.tasks.structures_convert import Settings

nibabel = pytest.importorskip("nibabel")
sitk = pytest.importorskip("SimpleITK")

FORMS = {"masks": "out", "seg.nrrd": "out.seg.nrrd", "label map": "out.nii.gz", "RTSTRUCT": "out.dcm", "SEG": "seg.dcm"}
GRIDS = grids()
Points = dict[str, np.ndarray]
GEOMETRIES = ("axial", "oblique", "sheared")


@pytest.fixture(scope="module")
def series(tmp_path_factory) -> dict[str, Path]:
    """A CT series of each geometry, written by plain pydicom: 64 x 80, 1.3 x 0.8 mm, 2.5 mm."""
    folders = {}
    for name in GEOMETRIES:
        affine = GRIDS[name].affine
        axes = affine[:3, :2] / np.linalg.norm(affine[:3, :2], axis=0)
        places = affine[:3, 3] + np.arange(7)[:, None] * affine[:3, 2]
        folders[name] = tmp_path_factory.mktemp("ct") / name
        orientation = tuple(axes.T.ravel())
        cb.write_series(folders[name], np.zeros((7, 64, 80)), orientation=orientation, places=places)
    return folders


def on_ct(name: str, series: dict[str, Path], overlapping: bool = True) -> StructureSet:
    grid = read_ct_reference(series[name]).grid
    chosen = structures(grid)
    if overlapping:
        return chosen
    return StructureSet(grid, (chosen["µ Łódź 日本"], chosen["SpinalCord"], chosen["Con"], _chequers(grid)))


def _chequers(grid) -> Structure:
    """Voxels that touch by their corners only: the worst that contours can be asked for."""
    k, j, i = np.indices(grid.shape)
    return Structure(
        "Chequers", Mask.from_array((k == 3) & (j < 12) & (i < 12) & ((i + j) % 2 == 0), grid), None, (1, 2, 3)
    )


def points_of(chosen: StructureSet) -> dict[str, np.ndarray]:
    return {s.name: _sorted(chosen.grid.to_lps(np.argwhere(s.mask.to_array())[:, ::-1])) for s in chosen}


def _sorted(points: np.ndarray) -> np.ndarray:
    rounded = np.round(points / 0.02).astype(int)
    return points[np.lexsort(rounded.T)]


def same_points(
    found: dict[str, np.ndarray], wanted: dict[str, np.ndarray], keys: dict[str, str] | None = None
) -> None:
    keys = keys or {}
    assert sorted(found) == sorted(keys.get(name, name) for name in wanted)
    for name, points in wanted.items():
        other = found[keys.get(name, name)]
        assert other.shape == points.shape, (name, other.shape, points.shape)
        nearest = np.abs(_nearest(points, other) - points).max()
        assert nearest < 2e-3, (name, nearest)


def _nearest(points: np.ndarray, others: np.ndarray) -> np.ndarray:
    from scipy.spatial import cKDTree

    distance, index = cKDTree(others).query(points)
    assert len(np.unique(index)) == len(points)
    assert distance.max() < 2e-3
    return others[index]


def judge(form: str, path: Path, ct: Path) -> dict[str, np.ndarray]:
    return {
        "masks": lambda: judge_masks(path),
        "seg.nrrd": lambda: judge_seg_nrrd(path),
        "label map": lambda: judge_label_map(path),
        "RTSTRUCT": lambda: judge_rtstruct(path, ct),
        "SEG": lambda: judge_seg(path),
    }[form]()


def judge_masks(path: Path) -> dict[str, np.ndarray]:
    found = {}
    for file in (path / "masks").iterdir():
        image = nibabel.load(file)
        found[file.name.removesuffix(".nii.gz")] = _nifti_points(image, np.asarray(image.dataobj) == 1)
    return found


def _nifti_points(image, chosen: np.ndarray) -> np.ndarray:
    return _sorted(nibabel.affines.apply_affine(image.get_sform(), np.argwhere(chosen)) * [-1, -1, 1])


def judge_label_map(path: Path) -> dict[str, np.ndarray]:
    image = nibabel.load(path)
    names = json.loads(image.header.extensions[0].get_content())["Dose3D"]["structures"]
    labels = np.asarray(image.dataobj)
    assert set(np.unique(labels)) - {0} == {item["label"] for item in names}
    return {item["name"]: _nifti_points(image, labels == item["label"]) for item in names}


def judge_seg_nrrd(path: Path) -> dict[str, np.ndarray]:
    image = sitk.ReadImage(str(path))
    array = sitk.GetArrayFromImage(image)
    array = array[..., None] if array.ndim == 3 else array
    steps = np.array(image.GetDirection()).reshape(3, 3) * np.array(image.GetSpacing())
    found = {}
    for n in range(100):
        if f"Segment{n}_Name" not in image.GetMetaDataKeys():
            break
        layer, label = (int(image.GetMetaData(f"Segment{n}_{key}")) for key in ("Layer", "LabelValue"))
        index = np.argwhere(array[..., layer] == label)[:, ::-1]
        found[image.GetMetaData(f"Segment{n}_Name")] = _sorted(index @ steps.T + np.array(image.GetOrigin()))
    return found


def judge_seg(path: Path) -> dict[str, np.ndarray]:
    dataset = pydicom.dcmread(path)
    frames = dataset.pixel_array.reshape(-1, dataset.Rows, dataset.Columns)
    shared = dataset.SharedFunctionalGroupsSequence[0]
    cosines = np.array(shared.PlaneOrientationSequence[0].ImageOrientationPatient, float)
    row_mm, column_mm = (float(v) for v in shared.PixelMeasuresSequence[0].PixelSpacing)
    names = {item.SegmentNumber: item.SegmentLabel for item in dataset.SegmentSequence}
    found: dict[str, list[np.ndarray]] = {name: [] for name in names.values()}
    for frame, group in zip(frames, dataset.PerFrameFunctionalGroupsSequence, strict=True):
        assert frame.any()
        place = np.array(group.PlanePositionSequence[0].ImagePositionPatient, float)
        rows, columns = np.nonzero(frame)
        points = place + columns[:, None] * cosines[:3] * column_mm + rows[:, None] * cosines[3:] * row_mm
        found[names[group.SegmentIdentificationSequence[0].ReferencedSegmentNumber]].append(points)
    return {name: _sorted(np.concatenate(parts)) for name, parts in found.items()}


def judge_rtstruct(path: Path, ct: Path) -> dict[str, np.ndarray]:
    """Even-odd by ray crossing, pixel by pixel, from the CT's own headers: plain and slow."""
    dataset = pydicom.dcmread(path)
    slices = {s.SOPInstanceUID: s for s in (pydicom.dcmread(file) for file in ct.iterdir())}
    names = {item.ROINumber: item.ROIName for item in dataset.StructureSetROISequence}
    found = {}
    for roi in dataset.ROIContourSequence:
        planes: dict[str, list[np.ndarray]] = {}
        for contour in roi.ContourSequence:
            uid = contour.ContourImageSequence[0].ReferencedSOPInstanceUID
            planes.setdefault(uid, []).append(np.array(contour.ContourData, float).reshape(-1, 3))
        parts = [_filled(slices[uid], polygons) for uid, polygons in planes.items()]
        found[names[roi.ReferencedROINumber]] = _sorted(np.concatenate(parts))
    return found


def _filled(image: pydicom.Dataset, polygons: list[np.ndarray]) -> np.ndarray:
    place = np.array(image.ImagePositionPatient, float)
    cosines = np.array(image.ImageOrientationPatient, float)
    row_mm, column_mm = (float(v) for v in image.PixelSpacing)
    rows, columns = np.indices((image.Rows, image.Columns))
    inside = np.zeros(rows.shape, bool)
    for polygon in polygons:
        x, y = (polygon - place) @ cosines[:3] / column_mm, (polygon - place) @ cosines[3:] / row_mm
        for x0, y0, x1, y1 in zip(x, y, np.roll(x, -1), np.roll(y, -1), strict=True):
            crosses = (y0 > rows) != (y1 > rows)
            if crosses.any():
                inside ^= crosses & (columns < x0 + (rows - y0) * (x1 - x0) / (y1 - y0 if y1 != y0 else 1))
    rows, columns = np.nonzero(inside)
    return place + columns[:, None] * cosines[:3] * column_mm + rows[:, None] * cosines[3:] * row_mm


def convert(source: Path, output: Path, form: str = "", **settings) -> structures_convert.Result:
    chosen = Settings(structures=source, output=output, seg=form == "SEG" or settings.pop("seg", False), **settings)
    return structures_convert.run(chosen)


FILES = {"Parotid/R:*": "Parotid_R__", "Con": "Con_"}
"""Names of mask files that differ from their structure's."""


@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_round_trips_between_all_forms(tmp_path, series, geometry):
    """From each form to each other one, first without overlaps (a label map takes no others)."""
    chosen, ct = on_ct(geometry, series, overlapping=False), series[geometry]
    wanted = points_of(chosen)
    start = tmp_path / "start"
    write_masks(chosen, start / "masks")
    for form, name in FORMS.items():
        convert(start, tmp_path / name, form, ct=ct)
        same_points(judge(form, tmp_path / name, ct), wanted, FILES if form == "masks" else None)
    for source, target in permutations(FORMS, 2):
        output = tmp_path / f"from {source.replace('.', '_')}" / FORMS[target]
        convert(tmp_path / FORMS[source], output, target, ct=ct)
        same_points(judge(target, output, ct), wanted, FILES if target == "masks" else None)


@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_overlaps_colors_types_and_names_travel(tmp_path, series, geometry):
    """masks -> RTSTRUCT -> SEG -> .seg.nrrd -> masks, all valid for dciodvfy, nothing lost on the way."""
    chosen, ct = on_ct(geometry, series), series[geometry]
    wanted = points_of(chosen)
    write_masks(chosen, tmp_path / "masks")
    source = tmp_path
    for form in ("RTSTRUCT", "SEG", "seg.nrrd", "masks"):
        output = tmp_path / FORMS[form]
        convert(source, output, form, ct=ct)
        same_points(judge(form, output, ct), wanted, FILES if form == "masks" else None)
        if form in ("RTSTRUCT", "SEG"):
            assert dciodvfy_errors(output) == []
        source = output
    kept = read_masks(source)
    for structure in chosen:
        other = kept[structure.name]
        assert (other.color, other.interpreted_type) == (structure.color, structure.interpreted_type)
    provenance = json.loads((source / "provenance.json").read_text(encoding="utf-8"))
    assert provenance["task"] == "structures convert"
    assert provenance["inputs"][0]["sha256"]
    header = pydicom.dcmread(next(ct.iterdir()), stop_before_pixels=True)
    assert provenance["inputs"][1]["study_instance_uid"] == header.StudyInstanceUID
    assert provenance["inputs"][1]["frame_of_reference_uid"] == header.FrameOfReferenceUID


def test_without_ct_between_files(tmp_path):
    chosen = structures(GRIDS["feet_first"])
    write_seg_nrrd(chosen, tmp_path / "a.seg.nrrd")
    convert(tmp_path / "a.seg.nrrd", tmp_path / "out")
    same_points(judge_masks(tmp_path / "out"), points_of(chosen), FILES)


def test_totalsegmentator_folder_becomes_rtstruct_with_standard_names(tmp_path, series):
    """Masks in RAS order as dcm2niix makes them, an empty one among them."""
    chosen, ct = on_ct("axial", series), series["axial"]
    names = {"spinal_cord": "SpinalCord", "lung_upper_lobe_left": "Parotid_L"}
    (tmp_path / "seg").mkdir()
    for name, source in names.items():
        array = chosen[source].mask.to_array().T.astype(np.uint8)
        image = nibabel.Nifti1Image(array, np.diag([-1, -1, 1, 1]) @ chosen.grid.affine)
        nibabel.save(nibabel.as_closest_canonical(image), tmp_path / "seg" / f"{name}.nii.gz")
    nibabel.save(nibabel.Nifti1Image(np.zeros_like(array), image.affine), tmp_path / "seg" / "liver.nii.gz")
    result = convert(tmp_path / "seg", tmp_path / "out.dcm", ct=ct, standard_names=True)
    assert result.warnings == ("not found (empty, left out): Liver",)
    wanted = points_of(chosen)
    same_points(
        judge_rtstruct(tmp_path / "out.dcm", ct), {"SpinalCord": wanted["SpinalCord"], "Lung_LUL": wanted["Parotid_L"]}
    )


def test_nnunet_label_map_becomes_seg(tmp_path, series):
    chosen, ct = on_ct("oblique", series, overlapping=False), series["oblique"]
    labels = np.zeros(chosen.grid.shape, np.uint8)
    for number, structure in enumerate(chosen, 1):
        labels[structure.mask.to_array()] = number
    image = sitk.GetImageFromArray(labels)
    spacing = np.linalg.norm(chosen.grid.affine[:3, :3], axis=0)
    image.SetSpacing(spacing.tolist())
    image.SetDirection((chosen.grid.affine[:3, :3] / spacing).ravel().tolist())
    image.SetOrigin(chosen.grid.affine[:3, 3].tolist())
    sitk.WriteImage(image, str(tmp_path / "case_001.nii.gz"))
    table = {"labels": {"background": 0, **{s.name: n for n, s in enumerate(chosen, 1)}, "absent": 9}}
    (tmp_path / "dataset.json").write_text(json.dumps(table))
    result = convert(tmp_path / "case_001.nii.gz", tmp_path / "out.dcm", "SEG", ct=ct)
    assert "absent" in result.warnings[0]
    same_points(judge_seg(tmp_path / "out.dcm"), points_of(chosen))


@pytest.mark.slow
def test_a_real_patient_keeps_25_structures(tmp_path, series, shared_data):
    """27 masks of a clinic (2 empty here) on 60 slices of 512 x 512, through every form that keeps overlaps."""
    folder = shared_data / "dicom_onko_hn"
    grid = read_ct_reference(folder / "ct").grid
    packed = np.load(folder / "masks_27.npz")
    count = int(np.prod(grid.shape))
    arrays = {name: np.unpackbits(packed[name], count=count).reshape(grid.shape) for name in packed.files}
    chosen = StructureSet(grid, tuple(Structure(name, Mask.from_array(a, grid)) for name, a in arrays.items()))
    write_masks(chosen, tmp_path / "masks")
    source = tmp_path
    for form in ("RTSTRUCT", "SEG", "seg.nrrd", "masks"):
        result = convert(source, tmp_path / FORMS[form], form, ct=folder / "ct")
        source = tmp_path / FORMS[form]
        if form == "RTSTRUCT":
            assert result.warnings == ("not found (empty, left out): Ant Avoid, mid line structures",)
        if source.suffix == ".dcm":
            assert dciodvfy_errors(source) == []
    for file in (source / "masks").iterdir():
        image = nibabel.load(file)
        np.testing.assert_array_equal(np.asarray(image.dataobj).T, arrays[file.name.removesuffix(".nii.gz")])
    assert len(list((source / "masks").iterdir())) == 25


def _write_bad_files(folder: Path, grid: Grid) -> StructureSet:
    """The inputs of the bad cases; gives the one structure that a label map holds."""
    chosen = structures(grid)
    write_seg_nrrd(chosen, folder / "good.seg.nrrd")
    write_masks(chosen, folder / "good" / "masks")
    part = StructureSet(grid, (chosen["µ Łódź 日本"],))
    write_label_map(part, folder / "named.nii.gz")
    image = nibabel.load(folder / "named.nii.gz")
    nibabel.save(nibabel.Nifti1Image(np.asarray(image.dataobj), image.affine), folder / "bare.nii.gz")
    nibabel.save(nibabel.Nifti1Image(np.asarray(image.dataobj) * 0.5, image.affine), folder / "float.nii.gz")
    moved = image.affine + np.pad([[0.3], [0.0], [0.0], [0.0]], ((0, 0), (3, 0)))
    nibabel.save(nibabel.Nifti1Image(np.asarray(image.dataobj), moved), folder / "moved.nii.gz")
    (folder / "other.csv").write_text("label,name\n7,Liver\n")
    (folder / "cord.csv").write_text("label,name\n1,Cord\n")
    (folder / "twice.csv").write_text("label,name\n1,A\n2,A\n")
    (folder / "long.csv").write_text("label,name\n1," + "x" * 65 + "\n")
    (folder / "blank.csv").write_text("label,name\n1, \n")
    (folder / "text.dcm").write_text("hello")
    (folder / "letter.docx").write_text("hello")
    (folder / "empty").mkdir()
    nothing = StructureSet(grid, (Structure("A", Mask.empty(grid)),))
    write_seg_nrrd(nothing, folder / "nothing.seg.nrrd")
    both = StructureSet(grid, tuple(Structure(n, chosen["Con"].mask) for n in ("Parotid_L", "LeftParotid")))
    write_seg_nrrd(both, folder / "both.seg.nrrd")
    return part


def bad_cases(folder: Path, ct: Path) -> dict[str, tuple[dict, str]]:
    """What is typed, and the cause that must be said."""
    part = _write_bad_files(folder, read_ct_reference(ct).grid)
    other = _other_patient(folder, ct, part)
    out, seg = folder / "out.dcm", folder / "good.seg.nrrd"
    bare = {"structures": folder / "bare.nii.gz", "output": folder / "out"}
    return {
        "no input": ({"structures": folder / "none.dcm", "output": out, "ct": ct}, "does not exist"),
        "foreign ending": ({"structures": folder / "letter.docx", "output": out, "ct": ct}, "none of the forms"),
        "foreign output": ({"structures": seg, "output": folder / "o.png"}, "unknown ending"),
        "no dicom": ({"structures": folder / "text.dcm", "output": folder / "out", "ct": ct}, "text.dcm"),
        "no ct": ({"structures": seg, "output": out}, "--ct: is missing"),
        "ct absent": ({"structures": seg, "output": out, "ct": folder / "no"}, "does not exist"),
        "ct image": ({"structures": seg, "output": out, "ct": folder / "bare.nii.gz"}, "needs the CT as DICOM"),
        "no masks": ({"structures": folder / "empty", "output": out, "ct": ct}, "has no masks"),
        "seg for masks": ({"structures": seg, "output": folder / "out", "seg": True}, "--seg"),
        "names for masks": ({"structures": seg, "output": folder / "out", "names": folder / "cord.csv"}, "--names"),
        "engine": ({"structures": seg, "output": folder / "out", "engine": "rt-utils"}, "--engine"),
        "name table": (
            {"structures": seg, "output": folder / "out", "name_table": folder / "cord.csv"},
            "--name-table",
        ),
        "no grid to go to": (
            {"structures": seg, "output": folder / "out", "resample": True},
            "--resample: is about",
        ),
        "series of an image": (
            {"structures": seg, "output": folder / "out", "ct": folder / "bare.nii.gz", "series": "1.2"},
            "--series: chooses among DICOM series",
        ),
        "no names": (bare, "labels without names"),
        "absent label": ({**bare, "names": folder / "other.csv"}, "without a name: 1"),
        "name twice": ({**bare, "names": folder / "twice.csv"}, "twice"),
        "blank name": ({**bare, "names": folder / "blank.csv"}, "empty name"),
        "long name": ({**bare, "names": folder / "long.csv", "output": out, "ct": ct}, "65 characters"),
        "float": ({**bare, "structures": folder / "float.nii.gz", "names": folder / "cord.csv"}, "fractional"),
        "wrong grid": (
            {**bare, "structures": folder / "moved.nii.gz", "names": folder / "cord.csv", "ct": ct},
            "on another grid than the CT",
        ),
        "overlap": ({"structures": seg, "output": folder / "l.nii.gz"}, "l.nii.gz: a label map cannot hold"),
        "nothing": ({"structures": folder / "nothing.seg.nrrd", "output": folder / "out"}, "no voxel"),
        "same standard name": (
            {"structures": folder / "both.seg.nrrd", "output": folder / "out", "standard_names": True},
            "'Parotid_L' and 'LeftParotid' are both Parotid_L",
        ),
        "RTSTRUCT of another patient": ({"structures": other[0], "output": folder / "out", "ct": ct}, "patient"),
        "SEG of another patient": ({"structures": other[1], "output": folder / "out", "ct": ct}, "another patient"),
        "SEG of another frame": ({"structures": other[2], "output": folder / "out", "ct": ct}, "frame of reference"),
    }


def _other_patient(folder: Path, ct: Path, part: StructureSet) -> list[Path]:
    """The same structure as RTSTRUCT and SEG of a patient X, and as SEG in another frame of reference."""
    write_seg_nrrd(part, folder / "part.seg.nrrd")
    paths = []
    for name, seg, change in (
        ("rt.dcm", False, {"PatientID": "X"}),
        ("sg.dcm", True, {"PatientID": "X"}),
        ("fr.dcm", True, {"FrameOfReferenceUID": "1.2.3"}),
    ):
        convert(folder / "part.seg.nrrd", folder / name, ct=ct, seg=seg)
        dataset = pydicom.dcmread(folder / name)
        cb.override(dataset, change)
        dataset.save_as(folder / name)
        paths.append(folder / name)
    return paths


def test_bad_input_is_refused_in_one_line_and_nothing_is_written(tmp_path, series):
    cases = bad_cases(tmp_path, series["axial"])
    before = sorted(tmp_path.rglob("*"))
    for case, (typed, cause) in cases.items():
        with pytest.raises(Dose3DError) as caught:
            structures_convert.run(Settings(**typed))
        assert isinstance(caught.value, InputError), case
        assert cause in str(caught.value), (case, str(caught.value))
        assert "\n" not in str(caught.value), case
        assert sorted(tmp_path.rglob("*")) == before, case


def test_lenient_and_resample_let_pass_with_a_warning(tmp_path, series):
    cases = bad_cases(tmp_path, series["axial"])
    for case in ("SEG of another patient", "SEG of another frame", "RTSTRUCT of another patient"):
        result = structures_convert.run(Settings(**cases[case][0], lenient=True, overwrite=True))
        assert any("another" in warning or "patient" in warning for warning in result.warnings), case
    result = structures_convert.run(Settings(**cases["wrong grid"][0], resample=True, overwrite=True))
    assert "resampled" in result.warnings[0]


def test_existing_output_is_kept(tmp_path):
    write_seg_nrrd(structures(GRIDS["axial"]), tmp_path / "a.seg.nrrd")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("x")
    with pytest.raises(OutputError, match="no result of Dose3D"):
        convert(tmp_path / "a.seg.nrrd", tmp_path / "out")
    assert (tmp_path / "out" / "mine.txt").read_text() == "x"
    (tmp_path / "out" / "mine.txt").rename(tmp_path / "out.mha")
    with pytest.raises(OutputError, match="exists already.*--overwrite"):
        convert(tmp_path / "a.seg.nrrd", tmp_path / "out.mha")
    assert (tmp_path / "out.mha").read_text() == "x"


def test_command_line(tmp_path, series, capsys):
    write_seg_nrrd(on_ct("axial", series), tmp_path / "ä b.seg.nrrd")
    typed = ["structures", "convert", str(tmp_path / "ä b.seg.nrrd"), "--ct", str(series["axial"])]
    assert main([*typed, "--output", str(tmp_path / "ö.dcm"), "--seg"]) == 0
    assert main([*typed, "--output", str(tmp_path / "l.mha")]) == 2
    assert "cannot hold structures that overlap" in capsys.readouterr().err
    assert not (tmp_path / "l.mha").exists()


def test_rt_utils_as_engine(tmp_path, series):
    """Its own round trip on a square image; what it draws is smaller than what it was given."""
    pytest.importorskip("rt_utils")
    grid_folder = tmp_path / "ct"
    cb.write_series(grid_folder, np.zeros((7, 64, 64)), spacing=(1.0, 1.0))
    reference = read_ct_reference(grid_folder)
    disc = np.zeros(reference.grid.shape, bool)
    disc[2:5, 20:40, 20:40] = True
    one = StructureSet(reference.grid, (Structure("Square", Mask.from_array(disc, reference.grid)),))
    write_seg_nrrd(one, tmp_path / "a.seg.nrrd")
    convert(tmp_path / "a.seg.nrrd", tmp_path / "rt.dcm", ct=grid_folder, engine="rt-utils")
    convert(tmp_path / "rt.dcm", tmp_path / "by rt-utils", ct=grid_folder, engine="rt-utils")
    convert(tmp_path / "rt.dcm", tmp_path / "by dose3d", ct=grid_folder)
    read = {who: len(judge_masks(tmp_path / f"by {who}")["Square"]) for who in ("rt-utils", "dose3d")}
    assert read["rt-utils"] == 1200
    assert read["dose3d"] < 1200
