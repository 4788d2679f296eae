"""Bundles of photons whose metadata somebody edited are refused, by the name of the entry."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from builders.photon_model_builder import save_small_model, small_model
from Dose3DLib.core.errors import InputError
from Dose3DLib.phasespace.photon_model import load_model

NUMBER = ["x", None, [], True, -1, 0, float("nan"), float("inf"), 1e308]
WRONG: dict[str, list[Any]] = {
    "histories_per_photon": [value for value in NUMBER if value is not None],
    "weight": NUMBER,
    "left_out": ["x", 3, [1], {"particle_share": "x"}, {"energy_share": -0.1}, {"energy_share": float("nan")}],
    "files": [None, "x", 5, {}, [1], [None], [{}], [{"name": "a"}], [{"name": 1, "sha256": "a"}]],
    "conditions": ["x", [1], [{"name": "SSD cm", "lowest": 2, "highest": 1}], [{"name": "SSD cm"}]],
    "coordinate_system": [3, None, []],
    "coordinates.plane_cm": [float("nan"), 1e308],
    "coordinates.focus_cm": [float("inf"), 27.0],
    "coordinates.highest_mev": [0, -1, float("nan")],
    "coordinates.lines": [[-0.511], [float("nan")], [1e9], [[0.511]]],
    "coordinates.at": [[], 0.0],
    "coordinates.shares": [[], [[[1.0, 0.5]]], [[[-1.0]]], [[[float("inf")]]], [[[0.0]]], 1.0],
    "coordinates.spot": [{"x": x, "y": 0, "radius_x": radius, "radius_y": 1} for x, radius in ((0, 0), ("a", 1))],
    "coordinates.reach": [[], "", [[0.0] * 5], [[-5.0] * 5], [[float("nan")] * 5]],
}  # fmt: skip


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return save_small_model(tmp_path_factory.mktemp("models") / "small")


@pytest.mark.parametrize("entry", WRONG)
def test_edited_entries(bundle, entry):
    path = bundle / "configs" / "metadata.json"
    before = path.read_text("utf-8")
    try:
        for value in WRONG[entry]:
            metadata = json.loads(before)
            *above, last = ("dose3d." + entry).split(".")
            place = metadata
            for name in above:
                place = place[name]
            place[last] = value
            path.write_text(json.dumps(metadata), "utf-8")
            with pytest.raises(InputError, match=f"dose3d.{entry} is not what a training writes") as caught:
                load_model(bundle)
            assert caught.value.what == str(path), value
    finally:
        path.write_text(before, "utf-8")


@pytest.mark.parametrize("facts", [{"histories_per_photon": None}, {"left_out": None}, {"files": []}])
def test_what_may_be_unknown(tmp_path, facts):
    assert load_model(save_small_model(tmp_path / "m", small_model(**facts))).plane_cm == 27.0


@pytest.mark.parametrize("coordinates", ["raw", "physics"])
def test_whole_bundles_are_taken(tmp_path, coordinates):
    model = load_model(save_small_model(tmp_path / "m", small_model(coordinates)))
    assert np.isfinite(model.tensor(100, 1).numpy()).all()
