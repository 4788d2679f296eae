"""From Hounsfield units to mass density, by a table."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..core.errors import InputError
from .table_text import parse_rows, read_text

__all__ = ["SCHNEIDER", "DensityTable", "read_density_table"]

_DENSEST = 25.0
"""g/cm^3: above this (osmium has 22.6) the numbers are in another unit."""


@dataclass(frozen=True, eq=False)
class DensityTable:
    """Straight lines between points; beyond the ends the density is that of the end.

    Parameters
    ----------
    hu:
        (m,) rising.
    density_g_cm3:
        (m,)
    source:
        for the user.
    """

    hu: np.ndarray
    density_g_cm3: np.ndarray
    source: str

    def apply(self, hu: np.ndarray) -> np.ndarray:
        """Density of each voxel, g/cm^3, float32."""
        return np.interp(hu, self.hu, self.density_g_cm3).astype(np.float32)


SCHNEIDER = DensityTable(
    np.array([-1000.0, -98, -97, 14, 23, 100, 101, 1600, 3000]),
    np.array([0.00121, 0.93, 0.930486, 1.03, 1.031, 1.1199, 1.0762, 1.9642, 2.8]),
    "W. Schneider et al., Phys. Med. Biol. 45 (2000) 459, as tabulated by OpenGATE/Gate",
)
"""Used where the clinic gives no table of its own; a scanner's own one is better."""


def read_density_table(path: Path) -> DensityTable:
    """Read a CSV of two columns, HU and density in g/cm^3, with or without a header; decimal commas between semicolons.

    Raises
    ------
    InputError
        fewer than two rows, HU that don't rise, densities that are negative or in kg/m^3.
    """
    table = parse_rows(path, read_text(path))
    if table.rows and not any(character.isdigit() for character in table.rows[0][0]):
        table.rows.pop(0), table.lines.pop(0)
    for n, row in enumerate(table.rows):
        while len(row) > 2 and not row[-1].strip():
            row.pop()
        if len(row) != 2:
            raise table.fault(n, f"has {len(row)} columns, not two", "give HU and density in g/cm3")
    if len(table.rows) < 2:
        raise InputError(path, f"has {len(table.rows)} points", "give at least two rows of HU and density in g/cm3")
    table.rows.insert(0, ["HU", "density"])
    table.lines.insert(0, 0)
    hu, density = table.column(0, "HU"), table.column(1, "density")
    _check(path, hu, density)
    return DensityTable(hu, density, Path(path).name)


def _check(path: Path, hu: np.ndarray, density: np.ndarray) -> None:
    if not (np.isfinite(hu).all() and np.isfinite(density).all()):
        raise InputError(path, "has values that are not finite", "give numbers")
    if (np.diff(hu) <= 0).any():
        raise InputError(path, f"HU don't rise after {hu[np.argmax(np.diff(hu) <= 0)]:g}", "sort the rows by HU")
    if (density < 0).any():
        raise InputError(path, f"has the density {density.min():g}", "give densities of at least 0 g/cm3")
    if density.max() > _DENSEST:
        raise InputError(path, f"has the density {density.max():g}", "give densities in g/cm3, not in kg/m3")
