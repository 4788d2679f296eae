"""What a bundle of photons must say about itself: checked when it is opened, since people edit JSON."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..core.errors import InputError

if TYPE_CHECKING:
    from .coordinates import Coordinates

__all__ = ["check_coordinates", "check_facts"]


def check_facts(folder: Path, facts: Mapping[str, Any]) -> None:
    """Refuse what would give photons a wrong weight or normalisation, or a header that nobody can write.

    Raises
    ------
    InputError
        that names the entry of `dose3d` in `configs/metadata.json`.
    """
    share, weight, left_out = (facts.get(name) for name in ("histories_per_photon", "weight", "left_out"))
    good = {
        "histories_per_photon": share is None or (_is_number(share) and 1e-9 < share < 1e15),
        "weight": "weight" not in facts or (_is_number(weight) and 0 < weight < 1e30),
        "left_out": left_out is None or (isinstance(left_out, dict) and all(map(_is_share, left_out.values()))),
        "files": _all(facts.get("files", []), _is_file),
        "conditions": _all(facts.get("conditions", []), _is_condition),
        "coordinate_system": isinstance(facts.get("coordinate_system", ""), str),
    }
    _refuse_first(folder, good)


def check_coordinates(folder: Path, place: Coordinates, conditions: int) -> None:
    """Refuse coordinates that no training makes.

    Raises
    ------
    InputError
        that names the entry of `dose3d.coordinates` in `configs/metadata.json`.
    """
    spots = 1 if place.spot is None else 2
    shape = (place.at.size, spots, 1 + place.lines.size)
    good = {
        "plane_cm": abs(place.plane_cm) < 1e5,
        "focus_cm": abs(place.focus_cm) < 1e5 and (place.frame == "raw" or place.focus_cm != place.plane_cm),
        "highest_mev": 0 < place.highest_mev < 1e5,
        "lines": place.lines.ndim == 1 and bool(((place.lines > 0) & (place.lines <= place.highest_mev)).all()),
        "spot": place.spot is None or _is_spot(place.spot),
        "at": place.at.ndim == 1 and place.at.size > 0 and bool((np.diff(place.at) > 0).all() or not conditions),
        "shares": place.shares.shape == shape and _are_shares(place.shares),
        "reach": _has_tables(place, spots),
        "mean": place.frame != "raw" or _is_row(place.mean),
        "deviation": place.frame != "raw" or (_is_row(place.deviation) and bool((place.deviation > 0).all())),
    }  # fmt: skip
    _refuse_first(folder, {f"coordinates.{name}": bool(value) for name, value in good.items()})


def _refuse_first(folder: Path, good: Mapping[str, bool]) -> None:
    for name, is_good in good.items():
        if not is_good:
            path = folder / "configs" / "metadata.json"
            raise InputError(path, f"dose3d.{name} is not what a training writes", "get the bundle again")


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _is_share(value: object) -> bool:
    return value is None or (_is_number(value) and 0 <= value <= 1)


def _all(values: object, is_good: Any) -> bool:
    return isinstance(values, list) and all(isinstance(value, dict) and is_good(value) for value in values)


def _is_file(one: dict[str, Any]) -> bool:
    return all(isinstance(one.get(name), str) for name in ("name", "sha256"))


def _is_condition(one: dict[str, Any]) -> bool:
    if set(one) != {"name", "lowest", "highest"} or not isinstance(one["name"], str):
        return False
    return all(_is_number(one[end]) for end in ("lowest", "highest")) and one["lowest"] < one["highest"]


def _is_spot(spot: Any) -> bool:
    return all(map(_is_number, vars(spot).values())) and spot.radius_x > 0 and spot.radius_y > 0


def _are_shares(shares: np.ndarray) -> bool:
    return bool(((shares >= 0) & (shares <= 1)).all() and (shares.sum((1, 2)) > 0).all())


def _is_row(values: np.ndarray | None) -> bool:
    return values is not None and values.shape == (6,) and bool(np.isfinite(values).all())


def _has_tables(place: Coordinates, spots: int) -> bool:
    """One a kind and coordinate, all finite and of one reach."""
    if place.frame == "raw":
        return not place.tables
    tables = [table for row in place.tables for table in row]
    known = place.calibration
    right = known is None or (known.shape[:2] == (spots, place.size) and bool(np.isfinite(known).all()))
    return right and len(tables) == spots * place.size and len(place.tables) == spots and all(
        math.isfinite(table.reach) and table.reach > 0 and bool(np.isfinite(table.values).all()) for table in tables
    )  # fmt: skip
