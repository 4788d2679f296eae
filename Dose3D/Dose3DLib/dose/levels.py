"""Isodose levels: asked for in Gy, or in percent of a prescription or of the maximum."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..core.errors import InputError
from .colors import DoseColors

__all__ = ["STANDARD_PERCENT", "Level", "make_levels"]

STANDARD_PERCENT = (10.0, 30.0, 50.0, 70.0, 80.0, 90.0, 95.0, 100.0, 105.0)
"""Levels where none are asked for; those that the dose does not reach are left out."""

_MOST = 20


@dataclass(frozen=True)
class Level:
    """One isodose: dose in the units of its volume, percent of the reference (None without one), RGB 0..255."""

    dose: float
    percent: float | None
    color: tuple[int, int, int]
    units: str = "Gy"

    @property
    def label(self) -> str:
        """As legends show it: "95 % (57 Gy)", or "57 Gy"."""
        amount = f"{self.dose:.4g} {self.units}"
        return amount if self.percent is None else f"{self.percent:g} % ({amount})"


def make_levels(
    asked: Sequence[float], in_gy: bool, reference: float, maximum: float, units: str = "Gy"
) -> tuple[tuple[Level, ...], tuple[str, ...], DoseColors]:
    """Levels in ascending order, notes on those that the dose does not reach, and the colours that go with them.

    Parameters
    ----------
    asked:
        in Gy or in percent; empty for `STANDARD_PERCENT`.
    reference:
        dose of 100 %.
    maximum:
        highest dose of the volume.

    Raises
    ------
    InputError
        levels that are not above 0, too many, no level is reached, or Gy without levels.
    """
    if in_gy and not asked:
        raise InputError("--levels", "are missing, and --unit is Gy", "give the levels in Gy")
    numbers = sorted(set(asked or STANDARD_PERCENT))
    if numbers[0] <= 0:
        raise InputError("--levels", f"{numbers[0]:g} is no isodose level", "give numbers above 0")
    if len(numbers) > _MOST:
        raise InputError("--levels", f"are {len(numbers)}, {_MOST} are possible", "give fewer")
    doses = [(n, None) if in_gy else (n / 100 * reference, n) for n in numbers]
    reached = [(dose, percent) for dose, percent in doses if dose < maximum]
    if not reached:
        cause = f"are all above the highest dose, {maximum:.4g} {units}"
        raise InputError("--levels", cause, "give lower levels, or look at prescription and unit")
    colors = DoseColors(tuple(dose for dose, _ in reached), maximum)
    levels = tuple(Level(dose, percent, colors.of(dose), units) for dose, percent in reached)
    lost = [Level(dose, percent, (0, 0, 0), units).label for dose, percent in doses if dose >= maximum]
    notes = (f"no isodose of {', '.join(lost)}: the highest dose is {maximum:.4g} {units}",) if lost and asked else ()
    return levels, notes, colors
