"""The physical step between detector and patient, apart from geometry.

A cell measures dose to scintillator in a phantom. What that says of the patient comes from the plan, computed twice: in
the patient, and again in the detector as it stood. Where the cells differ from the second, the difference (Gy) or the
ratio is carried to the first.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

__all__ = ["Carry", "carry", "step_text"]

Carry = Literal["difference", "ratio"]

_LEAST = 0.1
"""A ratio says nothing where less than this share of the highest dose is expected: there the difference is carried."""


def carry(measured: np.ndarray, in_detector: np.ndarray, in_patient: np.ndarray, how: Carry) -> np.ndarray:
    """What cells at these places would have measured in the patient, (n,) Gy; NaN where one of the three is unknown.

    Parameters
    ----------
    measured, in_detector, in_patient:
        (n,) Gy, means over the cells: measured, planned in the detector, planned in the patient.
    how:
        "difference": in_patient + (measured - in_detector); "ratio": in_patient * measured / in_detector.
    """
    difference = in_patient + (measured - in_detector)
    if how == "difference":
        return difference
    highest = float(np.nanmax(in_detector, initial=0.0))
    enough = in_detector >= _LEAST * highest if highest > 0 else np.zeros(len(measured), bool)
    ratio = np.divide(measured, in_detector, out=np.full(len(measured), np.nan), where=enough)
    return np.where(enough, in_patient * ratio, difference)


def step_text(how: Carry) -> str:
    """A sentence for the report."""
    if how == "difference":
        return "The cells' difference from the plan recomputed in the detector was added to the plan in the patient."
    return (
        "The ratio of the cells to the plan recomputed in the detector was multiplied onto the plan in the patient; "
        f"below {100 * _LEAST:.0f} % of the highest dose the difference was added instead."
    )
