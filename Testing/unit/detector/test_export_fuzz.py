"""Any layout that can be built: files say where its cells are, surfaces are closed, and nothing else is raised."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections import Counter

import numpy as np
from Dose3DLib.detector.export_boxes import boxes_in_frame, surrounding_box
from Dose3DLib.detector.export_g4rt import g4rt_files
from Dose3DLib.detector.export_gate9 import gate9_files
from Dose3DLib.detector.export_gate10 import gate10_script
from Dose3DLib.detector.export_gdml import gdml_text
from Dose3DLib.detector.export_mesh import assembly
from Dose3DLib.detector.frames import PATIENT_POSITIONS, frame_placement
from Dose3DLib.detector.layout import Layout
from Dose3DLib.detector.materials import WATER
from Dose3DLib.geometry.cells import Cells
from hypothesis import given, settings
from hypothesis import strategies as st

LENGTHS = st.floats(0.5, 40).map(lambda value: round(value, 3))
NAMES = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=8)


@st.composite
def layouts(draw) -> Layout:
    """Boxes between planes that were drawn: neighbours touch, some are missing; any name and place."""
    planes = [np.cumsum([draw(st.floats(-300, 300).map(round))] + draw(st.lists(LENGTHS, min_size=1, max_size=3)))
              for _ in range(3)]  # fmt: skip
    index = np.stack(np.meshgrid(*[np.arange(len(p) - 1) for p in planes], indexing="ij"), -1).reshape(-1, 3)
    kept = draw(st.lists(st.booleans(), min_size=len(index), max_size=len(index)))
    index = index[kept] if any(kept) else index[:1]
    low = np.stack([p[n] for p, n in zip(planes, index.T, strict=True)], axis=1)
    high = np.stack([p[n + 1] for p, n in zip(planes, index.T, strict=True)], axis=1)
    wall = draw(st.sampled_from([0.0, 0.1]))
    placement = frame_placement(
        "g4rt", draw(st.tuples(*[st.floats(-500, 500)] * 3)), draw(st.sampled_from(PATIENT_POSITIONS))
    )
    labels = tuple(f"{draw(NAMES)}{n}" for n in range(len(index)))
    layers = tuple(draw(st.sampled_from(["", "layer_1", "b", 'odd ",\n'])) for _ in index)
    cells = Cells(labels, placement.lps((low + high) / 2), high - low - 2 * wall, placement.to_lps)
    return Layout(cells, placement, layers, wall, draw(NAMES))


@settings(max_examples=40, deadline=None)
@given(layout=layouts(), margin=st.floats(1, 200))
def test_all_files_of_boxes(layout, margin):
    boxes = boxes_in_frame(layout, layout.placement)
    around = surrounding_box(boxes, WATER, margin)
    centers = layout.detector_centers_mm()
    made = g4rt_files(boxes, around, layout.name, "x.csv")
    rows = [line.split(",") for line in made.layout_csv.split("\n") if line and line[0] != "#" and "layer" not in line]
    assert np.abs(np.array(rows, float) - centers).max() < 1e-8
    root = ET.fromstring(gdml_text(boxes, around, layout.name))
    found = [
        [float(p.find("position").get(axis)) for axis in "xyz"]
        for p in root.findall(".//volume[@name='Surroundings']/physvol")
    ]
    assert np.abs(np.array(found) + around.center_mm - centers).max() < 1e-8
    compile(gate10_script(boxes, around, layout.name), "d.py", "exec")
    texts = gate9_files(boxes, around, layout.name)
    placed = sum(text.count("\n") - 4 for name, text in texts.items() if name.endswith(".placements"))
    assert placed == len(layout)


@settings(max_examples=40, deadline=None)
@given(layout=layouts())
def test_all_surfaces_are_closed(layout):
    parts, notes = assembly(layout, layout.placement)
    assert notes == ()
    for part in parts:
        points = np.unique(np.round(part.mesh.points_mm, 6), axis=0, return_inverse=True)[1].reshape(-1)
        triangles = points[part.mesh.triangles]
        ways = Counter((int(t[n]), int(t[(n + 1) % 3])) for t in triangles for n in range(3))
        assert all(count == 1 and ways.get((b, a)) == 1 for (a, b), count in ways.items())
        assert part.mesh.volume_mm3 > 0
