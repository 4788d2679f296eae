"""Images as files: NIfTI through nibabel, NRRD and MetaImage through SimpleITK, all to LPS millimetres and [k, j, i].

Rules for NIfTI (nifti1.h, "3D image orientation"): the sform when its code is above 0, else the qform, else pixdim
alone (position unknown, the image centred). SimpleITK would make a sheared sform orthogonal, so nibabel reads NIfTI.
"""

from __future__ import annotations

import gzip
import struct
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..core.errors import InputError, OutputError, ResourceError
from .checksums import check_compressed_voxels
from .grid import LPS_TO_RAS, Grid, Volume

if TYPE_CHECKING:
    import SimpleITK as sitk

__all__ = [
    "IMAGE_SUFFIXES",
    "METADATA_KEY",
    "RawImage",
    "image_suffix",
    "read_raw_image",
    "read_volume",
    "to_volume",
    "write_raw_image",
    "write_volume",
]

IMAGE_SUFFIXES = (".nii.gz", ".nii", ".nrrd", ".nhdr", ".mha", ".mhd")
METADATA_KEY = "Dose3D"
"""Name of the text that Dose3D keeps in an image's metadata: a NIfTI comment extension, a NRRD or MetaImage field."""

_DAMAGED = (OSError, EOFError, ValueError, TypeError, zlib.error, struct.error)
"""What gzip, zlib and numpy raise on a foreign or damaged file, beside nibabel's own errors."""
_READABLE = "give a three-dimensional image as " + ", ".join(IMAGE_SUFFIXES)


@dataclass(frozen=True, eq=False)
class RawImage:
    """An image as stored: `array` [k, j, i] in its own type, its grid, its texts (`metadata`, by name).

    `notes` are sentences for the user on what had to be assumed.
    """

    array: np.ndarray
    grid: Grid
    metadata: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def image_suffix(path: str | Path) -> str | None:
    """Which of `IMAGE_SUFFIXES` a path ends with, in any case; None for another or none."""
    name = Path(path).name.lower()
    return next((suffix for suffix in IMAGE_SUFFIXES if name.endswith(suffix)), None)


def read_volume(path: str | Path) -> Volume:
    """Read an image in LPS: int16 when every value is a whole number that fits, else float32.

    Raises
    ------
    InputError
        no such file, not an image, not three-dimensional, colours, not a number, or no valid geometry.
    ResourceError
        an image (or a damaged header) that does not fit the memory.
    """
    return to_volume(read_raw_image(path))


def to_volume(raw: RawImage) -> Volume:
    """The image with its values as `read_volume` gives them."""
    return Volume(_as_int16_or_float32(raw.array), raw.grid)


def write_volume(volume: Volume, path: str | Path) -> None:
    """Write an image as the path's ending says; integers and float32 keep their type, float64 becomes float32."""
    array = volume.array
    if array.dtype == bool:
        array = array.astype(np.uint8)
    elif array.dtype == np.float64:
        array = array.astype(np.float32)
    write_raw_image(RawImage(array, volume.grid), path)


def read_raw_image(path: str | Path, layers: bool = False) -> RawImage:
    """Read an image without changing its values; errors as in `read_volume`.

    `layers` lets NRRD and MetaImage have several values a voxel; the array is then [k, j, i, layer].
    """
    path = Path(path)
    suffix = image_suffix(path)
    if path.is_dir() or suffix is None:
        raise InputError(path, "is a folder" if path.is_dir() else "has an unknown ending", _READABLE)
    if not path.exists():
        raise InputError(path, "does not exist", "check the path")
    if path.stat().st_size == 0:
        raise InputError(path, "is empty (0 bytes)", "copy or export it again")
    try:
        raw = _read_nifti(path) if suffix.startswith(".nii") else _read_itk(path, layers)
    except MemoryError as error:
        raise ResourceError(
            path, "needs more memory than there is", "check its header, or use a smaller image"
        ) from error
    if raw.array.dtype.kind == "f" and not np.isfinite(raw.array).all():
        raise InputError(path, "holds values that are not numbers (NaN or infinite)", "export it again without them")
    return raw


def write_raw_image(raw: RawImage, path: str | Path) -> None:
    """Write an image with its texts, gzip level 1; the path's folder must exist."""
    path = Path(path)
    suffix = image_suffix(path)
    if suffix is None:
        raise InputError(path, "has an unknown ending", f"end it with one of {', '.join(IMAGE_SUFFIXES)}")
    if suffix.startswith(".nii"):
        _write_nifti(raw, path)
    else:
        _write_itk(raw, path)


def _read_nifti(path: Path) -> RawImage:
    import nibabel

    try:
        image = nibabel.load(path)
        shape = _three_dimensional(path, image.shape)
        dtype = image.get_data_dtype()
        if dtype.fields is not None or dtype.kind not in "iufb":
            raise InputError(path, "holds colours or complex numbers", "give an image of one number a voxel")
        array = _nifti_voxels(path, image).reshape(shape)
        notes = _orientation_notes(path, image)
    except InputError:
        raise
    except (nibabel.filebasedimages.ImageFileError, nibabel.spatialimages.HeaderDataError, *_DAMAGED) as error:
        raise InputError(path, f"is not a readable NIfTI image ({_one_line(error)})", "export it again") from error
    unit_mm = {1: 1000.0, 3: 0.001}.get(int(image.header.structarr["xyzt_units"]) & 7, 1.0)
    affine = np.diag([unit_mm] * 3 + [1.0]) @ LPS_TO_RAS @ np.asarray(image.affine, float)
    return RawImage(array.transpose(2, 1, 0), _grid(path, shape[::-1], affine), _nifti_texts(image), notes)


def _nifti_voxels(path: Path, image) -> np.ndarray:
    """nibabel stops at the last voxel; the checksum of a compressed file is compared at its end only."""
    import nibabel

    if not path.name.lower().endswith(".gz"):
        return np.asanyarray(image.dataobj)
    with gzip.open(path) as file:
        holder = nibabel.fileholders.FileHolder(fileobj=file)
        array = np.asanyarray(type(image).from_file_map({"image": holder}).dataobj)
        while file.read(1 << 20):
            pass
    return array


def _orientation_notes(path: Path, image) -> tuple[str, ...]:
    """nibabel takes a missing voxel size for 1 mm, so the header is read once more as it stands."""
    if image.header["sform_code"] > 0:
        return ()
    with image.file_map["image"].get_prepare_fileobj("rb") as file:
        header = type(image.header).from_fileobj(file, check=False)
    if (header["pixdim"][1:4] == 0).any():
        raise InputError(path, "gives no voxel size (pixdim is 0)", "mend its header or export it again")
    if image.header["qform_code"] > 0:
        return ()
    return (f"{path.name} does not say how it lies (sform and qform codes are 0): left and right may be swapped",)


def _nifti_texts(image) -> dict[str, str]:
    """The header extensions that are text: ours under its name, TotalSegmentator's label table under `caret`."""
    texts = {}
    for extension in image.header.extensions:
        content = extension.get_content()
        text = content.decode("utf-8", "replace") if isinstance(content, bytes) else str(content)
        text = text.strip("\0 \n")
        if text.startswith("{") and f'"{METADATA_KEY}"' in text[:20]:
            texts[METADATA_KEY] = text
        elif "<CaretExtension" in text[:200]:
            texts["caret"] = text
    return texts


def _read_itk(path: Path, layers: bool) -> RawImage:
    import SimpleITK as sitk

    if not _is_text(path):
        raise InputError(
            path, "is named with bytes that are no UTF-8 text", "rename it, or the folder that is so named"
        )
    check_compressed_voxels(path)
    shown = sitk.ProcessObject.GetGlobalWarningDisplay()
    sitk.ProcessObject.SetGlobalWarningDisplay(False)
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    try:
        reader.ReadImageInformation()
        _three_dimensional(path, reader.GetSize())
        if reader.GetNumberOfComponents() != 1 and not layers:
            raise InputError(path, "holds colours or vectors", "give an image of one number a voxel")
        image = reader.Execute()
    except RuntimeError as error:
        cause = f"is not a readable {path.suffix.lstrip('.').upper()} image ({_one_line(error)})"
        raise InputError(path, cause, "export it again") from error
    finally:
        sitk.ProcessObject.SetGlobalWarningDisplay(shown)
    affine = np.eye(4)
    direction = np.array(image.GetDirection()).reshape(image.GetDimension(), -1)
    affine[:3, :3] = direction[:3, :3] @ np.diag(image.GetSpacing()[:3])
    affine[:3, 3] = image.GetOrigin()[:3]
    size = image.GetSize()[2::-1]
    array = sitk.GetArrayFromImage(image).reshape((*size, -1) if layers else size)
    return RawImage(array, _grid(path, size, affine), _itk_texts(image))


def _itk_texts(image: sitk.Image) -> dict[str, str]:
    """The header's own fields; names that are no UTF-8 cannot be asked for, texts that aren't get marks."""
    texts = {}
    for key in image.GetMetaDataKeys():
        try:
            texts[key] = image.GetMetaData(key).encode("utf-8", "surrogateescape").decode("utf-8", "replace")
        except TypeError:
            continue
    return texts


def _three_dimensional(path: Path, shape: tuple[int, ...]) -> tuple[int, int, int]:
    """Drop trailing axes of length one; refuse what isn't three-dimensional then."""
    shape = tuple(int(n) for n in shape)
    while len(shape) > 3 and shape[-1] == 1:
        shape = shape[:-1]
    size = " x ".join(map(str, shape))
    if min(shape, default=1) < 1:
        raise InputError(path, f"has an impossible size ({size})", "mend its header or export it again")
    if len(shape) != 3:
        raise InputError(path, f"is {len(shape)}-dimensional ({size})", "give one three-dimensional image")
    return shape


def _grid(path: Path, shape: tuple[int, ...], affine: np.ndarray) -> Grid:
    try:
        return Grid(shape, affine)
    except ValueError as error:
        cause = "has no valid geometry (a spacing of zero, or axes that are not independent)"
        raise InputError(path, cause, "mend its header or export it again") from error


def _write_nifti(raw: RawImage, path: Path) -> None:
    import nibabel

    affine = LPS_TO_RAS @ raw.grid.affine
    image = nibabel.Nifti1Image(np.asarray(raw.array).transpose(2, 1, 0), affine)
    image.header.set_xyzt_units("mm")
    image.set_sform(affine, code=1)
    image.set_qform(affine, code=0 if raw.grid.is_sheared else 1)
    for text in raw.metadata.values():
        image.header.extensions.append(nibabel.nifti1.Nifti1Extension("comment", text.encode("utf-8")))
    nibabel.save(image, path)


def _is_text(path: Path) -> bool:
    """ITK ends the whole process over a path that is not."""
    try:
        str(path).encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _write_itk(raw: RawImage, path: Path) -> None:
    import SimpleITK as sitk

    if not _is_text(path):
        raise OutputError(path, "is named with bytes that are no UTF-8 text", "choose another output")
    image = sitk.GetImageFromArray(np.ascontiguousarray(raw.array))
    steps = raw.grid.affine[:3, :3]
    spacing = np.linalg.norm(steps, axis=0)
    image.SetSpacing(spacing.tolist())
    image.SetDirection((steps / spacing).ravel().tolist())
    image.SetOrigin(raw.grid.affine[:3, 3].tolist())
    for key, text in raw.metadata.items():
        image.SetMetaData(key, text)
    try:
        sitk.WriteImage(image, str(path), True, 1)
    except RuntimeError as error:
        raise OSError(28 if "space" in str(error) else 5, _one_line(error), str(path)) from error


def _as_int16_or_float32(array: np.ndarray) -> np.ndarray:
    """int16 when exact, else float32; contiguous."""
    low, high = array.min(), array.max()
    if low >= -32768 and high <= 32767 and (array.dtype.kind in "iub" or np.array_equal(array, np.rint(array))):
        return np.ascontiguousarray(array, dtype=np.int16)
    return np.ascontiguousarray(array, dtype=np.float32)


def _one_line(error: Exception) -> str:
    """The last telling line of a library's message, short enough for one line."""
    lines = [line.strip(" -").removeprefix("sitk::ERROR: ") for line in str(error).splitlines()]
    telling = [line for line in lines if line and not line.startswith("Reason: No such file")]
    return (telling[-1] if telling else type(error).__name__)[:160]
