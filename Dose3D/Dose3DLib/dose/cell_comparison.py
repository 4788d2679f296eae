"""Two doses as the cells of a detector see them, beside what gamma says in the patient's grid."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..geometry.cells import Cells
from ..geometry.gamma import PASS_TOLERANCE
from .cell_operator import cell_operator
from .comparison import Comparison

__all__ = ["CellComparison", "compare_in_cells"]


@dataclass(frozen=True, eq=False)
class CellComparison:
    """Per cell; arrays are (n,), NaN where nothing is known.

    Parameters
    ----------
    reference, evaluated:
        mean doses.
    fraction:
        share of the cell's volume in which both doses are known.
    judged:
        cells whose reference mean reaches the threshold and whose evaluated mean is known.
    within:
        judged cells whose means differ by no more than the dose difference of the criteria.
    passing:
        share of the cell's volume, where gamma is known in the patient's grid, in which it passes.
    """

    cells: Cells
    reference: np.ndarray
    evaluated: np.ndarray
    fraction: np.ndarray
    judged: np.ndarray
    within: np.ndarray
    passing: np.ndarray

    @property
    def share_within(self) -> float:
        """Share of the judged cells that are within; NaN where none is judged."""
        return float(self.within[self.judged].mean()) if self.judged.any() else float("nan")


def compare_in_cells(found: Comparison, cells: Cells) -> CellComparison:
    """Exact means of both doses over the cells: a cell knows no place inside itself, so its gamma has dose alone.

    A cell that lies in a grid in part has the mean of that part; `fraction` says how much.
    """
    ours, theirs = (cell_operator(cells, one.grid) for one in (found.reference, found.evaluated))
    reference, evaluated = ours.apply(found.reference.array), theirs.apply(found.evaluated.array)
    criteria = found.criteria
    share = criteria.dose_percent / 100
    width = share * (reference if criteria.is_local else np.full(len(cells), criteria.normalisation))
    with np.errstate(invalid="ignore"):
        judged = np.isfinite(evaluated) & (reference >= criteria.threshold_percent / 100 * criteria.normalisation)
        judged &= width > 0
        within = judged & (np.abs(evaluated - reference) <= width * (1 + PASS_TOLERANCE))
    known = np.isfinite(found.gamma)
    whole = cell_operator(cells, found.reference.grid, "constant")
    passes = known & (np.nan_to_num(found.gamma, nan=np.inf) <= 1 + PASS_TOLERANCE)
    weight = whole.apply(known.astype(np.float32))
    passing = np.divide(whole.apply(passes.astype(np.float32)), weight, out=np.full(len(cells), np.nan),
                        where=np.nan_to_num(weight) > 1e-9)  # fmt: skip
    return CellComparison(
        cells, reference, evaluated, np.minimum(ours.fraction, theirs.fraction), judged, within, passing
    )
