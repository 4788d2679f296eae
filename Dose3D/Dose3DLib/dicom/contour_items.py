"""Contour Sequence items as bytes: thousands of small data sets are too slow as objects.

Only the value of Contour Sequence (3006,0040) and of sequences of image references is made here (DICOM PS3.5 section
7.5, little endian, items of defined length); pydicom writes everything else.
"""

from __future__ import annotations

import struct
from collections.abc import Callable

from pydicom.dataelem import RawDataElement
from pydicom.tag import Tag

from .ct import ImageReference

__all__ = ["LONGEST_EXPLICIT_VALUE", "contour_sequence", "image_sequence"]

LONGEST_EXPLICIT_VALUE = 65534
"""Bytes of a DS value in explicit VR (its length has 16 bits); implicit VR holds 4 GB."""

_CONTOUR_IMAGE_SEQUENCE, _CONTOUR_SEQUENCE = 0x30060016, 0x30060040
_GEOMETRIC_TYPE, _NUMBER_OF_POINTS, _CONTOUR_DATA = 0x30060042, 0x30060046, 0x30060050
_SOP_CLASS, _SOP_INSTANCE, _FRAME_NUMBER = 0x00081150, 0x00081155, 0x00081160

_Writer = Callable[[int, bytes, bytes], bytes]


def image_sequence(references: list[ImageReference], explicit: bool) -> RawDataElement:
    """Contour Image Sequence (3006,0016) that refers to images or frames, for use in a pydicom data set."""
    element = _writer(explicit)
    return _raw(_CONTOUR_IMAGE_SEQUENCE, _images(references, element), explicit)


def contour_sequence(
    texts: list[bytes], counts: list[int], references: list[ImageReference | None], explicit: bool
) -> RawDataElement:
    """Contour Sequence (3006,0040) of CLOSED_PLANAR contours, for use in a pydicom data set.

    Parameters
    ----------
    texts:
        Contour Data of each contour, of even length.
    counts:
        points of each contour.
    references:
        image of each contour's slice; None leaves Contour Image Sequence out (type 3).
    explicit:
        VR of the file.
    """
    element = _writer(explicit)
    kind = element(_GEOMETRIC_TYPE, b"CS", b"CLOSED_PLANAR ")
    images: dict[ImageReference | None, bytes] = {None: b""}
    items = []
    for text, count, reference in zip(texts, counts, references, strict=True):
        if reference not in images:
            images[reference] = element(_CONTOUR_IMAGE_SEQUENCE, b"SQ", _images([reference], element))
        number = element(_NUMBER_OF_POINTS, b"IS", _even(b"%d" % count))
        items.append(_item(images[reference] + kind + number + element(_CONTOUR_DATA, b"DS", text)))
    return _raw(_CONTOUR_SEQUENCE, b"".join(items), explicit)


def _images(references: list[ImageReference], element: _Writer) -> bytes:
    items = []
    for reference in references:
        item = element(_SOP_CLASS, b"UI", _even(reference.sop_class_uid.encode("ascii"), b"\0"))
        item += element(_SOP_INSTANCE, b"UI", _even(reference.sop_instance_uid.encode("ascii"), b"\0"))
        if reference.frame_number is not None:
            item += element(_FRAME_NUMBER, b"IS", _even(b"%d" % reference.frame_number))
        items.append(_item(item))
    return b"".join(items)


def _writer(explicit: bool) -> _Writer:
    return _explicit_element if explicit else _implicit_element


def _explicit_element(tag: int, vr: bytes, value: bytes) -> bytes:
    form = "<HH2sxxI" if vr == b"SQ" else "<HH2sH"
    return struct.pack(form, tag >> 16, tag & 0xFFFF, vr, len(value)) + value


def _implicit_element(tag: int, vr: bytes, value: bytes) -> bytes:
    return struct.pack("<HHI", tag >> 16, tag & 0xFFFF, len(value)) + value


def _item(content: bytes) -> bytes:
    return struct.pack("<HHI", 0xFFFE, 0xE000, len(content)) + content


def _even(value: bytes, padding: bytes = b" ") -> bytes:
    return value + padding if len(value) % 2 else value


def _raw(tag: int, value: bytes, explicit: bool) -> RawDataElement:
    return RawDataElement(Tag(tag), "SQ", len(value), value, 0, not explicit, True)
