"""Moves particles: straight to another plane, and with gantry and collimator into the frame of the treatment room."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from .particles import Particles

__all__ = ["ROOM", "Rotation", "reaches_plane", "to_plane"]

ROOM = "IEC 61217 fixed system: X to the right for who faces the gantry, Y towards the gantry, Z up; origin: isocentre"

_LEAST_COSINE = 1e-3


def reaches_plane(particles: Particles, z_cm: float) -> np.ndarray:
    """True where a straight line leads to the plane; those nearly within it (89.94 degrees and more) never do."""
    return (np.abs(particles.w) >= _LEAST_COSINE) | (particles.z == np.float32(z_cm))


def to_plane(particles: Particles, z_cm: float) -> Particles:
    """Carry all along straight lines to z = `z_cm` (cm, in the file's frame), forwards or backwards.

    As in vacuum: nothing interacts, decays or is bent, so the plane should be in the same air as that of the file.
    Give only particles that reach it. A float32 position keeps its precision: the path is computed in double.
    """
    path = np.zeros(len(particles))
    np.divide(z_cm - particles.z.astype(np.float64), particles.w, out=path, where=particles.w != 0)
    x, y = ((at + path * along).astype(np.float32) for at, along in ((particles.x, particles.u),
                                                                      (particles.y, particles.v)))  # fmt: skip
    return replace(particles, x=x, y=y, z=np.full(len(particles), z_cm, np.float32))


@dataclass(frozen=True)
class Rotation:
    """From the frame of a file, z downstream, into the fixed system of IEC 61217, at gantry and collimator angles.

    At both angles 0 the file's x is X, its y is -Y and its z counts down from the source: a turn about X, so that
    right-handed files stay so. For files whose y points to the gantry give the collimator angle plus 180 degrees.

    Parameters
    ----------
    gantry_degrees:
        about +Y, clockwise for who faces the gantry; at 90 the source is at +X.
    collimator_degrees:
        about the axis from isocentre to source, counter-clockwise as seen from the source.
    source_axis_cm:
        distance of source and isocentre.
    source_z_cm:
        z of the source in the file.

    Source: IEC 61217:2011, section 3 (fixed, gantry and beam limiting device systems).
    """

    gantry_degrees: float = 0.0
    collimator_degrees: float = 0.0
    source_axis_cm: float = 100.0
    source_z_cm: float = 0.0

    @property
    def matrix(self) -> np.ndarray:
        """(3, 3): directions of the file to those of the room."""
        turn, tilt = math.radians(self.collimator_degrees), math.radians(self.gantry_degrees)
        collimator = [[math.cos(turn), -math.sin(turn), 0], [math.sin(turn), math.cos(turn), 0], [0, 0, 1]]
        gantry = [[math.cos(tilt), 0, math.sin(tilt)], [0, 1, 0], [-math.sin(tilt), 0, math.cos(tilt)]]
        return np.array(gantry) @ np.array(collimator) @ np.diag([1.0, -1.0, -1.0])

    def apply(self, particles: Particles) -> Particles:
        """Positions (cm) from the isocentre and directions in the room; computed in double, unit vectors stay such."""
        z = particles.z.astype(np.float64) - (self.source_z_cm + self.source_axis_cm)
        places = self.matrix @ np.stack([particles.x.astype(np.float64), particles.y, z])
        cosines = self.matrix @ np.stack([particles.u.astype(np.float64), particles.v, particles.w])
        names = ("x", "y", "z", "u", "v", "w")
        return replace(particles, **dict(zip(names, np.vstack([places, cosines]).astype(np.float32), strict=True)))

    def words(self) -> str:
        """What was done, for headers."""
        return (
            f"Turned to gantry {self.gantry_degrees:g} and collimator {self.collimator_degrees:g} degrees (IEC 61217), "
            f"source to axis {self.source_axis_cm:g} cm"
        )
