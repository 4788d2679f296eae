"""The coordinates that models learn: the raw six, standardised, or physical ones that are exactly normal by rank.

Physical coordinates of a photon are where it crosses the plane and where its straight path back crosses the plane of
the focus. The narrow spot of the source, its wide scatter, field edges and the limits of the spectrum then stand in
tables of quantiles, and a network learns only how the coordinates hang together. Round fields are described by azimuth,
radius and the radial and tangential part of the focus position, others by x and y; the file decides. A photon on a
sharp line of the spectrum says so in its context, and leaves with that very energy.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from .focus import back_projected, best_focus
from .lines import find_lines, line_of
from .photons import RAW
from .quantiles import QuantileTable, fit_table

if TYPE_CHECKING:
    import torch

__all__ = ["FRAMES", "Coordinates", "fit_coordinates"]

FRAMES: dict[str, tuple[str, ...]] = {
    "raw": RAW,
    "polar": ("azimuth", "radius", "focus_radial", "focus_tangential", "energy"),
    "cartesian": ("x", "y", "focus_x", "focus_y", "energy"),
}
"""Names of the coordinates in each frame."""

_MI_BINS = 24


@dataclass(frozen=True, eq=False)
class Coordinates:
    """Photons (n, 6) to points (n, size) with context (n, lines), and back.

    Parameters
    ----------
    frame:
        key of `FRAMES`.
    plane_cm, focus_cm:
        z of the photons and of the focus; the latter is not used by "raw".
    highest_mev:
        largest energy of the training file, which no generated photon exceeds.
    lines, shares:
        energies of sharp lines, float32 [MeV], and their shares of all photons; none in "raw".
    tables:
        one for each coordinate; none in "raw".
    mean, deviation:
        float64 (6,), of the raw variables; "raw" only.
    """

    frame: str
    plane_cm: float
    focus_cm: float
    highest_mev: float
    lines: np.ndarray
    shares: np.ndarray
    tables: tuple[QuantileTable, ...] = ()
    mean: np.ndarray | None = None
    deviation: np.ndarray | None = None

    @property
    def names(self) -> tuple[str, ...]:
        return FRAMES[self.frame]

    @property
    def size(self) -> int:
        return len(self.names)

    @property
    def context(self) -> int:
        return len(self.lines)

    @property
    def by_construction(self) -> tuple[str, ...]:
        """Marginal distributions that the tables make right, whatever the network does."""
        kept = {"raw": (), "polar": ("r", "energy"), "cartesian": ("x", "y", "energy")}
        return kept[self.frame]

    def encode(self, photons: np.ndarray, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Points and context, float32. What a photon on a line has in place of its energy is drawn at random."""
        if self.frame == "raw":
            points = (photons - self.mean) / self.deviation
            return points.astype(np.float32), np.zeros((len(photons), 0), np.float32)
        columns = [t.to_normal(c) for t, c in zip(self.tables, self._physical(photons), strict=True)]
        line = line_of(photons[:, 5], self.lines)
        columns[-1] = np.where(line >= 0, generator.standard_normal(len(photons)), columns[-1])
        return np.column_stack(columns).astype(np.float32), _one_hot(line, len(self.lines))

    def decode(self, points: torch.Tensor, context: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Photons (n, 6) and which of them are possible (n,), both on the device of the points.

        Impossible are: beyond the tables, E not in (0, `highest_mev`], directions upstream, anything not finite.
        """
        import torch

        photons = self._decode_raw(points) if self.frame == "raw" else self._decode_physical(points, context)
        energy, w = photons[:, 5], photons[:, 4]
        possible = (energy > 0) & (energy <= self.highest_mev) & (w > 0) & torch.isfinite(photons).all(dim=1)
        if self.tables:
            for column, table in enumerate(self.tables):
                possible &= points[:, column].abs() <= table.reach
        return photons, possible

    def _physical(self, photons: np.ndarray) -> list[np.ndarray]:
        return _physical(photons, self.frame, self.plane_cm - self.focus_cm)

    def _decode_raw(self, points: torch.Tensor) -> torch.Tensor:
        import torch

        mean, deviation = (torch.as_tensor(v, dtype=points.dtype, device=points.device)
                           for v in (self.mean, self.deviation))  # fmt: skip
        photons = points * deviation + mean
        photons[:, 2:5] = torch.nn.functional.normalize(photons[:, 2:5], dim=1)
        return photons

    def _decode_physical(self, points: torch.Tensor, context: torch.Tensor) -> torch.Tensor:
        """From normal coordinates to photons; works column by column since that is what takes the time."""
        import torch

        first, second, along, across, energy = (
            table.from_normal(points[:, n], values)
            for n, (table, values) in enumerate(zip(self.tables, self._values(points), strict=True))
        )
        if self.frame == "polar":
            cos, sin = torch.cos(first), torch.sin(first)
            x, y = second * cos, second * sin
            along, across = along * cos - across * sin, along * sin + across * cos
        else:
            x, y = first, second
        distance = self.plane_cm - self.focus_cm
        slope_x, slope_y = (x - along) / distance, (y - across) / distance
        w = torch.rsqrt(1 + slope_x * slope_x + slope_y * slope_y)
        for number, line in enumerate(self.lines.tolist()):
            energy = torch.where(context[:, number] > 0.5, torch.full_like(energy, line), energy)
        return torch.stack([x, y, slope_x * w, slope_y * w, w, energy], dim=1)

    def _values(self, points: torch.Tensor) -> list[torch.Tensor]:
        """The tables as tensors beside the points, kept after the first call."""
        import torch

        kept = self.__dict__.setdefault("_tensors", {})
        key = (points.device, points.dtype)
        if key not in kept:
            kept[key] = [torch.as_tensor(t.values, dtype=points.dtype, device=points.device) for t in self.tables]
        return kept[key]

    def to_dict(self) -> dict[str, Any]:
        """All but the tables' values, as JSON."""
        numbers = {name: getattr(self, name) for name in ("frame", "plane_cm", "focus_cm", "highest_mev")}
        arrays = {"lines": self.lines, "shares": self.shares, "mean": self.mean, "deviation": self.deviation}
        lists = {name: None if value is None else value.astype(float).tolist() for name, value in arrays.items()}
        return {**numbers, **lists, "reach": [table.reach for table in self.tables]}

    def arrays(self) -> dict[str, np.ndarray]:
        """The tables' values by the coordinate's name, float32."""
        return {name: t.values.astype(np.float32) for name, t in zip(self.names, self.tables, strict=False)}

    @classmethod
    def from_dict(cls, facts: dict[str, Any], arrays: dict[str, np.ndarray]) -> Coordinates:
        """What `to_dict` and `arrays` gave."""
        tables = () if facts["frame"] == "raw" else tuple(
            QuantileTable(float(reach), arrays[name].astype(np.float64))
            for name, reach in zip(FRAMES[facts["frame"]], facts["reach"], strict=True)
        )  # fmt: skip
        optional = {name: None if facts[name] is None else np.array(facts[name]) for name in ("mean", "deviation")}
        numbers = {name: float(facts[name]) for name in ("plane_cm", "focus_cm", "highest_mev")}
        lines, shares = np.array(facts["lines"], np.float32), np.array(facts["shares"], np.float64)
        return cls(facts["frame"], **numbers, lines=lines, shares=shares, tables=tables, **optional)


def fit_coordinates(photons: np.ndarray, plane_cm: float, kind: str) -> Coordinates:
    """Coordinates for photons (n, 6) at z = `plane_cm`: "physics", or "raw" as the first models had them.

    Everything is found in the photons: focus, field shape, lines, limits.
    """
    highest = float(photons[:, 5].max())
    if kind == "raw":
        mean, deviation = photons.mean(axis=0, dtype=np.float64), photons.std(axis=0, dtype=np.float64)
        none = np.empty(0, np.float32)
        deviation = np.where(deviation > 0, deviation, 1.0)
        return Coordinates("raw", plane_cm, plane_cm, highest, none, none.astype(float), (), mean, deviation)
    focus = best_focus(photons, plane_cm)
    frame = _better_frame(photons)
    lines = find_lines(photons[:, 5])
    line = line_of(photons[:, 5], lines)
    shares = np.array([(line == n).mean() for n in range(len(lines))])
    bare = Coordinates(frame, plane_cm, focus, highest, lines, shares)
    columns = bare._physical(photons)
    if (line < 0).any():
        columns[-1] = columns[-1][line < 0]
    return replace(bare, tables=tuple(fit_table(column) for column in columns))


def _physical(photons: np.ndarray, frame: str, distance: float) -> list[np.ndarray]:
    """The five coordinates, float64, before any table."""
    x, y, energy = (photons[:, column].astype(np.float64) for column in (0, 1, 5))
    focus_x, focus_y = back_projected(photons, distance)
    if frame == "cartesian":
        return [x, y, focus_x, focus_y, energy]
    radius = np.hypot(x, y)
    with np.errstate(invalid="ignore"):
        cos, sin = np.where(radius > 0, x / radius, 1.0), np.where(radius > 0, y / radius, 0.0)
    radial, tangential = focus_x * cos + focus_y * sin, focus_y * cos - focus_x * sin
    return [np.arctan2(y, x), radius, radial, tangential, energy]


def _better_frame(photons: np.ndarray) -> str:
    """Polar or cartesian: the one whose two coordinates in the plane know less of each other."""
    x, y = photons[:, 0].astype(np.float64), photons[:, 1].astype(np.float64)
    polar = _mutual_information(np.arctan2(y, x), np.hypot(x, y))
    return "polar" if polar <= _mutual_information(x, y) else "cartesian"


def _mutual_information(first: np.ndarray, second: np.ndarray) -> float:
    """In nats, of two coordinates by their ranks in bins of equal content."""
    ranks = [np.argsort(np.argsort(v, kind="stable"), kind="stable") * _MI_BINS // len(v) for v in (first, second)]
    joint = np.bincount(ranks[0] * _MI_BINS + ranks[1], minlength=_MI_BINS**2) / len(first)
    filled = joint[joint > 0]
    return float((filled * np.log(filled * _MI_BINS**2)).sum())


def _one_hot(number: np.ndarray, size: int) -> np.ndarray:
    return (number[:, None] == np.arange(size)).astype(np.float32)
