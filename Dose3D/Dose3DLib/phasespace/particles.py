"""`Particles`: some particles of a phase space as arrays, and the names of their species."""

from __future__ import annotations

from dataclasses import dataclass, field, fields

import numpy as np

__all__ = ["SPECIES", "Particles"]

SPECIES: dict[int, str] = {1: "photon", 2: "electron", 3: "positron", 4: "neutron", 5: "proton"}
"""Type codes as the IAEA format has them; other formats are brought to these."""


@dataclass(frozen=True, eq=False)
class Particles:
    """n particles, one array entry each, in the order of the file.

    Parameters
    ----------
    species:
        int8, keys of `SPECIES`.
    energy:
        float32, kinetic, MeV, not negative.
    x, y, z:
        float32, cm, in the frame of the file (its header describes it in words at most).
    u, v, w:
        float32, direction cosines along x, y, z; unit vectors.
    weight:
        float32, statistical weight.
    is_new_history:
        bool, True for the first recorded particle of a primary history.
    extras:
        what else a record holds, by name: ZLAST [cm], LATCH ...
    """

    species: np.ndarray
    energy: np.ndarray
    x: np.ndarray
    y: np.ndarray
    z: np.ndarray
    u: np.ndarray
    v: np.ndarray
    w: np.ndarray
    weight: np.ndarray
    is_new_history: np.ndarray
    extras: dict[str, np.ndarray] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.species)

    def select(self, chosen: np.ndarray) -> Particles:
        """Those of a boolean array or of indices. The flags of histories are not mended for what is left out."""
        names = [f.name for f in fields(self) if f.name != "extras"]
        extras = {name: values[chosen] for name, values in self.extras.items()}
        return Particles(**{name: getattr(self, name)[chosen] for name in names}, extras=extras)
