"""Whose CT or dose it is, as plain texts for those who see no tags: scene, report, provenance."""

from __future__ import annotations

from typing import Any

from .ct import CtReference
from .rtdose import RtDose
from .rtplan import RtPlan
from .values import text

__all__ = ["patient_texts", "series_facts", "series_uids"]

_PATIENT = {"name": "PatientName", "id": "PatientID", "study": "StudyDescription", "series": "SeriesDescription"}
_UIDS = {
    "study_instance_uid": "StudyInstanceUID",
    "series_instance_uid": "SeriesInstanceUID",
    "frame_of_reference_uid": "FrameOfReferenceUID",
}


def patient_texts(reference: CtReference | RtDose | RtPlan) -> dict[str, str]:
    """`name`, `id`, `study` and `series` (descriptions); "" where the files do not say."""
    return {key: text(reference.header, keyword) for key, keyword in _PATIENT.items()}


def series_uids(reference: CtReference | RtDose) -> dict[str, str]:
    """UIDs of study, series and frame of reference; "" where the files do not say."""
    return {key: text(reference.header, keyword) for key, keyword in _UIDS.items()}


def series_facts(reference: CtReference) -> dict[str, Any]:
    """`series_uids`, and the UIDs of the images in slice order, without interpolated ones."""
    slices = [one.sop_instance_uid for one in reference.slices if one is not None]
    return {**series_uids(reference), "sop_instance_uids": slices}
