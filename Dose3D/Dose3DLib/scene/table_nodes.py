"""Columns of numbers and texts as a table in a given scene."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

__all__ = ["add_table", "set_columns"]


def add_table(scene: Any, name: str, columns: Mapping[str, Sequence[Any]]) -> Any:
    """Add a vtkMRMLTableNode; see `set_columns`."""
    table = scene.AddNewNodeByClass("vtkMRMLTableNode", name)
    set_columns(table, columns)
    table.SetLocked(True)
    return table


def set_columns(table: Any, columns: Mapping[str, Sequence[Any]]) -> None:
    """Give a table these columns instead of those that it has; one that holds a text is a column of texts.

    Parameters
    ----------
    columns:
        title -> values of one length; numbers as float64.
    """
    table.RemoveAllColumns()
    for title, values in columns.items():
        is_text = any(isinstance(value, str) for value in values)
        table.AddColumn(_texts(title, values) if is_text else _numbers(title, values))


def _texts(title: str, values: Sequence[Any]) -> Any:
    import vtk

    column = vtk.vtkStringArray()
    column.SetName(title)
    for value in values:
        column.InsertNextValue(str(value))
    return column


def _numbers(title: str, values: Sequence[Any]) -> Any:
    from vtk.util.numpy_support import numpy_to_vtk

    column = numpy_to_vtk(np.ascontiguousarray(values, dtype=np.float64), deep=True)
    column.SetName(title)
    return column
