"""Colours of doses: from blue to red, each isodose level a colour of its own, and of differences: blue, white, red."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["DoseColors", "difference_colors", "gamma_colors"]

_PALETTE = np.array(
    [
        (30, 40, 120), (35, 90, 200), (30, 165, 225), (50, 195, 140), (120, 205, 60),
        (235, 220, 50), (250, 150, 30), (225, 45, 35), (160, 15, 90),
    ],
    dtype=float,
)  # fmt: skip
"""From no dose to the highest, at equal steps; the order that planning systems use, dark at both ends."""

_COLD, _NEUTRAL, _WARM = (33, 90, 170), (245, 245, 245), (178, 35, 40)


@dataclass(frozen=True)
class DoseColors:
    """Colours that change most where the levels are, so that 90, 95 and 100 % can be told apart.

    Parameters
    ----------
    levels:
        ascending doses.
    top:
        dose of the last colour.
    """

    levels: tuple[float, ...]
    top: float

    def of(self, dose: float) -> tuple[int, int, int]:
        """RGB 0..255 of a dose."""
        red, green, blue = self.table(np.array([dose]))[0]
        return int(red), int(green), int(blue)

    def table(self, doses: np.ndarray) -> np.ndarray:
        """RGB 0..255 of each dose, shape (n, 3), uint8."""
        stops = [0.0, *(level for level in self.levels if level < self.top), self.top]
        place = np.interp(doses, stops, np.linspace(0.0, 1.0, len(stops)))
        return _between(_PALETTE, place)


def difference_colors(count: int) -> np.ndarray:
    """`count` colours from much less (blue) over equal (white) to much more (red); RGB 0..255, shape (count, 3)."""
    return _between(np.array([_COLD, _NEUTRAL, _WARM], float), np.linspace(0.0, 1.0, count))


def gamma_colors(count: int, highest: float) -> np.ndarray:
    """`count` colours of gammas from 0 (blue) over 1 (white) to `highest` (red); RGB 0..255, shape (count, 3).

    White is 1 whatever the highest gamma is: the colours of passes are as many as those of failures.
    """
    places = np.interp(np.linspace(0.0, highest, count), [0.0, 1.0, highest], [0.0, 0.5, 1.0])
    return _between(np.array([_COLD, _NEUTRAL, _WARM], float), places)


def _between(palette: np.ndarray, place: np.ndarray) -> np.ndarray:
    steps = np.linspace(0.0, 1.0, len(palette))
    channels = [np.interp(place, steps, palette[:, channel]) for channel in range(3)]
    return np.rint(np.stack(channels, axis=-1)).astype(np.uint8)
