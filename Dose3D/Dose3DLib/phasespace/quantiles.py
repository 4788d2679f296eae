"""One coordinate to a standard normal one and back, by a table of quantiles.

Whatever a network does to the normal coordinate, the table gives back values of the right range: edges, limits and
the marginal distribution are those of the file. A table of some thousand quantiles holds no particle.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch

__all__ = ["KNOTS", "REACH", "QuantileTable", "fit_table"]

KNOTS = 4096
"""Knots of a table: equal steps of the normal coordinate."""
REACH = 5.0
"""Normal coordinate of the last knot: 6 in 10 million lie beyond."""


@dataclass(frozen=True, eq=False)
class QuantileTable:
    """Quantiles at equally spaced normal coordinates from -`reach` to `reach`; in between, straight lines.

    Parameters
    ----------
    reach:
        normal coordinate of the last knot.
    values:
        float64 (KNOTS,), increasing.
    """

    reach: float
    values: np.ndarray

    @property
    def knots(self) -> np.ndarray:
        return np.linspace(-self.reach, self.reach, len(self.values))

    def to_normal(self, values: np.ndarray) -> np.ndarray:
        """Normal coordinates of values (n,), float64; values beyond the table get that of its end."""
        return np.interp(values, self.values, self.knots)

    def from_normal(
        self, normal: torch.Tensor, values: torch.Tensor, offset: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Values of normal coordinates (n,) on their device; `values` is the table as a tensor there.

        Tables of the same reach may stand in a row in `values`; `offset` (n,) is then where each photon's begins.
        """
        import torch

        last = len(self.values) - 1
        place = ((normal + self.reach) * (last / (2 * self.reach))).clamp_(0, last - 1e-3)
        below = place.to(torch.int64).clamp_(0, last - 1)  # what is no number has no place, and stays no number
        place -= below
        if offset is not None:
            below = below + offset
        left = values[below]
        return left + (values[below + 1] - left) * place


def fit_table(values: np.ndarray, knots: int = KNOTS) -> QuantileTable:
    """The table of a sample (n,) of a continuous coordinate; few values make a table all the same.

    Its ends are the extremes of the sample.
    """
    from scipy.special import ndtr

    values = np.sort(values.astype(np.float64))
    shares = ndtr(np.linspace(-REACH, REACH, knots))
    places = np.clip(shares * len(values) - 0.5, 0, len(values) - 1)
    found = np.interp(places, np.arange(len(values)), values)
    found[0], found[-1] = values[0], values[-1]
    return QuantileTable(REACH, np.maximum.accumulate(found))
