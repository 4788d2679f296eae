"""Where a detector stands in the patient: its isocentre and the directions of its own axes."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

__all__ = ["G4RT_TO_LPS", "Placement"]

G4RT_TO_LPS = np.array([[-1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, 1.0, 0.0]])
"""(3, 3), maps G4RT's axes to LPS for a patient head first supine: X is Right, Y Superior, Z Posterior.

G4RT's beam runs along +z and turns about +y. The signs are documented nowhere: this is what follows when that angle is
IEC 61217's gantry angle, therefore the matrix is a setting.
"""


@dataclass(frozen=True, eq=False)
class Placement:
    """LPS = isocenter_mm + to_lps @ detector coordinates.

    Parameters
    ----------
    isocenter_mm:
        (3,) LPS of the detector frame's origin.
    to_lps:
        (3, 3) orthonormal, maps directions of the detector frame to LPS.
    """

    isocenter_mm: np.ndarray = field(default_factory=lambda: np.zeros(3))
    to_lps: np.ndarray = field(default_factory=lambda: G4RT_TO_LPS)

    def __post_init__(self) -> None:
        origin, matrix = np.array(self.isocenter_mm, np.float64), np.array(self.to_lps, np.float64)
        if origin.shape != (3,) or matrix.shape != (3, 3) or not np.allclose(matrix.T @ matrix, np.eye(3), atol=1e-6):
            raise ValueError("a placement needs an isocentre of three numbers and an orthonormal matrix")
        object.__setattr__(self, "isocenter_mm", origin)
        object.__setattr__(self, "to_lps", matrix)

    def lps(self, points_mm: np.ndarray) -> np.ndarray:
        """Detector coordinates (..., 3) to LPS."""
        return np.asarray(points_mm, np.float64) @ self.to_lps.T + self.isocenter_mm

    def detector(self, points_mm: np.ndarray) -> np.ndarray:
        """LPS (..., 3) to detector coordinates."""
        return (np.asarray(points_mm, np.float64) - self.isocenter_mm) @ self.to_lps
