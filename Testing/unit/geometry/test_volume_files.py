from __future__ import annotations

import gzip
import re
import sys
from pathlib import Path

import numpy as np
import pytest
from builders.structure_builder import grids
from Dose3DLib.core.errors import InputError, OutputError, ResourceError
from Dose3DLib.geometry.grid import Volume
from Dose3DLib.geometry.volume_files import image_suffix, read_raw_image, read_volume, write_volume

nibabel = pytest.importorskip("nibabel")
sitk = pytest.importorskip("SimpleITK")

GRIDS = grids()
FORMATS = ("nii", "nii.gz", "nrrd", "mha", "mhd")


def ct(grid) -> np.ndarray:
    return np.random.default_rng(3).integers(-1024, 3000, grid.shape).astype(np.int16)


@pytest.mark.parametrize("ending", FORMATS)
@pytest.mark.parametrize("name", GRIDS)
def test_round_trip_keeps_voxels_and_places(tmp_path, name, ending):
    volume = Volume(ct(GRIDS[name]), GRIDS[name])
    path = tmp_path / f"ÄŁ 日.{ending}"
    write_volume(volume, path)
    again = read_volume(path)
    assert again.array.dtype == np.int16
    np.testing.assert_array_equal(again.array, volume.array)
    assert np.abs(again.grid.affine - volume.grid.affine).max() < (1e-4 if "nii" in ending else 1e-12)
    assert again.grid.same_as(volume.grid)


@pytest.mark.parametrize("name", GRIDS)
def test_another_reader_sees_the_same(tmp_path, name):
    """NIfTI by nibabel's own affine (RAS), NRRD and MHA by pynrrd and a header parsed by hand."""
    nrrd = pytest.importorskip("nrrd")
    volume = Volume(ct(GRIDS[name]), GRIDS[name])
    ras = np.diag([-1, -1, 1, 1]) @ volume.grid.affine
    write_volume(volume, tmp_path / "a.nii.gz")
    image = nibabel.load(tmp_path / "a.nii.gz")
    np.testing.assert_allclose(image.get_sform(), ras, atol=1e-4)
    assert image.get_sform(coded=True)[1] == 1
    assert (image.get_qform(coded=True)[1] == 0) == (name == "sheared")
    np.testing.assert_array_equal(np.asarray(image.dataobj).T, volume.array)
    if name != "sheared":
        np.testing.assert_allclose(image.get_qform(), ras, atol=1e-3)
    write_volume(volume, tmp_path / "a.nrrd")
    data, header = nrrd.read(str(tmp_path / "a.nrrd"), index_order="C")
    np.testing.assert_array_equal(data, volume.array)
    assert header["space"] == "left-posterior-superior"
    np.testing.assert_allclose(header["space directions"].T, volume.grid.affine[:3, :3], atol=1e-12)
    np.testing.assert_allclose(header["space origin"], volume.grid.affine[:3, 3], atol=1e-12)
    write_volume(volume, tmp_path / "a.mha")
    text = (tmp_path / "a.mha").read_bytes().split(b"ElementDataFile")[0].decode()
    field = dict(line.split(" = ", 1) for line in text.splitlines() if " = " in line)
    steps = np.array(field["TransformMatrix"].split(), float).reshape(3, 3).T * np.array(
        field["ElementSpacing"].split(), float
    )
    np.testing.assert_allclose(steps, volume.grid.affine[:3, :3], atol=1e-12)


def test_types(tmp_path):
    grid = GRIDS["axial"]
    fractional = np.linspace(-1, 1, np.prod(grid.shape)).reshape(grid.shape)
    write_volume(Volume(fractional, grid), tmp_path / "f.nii.gz")
    assert read_volume(tmp_path / "f.nii.gz").array.dtype == np.float32
    write_volume(Volume(fractional > 0, grid), tmp_path / "b.nrrd")
    assert read_raw_image(tmp_path / "b.nrrd").array.dtype == np.uint8
    image = nibabel.Nifti1Image((ct(grid) + 1024).T.astype(np.int16), np.diag([1.0, 1, 1, 1]))
    image.header.set_slope_inter(1, -1024)
    nibabel.save(image, tmp_path / "s.nii")
    stored = nibabel.Nifti1Image.from_filename(tmp_path / "s.nii")
    np.testing.assert_array_equal(read_volume(tmp_path / "s.nii").array, np.rint(stored.get_fdata()).T)


def test_nifti_sform_and_qform_rules(tmp_path):
    array = np.zeros((4, 3, 2), np.int16)
    by_sform, by_qform = np.diag([1.0, 2, 3, 1]), np.diag([2.0, 2, 2, 1])
    for codes, expected in (((1, 1), by_sform), ((0, 1), by_qform), ((2, 0), by_sform)):
        image = nibabel.Nifti1Image(array, None)
        image.set_qform(by_qform, code=codes[1])
        image.set_sform(by_sform, code=codes[0])
        image.header["pixdim"][1:4] = np.diag(by_qform)[:3]
        nibabel.save(image, tmp_path / "q.nii")
        np.testing.assert_allclose(
            read_volume(tmp_path / "q.nii").grid.affine[:3, :3], np.diag([-1, -1, 1]) * expected[:3, :3]
        )
    image.header.set_xyzt_units("meter")
    nibabel.save(image, tmp_path / "m.nii")
    assert read_volume(tmp_path / "m.nii").grid.spacing_mm == (3000, 2000, 1000)


@pytest.mark.parametrize(("codes", "refused"), [((0, 0), True), ((0, 1), True), ((1, 0), False)])
def test_nifti_without_a_voxel_size(tmp_path, codes, refused):
    """nibabel would take 1 mm; a sform does without pixdim."""
    image = nibabel.Nifti1Image(np.zeros((4, 3, 2), np.int16), np.diag([1.0, 2, 3, 1]))
    nibabel.save(image, tmp_path / "z.nii")
    content = bytearray((tmp_path / "z.nii").read_bytes())
    content[80:92] = bytes(12)  # nifti1.h: pixdim[1..3]
    content[252:256] = np.array([codes[1], codes[0]], image.header["sform_code"].dtype).tobytes()
    for name, data in (("z.nii", bytes(content)), ("z.nii.gz", gzip.compress(content))):
        (tmp_path / name).write_bytes(data)
        if refused:
            with pytest.raises(InputError, match="gives no voxel size"):
                read_volume(tmp_path / name)
        else:
            assert read_volume(tmp_path / name).grid.spacing_mm == (3, 2, 1)


def test_nifti_that_does_not_say_how_it_lies(tmp_path):
    for affine, count in ((None, 1), (np.eye(4), 0)):
        nibabel.save(nibabel.Nifti1Image(np.zeros((4, 3, 2), np.int16), affine), tmp_path / "n.nii")
        assert len(read_raw_image(tmp_path / "n.nii").notes) == count


def test_ras_nrrd_is_turned_to_lps(tmp_path):
    nrrd = pytest.importorskip("nrrd")
    header = {
        "space": "right-anterior-superior",
        "space directions": np.diag([1.0, 2, 3]),
        "space origin": [10, 20, 30],
    }
    nrrd.write(str(tmp_path / "r.nrrd"), np.zeros((4, 3, 2), np.int16), header)
    affine = read_volume(tmp_path / "r.nrrd").grid.affine
    np.testing.assert_allclose(affine, [[-1, 0, 0, -10], [0, -2, 0, -20], [0, 0, 3, 30], [0, 0, 0, 1]])


def test_a_trailing_axis_of_one_is_dropped(tmp_path):
    nibabel.save(nibabel.Nifti1Image(np.zeros((5, 4, 3, 1), np.int16), np.eye(4)), tmp_path / "t.nii")
    assert read_volume(tmp_path / "t.nii").grid.shape == (3, 4, 5)


def bad_files(folder: Path) -> dict[str, tuple[str, str]]:
    """File name: what to put there is written, and the cause that must be named."""
    good = nibabel.Nifti1Image(np.zeros((5, 4, 3), np.int16), np.eye(4))
    nibabel.save(good, folder / "cut.nii.gz")
    (folder / "cut.nii.gz").write_bytes((folder / "cut.nii.gz").read_bytes()[:-30])
    nibabel.save(good, folder / "short.nii")
    (folder / "short.nii").write_bytes((folder / "short.nii").read_bytes()[:-30])
    (folder / "text.nii").write_text("this is no image")
    (folder / "text.nrrd").write_text("this is no image")
    (folder / "text.mha").write_text("this is no image")
    (folder / "plain.nii.gz").write_bytes(gzip.compress(b"x" * 500))
    (folder / "empty.nii.gz").write_bytes(b"")
    (folder / "photo.png").write_bytes(b"x")
    (folder / "folder.nii").mkdir()
    nibabel.save(nibabel.Nifti1Image(np.zeros((5, 4, 3, 2), np.int16), np.eye(4)), folder / "four.nii.gz")
    nibabel.save(nibabel.Nifti1Image(np.zeros((5, 4), np.int16), np.eye(4)), folder / "two.nii.gz")
    colors = np.zeros((5, 4, 3), [("R", "u1"), ("G", "u1"), ("B", "u1")])
    nibabel.save(nibabel.Nifti1Image(colors, np.eye(4)), folder / "rgb.nii.gz")
    nibabel.save(nibabel.Nifti1Image(np.full((5, 4, 3), np.nan, np.float32), np.eye(4)), folder / "nan.nii.gz")
    good.header["srow_y"] = 0
    good.header["sform_code"], good.header["qform_code"] = 1, 0
    with gzip.open(folder / "flat.nii.gz", "wb") as file:
        file.write(good.header.binaryblock + bytes(4 + 120))
    sitk.WriteImage(sitk.GetImageFromArray(np.zeros((3, 4, 5, 3), np.uint8), isVector=True), str(folder / "rgb.mha"))
    sitk.WriteImage(sitk.GetImageFromArray(np.zeros((4, 5), np.int16)), str(folder / "two.nrrd"))
    sitk.WriteImage(sitk.GetImageFromArray(np.zeros((2, 3, 4, 5), np.int16), isVector=False), str(folder / "four.mha"))
    sitk.WriteImage(sitk.GetImageFromArray(np.full((3, 4, 5), np.inf, np.float32)), str(folder / "inf.mha"))
    sitk.WriteImage(sitk.GetImageFromArray(np.zeros((3, 4, 5), np.int16)), str(folder / "cut.mha"))
    (folder / "cut.mha").write_bytes((folder / "cut.mha").read_bytes()[:-40])
    header = b"NRRD0004\ntype: short\ndimension: 3\nsizes: 2 2 2\nspacings: 1 0 1\nencoding: raw\nendian: little\n\n"
    (folder / "flat.nrrd").write_bytes(header + bytes(16))
    return {
        "cut.nii.gz": "is not a readable NIfTI image",
        "short.nii": "is not a readable NIfTI image",
        "text.nii": "is not a readable NIfTI image",
        "text.nrrd": "is not a readable NRRD image",
        "text.mha": "is not a readable MHA image",
        "plain.nii.gz": "is not a readable NIfTI image",
        "empty.nii.gz": "is empty",
        "photo.png": "unknown ending",
        "folder.nii": "is a folder",
        "none.nii.gz": "does not exist",
        "four.nii.gz": "is 4-dimensional (5 x 4 x 3 x 2)",
        "two.nii.gz": "is 2-dimensional",
        "rgb.nii.gz": "holds colours",
        "nan.nii.gz": "not numbers",
        "flat.nii.gz": "no valid geometry",
        "rgb.mha": "holds colours",
        "two.nrrd": "is 2-dimensional",
        "four.mha": "is 4-dimensional",
        "inf.mha": "not numbers",
        "cut.mha": "is not a readable MHA image",
        "flat.nrrd": "spacing (0) invalid",
    }


@pytest.fixture(scope="module")
def bad(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bad")
    return folder, bad_files(folder)


def test_bad_files_are_refused_in_one_line(bad, capfd):
    folder, causes = bad
    for name, cause in causes.items():
        with pytest.raises(InputError, match=re.escape(cause)) as caught:
            read_volume(folder / name)
        assert "\n" not in str(caught.value), name
        assert name in str(caught.value)
    printed = capfd.readouterr().err.splitlines()
    assert [line for line in printed if "MetaImage" not in line and "ideal" not in line] == []


@pytest.mark.parametrize("ending", ["nrrd", "nii.gz", "mha", "mhd", "nhdr"])
def test_damaged_compressed_voxels(tmp_path, ending):
    """One byte of the stream is another; without its checksum, the voxels would be others, too."""
    path = tmp_path / f"a.{ending}"
    write_volume(Volume(ct(GRIDS["axial"]), GRIDS["axial"]), path)
    voxels = next((p for p in tmp_path.iterdir() if p.suffix in (".zraw", ".gz") and p != path), path)
    assert (voxels == path) == (ending not in ("mhd", "nhdr"))
    content = voxels.read_bytes()
    for place in range(len(content) * 3 // 4, len(content) - 20, len(content) // 50):
        voxels.write_bytes(content[:place] + bytes([content[place] ^ 0x55]) + content[place + 1 :])
        with pytest.raises(InputError, match=voxels.name):
            read_volume(path)
    voxels.write_bytes(content)
    assert np.array_equal(read_volume(path).array, ct(GRIDS["axial"]))


@pytest.mark.skipif(sys.platform != "linux", reason="other systems allow text only")
@pytest.mark.parametrize("ending", ["nrrd", "mha", "nii.gz"])
def test_path_that_is_no_text(tmp_path, ending):
    """ITK would end the process."""
    odd, volume = tmp_path / f"a\udcff.{ending}", Volume(ct(GRIDS["axial"]), GRIDS["axial"])
    if ending == "nii.gz":
        write_volume(volume, odd)
        assert np.array_equal(read_volume(odd).array, volume.array)
        return
    with pytest.raises(OutputError, match="no UTF-8 text"):
        write_volume(volume, odd)
    write_volume(volume, tmp_path / f"a.{ending}")
    (tmp_path / f"a.{ending}").rename(odd)
    with pytest.raises(InputError, match="no UTF-8 text"):
        read_volume(odd)


def test_unknown_ending_on_writing(tmp_path):
    with pytest.raises(InputError, match="unknown ending"):
        write_volume(Volume(ct(GRIDS["axial"]), GRIDS["axial"]), tmp_path / "x.png")
    assert image_suffix("A/B.NII.GZ") == ".nii.gz"
    assert image_suffix("x.gz") is None


def test_a_header_of_absurd_size(tmp_path):
    image = nibabel.Nifti1Image(np.zeros((5, 4, 3), np.int16), np.eye(4))
    image.header["dim"][1:4] = 32767
    with gzip.open(tmp_path / "huge.nii.gz", "wb") as file:
        file.write(image.header.binaryblock + bytes(4 + 120))
    with pytest.raises((InputError, ResourceError), match="huge.nii.gz"):
        read_volume(tmp_path / "huge.nii.gz")
