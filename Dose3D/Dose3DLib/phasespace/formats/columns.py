"""Names of columns in arrays and trees: those of gaga and of GATE, whose lengths are in mm; any case.

Sources: the phase spaces of gaga-phsp (Ekine, X, Y, Z, dX, dY, dZ) and of GATE 10 (PhaseSpaceActor and
PhaseSpaceSource: KineticEnergy, PrePosition_X ..., PreDirection_X ..., Weight, PDGCode, EventID).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import numpy as np

from ...core.errors import InputError
from ..particles import Particles
from .records import species_of_pdg, unit_directions

__all__ = ["ARRAY_NAMES", "EXTRAS", "UNITS", "ColumnDecoder", "ColumnRecords", "starts_of_events", "unit_factor"]

UNITS: dict[str, float] = {"mm": 0.1, "cm": 1.0, "m": 100.0}
"""Unit of length -> cm."""

ARRAY_NAMES: dict[str, str] = {
    "energy": "Ekine", "x": "X", "y": "Y", "z": "Z", "u": "dX", "v": "dY", "w": "dZ", "weight": "Weight",
    "pdg": "PDGCode", "starts": "NewHistory",
}  # fmt: skip
"""What the columns of arrays are called when they are written."""

EXTRAS: dict[str, type] = {
    **dict.fromkeys(("XLAST", "YLAST", "ZLAST"), np.float32),
    **dict.fromkeys(("LATCH", "ILB", *(f"ILB{n}" for n in range(1, 6))), np.int32),
}
"""Further columns that are kept."""

_STEMS = ("PrePosition", "PrePositionLocal", "PostPosition", "PostPositionLocal", "Position")
_COSINES = [stem.replace("Position", "Direction") for stem in _STEMS]
_NAMES: dict[str, tuple[str, ...]] = {
    "energy": ("Ekine", "KineticEnergy", "Energy", "E"),
    **{axis.lower(): (axis, *(f"{stem}_{axis}" for stem in _STEMS)) for axis in "XYZ"},
    **{
        cosine: (f"d{axis}", cosine, *(f"{stem}_{axis}" for stem in _COSINES))
        for cosine, axis in zip("uvw", "XYZ", strict=True)
    },
    "weight": ("Weight",),
    "pdg": ("PDGCode", "PDG"),
    "starts": ("NewHistory",),
    "event": ("EventID",),
    "run": ("RunID",),
}
_NEEDED = ("energy", "x", "y", "u", "v")


def unit_factor(unit: str, source: object) -> float:
    """cm of a unit of length.

    Raises
    ------
    InputError
        an unknown unit.
    """
    if unit not in UNITS:
        raise InputError(source, f'"{unit}" is no unit of length that is known', f"choose from {', '.join(UNITS)}")
    return UNITS[unit]


class ColumnDecoder:
    """Makes `Particles` from named columns.

    Parameters
    ----------
    names:
        of the columns there are.
    unit:
        of lengths.
    plane:
        Z in cm where there is no such column.
    source:
        for messages.
    said:
        whether the file itself says the unit.

    Attributes
    ----------
    names:
        name of the column by what it means.
    constants:
        what all particles share because there is no such column.
    notes:
        sentences for the user.

    Raises
    ------
    InputError
        a needed column is missing, or the unit is unknown.
    """

    def __init__(self, names: Iterable[str], unit: str, plane: float | None, source: object, said: bool = False):
        self._factor, self._plane = unit_factor(unit, source), plane
        names = list(names)
        self.names = _roles(names)
        self._extras = [name for name in names if name in EXTRAS]
        for role in _NEEDED:
            if role not in self.names:
                cause = f'has no column "{_NAMES[role][0]}" (nor {", ".join(_NAMES[role][1:3])})'
                raise InputError(source, cause, "name a phase space with energies, positions and directions")
        self.notes = self._notes(None if said else unit)
        absent = {"z": plane or 0.0, "weight": 1.0}
        self.constants = {role: value for role, value in absent.items() if role not in self.names}

    @property
    def is_plane_known(self) -> bool:
        return "z" in self.names or self._plane is not None

    @property
    def wanted(self) -> list[str]:
        """Names of the columns that are read."""
        return [*self.names.values(), *self._extras]

    def _notes(self, unit: str | None) -> list[str]:
        notes = [] if unit is None else [f"lengths are taken as {unit}: the file does not say their unit"]
        if not self.is_plane_known:
            notes.append("there is no column of Z: 0 cm is taken where none is given (phsp convert --input-plane)")
        if "w" not in self.names:
            notes.append("there is no column of dZ: it is computed, and taken as positive")
        if "pdg" not in self.names:
            notes.append("there is no column of species: all particles are taken as photons")
        if not {"starts", "event"} & set(self.names):
            notes.append("there is no column of histories: each particle is taken as one of its own")
        return notes

    def __call__(self, column: Callable[[str], np.ndarray], starts: np.ndarray | None = None) -> Particles:
        """Particles of the columns by name; `starts` says which start a history, where events tell it."""
        found = {role: np.asarray(column(name)) for role, name in self.names.items() if role not in ("event", "run")}
        n = len(found["energy"])
        with np.errstate(invalid="ignore", over="ignore"):  # nonsense stays nonsense, and is told by `check_first`
            x, y = (self._length(found[axis]) for axis in "xy")
            z = self._length(found["z"]) if "z" in found else np.full(n, self._plane or 0.0, np.float32)
            energy = found["energy"].astype(np.float32)
            weight = found["weight"].astype(np.float32) if "weight" in found else np.ones(n, np.float32)
            directions = unit_directions(found["u"], found["v"], found.get("w"))
            extras = {name: np.asarray(column(name)).astype(EXTRAS[name]) for name in self._extras}
        species = species_of_pdg(found["pdg"]) if "pdg" in found else np.ones(n, np.int8)
        if "starts" in found:
            starts = found["starts"] != 0
        elif starts is None:
            starts = np.ones(n, bool)
        return Particles(species, energy, x, y, z, *directions, weight, starts, extras)

    def _length(self, values: np.ndarray) -> np.ndarray:
        return values.astype(np.float32) if self._factor == 1 else (values * np.float64(self._factor)).astype("f4")


class ColumnRecords:
    """Columns that can be cut and picked from, such as memory maps.

    Parameters
    ----------
    columns:
        by name, all of one length.
    decoder:
        for those names.
    """

    def __init__(self, columns: Mapping[str, np.ndarray], decoder: ColumnDecoder):
        self._columns, self._decoder = columns, decoder
        self.count = len(columns[decoder.names["energy"]])

    def read(self, start: int, stop: int) -> Particles:
        """The particles from `start` up to `stop`, not included."""
        return self._at(slice(start, stop), np.arange(start, min(stop, self.count)))

    def take(self, indices: np.ndarray) -> Particles:
        """The particles at some places."""
        return self._at(indices, np.asarray(indices))

    def _at(self, place: slice | np.ndarray, indices: np.ndarray) -> Particles:
        starts, names = None, self._decoder.names
        if "event" in names and "starts" not in names:
            before = np.maximum(indices - 1, 0)
            ids = [self._columns[names[role]] for role in ("event", "run") if role in names]
            starts = starts_of_events([(one[indices], one[before]) for one in ids]) | (indices == 0)
        return self._decoder(lambda name: self._columns[name][place], starts)


def starts_of_events(ids: list[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    """Where any number (event, run) differs from that of the particle before."""
    starts = np.zeros(len(ids[0][0]), bool)
    for own, before in ids:
        starts |= np.asarray(own) != np.asarray(before)
    return starts


def _roles(names: list[str]) -> dict[str, str]:
    """Name of the column by what it means; the first that fits."""
    lower = {name.lower(): name for name in reversed(names)}
    found = {}
    for role, choices in _NAMES.items():
        name = next((lower[choice.lower()] for choice in choices if choice.lower() in lower), None)
        if name is not None:
            found[role] = name
    return found
