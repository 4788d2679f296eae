"""Files for G4RT, read by its own rules (D3DDetector.cc, D3DMLayer.cc) written down again here, and by our reader."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np
import pytest
import tomllib
from builders.detector_builder import small_layout
from Dose3DLib.detector.export_boxes import boxes_in_frame, surrounding_box
from Dose3DLib.detector.export_g4rt import g4rt_files
from Dose3DLib.detector.layout import Layout
from Dose3DLib.detector.layout_csv import read_layout
from Dose3DLib.detector.materials import AIR, PMMA, WATER
from Dose3DLib.detector.placement import Placement
from Dose3DLib.geometry.cells import Cells


def files_of(layout: Layout, material=WATER, name="job"):
    boxes = boxes_in_frame(layout, layout.placement)
    return g4rt_files(boxes, surrounding_box(boxes, material, 50.0), name, "dose3d/geo/detector.csv")


def parsed_as_g4rt_does(text: str) -> list[np.ndarray]:
    """Lines from # on are left out, `layer` in small letters opens a layer, all else is three numbers."""
    layers, cells, first = [], [], True
    for line in text.split("\n"):
        if not line or line[0] == "#":
            continue
        if "layer" not in line:
            numbers = [float(part) for part in line.split(",")]
            assert len(numbers) == 3
            cells.append(numbers)
        else:
            if not first:
                layers.append(np.array(cells))
                cells = []
            first = False
    return [*layers, np.array(cells)]


def hashed_ids(layers: list[np.ndarray]) -> list[str]:
    return [f"{n % 2}{iy}{n // 2}" for iy, layer in enumerate(layers) for n in range(len(layer))]


def many(layers: int, cells: int) -> Layout:
    points = np.array([[12.0 * a, 12.0 * b, 0] for b in range(layers) for a in range(cells)])
    names = tuple(f"layer_{b}" for b in range(layers) for _ in range(cells))
    labels = tuple(f"c{n}" for n in range(len(points)))
    return Layout(
        Cells(labels, Placement().lps(points), np.full(points.shape, 10.0), Placement().to_lps), Placement(), names
    )


def test_g4rt_finds_each_cell_in_its_layer():
    layout = small_layout()
    layers = parsed_as_g4rt_does(files_of(layout).layout_csv)
    assert [len(layer) for layer in layers] == [6, 5]
    assert np.abs(np.concatenate(layers) - layout.detector_centers_mm()).max() < 1e-9


def test_our_reader_gives_the_same_layout(tmp_path):
    layout = small_layout()
    (tmp_path / "d.csv").write_text(files_of(layout).layout_csv, "utf-8")
    found = read_layout(tmp_path / "d.csv", layout.placement, 10.0)
    assert np.abs(found.cells.centers_mm - layout.cells.centers_mm).max() < 1e-9
    assert found.layers == layout.layers
    assert np.array_equal(found.cells.axes, layout.cells.axes)


def test_types_and_values_of_the_job():
    layout = small_layout()
    job = tomllib.loads(files_of(layout, PMMA, 'a "b" \\ c').job_toml)
    assert job["RunSvc"]["JobName"] == 'a "b" \\ c'
    for name in ("NumberOfEvents", "NumberOfThreads", "RNGSeed"):
        assert type(job["RunSvc"][name]) is int
    patient = job["PatientGeometry"]
    lengths = {key: value for key, value in patient.items() if key[:-1] in ("EnviromentPosition", "EnviromentSize")}
    assert len(lengths) == 6
    assert all(type(value) is float for value in lengths.values())
    assert all(type(value) is float for value in job["D3DDetector_Detector"]["TopPositionInEnv"])
    for section in ("D3DDetector_Detector", "D3DDetector_Cell"):
        assert all(type(value) is int for value in job[section]["Voxelization"])
    assert job["D3DDetector_Layer"] == {
        "Positioning": "dose3d/geo/detector.csv",
        "MRowShift": False,
        "MLayerShift": False,
    }
    assert patient["EnviromentMedium"] == "PMMA"
    assert tomllib.loads(files_of(layout, AIR).job_toml)["PatientGeometry"]["EnviromentMedium"] == "Usr_G4AIR20C"


def test_cells_stand_where_the_layout_says_and_inside_the_environment():
    """G4RT: place in the environment = CSV + TopPositionInEnv; in the world + EnviromentPosition."""
    layout = small_layout()
    made = files_of(layout)
    job = tomllib.loads(made.job_toml)
    top = np.array(job["D3DDetector_Detector"]["TopPositionInEnv"])
    position = np.array([job["PatientGeometry"][f"EnviromentPosition{axis}"] for axis in "XYZ"])
    size = np.array([job["PatientGeometry"][f"EnviromentSize{axis}"] for axis in "XYZ"])
    local = np.concatenate(parsed_as_g4rt_does(made.layout_csv)) + top
    assert np.allclose(local + position, layout.detector_centers_mm(), atol=1e-9)
    assert (np.abs(local) + layout.cells.sizes_mm / 2 + 1 <= size / 2 - 50 + 1e-9).all()


def test_numbers_of_g4rt_lead_back_to_the_cells():
    layout = small_layout()
    made = files_of(layout)
    lines = [line for line in made.names_csv.splitlines() if not line.startswith("#")]
    rows = list(csv.DictReader(io.StringIO("\n".join(lines))))
    assert [row["cell"] for row in rows] == list(layout.cells.labels)
    ids = [f"{row['Cell IdX']}{row['Cell IdY']}{row['Cell IdZ']}" for row in rows]
    assert ids == hashed_ids(parsed_as_g4rt_does(made.layout_csv))


@pytest.mark.parametrize(("layers", "cells"), [(4, 30), (12, 8), (12, 30), (25, 64), (1, 500)])
def test_no_two_cells_share_a_hash(layers, cells):
    """Of 12 layers of 30 cells, G4RT would count 0, 1, 10 and 0, 11, 0 as one cell."""
    layout = many(layers, cells)
    made = files_of(layout)
    found = parsed_as_g4rt_does(made.layout_csv)
    ids = hashed_ids(found)
    assert len(set(ids)) == len(ids) == layers * cells
    assert np.allclose(np.concatenate(found), layout.detector_centers_mm())
    split = any("count two cells as one" in note for note in made.notes)
    assert split == (layers > 10 and cells > 20)


def test_what_g4rt_does_otherwise_is_said():
    notes = files_of(small_layout()).notes
    assert any("1 cells have another size" in note for note in notes)
    assert any("without covers" in note for note in notes)
    bare = many(2, 3)
    assert files_of(bare).notes == ()


def test_interleaved_layers_keep_their_order():
    layout = many(1, 4)
    mixed = Layout(layout.cells, layout.placement, ("a", "b", "a", "b"))
    made = files_of(mixed)
    assert [len(layer) for layer in parsed_as_g4rt_does(made.layout_csv)] == [1, 1, 1, 1]
    assert any("several sections" in note for note in made.notes)


@pytest.mark.parametrize("layer", ["", "Layer_3", "=1+1,x", "upper\nplane", "# top", "12"])
def test_any_name_of_a_layer_is_a_section(layer, tmp_path: Path):
    layout = many(1, 3)
    made = files_of(Layout(layout.cells, layout.placement, (layer,) * 3))
    assert [len(section) for section in parsed_as_g4rt_does(made.layout_csv)] == [3]
    (tmp_path / "d.csv").write_text(made.layout_csv, "utf-8")
    assert len(read_layout(tmp_path / "d.csv")) == 3
