"""`Readings`: the doses that cells measured, and how they are told apart when a layout is given beside them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from ..core.errors import InputError
from ..geometry.cells import Cells

__all__ = ["CENTER_TOLERANCE_MM", "Readings", "match_cells", "matched"]

CENTER_TOLERANCE_MM = 0.5
"""Centres that agree within this are those of one cell: pitches are above 10 mm, rounding of files below 0.1 mm."""


@dataclass(frozen=True, eq=False)
class Readings:
    """Doses of cells.

    Parameters
    ----------
    cells:
        in patient space (LPS).
    dose_gy:
        (n,) mean dose in the cell, NaN where there is no value.
    fraction:
        (n,) share of the cell's volume in which the dose is known, 0 to 1.
    sd_gy:
        (n,) standard deviation of `dose_gy`, NaN where unknown.
    frame:
        Frame of Reference UID, "" where unknown.
    notes:
        sentences about how they were read.

    Raises
    ------
    ValueError
        shapes that don't fit, an infinite dose, a fraction outside 0 to 1, a negative standard deviation.
    """

    cells: Cells
    dose_gy: np.ndarray
    fraction: np.ndarray
    sd_gy: np.ndarray
    frame: str = ""
    notes: tuple[str, ...] = field(default=())

    def __post_init__(self) -> None:
        for name in ("dose_gy", "fraction", "sd_gy"):
            array = np.array(getattr(self, name), np.float64)
            if array.shape != (len(self.cells),) or np.isinf(array).any():
                raise ValueError(f"{name} needs a number for each of the {len(self.cells)} cells")
            array.setflags(write=False)
            object.__setattr__(self, name, array)
        if not ((self.fraction >= 0) & (self.fraction <= 1)).all() or (self.sd_gy < 0).any():
            raise ValueError("fractions are 0 to 1, standard deviations at least 0")

    def __len__(self) -> int:
        return len(self.cells)

    @property
    def known(self) -> np.ndarray:
        """(n,) True for cells that have a value."""
        return np.isfinite(self.dose_gy)


def matched(readings: Readings, cells: Cells, path: object) -> Readings:
    """The readings of these cells in their order; a cell that was not read has no value, and a note says so.

    `cells` are a layout's: their centres, sizes and axes are used from then on.

    Raises
    ------
    InputError
        readings of a cell that is not among them; names `path`.
    """
    at, how = match_cells(readings.cells, cells, path)
    columns = {name: np.full(len(cells), np.nan) for name in ("dose_gy", "sd_gy")}
    columns["fraction"] = np.zeros(len(cells))
    for name, column in columns.items():
        column[at] = getattr(readings, name)
    notes = list(readings.notes)
    missing = sorted(set(range(len(cells))) - set(at.tolist()))
    if missing:
        names = ", ".join(cells.labels[n] for n in missing[:5]) + (" ..." if len(missing) > 5 else "")
        notes.append(f"{len(missing)} of the layout's {len(cells)} cells have no row in the readings: {names}")
    if how == "center":
        notes.append("Labels differ from those of the layout: the cells were matched by their centres.")
    return replace(readings, cells=cells, notes=tuple(notes), **columns)


def match_cells(read: Cells, cells: Cells, path: object) -> tuple[np.ndarray, str]:
    """For each cell that was read its index in `cells`, and whether by "label" or by "center".

    Ids and numbers of cells are counted in several ways in the files that are about: only a label of which the centre
    agrees is believed.

    Raises
    ------
    InputError
        a cell that has no partner, two with the same one, or a label that stands elsewhere; names `path`.
    """
    index = {label: n for n, label in enumerate(cells.labels)}
    if all(label in index for label in read.labels):
        at = np.array([index[label] for label in read.labels], np.int64)
        _check_places(read, cells, at, path)
        return at, "label"
    return _by_center(read, cells, path), "center"


def _check_places(read: Cells, cells: Cells, at: np.ndarray, path: object) -> None:
    apart = read.centers_mm - cells.centers_mm[at]
    far = np.linalg.norm(apart, axis=1)
    if not (far > CENTER_TOLERANCE_MM).any():
        return
    if (np.linalg.norm(apart - apart.mean(axis=0), axis=1) <= CENTER_TOLERANCE_MM).all():
        raise _moved(path, apart.mean(axis=0))
    n = int(far.argmax())
    cause = f"the cell {read.labels[n][:40]!r} is {far[n]:.4g} mm from where the layout has it"
    raise InputError(path, cause, "give the layout with which it was measured, or labels of that layout")


def _by_center(read: Cells, cells: Cells, path: object) -> np.ndarray:
    from scipy.spatial import cKDTree

    far, at = cKDTree(cells.centers_mm).query(read.centers_mm)
    if (far > CENTER_TOLERANCE_MM).any():
        _explain_move(read, cells, path)
        unknown = [n for n in np.flatnonzero(far > CENTER_TOLERANCE_MM) if read.labels[n] not in cells.labels]
        n = int(unknown[0]) if unknown else int(far.argmax())
        cause = f"the cell {read.labels[n][:40]!r} is not in the layout, neither by its label nor by its centre"
        raise InputError(path, cause, "give the layout with which it was measured, or take the row out")
    values, counts = np.unique(at, return_counts=True)
    if (counts > 1).any():
        first, second = np.flatnonzero(at == values[counts.argmax()])[:2]
        cause = f"the cells {read.labels[first][:40]!r} and {read.labels[second][:40]!r} have the same centre"
        raise InputError(path, cause, "keep one row for each cell")
    return at.astype(np.int64)


def _explain_move(read: Cells, cells: Cells, path: object) -> None:
    """Raise InputError when the readings are the layout, moved as a whole."""
    from scipy.spatial import cKDTree

    if len(read) != len(cells):
        return
    step = read.centers_mm.mean(axis=0) - cells.centers_mm.mean(axis=0)
    far = cKDTree(cells.centers_mm + step).query(read.centers_mm)[0]
    if (far <= CENTER_TOLERANCE_MM).all():
        raise _moved(path, step)


def _moved(path: object, step: np.ndarray) -> InputError:
    apart = ", ".join(f"{mm:.4g}" for mm in step + 0.0)
    cause = f"all its cells stand {apart} mm from those of the layout"
    return InputError(path, cause, "give the layout at the isocentre of the measurement")
