"""`Side`: the photons of one side of a comparison with their histories; draws and splits by whole histories."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...core.errors import InputError
from ..focus import back_projected, best_focus, robust_sigma
from ..phase_space import CHUNK
from ..photons import RAW

__all__ = ["FEATURES", "Focus", "Side", "draw", "features", "focus_of", "halves", "take"]

FEATURES = (*RAW, "r", "log E", "focus x", "focus y", "focus radial", "focus tangential", "transverse momentum")
"""Columns of `features`: what a physicist would look at besides the six variables."""

_LOWEST_ENERGY = 1e-6
_FLATTEST = 1e-3
_NARROWEST_CM = 1e-4


@dataclass(frozen=True, eq=False)
class Side:
    """n photons that lie on one plane.

    Parameters
    ----------
    photons:
        (n, 6) float32, columns `RAW`: cm, cosines, MeV, in the frame of the file, Z downstream.
    history:
        (n,) int64, equal for photons of the same primary history. Generated photons are independent: `arange(n)`.
    name:
        what tables and pictures call this side.
    plane_cm:
        Z of the plane.
    """

    photons: np.ndarray
    history: np.ndarray
    name: str
    plane_cm: float = 0.0

    def __post_init__(self) -> None:
        if self.photons.ndim != 2 or self.photons.shape[1] != len(RAW) or len(self.history) != len(self.photons):
            raise ValueError(f"a side has (n, {len(RAW)}) photons and n histories")

    def __len__(self) -> int:
        return len(self.photons)

    def column(self, name: str) -> np.ndarray:
        """One variable of all photons, float64."""
        return self.photons[:, RAW.index(name)].astype(np.float64)


def take(side: Side, chosen: np.ndarray, name: str | None = None) -> Side:
    """The photons of a boolean array or of indices."""
    return Side(side.photons[chosen], side.history[chosen], name or side.name, side.plane_cm)


def draw(side: Side, n: int, rng: np.random.Generator) -> Side:
    """n photons of a side: whole histories in random order, without repetition; only the last one may be cut.

    Raises
    ------
    InputError
        the side has fewer than n photons.
    """
    if n > len(side):
        raise InputError(side.name, f"has {len(side):,} photons, {n:,} are to be drawn", "lower --photons")
    return take(side, _shuffled_histories(side.history, rng)[:n])


def halves(side: Side, rng: np.random.Generator) -> tuple[Side, Side]:
    """Two parts of about equal size that share no history.

    Raises
    ------
    InputError
        all photons are of one history.
    """
    order = _shuffled_histories(side.history, rng)
    history = side.history[order]
    starts = np.flatnonzero(history[1:] != history[:-1]) + 1
    if not len(starts):
        raise InputError(side.name, "is of one history and cannot be split", "compare a file of more histories")
    cut = starts[np.argmin(np.abs(starts - len(side) // 2))]
    return take(side, order[:cut], f"{side.name}, first half"), take(side, order[cut:], f"{side.name}, second half")


def _shuffled_histories(history: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Places of all photons, those of a history together, the histories in random order."""
    _, dense = np.unique(history, return_inverse=True)
    ranks = rng.permutation(int(dense.max()) + 1 if len(dense) else 0)
    return np.argsort(ranks[dense], kind="stable")


@dataclass(frozen=True)
class Focus:
    """Where the photons come from, found from the photons of the real side.

    Parameters
    ----------
    distance_cm:
        from the focus downstream to the plane of the photons.
    sigma_x_cm, sigma_y_cm:
        robust standard deviation of the back-projected positions.
    """

    distance_cm: float
    sigma_x_cm: float
    sigma_y_cm: float

    @property
    def sigma_cm(self) -> float:
        """One width for both axes; never zero, so that it can divide."""
        return max(float(np.hypot(self.sigma_x_cm, self.sigma_y_cm) / np.sqrt(2)), _NARROWEST_CM)

    def positions(self, photons: np.ndarray) -> np.ndarray:
        """(n, 2) float64 x and y [cm] at the focus on the straight lines of the photons."""
        found = np.empty((len(photons), 2))
        for start in range(0, len(photons), CHUNK):  # millions of photons in double precision take much memory
            steep = photons[start : start + CHUNK].astype(np.float64)
            # A direction along the plane never meets the focus: its slope is held finite.
            steep[:, 4] = np.where(np.abs(steep[:, 4]) < _FLATTEST, np.copysign(_FLATTEST, steep[:, 4]), steep[:, 4])
            found[start : start + CHUNK] = np.column_stack(back_projected(steep, self.distance_cm))
        return found


def focus_of(side: Side) -> Focus:
    """The plane in which a side's photons are closest together, and how close."""
    distance = -best_focus(side.photons, 0.0)  # relative to the plane, which a file may not know
    x, y = Focus(distance, 0.0, 0.0).positions(side.photons).T
    return Focus(distance, robust_sigma(x), robust_sigma(y))


def features(photons: np.ndarray, focus: Focus) -> np.ndarray:
    """(n, 13) float32, columns `FEATURES`: the six variables, and what physics makes of them.

    Positions at the focus enter as asinh(position / sigma): fine within the spot, logarithmic in the wide scatter.
    Directions are brought to unit length first, so that rounding of their norm tells nothing.
    """
    raw = photons.astype(np.float64)
    norm = np.linalg.norm(raw[:, 2:5], axis=1, keepdims=True)
    raw[:, 2:5] /= np.where(norm > 0, norm, 1.0)
    x, y, u, v, _, energy = raw.T
    r = np.hypot(x, y)
    cos, sin = x / np.maximum(r, 1e-9), y / np.maximum(r, 1e-9)
    at_x, at_y = focus.positions(raw).T
    radial, tangential = at_x * cos + at_y * sin, at_y * cos - at_x * sin
    spots = [np.arcsinh(position / focus.sigma_cm) for position in (at_x, at_y, radial, tangential)]
    columns = [r, np.log(np.maximum(energy, _LOWEST_ENERGY)), *spots, energy * np.hypot(u, v)]
    return np.column_stack([raw, *columns]).astype(np.float32)
