"""JSON that any reader takes."""

import json
import math

import pytest
from Dose3DLib.core.json_file import write_json


def refuse(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def test_numbers_that_are_not_finite_become_null(tmp_path):
    write_json(tmp_path / "a.json", {"a": [1.5, math.nan, (math.inf, -math.inf)], "b": {"c": math.nan}, "d": True})
    found = json.loads((tmp_path / "a.json").read_text(encoding="utf-8"), parse_constant=refuse)
    assert found == {"a": [1.5, None, [None, None]], "b": {"c": None}, "d": True}


@pytest.mark.parametrize("text", ["Öl 日本", "odd \udcff path"])
def test_any_text_can_be_written(tmp_path, text):
    write_json(tmp_path / "a.json", {"a": text})
    assert json.loads((tmp_path / "a.json").read_bytes()) == {"a": text}
