"""Frames of a treatment: G4RT's world, IEC 61217's fixed and table top systems, and the patient (LPS), as matrices.

All are right-handed, in mm. IEC 61217 fixed: origin in the isocentre; for somebody who faces the gantry, X points to
the right, Y to the gantry, Z up. The table top system is the same at couch 0. G4RT: beam along +z at angle 0, turned
about +y (dose3d/g4rt, ControlPoint.cc); that its angle is IEC's gantry angle is our inference, therefore a setting.
DICOM defines the patient positions in PS3.3 C.7.3.1.1.2.
"""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np

from ..core.errors import InputError
from .placement import Placement

__all__ = [
    "G4RT_TO_IEC",
    "PATIENT_POSITIONS",
    "Frame",
    "PatientPosition",
    "beam_source_lps",
    "frame_placement",
    "g4rt_to_lps",
    "iec_to_lps",
    "patient_position",
]

PatientPosition = Literal["HFS", "HFP", "HFDR", "HFDL", "FFS", "FFP", "FFDR", "FFDL"]
"""Head or feet first; supine, prone, or decubitus with the right or the left side down."""
PATIENT_POSITIONS: tuple[str, ...] = get_args(PatientPosition)

Frame = Literal["g4rt", "iec", "lps"]

G4RT_TO_IEC = np.diag([-1.0, 1.0, -1.0])
"""(3, 3): G4RT's beam runs along +z, the beam of gantry 0 along IEC's -Z; both turn about +Y, and then a source at
-z turned by 90 degrees comes to G4RT's -x, which is IEC's +X."""

_UP = {"S": "anterior", "P": "posterior", "DR": "left", "DL": "right"}
_LPS = {
    "left": (1, 0, 0),
    "right": (-1, 0, 0),
    "posterior": (0, 1, 0),
    "anterior": (0, -1, 0),
    "superior": (0, 0, 1),
    "inferior": (0, 0, -1),
}


def patient_position(text: str, what: object = "patient position") -> PatientPosition:
    """The position of this name; names `what` in its refusal.

    Raises
    ------
    InputError
        none of the eight (sitting patients, for instance).
    """
    name = text.strip().upper()
    if name not in PATIENT_POSITIONS:
        raise InputError(what, f"'{text}' is no patient position known here", f"use {', '.join(PATIENT_POSITIONS)}")
    return name  # type: ignore[return-value]


def iec_to_lps(position: PatientPosition = "HFS", couch_deg: float = 0.0) -> np.ndarray:
    """(3, 3), maps directions of the IEC fixed system to LPS.

    Parameters
    ----------
    position:
        how the patient lies on the table top.
    couch_deg:
        patient support angle: the patient turns with it about the vertical, counter-clockwise seen from above.
    """
    up = np.array(_LPS[_UP[position[2:]]], np.float64)
    toward_gantry = np.array(_LPS["superior" if position[0] == "H" else "inferior"], np.float64)
    table = np.column_stack([np.cross(toward_gantry, up), toward_gantry, up])
    angle = np.radians(couch_deg)
    c, s = np.cos(angle), np.sin(angle)
    return table @ np.array([[c, s, 0.0], [-s, c, 0.0], [0.0, 0.0, 1.0]])


def g4rt_to_lps(position: PatientPosition = "HFS", couch_deg: float = 0.0) -> np.ndarray:
    """(3, 3), maps directions of G4RT's world to LPS; for HFS and couch 0 this is `placement.G4RT_TO_LPS`."""
    return iec_to_lps(position, couch_deg) @ G4RT_TO_IEC


def frame_placement(
    frame: Frame, isocenter_mm: np.ndarray, position: PatientPosition = "HFS", couch_deg: float = 0.0
) -> Placement:
    """Where the axes of a frame lie in a patient whose isocentre is at `isocenter_mm` (LPS).

    Frame "lps" has the patient's own axes through the isocentre.
    """
    matrices = {"g4rt": g4rt_to_lps, "iec": iec_to_lps}
    matrix = np.eye(3) if frame == "lps" else matrices[frame](position, couch_deg)
    return Placement(np.asarray(isocenter_mm, np.float64), matrix + 0.0)


def beam_source_lps(gantry_deg: float, position: PatientPosition = "HFS", couch_deg: float = 0.0) -> np.ndarray:
    """(3,) unit vector in LPS from the isocentre to the source.

    The gantry turns clockwise for somebody who faces it: at 0 the source is above, at 90 at +X of the fixed system.
    """
    angle = np.radians(gantry_deg)
    return iec_to_lps(position, couch_deg) @ np.array([np.sin(angle), 0.0, np.cos(angle)])
