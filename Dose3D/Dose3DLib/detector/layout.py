"""`Layout`: the cells of a detector, their layers, and where the detector stands."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from ..geometry.cells import Cells
from .placement import Placement

__all__ = ["Layout"]


@dataclass(frozen=True, eq=False)
class Layout:
    """Cells in LPS, and what is known of them.

    Parameters
    ----------
    cells:
        in patient space. Their axes are those of the detector frame, turned by `placement.to_lps`.
    placement:
        of the detector frame in patient space, for exports in that frame.
    layers:
        the layer's name per cell, "" where there are none.
    wall_mm:
        thickness of the cover on each side of a cell: neighbours may touch, covers included.
    name:
        of the layout.
    facts:
        further columns per cell, (n,) arrays by the column's name: occupancy of structures, mean HU, density ...
    notes:
        sentences about how it was read.
    """

    cells: Cells
    placement: Placement = field(default_factory=Placement)
    layers: tuple[str, ...] = ()
    wall_mm: float = 0.0
    name: str = ""
    facts: dict[str, np.ndarray] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        layers = tuple(self.layers) or ("",) * len(self.cells)
        if len(layers) != len(self.cells) or any(len(column) != len(self.cells) for column in self.facts.values()):
            raise ValueError("layers and facts need a value per cell")
        object.__setattr__(self, "layers", layers)

    def __len__(self) -> int:
        return len(self.cells)

    def detector_centers_mm(self) -> np.ndarray:
        """(n, 3) centres in the detector frame."""
        return self.placement.detector(self.cells.centers_mm)
