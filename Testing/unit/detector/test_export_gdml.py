"""GDML by an independent reader: boxes of the tree placed in the world by ElementTree, overlaps by brute force."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from builders.detector_builder import overlap_depths, small_layout
from Dose3DLib.core.errors import InputError
from Dose3DLib.detector.export_boxes import boxes_in_frame, surrounding_box
from Dose3DLib.detector.export_gdml import gdml_text
from Dose3DLib.detector.frames import frame_placement
from Dose3DLib.detector.layout import Layout
from Dose3DLib.detector.materials import AIR, WATER
from Dose3DLib.geometry.cells import Cells

NCNAME = re.compile(r"[A-Za-z_][\w.\-]*", re.ASCII)


def text_of(layout: Layout, placement=None) -> str:
    boxes = boxes_in_frame(layout, placement or layout.placement)
    return gdml_text(boxes, surrounding_box(boxes, WATER, 50.0), layout.name)


def vector(element: ET.Element) -> np.ndarray:
    assert element.get("unit", element.get("lunit")) == "mm"
    return np.array([float(element.get(axis)) for axis in "xyz"])


def placed(root: ET.Element, volume: str | None = None, at=0.0, depth=0) -> list[dict]:
    """Every volume in the tree: name, copy, depth, centre in the world, full lengths, material, mother."""
    volumes = {v.get("name"): v for v in root.find("structure").findall("volume")}
    solids = {s.get("name"): s for s in root.find("solids")}
    volume = volume or root.find("setup/world").get("ref")
    element, found = volumes[volume], []
    for child in element.findall("physvol"):
        name = child.find("volumeref").get("ref")
        center = at + vector(child.find("position"))
        size = vector(solids[volumes[name].find("solidref").get("ref")])
        found.append(
            {
                "name": child.get("name"),
                "copy": int(child.get("copynumber")),
                "depth": depth,
                "center": center,
                "size": size,
                "material": volumes[name].find("materialref").get("ref"),
                "mother": (at, vector(solids[element.find("solidref").get("ref")])),
            }
        )
        found += placed(root, name, center, depth + 1)
    return found


@pytest.mark.parametrize("wall", [1.0, 0.0])
def test_each_cell_is_one_volume_where_the_layout_has_it(wall):
    layout = small_layout(wall_mm=wall)
    root = ET.fromstring(text_of(layout))
    found = placed(root)
    cells = [volume for volume in found if volume["material"] == "RMPS470"]
    assert len(cells) == len(layout)
    copies = [volume["copy"] for volume in found if volume["depth"] == 1]
    assert copies == list(range(len(layout)))
    assert np.abs([c["center"] for c in cells] - layout.detector_centers_mm()).max() < 1e-9
    assert np.abs([c["size"] for c in cells] - layout.cells.sizes_mm).max() < 1e-9
    outer = [volume for volume in found if volume["depth"] == 1]
    assert np.abs([c["size"] for c in outer] - (layout.cells.sizes_mm + 2 * wall)).max() < 1e-9
    assert {volume["material"] for volume in outer} == ({"G4_PLEXIGLASS"} if wall else {"RMPS470"})


def test_nothing_overlaps_and_all_lies_in_its_mother():
    found = placed(ET.fromstring(text_of(small_layout())))
    for depth in (0, 1):
        same = [volume for volume in found if volume["depth"] == depth]
        depths = overlap_depths(np.array([v["center"] for v in same]), np.array([v["size"] for v in same]))
        assert depths.max() <= 1e-9
    for volume in found:
        at, size = volume["mother"]
        assert (np.abs(volume["center"] - at) + volume["size"] / 2 <= size / 2 + 1e-9).all()


def test_names_are_what_xml_and_geant4_take():
    root = ET.fromstring(text_of(small_layout(name="a -- b --> c")))
    names = [element.get("name") for element in root.iter() if element.get("name")]
    assert all(NCNAME.fullmatch(name) for name in names)
    assert len(set(names)) == len(names)
    refs = {element.get("ref") for element in root.iter() if element.get("ref")}
    known = set(names) | {"G4_WATER", "G4_AIR", "G4_PLEXIGLASS"}
    assert refs <= known


def test_what_is_named_is_defined_before_its_use():
    """Geant4's reader goes through the structure once."""
    root, seen = ET.fromstring(text_of(small_layout())), set()
    for volume in root.find("structure").findall("volume"):
        assert {r.get("ref") for r in volume.iter("volumeref")} <= seen
        seen.add(volume.get("name"))


def test_the_scintillator_is_g4rts():
    root = ET.fromstring(text_of(small_layout()))
    material = root.find("materials/material")
    assert (material.get("name"), material.find("D").get("value")) == ("RMPS470", "1.21")
    elements = {e.get("name"): e.get("formula") for e in root.findall("materials/element")}
    atoms = {elements[part.get("ref")]: int(part.get("n")) for part in material.findall("composite")}
    assert atoms == {"H": 239, "C": 264, "N": 1, "O": 40}


def test_covers_of_another_material():
    layout = small_layout()
    boxes = boxes_in_frame(layout, layout.placement, AIR)
    found = placed(ET.fromstring(gdml_text(boxes, surrounding_box(boxes, WATER, 50.0), "x")))
    assert {volume["material"] for volume in found if volume["depth"] == 1} == {"G4_AIR"}


def test_other_frames():
    layout = small_layout()
    lps = [c["center"] for c in placed(ET.fromstring(text_of(layout, frame_placement("lps", np.zeros(3)))))]
    assert np.abs(lps[-1] - layout.cells.centers_mm[-1]).max() < 1e-9
    sizes = [c["size"] for c in placed(ET.fromstring(text_of(layout, frame_placement("lps", np.zeros(3)))))]
    assert sizes[-1].tolist() == [8, 12, 6]  # G4RT's z is the patient's posterior
    iec = placed(ET.fromstring(text_of(layout, frame_placement("iec", layout.placement.isocenter_mm))))
    assert np.abs(iec[-1]["center"] - layout.detector_centers_mm()[-1] * [-1, 1, -1]).max() < 1e-9


def test_refused_what_boxes_cannot_say():
    turn = np.array([[0.8, -0.6, 0], [0.6, 0.8, 0], [0, 0, 1.0]])
    with pytest.raises(InputError, match="its cells stand oblique to the axes"):
        text_of(small_layout(turn=turn))
    layout = small_layout()
    close = Layout(layout.cells, layout.placement, layout.layers, 1.5)
    with pytest.raises(InputError, match=r"D3D_\d_\d_\d and D3D_\d_\d_\d overlap by 1 mm"):
        text_of(close)
    same = Cells(("a", "b"), np.zeros((2, 3)), np.ones((2, 3)), np.eye(3))
    with pytest.raises(InputError, match="a and b overlap by 1 mm"):
        text_of(Layout(same, frame_placement("lps", np.zeros(3))))
