"""ROI Contour Sequence (3006,0039) as bytes: thousands of small data sets are too slow as objects.

Only this element is made here (DICOM PS3.5 section 7.5, little endian, items of defined length); pydicom writes all
others.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass

from .ct import ImageReference

__all__ = ["LONGEST_EXPLICIT_VALUE", "ROI_CONTOUR_SEQUENCE", "ContourTexts", "roi_contour_sequence"]

LONGEST_EXPLICIT_VALUE = 65534
"""Bytes of a DS value in explicit VR (its length has 16 bits); implicit VR holds 4 GB."""

ROI_CONTOUR_SEQUENCE = 0x30060039
_CONTOUR_IMAGE_SEQUENCE, _CONTOUR_SEQUENCE, _COLOR, _ROI_NUMBER = 0x30060016, 0x30060040, 0x3006002A, 0x30060084
_GEOMETRIC_TYPE, _NUMBER_OF_POINTS, _CONTOUR_DATA = 0x30060042, 0x30060046, 0x30060050
_SOP_CLASS, _SOP_INSTANCE, _FRAME_NUMBER = 0x00081150, 0x00081155, 0x00081160

_Writer = Callable[[int, bytes, bytes], bytes]


@dataclass(frozen=True)
class ContourTexts:
    """The contours of one ROI, ready to be written.

    Parameters
    ----------
    number, color:
        ROI number, RGB 0..255.
    texts:
        Contour Data of each contour, of even length.
    counts:
        points of each contour.
    images:
        image of each contour's slice; None leaves Contour Image Sequence out (type 3).
    """

    number: int
    color: tuple[int, int, int]
    texts: list[bytes]
    counts: list[int]
    images: list[ImageReference | None]


def roi_contour_sequence(rois: list[ContourTexts], explicit: bool) -> bytes:
    """The whole element, tag and length included; all contours are CLOSED_PLANAR."""
    element = _explicit_element if explicit else _implicit_element
    images: dict[ImageReference | None, bytes] = {None: b""}
    for image in {image for roi in rois for image in roi.images} - {None}:
        images[image] = element(_CONTOUR_IMAGE_SEQUENCE, b"SQ", _image_item(image, element))
    return element(ROI_CONTOUR_SEQUENCE, b"SQ", b"".join(_item(_roi(roi, images, element)) for roi in rois))


def _roi(roi: ContourTexts, images: dict[ImageReference | None, bytes], element: _Writer) -> bytes:
    color = element(_COLOR, b"IS", _even("\\".join(str(part) for part in roi.color).encode("ascii")))
    number = element(_ROI_NUMBER, b"IS", _even(b"%d" % roi.number))
    kind = element(_GEOMETRIC_TYPE, b"CS", b"CLOSED_PLANAR ")
    items = []
    for text, count, image in zip(roi.texts, roi.counts, roi.images, strict=True):
        points = element(_NUMBER_OF_POINTS, b"IS", _even(b"%d" % count))
        items.append(_item(images[image] + kind + points + element(_CONTOUR_DATA, b"DS", text)))
    return color + element(_CONTOUR_SEQUENCE, b"SQ", b"".join(items)) + number


def _image_item(image: ImageReference, element: _Writer) -> bytes:
    item = element(_SOP_CLASS, b"UI", _even(image.sop_class_uid.encode("ascii"), b"\0"))
    item += element(_SOP_INSTANCE, b"UI", _even(image.sop_instance_uid.encode("ascii"), b"\0"))
    if image.frame_number is not None:
        item += element(_FRAME_NUMBER, b"IS", _even(b"%d" % image.frame_number))
    return _item(item)


def _explicit_element(tag: int, vr: bytes, value: bytes) -> bytes:
    form = "<HH2sxxI" if vr == b"SQ" else "<HH2sH"
    return struct.pack(form, tag >> 16, tag & 0xFFFF, vr, len(value)) + value


def _implicit_element(tag: int, vr: bytes, value: bytes) -> bytes:
    return struct.pack("<HHI", tag >> 16, tag & 0xFFFF, len(value)) + value


def _item(content: bytes) -> bytes:
    return struct.pack("<HHI", 0xFFFE, 0xE000, len(content)) + content


def _even(value: bytes, padding: bytes = b" ") -> bytes:
    return value + padding if len(value) % 2 else value
