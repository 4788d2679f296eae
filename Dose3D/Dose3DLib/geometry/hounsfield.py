"""What to say of an image whose values are odd for a CT, wherever it was read from."""

from __future__ import annotations

__all__ = ["odd_values"]

NEVER_BELOW_HU = -500
ABOVE_HU = 4000
BELOW_AIR_HU = -1100
"""Notes are given when no voxel is below the first (a CT holds air), one is above the second (12 bit + metal) or below
the third."""


def odd_values(low: float, high: float) -> list[str]:
    """Sentences about the smallest and the largest value of a CT."""
    notes = []
    if low > NEVER_BELOW_HU:
        notes.append(f"no voxel is below {low:g}, though a CT holds air at -1000: are these Hounsfield units?")
    if high > ABOVE_HU:
        notes.append(f"values reach {high:g} (metal, or are these not Hounsfield units?)")
    if low < BELOW_AIR_HU:
        notes.append(f"values go down to {low:g}, below air at -1000 HU")
    return notes
