"""The plan that a task is given: where its isocentre lies, how the patient lies there, and what is worth saying."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..core.errors import InputError
from ..core.progress import Progress
from ..core.provenance import file_sha256

if TYPE_CHECKING:
    from ..detector.frames import Frame, PatientPosition
    from ..detector.placement import Placement
    from ..dicom.rtplan import RtPlan

__all__ = ["PlanSource", "check_plan_and_ct", "load_plan"]

_COUCH_DEG = 0.05
"""A couch turned by less stands at 0."""


@dataclass(frozen=True, eq=False)
class PlanSource:
    """A plan with one isocentre.

    Parameters
    ----------
    isocenter_mm:
        (3,) LPS.
    position:
        how the patient lies.
    frame:
        Frame of Reference UID, "" where the file has none.
    patient:
        plain texts: `name`, `id`, `study`, `series`.
    facts:
        for the provenance: path, kind, UIDs, SHA-256.
    """

    plan: RtPlan
    isocenter_mm: np.ndarray
    position: PatientPosition
    frame: str
    patient: dict[str, str] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)

    def placement(self, frame: Frame = "g4rt") -> Placement:
        """A detector whose own frame is `frame`, at the isocentre, the couch at 0."""
        from ..detector.frames import frame_placement

        return frame_placement(frame, self.isocenter_mm, self.position)


def load_plan(path: Path, progress: Progress) -> PlanSource:
    """Read an RTPLAN; notes become warnings.

    Raises
    ------
    InputError
        no plan, several isocentres or patient positions, or a patient who neither lies on a side, back or belly.
    """
    from ..detector.frames import patient_position
    from ..dicom.identity import patient_texts
    from ..dicom.rtplan import read_rtplan

    plan = read_rtplan(path)
    for note in plan.notes:
        progress.warn(f"{path.name}: {note}.")
    centers, positions = plan.isocenters_mm, plan.patient_positions
    if len(centers) > 1:
        listed = "; ".join(", ".join(f"{mm:.1f}" for mm in center) for center in centers[:4])
        cause = f"has {len(centers)} isocentres ({listed} mm, LPS)"
        raise InputError(path, cause, "choose one by --isocenter instead of the plan")
    if len(positions) > 1:
        raise InputError(path, f"treats the patient {' and '.join(positions)}", "give a plan of one set-up")
    _warn_of_couch(plan, path, progress)
    facts = {
        "path": str(path),
        "kind": "RTPLAN",
        "sop_instance_uid": plan.sop_instance_uid,
        "frame_of_reference_uid": plan.frame_of_reference_uid,
        "sha256": file_sha256(path),
    }
    position = patient_position(positions[0] if positions else "HFS", path)
    return PlanSource(plan, centers[0], position, plan.frame_of_reference_uid, patient_texts(plan), facts)


def check_plan_and_ct(plan: PlanSource, path: Path, patient: dict[str, str], frame: str, progress: Progress) -> None:
    """A plan places nothing on the CT of somebody else; another frame of reference is said.

    Parameters
    ----------
    path, patient, frame:
        of the CT: what the user named, its texts, its Frame of Reference UID.

    Raises
    ------
    InputError
        two Patient IDs.
    """
    one, two = plan.patient.get("id", ""), patient.get("id", "")
    if one and two and one != two:
        cause = f"is of patient {two[:40]!r}, the plan of {one[:40]!r}"
        raise InputError(path, cause, "give the CT of the plan")
    if plan.frame and frame and plan.frame != frame:
        progress.warn("Plan and CT have different frames of reference: the isocentre may not lie where it seems to.")


def _warn_of_couch(plan: RtPlan, path: Path, progress: Progress) -> None:
    angles = sorted({angle % 360 for beam in plan.treatment_beams for angle in beam.couch_deg})
    turned = [angle for angle in angles if min(angle, 360 - angle) > _COUCH_DEG]
    if turned:
        listed = ", ".join(f"{angle:g}" for angle in turned[:6])
        progress.warn(
            f"{path.name} turns the couch ({listed} degrees): the detector is placed as at 0 and turns with it."
        )
