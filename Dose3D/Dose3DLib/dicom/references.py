"""Which plan and which structure set a DICOM object of radiotherapy stands for, from its header alone."""

from __future__ import annotations

import warnings
from pathlib import Path

import pydicom
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError

from .values import text

__all__ = ["is_rtdose", "plan_uid_of", "sop_instance_uid"]

_TAGS = ["SOPClassUID", "SOPInstanceUID", "Modality", "ReferencedRTPlanSequence"]


def is_rtdose(path: Path) -> bool:
    """True for a DICOM file that says that it is a dose."""
    return text(_header(path), "Modality") == "RTDOSE"


def plan_uid_of(path: Path) -> str:
    """SOP Instance UID of the first plan that a dose refers to; "" where it says none."""
    plans = _header(path).get("ReferencedRTPlanSequence") or []
    return text(plans[0], "ReferencedSOPInstanceUID") if len(plans) else ""


def sop_instance_uid(path: Path) -> str:
    """Of the object itself; "" where the file is no DICOM."""
    return text(_header(path), "SOPInstanceUID")


def _header(path: Path) -> Dataset:
    """The few elements in question; empty where the file is no DICOM."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return pydicom.dcmread(path, stop_before_pixels=True, specific_tags=_TAGS, force=False)
        except (OSError, InvalidDicomError, ValueError, TypeError, AttributeError):
            return Dataset()
