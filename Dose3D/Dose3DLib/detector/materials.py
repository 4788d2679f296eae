"""What detectors are made of: names, densities and Hounsfield units for simulations and for planning systems."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["AIR", "MATERIALS", "PMMA", "SCINTILLATOR", "WATER", "Material"]


@dataclass(frozen=True)
class Material:
    """A material.

    Parameters
    ----------
    name:
        as our files call it, and as G4RT's MaterialsSvc does.
    nist:
        name in Geant4's own table, "" when it is not there.
    density:
        g/cm3.
    hu:
        Hounsfield units at 60 keV.
    atoms:
        number of atoms of each element in a unit of the substance; empty for mixtures by mass.
    masses:
        mass fraction of each element, for mixtures.
    """

    name: str
    nist: str
    density: float
    hu: float
    atoms: tuple[tuple[str, int], ...] = ()
    masses: tuple[tuple[str, float], ...] = ()


SCINTILLATOR = Material("RMPS470", "", 1.21, 143.0, (("H", 239), ("C", 264), ("N", 1), ("O", 40)))
"""Plastic of the cells: dose3d/g4rt, MaterialsSvc.cc; HU of its hounsfield_scale_60keV.toml."""

PMMA = Material("PMMA", "G4_PLEXIGLASS", 1.19, 123.87, (("C", 5), ("H", 8), ("O", 2)))
"""HU as above."""

WATER = Material("Water", "G4_WATER", 1.0, 0.0, (("H", 2), ("O", 1)))
AIR = Material(
    "Air",
    "G4_AIR",
    0.00120479,
    -1000.0,
    masses=(("C", 0.000124), ("N", 0.755267), ("O", 0.231781), ("Ar", 0.012828)),
)
"""Dry air near sea level, as in NIST's table."""

MATERIALS: dict[str, Material] = {"water": WATER, "pmma": PMMA, "air": AIR}
"""What covers are made of and what the detector stands in, as settings name it."""
