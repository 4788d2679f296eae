"""The gamma index of two doses: how far, in space and dose, the evaluated dose is from each point of the reference.

gamma of a reference point is the smallest distance to the evaluated dose in the space of position (in units of the
distance to agreement) and dose (in units of the dose difference): Low et al., Med Phys 25, 656 (1998). Between its grid
points the evaluated dose is trilinear (bilinear, linear), and the least distance is found in each cell of its grid, not
in steps; so there is no setting of an interpolation, cf. Ju et al., Med Phys 35, 879 (2008).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ..core.errors import InputError
from .gamma_search import Lattice, Points, search_cells, search_points
from .grid import Volume

__all__ = ["GammaCriteria", "gamma_at_places", "gamma_index", "gamma_on_axes", "passing_share"]

PASS_TOLERANCE = 1e-5
"""A gamma this little above 1 passes: doses that differ by exactly 3 % do so within the rounding of float32."""

_SHEAR = 1e-6
"""Axes of an evaluated grid with a cosine below this are at right angles."""


@dataclass(frozen=True)
class GammaCriteria:
    """Dose difference, distance to agreement, and for which points gamma is looked for.

    Parameters
    ----------
    dose_percent:
        3 for 3 % of the normalisation dose (global gamma), or of the reference point's own dose (local gamma).
    distance_mm:
        distance to agreement.
    is_local:
        which of both.
    threshold_percent:
        reference points below this part of the normalisation dose get no gamma (NaN).
    normalisation:
        dose of 100 %, in the unit of the doses; the largest reference dose where None.
    highest:
        larger gammas are given as this; a search that ends early is a faster one.
    grid_points_only:
        look at the evaluated dose at its grid points alone, without interpolation. On grids that are not much finer
        than the distance to agreement, gamma comes out too high; for comparison with programs that do so.

    Raises
    ------
    ValueError
        a number that is not finite or out of its range.
    """

    dose_percent: float = 3.0
    distance_mm: float = 2.0
    is_local: bool = False
    threshold_percent: float = 10.0
    normalisation: float | None = None
    highest: float = 2.0
    grid_points_only: bool = False

    def __post_init__(self) -> None:
        above = (self.dose_percent, self.distance_mm, self.highest)
        above += () if self.normalisation is None else (self.normalisation,)
        if not all(np.isfinite(one) and one > 0 for one in above):
            raise ValueError(f"dose difference, distance, highest gamma and normalisation must be above 0: {above}")
        if not 0 <= self.threshold_percent <= 100:
            raise ValueError(f"the threshold must be 0 to 100 percent, got {self.threshold_percent}")

    @property
    def label(self) -> str:
        """Such as "3 %/2 mm global"."""
        return f"{self.dose_percent:g} %/{self.distance_mm:g} mm {'local' if self.is_local else 'global'}"


def gamma_index(
    reference: Volume,
    evaluated: Volume,
    criteria: GammaCriteria | None = None,
    mask: np.ndarray | None = None,
    points: np.ndarray | None = None,
    is_pass_only: bool = False,
    report: Callable[[float], None] | None = None,
) -> np.ndarray:
    """Gamma at the voxel centres of the reference, float64 of its shape.

    NaN where it was not looked for: below the threshold, outside `mask` or `points`, where the reference is no finite
    number, and where the point lies outside the evaluated grid's outermost voxel centres or on a cell of it with NaN.

    Parameters
    ----------
    reference, evaluated:
        doses in one unit and one patient frame, on any grids: unequal, flipped, turned obliquely to each other.
    criteria:
        3 %/2 mm global over 10 % where None.
    mask:
        bool of the reference's shape.
    points:
        flat C-order indices into the reference, such as a random subset.
    is_pass_only:
        faster: gammas up to 1 are given as some value up to 1, all others as `criteria.highest`, at least 2.
    report:
        called with the share that is done; it may raise to end the search.

    Raises
    ------
    InputError
        the slices of the evaluated dose are sheared.
    ValueError
        a mask or points that don't fit the reference.
    """
    criteria = criteria or GammaCriteria()
    chosen = _chosen(reference.array, criteria, mask, points)
    lattice, directions = _lattice(evaluated)
    places = reference.grid.to_lps(np.column_stack(np.unravel_index(chosen, reference.grid.shape))[:, ::-1])
    places = (places - evaluated.grid.affine[:3, 3]) @ directions.T
    wanted = _points(places, reference.array.ravel()[chosen], _normal(reference.array, criteria), criteria)
    result = np.full(reference.array.size, np.nan)
    result[chosen] = _search(lattice, wanted, criteria, is_pass_only, report or (lambda share: None))
    return result.reshape(reference.grid.shape)


def gamma_at_places(
    places_mm: np.ndarray, doses: np.ndarray, evaluated: Volume, criteria: GammaCriteria | None = None
) -> np.ndarray:
    """Gamma of single doses, such as those of detectors, to a dose on a grid; (n,) float64, NaN as in `gamma_index`.

    Parameters
    ----------
    places_mm:
        (n, 3) LPS.
    doses:
        (n,) of the reference, in the unit of the evaluated dose; NaN where there is none.

    Raises
    ------
    InputError
        the slices of the evaluated dose are sheared.
    """
    criteria = criteria or GammaCriteria()
    doses = np.asarray(doses, np.float64)
    chosen = _chosen(doses, criteria, None, None)
    lattice, directions = _lattice(evaluated)
    places = (np.asarray(places_mm, np.float64)[chosen] - evaluated.grid.affine[:3, 3]) @ directions.T
    result = np.full(len(doses), np.nan)
    wanted = _points(places, doses[chosen], _normal(doses, criteria), criteria)
    result[chosen] = _search(lattice, wanted, criteria, False, lambda share: None)
    return result


def gamma_on_axes(
    axes: Sequence[np.ndarray],
    reference: np.ndarray,
    evaluated: np.ndarray,
    criteria: GammaCriteria | None = None,
    evaluated_axes: Sequence[np.ndarray] | None = None,
) -> np.ndarray:
    """Gamma of doses of one, two or three dimensions on increasing axes, evenly spaced or not; float64.

    Parameters
    ----------
    axes:
        one array of positions [mm] per dimension of the reference.
    reference, evaluated:
        doses, any unit, the same for both.
    evaluated_axes:
        of the evaluated dose; those of the reference where None.

    Raises
    ------
    ValueError
        shapes that don't fit, or axes that don't increase.
    """
    criteria = criteria or GammaCriteria()
    theirs = axes if evaluated_axes is None else evaluated_axes
    lattice = Lattice([np.asarray(axis, np.float64) for axis in theirs], evaluated)
    if reference.shape != tuple(len(axis) for axis in axes) or len(axes) != len(theirs):
        raise ValueError("each dose must lie on the grid of its axes")
    chosen = _chosen(reference, criteria, None, None)
    at = np.unravel_index(chosen, reference.shape)
    places = np.zeros((len(chosen), 3))
    for a, (axis, one) in enumerate(zip(axes, at, strict=True), 3 - len(axes)):
        places[:, a] = np.asarray(axis, np.float64)[one]
    result = np.full(reference.size, np.nan)
    wanted = _points(places, reference.ravel()[chosen], _normal(reference, criteria), criteria)
    result[chosen] = _search(lattice, wanted, criteria, False, lambda share: None)
    return result.reshape(reference.shape)


def passing_share(gamma: np.ndarray) -> float:
    """Share of the points with a gamma that have at most 1; NaN where there is none."""
    known = gamma[np.isfinite(gamma)]
    return float((known <= 1 + PASS_TOLERANCE).mean()) if known.size else float("nan")


def _normal(reference: np.ndarray, criteria: GammaCriteria) -> float:
    """Dose of 100 %; 0 where the reference has none above 0."""
    if criteria.normalisation is not None:
        return criteria.normalisation
    return float(np.max(reference, initial=0.0, where=np.isfinite(reference)))


def _chosen(
    reference: np.ndarray, criteria: GammaCriteria, mask: np.ndarray | None, points: np.ndarray | None
) -> np.ndarray:
    """Flat indices of the points that get a gamma, increasing."""
    normal = _normal(reference, criteria)
    flat = reference.ravel()
    with np.errstate(invalid="ignore"):
        wanted = np.isfinite(flat) & (flat >= criteria.threshold_percent / 100 * normal)
    wanted &= flat > 0 if criteria.is_local else normal > 0
    if mask is not None:
        if mask.shape != reference.shape:
            raise ValueError(f"the mask has shape {mask.shape}, the reference {reference.shape}")
        wanted &= np.asarray(mask, bool).ravel()
    if points is not None:
        points = np.asarray(points, np.int64)
        if points.ndim != 1 or (points.size and (points.min() < 0 or points.max() >= flat.size)):
            raise ValueError(f"points must be flat indices below {flat.size}")
        some = np.zeros(flat.size, bool)
        some[points] = True
        wanted &= some
    return np.flatnonzero(wanted)


def _points(places: np.ndarray, dose: np.ndarray, normal: float, criteria: GammaCriteria) -> Points:
    dose, share = dose.astype(np.float64), criteria.dose_percent / 100
    width = share * dose if criteria.is_local else np.full(dose.shape, share * normal)
    return Points(places, dose, width)


def _lattice(evaluated: Volume) -> tuple[Lattice, np.ndarray]:
    """The dose on axes [mm] from its first voxel, and their directions (3, 3): rows k, j, i."""
    grid = evaluated.grid
    steps = grid.affine[:3, 2::-1].T
    spacing = np.linalg.norm(steps, axis=1)
    directions = steps / spacing[:, None]
    if np.abs(directions @ directions.T - np.eye(3)).max() > _SHEAR:
        cause = "has slices that are sheared (a tilted gantry)"
        raise InputError("the evaluated dose", cause, "resample it to an upright grid first, or make it the reference")
    axes = [np.arange(count) * step for count, step in zip(grid.shape, spacing, strict=True)]
    return Lattice(axes, evaluated.array), directions


def _search(
    lattice: Lattice, points: Points, criteria: GammaCriteria, is_pass_only: bool, report: Callable[[float], None]
) -> np.ndarray:
    """Gamma of points anywhere; NaN outside the lattice."""
    inside = lattice.inside(points.places)
    result = np.full(len(inside), np.nan)
    if not inside.any():
        return result
    known = points.select(inside)
    distance, highest, enough = criteria.distance_mm, criteria.highest, 0.0
    if is_pass_only:
        highest, enough = 1 + 2 * PASS_TOLERANCE, 1.0
    near = lattice.near(known.places, distance * highest).scaled(distance)
    search = search_points if criteria.grid_points_only else search_cells
    found = search(near, Points(known.places / distance, known.dose, known.width), highest, enough, report)
    if is_pass_only:
        found[found > 1 + PASS_TOLERANCE] = max(criteria.highest, 2.0)
    result[inside] = found
    return result
