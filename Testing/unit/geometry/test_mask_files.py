from __future__ import annotations

import json
import re

import numpy as np
import pytest
from builders.structure_builder import grids, same, structures
from Dose3DLib.core.errors import InputError
from Dose3DLib.geometry.files import (
    Label,
    overlapping_pairs,
    read_label_map,
    read_masks,
    safe_file_names,
    write_label_map,
    write_mask,
    write_masks,
)
from Dose3DLib.geometry.grid import Grid
from Dose3DLib.geometry.mask import Mask
from Dose3DLib.geometry.structure import Structure, StructureSet

nibabel = pytest.importorskip("nibabel")
sitk = pytest.importorskip("SimpleITK")

GRIDS = grids()
LPS_RAS = np.diag([-1, -1, 1, 1])


def flat(grid: Grid) -> StructureSet:
    """Structures that don't overlap."""
    chosen = structures(grid)
    return StructureSet(grid, (chosen["Parotid_L"], chosen["SpinalCord"], chosen["Con"]))


@pytest.mark.parametrize("name", GRIDS)
def test_masks_by_nibabel(tmp_path, name):
    """The judge is nibabel alone: voxels, place, type of the data."""
    chosen = structures(GRIDS[name])
    paths = write_masks(chosen, tmp_path / "masks")
    for structure in chosen:
        image = nibabel.load(paths[structure.name])
        assert image.get_data_dtype() == np.uint8
        np.testing.assert_array_equal(np.asarray(image.dataobj).T, structure.mask.to_array())
        np.testing.assert_allclose(image.affine, LPS_RAS @ chosen.grid.affine, atol=1e-4)
    same(chosen, read_masks(tmp_path))
    same(chosen, read_masks(tmp_path / "masks", chosen.grid))


def test_file_names():
    names = ["a/b", "a:b", "A/B", "con", "LPT1.x", "..", " x. ", "日本", "x" * 300, "", "tab\tnew\nline", "Brain"]
    files = safe_file_names(names)
    assert files[:8] == ["a_b", "a_b_2", "A_B_3", "con_", "LPT1.x_", "_", "x", "日本"]
    assert len({file.casefold() for file in files}) == len(names)
    assert all(file and not re.search(r'[\x00-\x1f<>:"/\\|?*]|[ .]$|^\.', file) for file in files)
    assert max(len(file.encode()) for file in files) <= 190


def test_masks_of_another_tool_with_turned_axes(tmp_path):
    """nnU-Net and TotalSegmentator write on the grid of their NIfTI, whose rows dcm2niix has flipped."""
    grid = GRIDS["axial"]
    mask = structures(grid)["SpinalCord"].mask
    ras = np.asarray(nibabel.as_closest_canonical(_nifti(mask)).dataobj)
    assert not np.array_equal(ras, np.asarray(_nifti(mask).dataobj))
    nibabel.save(nibabel.as_closest_canonical(_nifti(mask)), tmp_path / "spinal_cord.nii.gz")
    assert read_masks(tmp_path, grid)["spinal_cord"].mask.same_voxels(mask)


def _nifti(mask: Mask):
    return nibabel.Nifti1Image(mask.to_array().T.astype(np.uint8), LPS_RAS @ mask.grid.affine)


def test_renamed_masks_go_by_their_file(tmp_path):
    chosen = structures(GRIDS["axial"])
    path = write_masks(chosen, tmp_path)["Parotid_L"]
    path.rename(tmp_path / "Gland.nii.gz")
    assert "Gland" in read_masks(tmp_path).names
    assert "Parotid/R:*" in read_masks(tmp_path).names


def test_noise_of_the_grid_is_borne_and_a_real_difference_is_not(tmp_path):
    grid = GRIDS["oblique"]
    mask = structures(grid)["Parotid_L"].mask
    for shift, distance in ((5e-4, None), (2e-3, "0.003"), (1.3, "2.25")):
        moved = grid.affine.copy()
        moved[:3, 3] += shift
        write_mask(Mask(Grid(grid.shape, moved), mask.offset, mask.block), tmp_path / "P.nii.gz")
        if distance is None:
            assert read_masks(tmp_path, grid)["P"].mask.same_voxels(mask)
            continue
        with pytest.raises(InputError, match=rf"another grid than the CT \(corners up to {distance}"):
            read_masks(tmp_path, grid)
        assert "resampled" in read_masks(tmp_path, grid, resample=True).notes[0]


@pytest.mark.parametrize(
    ("array", "cause"),
    [
        (np.arange(24).reshape(2, 3, 4).astype(np.uint8), "23 labels, not one mask"),
        (np.full((2, 3, 4), 0.5, np.float32), "fractional"),
        (np.full((2, 3, 4), -1, np.int16), "negative"),
        (np.random.default_rng(0).integers(0, 9999, (20, 30, 40)).astype(np.int16), "different values"),
    ],
)
def test_masks_that_are_none(tmp_path, array, cause):
    nibabel.save(nibabel.Nifti1Image(array.T, np.eye(4)), tmp_path / "x.nii.gz")
    with pytest.raises(InputError, match=cause):
        read_masks(tmp_path)


def test_folder_without_masks_and_equal_names(tmp_path):
    with pytest.raises(InputError, match="has no masks"):
        read_masks(tmp_path)
    mask = structures(GRIDS["axial"])["Con"].mask
    write_mask(mask, tmp_path / "A.nii.gz")
    write_mask(mask, tmp_path / "A.nrrd")
    with pytest.raises(InputError, match="'A' more than once"):
        read_masks(tmp_path)


@pytest.mark.parametrize("ending", ["nii.gz", "nrrd", "mha"])
@pytest.mark.parametrize("name", GRIDS)
def test_label_map_round_trip_and_judge(tmp_path, name, ending):
    chosen = flat(GRIDS[name])
    path = tmp_path / f"labels.{ending}"
    write_label_map(chosen, path, provenance={"task": "test µ"})
    same(chosen, read_label_map(path))
    if ending == "nii.gz":
        array = np.asarray(nibabel.load(path).dataobj).T
    else:
        array = sitk.GetArrayFromImage(sitk.ReadImage(str(path)))
    for number, structure in enumerate(chosen, 1):
        np.testing.assert_array_equal(array == number, structure.mask.to_array())
    assert array.max() == 3


def test_overlaps_in_a_label_map(tmp_path):
    grid = GRIDS["axial"]
    a, b = np.zeros(grid.shape, bool), np.zeros(grid.shape, bool)
    a[2, 10:20, 10:20] = True
    b[2, 15:25, 15:25] = True
    pair = StructureSet(grid, tuple(Structure(n, Mask.from_array(x, grid)) for n, x in (("A", a), ("B", b))))
    assert overlapping_pairs(pair) == [("A", "B", 25)]
    with pytest.raises(InputError, match=r"overlap: A and B \(25 voxels\)"):
        write_label_map(pair, tmp_path / "x.nrrd")
    write_label_map(pair, tmp_path / "x.nrrd", overlaps="first")
    assert read_label_map(tmp_path / "x.nrrd")["A"].mask.voxels == 100
    write_label_map(pair, tmp_path / "x.nrrd", overlaps="last")
    assert read_label_map(tmp_path / "x.nrrd")["A"].mask.voxels == 75


def test_numbers_of_the_source_are_kept(tmp_path):
    grid = GRIDS["axial"]
    chosen = StructureSet(
        grid, tuple(Structure(s.name, s.mask, number=n) for s, n in zip(flat(grid), (7, 300, 2), strict=True))
    )
    write_label_map(chosen, tmp_path / "x.nrrd")
    array = sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / "x.nrrd")))
    assert set(np.unique(array)) == {0, 7, 300, 2}


def test_nnunet_label_map_with_dataset_json_and_regions(tmp_path):
    labels = np.zeros((4, 5, 6), np.uint8)
    labels[1, 1, 1], labels[2, 2, 2] = 1, 2
    nibabel.save(nibabel.Nifti1Image(labels.T, np.eye(4)), tmp_path / "case_0001.nii.gz")
    content = {"labels": {"background": 0, "whole": [1, 2], "core": 2, "absent": 3}, "channel_names": {"0": "CT"}}
    (tmp_path / "dataset.json").write_text(json.dumps(content))
    read = read_label_map(tmp_path / "case_0001.nii.gz")
    assert {s.name: s.mask.voxels for s in read} == {"whole": 2, "core": 1, "absent": 0}


def test_totalsegmentator_label_table_in_the_header(tmp_path):
    labels = np.zeros((4, 5, 6), np.uint8)
    labels[1, 1, 1], labels[2, 2, 2] = 1, 5
    image = nibabel.Nifti1Image(labels.T, np.eye(4))
    table = "".join(
        f'<Label Key="{key}" Red="1.0" Green="0.5" Blue="0" Alpha="1"><![CDATA[{name}]]></Label>'
        for key, name in ((1, "spleen"), (5, "liver"))
    )
    xml = f'<?xml version="1.0"?><CaretExtension><VolumeInformation Index="0"><LabelTable>{table}</LabelTable>'
    xml += "</VolumeInformation></CaretExtension>"
    image.header.extensions.append(nibabel.nifti1.Nifti1Extension(0, xml.encode()))
    nibabel.save(image, tmp_path / "ml.nii.gz")
    read = read_label_map(tmp_path / "ml.nii.gz")
    assert {s.name: s.mask.offset for s in read} == {"spleen": (1, 1, 1), "liver": (2, 2, 2)}
    assert read["liver"].color == (255, 128, 0)


def test_float_labels_that_are_whole_are_taken(tmp_path):
    labels = np.zeros((4, 5, 6))
    labels[1] = 2
    nibabel.save(nibabel.Nifti1Image(labels.T, np.eye(4)), tmp_path / "f.nii")
    assert read_label_map(tmp_path / "f.nii", {2: "Liver"})["Liver"].mask.voxels == 30


@pytest.mark.parametrize(
    ("value", "names", "cause"),
    [
        (0.5, {1: "A"}, "fractional"),
        (-3, {1: "A"}, "negative"),
        (3, {1: "A"}, "without a name: 3"),
        (3, None, "labels without names"),
        (0, {}, "none of the named labels"),
        (1, {1: "A", 2: "A"}, "'A' more than once"),
        (1, [Label("A", (1,)), Label("A", (4,))], "'A' more than once"),
    ],
)
def test_label_maps_that_are_refused(tmp_path, value, names, cause):
    labels = np.zeros((4, 5, 6), np.float32)
    labels[1] = value
    nibabel.save(nibabel.Nifti1Image(labels.T, np.eye(4)), tmp_path / "f.nii")
    with pytest.raises(InputError, match=cause) as caught:
        read_label_map(tmp_path / "f.nii", names)
    assert "\n" not in str(caught.value)
