"""Tables in a scene."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("slicer")
from Dose3DLib.scene.mrb import new_scene  # noqa: E402
from Dose3DLib.scene.table_nodes import add_table, set_columns  # noqa: E402


def test_numbers_are_numbers_and_texts_are_texts():
    scene = new_scene().GetMRMLScene()
    table = add_table(scene, "Figures", {"figure": ["KS x", "szczegół"], "value": [0.25, 3], "floor": ["0.1", 2]})
    names = [table.GetColumnName(n) for n in range(3)]
    assert names == ["figure", "value", "floor"]
    assert [table.GetTable().GetColumn(n).GetDataTypeAsString() for n in range(3)] == ["string", "double", "string"]
    assert [[table.GetCellText(row, column) for column in range(3)] for row in range(2)] == [
        ["KS x", "0.25", "0.1"], ["szczegół", "3", "2"]]  # fmt: skip
    assert table.GetLocked()


def test_columns_are_replaced():
    scene = new_scene().GetMRMLScene()
    table = add_table(scene, "Figures", {"a": [1.0], "b": ["x"]})
    set_columns(table, {"c": np.arange(5)})
    assert (table.GetNumberOfColumns(), table.GetNumberOfRows()) == (1, 5)
    assert table.GetColumnName(0) == "c"
