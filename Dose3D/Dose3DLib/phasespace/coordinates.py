"""The coordinates that models learn: the raw six, standardised, or physical ones that are exactly normal by rank.

Physical coordinates of a photon are where it crosses the plane and where its straight path back crosses the plane of
the focus. Round fields are described by azimuth and radius, others by x and y; the file decides. Photons come in
classes, which stand in the context of a network and are drawn by their shares: inside the spot of the focus or outside
(scattered on the way; their focus position is then a distance, and an angle from the direction of their place in the
plane), and on a sharp line of the spectrum or not. The narrow spot, field edges, lines and limits of the spectrum then
stand in shares and in tables of quantiles, one a class and coordinate, and a network learns only how the coordinates
hang together.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from .focus import back_projected, best_focus, robust_sigma
from .lines import find_lines, line_of
from .photons import RAW
from .quantiles import KNOTS, QuantileTable, fit_table

if TYPE_CHECKING:
    import torch

__all__ = ["FRAMES", "Coordinates", "fit_coordinates"]

FRAMES: dict[str, tuple[str, ...]] = {
    "raw": RAW,
    "polar": ("azimuth", "radius", "focus_x", "focus_y", "energy"),
    "cartesian": ("x", "y", "focus_x", "focus_y", "energy"),
}
"""Names of the coordinates in each frame, of photons from the spot."""

_MI_BINS = 24
_SPOT_SIGMAS = 4.0
_LEAST_OUTSIDE, _MOST_OUTSIDE = 0.005, 0.6
_LEAST_PHOTONS = 500
_HALF_TURN_BINS = 36
_CALIBRATED = np.linspace(-4.0, 4.0, 81)
"""Normal coordinates at which a calibration is known."""
_ENOUGH_BEYOND = 200


@dataclass(frozen=True)
class Spot:
    """An ellipse in the plane of the focus, cm: photons outside were scattered. `turn` [rad] is where most of these lie
    from the centre, counted from the direction of their position in the plane."""

    x: float
    y: float
    radius_x: float
    radius_y: float
    turn: float = 0.0

    def holds(self, focus_x: np.ndarray, focus_y: np.ndarray) -> np.ndarray:
        return np.hypot((focus_x - self.x) / self.radius_x, (focus_y - self.y) / self.radius_y) <= 1


@dataclass(frozen=True, eq=False)
class Coordinates:
    """Photons (n, 6) to points (n, size) with context (n, `context`), and back.

    Parameters
    ----------
    frame:
        key of `FRAMES`.
    plane_cm, focus_cm:
        z of the photons and of the focus; the latter is not used by "raw".
    highest_mev:
        largest energy of the training file, which no generated photon exceeds.
    lines:
        energies of sharp lines, float32 [MeV]; none in "raw".
    spot:
        None where all photons are of one kind: a beam without scatter, or one without a focus.
    at, shares:
        (files,) scaled condition of each file, and (files, spot or outside, line or none) shares of the classes: the
        last axis begins with photons on no line.
    tables:
        for photons from the spot, then from outside: one table each coordinate; none in "raw".
    mean, deviation:
        float64 (6,), of the raw variables; "raw" only.
    calibration:
        float32 (kinds, size, n) or None: what a network's coordinates -4 ... 4 must become to be exactly normal.
    """

    frame: str
    plane_cm: float
    focus_cm: float
    highest_mev: float
    lines: np.ndarray
    spot: Spot | None
    at: np.ndarray
    shares: np.ndarray
    tables: tuple[tuple[QuantileTable, ...], ...] = ()
    mean: np.ndarray | None = None
    deviation: np.ndarray | None = None
    calibration: np.ndarray | None = None

    @property
    def names(self) -> tuple[str, ...]:
        return FRAMES[self.frame]

    @property
    def size(self) -> int:
        return len(self.names)

    @property
    def context(self) -> int:
        """Columns of the context: one for "outside the spot" where there is a spot, one a line."""
        return (self.spot is not None) + len(self.lines)

    @property
    def by_construction(self) -> tuple[str, ...]:
        """Marginal distributions that tables, shares and calibration make right, whatever the network does."""
        if self.calibration is None:
            return ()
        kept = {"raw": (), "polar": ("r", "energy"), "cartesian": ("x", "y", "energy")}
        return kept[self.frame]

    @property
    def line_shares(self) -> np.ndarray:
        """Share of the photons on each line, over all files (lines,)."""
        return self.shares.mean(axis=0).sum(axis=0)[1:]

    def encode(self, photons: np.ndarray, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Points and context, float32. What a photon on a line has in place of its energy is drawn at random."""
        if self.frame == "raw":
            points = (photons - self.mean) / self.deviation
            return points.astype(np.float32), np.zeros((len(photons), 0), np.float32)
        outside, line = self.classes(photons)
        points = np.empty((len(photons), self.size), np.float32)
        for kind, tables in enumerate(self.tables):
            chosen = outside == kind
            columns = self._physical(photons[chosen], kind)
            points[chosen] = np.column_stack([t.to_normal(c) for t, c in zip(tables, columns, strict=True)])
        points[:, -1] = np.where(line >= 0, generator.standard_normal(len(photons)), points[:, -1])
        return points, self._columns(outside, line)

    def classes(self, photons: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Whether each photon comes from outside the spot (0, 1), and its line (-1: none), int64 (n,)."""
        line = line_of(photons[:, 5], self.lines)
        if self.spot is None:
            return np.zeros(len(photons), np.int64), line
        return (~self.spot.holds(*back_projected(photons, self.plane_cm - self.focus_cm))).astype(np.int64), line

    def decode(self, points: torch.Tensor, context: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Photons (n, 6) and which of them are possible (n,), both on the device of the points.

        Impossible are: beyond the tables, E not in (0, `highest_mev`], directions upstream, anything not finite.
        """
        import torch

        photons = self._decode_raw(points) if self.frame == "raw" else self._decode_physical(points, context)
        energy, w = photons[:, 5], photons[:, 4]
        possible = (energy > 0) & (energy <= self.highest_mev) & (w > 0) & torch.isfinite(photons).all(dim=1)
        if self.tables:
            reach = min(table.reach for tables in self.tables for table in tables)
            possible &= points.abs().amax(dim=1) <= reach
        return photons, possible

    def draw_context(self, count: int, generator: torch.Generator, given: tuple[float, ...] = ()) -> torch.Tensor:
        """Classes of `count` photons by their shares, (count, `context`) on the generator's device.

        Between files of different conditions shares are interpolated linearly.
        """
        import torch

        device = generator.device
        if not self.context:
            return torch.zeros((count, 0), device=device)
        shares = np.apply_along_axis(lambda s: np.interp(given[0] if given else 0.0, self.at, s), 0, self.shares)
        outside, line = (part.ravel() for part in np.indices(shares.shape))
        rows = torch.as_tensor(self._columns(outside, line - 1), device=device)
        edges = torch.as_tensor(np.cumsum(shares.ravel())[:-1] / shares.sum(), dtype=torch.float32, device=device)
        chance = torch.rand(count, generator=generator, device=device)
        return rows[torch.bucketize(chance, edges, right=True)]

    def calibrated(self, points: np.ndarray, context: np.ndarray) -> Coordinates:
        """The same, but so that what a network makes, points (n, size) of context (n, `context`), has right marginals.

        Each coordinate of each kind is brought to the normal distribution by its rank; far out, where few points lie,
        it is left as it is.
        """
        if not self.tables:
            return self
        is_outside = context[:, 0] > 0.5 if self.spot is not None else np.zeros(len(points), bool)
        on_line = context[:, self.context - len(self.lines) : self.context].any(axis=1)
        found = [
            [_to_normal(points[(is_outside == kind) & ~(on_line & (n == self.size - 1)), n]) for n in range(self.size)]
            for kind in range(len(self.tables))
        ]
        return replace(self, calibration=np.array(found, np.float32))

    def _columns(self, outside: np.ndarray, line: np.ndarray) -> np.ndarray:
        lines = (line[:, None] == np.arange(len(self.lines))).astype(np.float32)
        return lines if self.spot is None else np.column_stack([outside.astype(np.float32), lines])

    def _physical(self, photons: np.ndarray, kind: int) -> list[np.ndarray]:
        """The five coordinates of photons of one kind (0 from the spot, 1 from outside), float64, before any table."""
        x, y, energy = (photons[:, column].astype(np.float64) for column in (0, 1, 5))
        azimuth = np.arctan2(y, x)
        place = [azimuth, np.hypot(x, y)] if self.frame == "polar" else [x, y]
        focus = back_projected(photons, self.plane_cm - self.focus_cm)
        if kind == 1:
            return [*place, *_distance_and_angle(focus, azimuth, self.spot), energy]
        return [*place, *focus, energy]

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

        x, y, focus_x, focus_y, energy = self._places(points, context)
        distance = self.plane_cm - self.focus_cm
        slope_x, slope_y = (x - focus_x) / distance, (y - focus_y) / distance
        w = torch.rsqrt(1 + slope_x * slope_x + slope_y * slope_y)
        for number, line in enumerate(self.lines.tolist()):
            on_line = context[:, (self.spot is not None) + number] > 0.5
            energy = torch.where(on_line, torch.full_like(energy, line), energy)
        return torch.stack([x, y, slope_x * w, slope_y * w, w, energy], dim=1)

    def _places(self, points: torch.Tensor, context: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """x, y in the plane, x, y in the plane of the focus [cm], energy [MeV]; each (n,)."""
        import torch

        offset = None if self.spot is None else (context[:, 0] > 0.5).to(torch.int64) * KNOTS
        tables, values = self.tables[0], self._values(points)
        first, second, focus_x, focus_y, energy = (
            table.from_normal(points[:, n], values[n], offset) for n, table in enumerate(tables)
        )
        x, y = first, second
        if self.frame == "polar":
            x, y = second * torch.cos(first), second * torch.sin(first)
        if offset is not None:
            at = torch.nonzero(offset)[:, 0]
            away, angle = focus_x[at], focus_y[at] + self.spot.turn + torch.atan2(y[at], x[at])
            focus_x[at] = self.spot.x + away * torch.cos(angle)
            focus_y[at] = self.spot.y + away * torch.sin(angle)
        return x, y, focus_x, focus_y, energy

    def _values(self, points: torch.Tensor) -> list[torch.Tensor]:
        """For each coordinate the tables of both kinds in a row, beside the points; kept after the first call."""
        import torch

        kept = self.__dict__.setdefault("_tensors", {})
        key = (points.device, points.dtype)
        if key not in kept:
            rows = [
                np.concatenate([self._leaving(kind, n) for kind in range(len(self.tables))]) for n in range(self.size)
            ]
            kept[key] = [torch.as_tensor(row, dtype=points.dtype, device=points.device) for row in rows]
        return kept[key]

    def _leaving(self, kind: int, coordinate: int) -> np.ndarray:
        """A table's values with the calibration in it, float64 (KNOTS,)."""
        table = self.tables[kind][coordinate]
        if self.calibration is None:
            return table.values
        shift = np.interp(table.knots, _CALIBRATED, self.calibration[kind, coordinate] - _CALIBRATED, 0.0, 0.0)
        return np.interp(table.knots + shift, table.knots, table.values)

    def to_dict(self) -> dict[str, Any]:
        """All but the tables' values, as JSON."""
        numbers = {name: getattr(self, name) for name in ("frame", "plane_cm", "focus_cm", "highest_mev")}
        arrays = {name: getattr(self, name) for name in _ARRAYS}
        lists = {name: None if value is None else value.astype(float).tolist() for name, value in arrays.items()}
        spot = None if self.spot is None else vars(self.spot)
        return {**numbers, **lists, "spot": spot, "reach": [[table.reach for table in row] for row in self.tables]}

    def arrays(self) -> dict[str, np.ndarray]:
        """The tables' values by kind and coordinate, and the calibration where there is one; float32."""
        found = {
            f"{kind}.{name}": table.values.astype(np.float32)
            for kind, tables in enumerate(self.tables)
            for name, table in zip(self.names, tables, strict=True)
        }
        return found if self.calibration is None else {**found, "calibration": self.calibration}

    @classmethod
    def from_dict(cls, facts: dict[str, Any], arrays: dict[str, np.ndarray]) -> Coordinates:
        """What `to_dict` and `arrays` gave."""
        names = FRAMES[facts["frame"]]
        tables = tuple(
            tuple(
                QuantileTable(float(r), arrays[f"{kind}.{n}"].astype(np.float64))
                for n, r in zip(names, row, strict=True)
            )
            for kind, row in enumerate(facts["reach"])
        )
        found = {name: None if facts[name] is None else np.array(facts[name], np.float64) for name in _ARRAYS}
        numbers = {name: float(facts[name]) for name in ("plane_cm", "focus_cm", "highest_mev")}
        spot = None if facts["spot"] is None else Spot(**facts["spot"])
        found["lines"] = found["lines"].astype(np.float32)
        given = arrays.get("calibration")
        return cls(facts["frame"], **numbers, **found, spot=spot, tables=tables, calibration=given)


_ARRAYS = ("lines", "at", "shares", "mean", "deviation")


def fit_coordinates(
    photons: np.ndarray, plane_cm: float, kind: str, file: np.ndarray | None = None, at: np.ndarray | None = None
) -> Coordinates:
    """Coordinates for photons (n, 6) at z = `plane_cm`: "physics", or "raw" as the first models had them.

    Everything is found in the photons: focus, spot, field shape, lines, limits. With a condition, `file` (n,) is the
    file of each photon and `at` (files,) the scaled condition of each file.
    """
    highest = float(photons[:, 5].max())
    none, one = np.empty(0, np.float32), np.zeros(1)
    if kind == "raw":
        mean, deviation = photons.mean(axis=0, dtype=np.float64), photons.std(axis=0, dtype=np.float64)
        deviation = np.where(deviation > 0, deviation, 1.0)
        return Coordinates("raw", plane_cm, plane_cm, highest, none, None, one, np.ones((1, 1, 1)), (), mean, deviation)
    focus, lines = best_focus(photons, plane_cm), find_lines(photons[:, 5])
    bare = Coordinates(_better_frame(photons), plane_cm, focus, highest, lines, None, one, np.ones((1, 1, 1)))
    bare = replace(bare, spot=_spot(photons, plane_cm - focus))
    outside, line = bare.classes(photons)
    tables = tuple(_tables(bare, photons[outside == n], n) for n in range(1 + (bare.spot is not None)))
    file, at = (np.zeros(len(photons), np.int64), one) if at is None else (file, at)
    order = np.argsort(at)
    shares = np.stack([_shares(bare, outside[file == n], line[file == n]) for n in order])
    return replace(bare, at=at[order].astype(np.float64), shares=shares, tables=tables)


def _spot(photons: np.ndarray, distance: float) -> Spot | None:
    """The ellipse around the core of the focus; None where hardly any photon or too many lie outside."""
    focus = back_projected(photons, distance)
    radii = [_SPOT_SIGMAS * robust_sigma(values) for values in focus]
    if min(radii) <= 0:
        return None
    spot = Spot(*(float(np.median(values)) for values in focus), *radii)
    outside = ~spot.holds(*focus)
    if not _LEAST_OUTSIDE <= outside.mean() <= _MOST_OUTSIDE or outside.sum() < _LEAST_PHOTONS:
        return None
    azimuth = np.arctan2(photons[outside, 1].astype(np.float64), photons[outside, 0].astype(np.float64))
    _, angle = _distance_and_angle([values[outside] for values in focus], azimuth, spot)
    counts, edges = np.histogram(angle, _HALF_TURN_BINS, (-np.pi, np.pi))
    # The circle is cut where fewest photons lie: half a turn from where they are most, seen over a third of a turn.
    smooth = np.convolve(np.tile(counts, 3), np.ones(_HALF_TURN_BINS // 3), "same")[
        _HALF_TURN_BINS : 2 * _HALF_TURN_BINS
    ]
    return replace(spot, turn=float(edges[int(np.argmin(smooth))] - np.pi))


def _tables(bare: Coordinates, photons: np.ndarray, kind: int) -> tuple[QuantileTable, ...]:
    columns = bare._physical(photons, kind)
    off_line = line_of(photons[:, 5], bare.lines) < 0
    if off_line.any():
        columns[-1] = columns[-1][off_line]
    return tuple(fit_table(column) for column in columns)


def _shares(bare: Coordinates, outside: np.ndarray, line: np.ndarray) -> np.ndarray:
    kinds, lines = 1 + (bare.spot is not None), 1 + len(bare.lines)
    counts = np.bincount(outside * lines + line + 1, minlength=kinds * lines)
    return counts.reshape(kinds, lines) / max(len(outside), 1)


def _to_normal(values: np.ndarray) -> np.ndarray:
    """What `_CALIBRATED` must become so that values (n,) are normal by rank; itself where few values lie beyond."""
    from scipy.special import ndtri

    share = (np.searchsorted(np.sort(values), _CALIBRATED) + 0.5) / (len(values) + 1)
    trust = np.clip(len(values) * np.minimum(share, 1 - share) / _ENOUGH_BEYOND, 0, 1) ** 2
    trust[[0, -1]] = 0
    return np.maximum.accumulate(_CALIBRATED + trust * (ndtri(share) - _CALIBRATED))


def _distance_and_angle(focus: Any, azimuth: np.ndarray, spot: Spot) -> tuple[np.ndarray, np.ndarray]:
    """Distance [cm] from the spot's centre, and angle in -pi..pi from the azimuth of the photon and the spot's turn."""
    x, y = focus[0] - spot.x, focus[1] - spot.y
    angle = np.arctan2(y, x) - azimuth - spot.turn
    return np.hypot(x, y), (angle + np.pi) % (2 * np.pi) - np.pi


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
