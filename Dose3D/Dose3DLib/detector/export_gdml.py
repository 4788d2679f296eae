"""GDML of a detector for Geant4: one physical volume a cell, its copy number the row in the layout.

World > surroundings > cover > cell; without a wall the cell itself stands in the surroundings. Boxes have full lengths
in mm, and materials of Geant4's NIST table need no definition (GDML user's manual, 2.6).
"""

from __future__ import annotations

import xml.etree.ElementTree as ET

import numpy as np

from .export_boxes import Boxes, Surrounding, mm, safe_names
from .materials import AIR, SCINTILLATOR, Material

__all__ = ["gdml_text"]

_WORLD_MARGIN_MM = 100.0
_ELEMENTS = {"H": (1, 1.008), "C": (6, 12.011), "N": (7, 14.007), "O": (8, 15.999)}
"""Number and g/mol."""
_SCHEMA = "http://service-spi.web.cern.ch/service-spi/app/releases/GDML/schema/gdml.xsd"


def gdml_text(boxes: Boxes, around: Surrounding, name: str) -> str:
    """The whole file; the world is air around the surroundings, its origin that of the frame."""
    root = ET.Element("gdml")
    root.set("xmlns:xsi", "http://www.w3.org/2001/XMLSchema-instance")
    root.set("xsi:noNamespaceSchemaLocation", _SCHEMA)
    root.append(ET.Comment(f" {_comment(name)}; copynumber = row in the layout, from 0; written by Dose3D "))
    define, materials, solids, structure = (
        ET.SubElement(root, n) for n in ("define", "materials", "solids", "structure")
    )
    ET.SubElement(define, "position", name="center", unit="mm", x="0.0", y="0.0", z="0.0")
    _add_scintillator(materials)
    sizes, kind = boxes.kinds()
    for number, size in enumerate(sizes):
        _add_cell(solids, structure, number, size, boxes)
    _add_surroundings(solids, structure, boxes, around, kind)
    _add_world(solids, structure, around)
    setup = ET.SubElement(root, "setup", name="Default", version="1.0")
    ET.SubElement(setup, "world", ref="World")
    ET.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def _comment(text: str) -> str:
    """XML allows no double hyphen in a comment."""
    return "".join(c for c in text if c.isprintable()).replace("-", "_")


def _add_scintillator(materials: ET.Element) -> None:
    for symbol, _ in SCINTILLATOR.atoms:
        number, mass = _ELEMENTS[symbol]
        element = ET.SubElement(materials, "element", name=f"element_{symbol}", formula=symbol, Z=str(number))
        ET.SubElement(element, "atom", unit="g/mole", value=str(mass))
    material = ET.SubElement(materials, "material", name=SCINTILLATOR.name, state="solid")
    ET.SubElement(material, "D", unit="g/cm3", value=str(SCINTILLATOR.density))
    for symbol, count in SCINTILLATOR.atoms:
        ET.SubElement(material, "composite", n=str(count), ref=f"element_{symbol}")


def _add_box(solids: ET.Element, name: str, size: np.ndarray) -> None:
    x, y, z = map(mm, size)
    ET.SubElement(solids, "box", name=name, lunit="mm", x=x, y=y, z=z)


def _volume(structure: ET.Element, name: str, material: Material, solid: str) -> ET.Element:
    volume = ET.SubElement(structure, "volume", name=name)
    ET.SubElement(volume, "materialref", ref=material.nist or material.name)
    ET.SubElement(volume, "solidref", ref=solid)
    return volume


def _place(mother: ET.Element, name: str, copy: int, volume: str, at: np.ndarray) -> None:
    placed = ET.SubElement(mother, "physvol", name=name, copynumber=str(copy))
    ET.SubElement(placed, "volumeref", ref=volume)
    x, y, z = map(mm, at)
    ET.SubElement(placed, "position", name=f"{name}_position", unit="mm", x=x, y=y, z=z)


def _add_cell(solids: ET.Element, structure: ET.Element, number: int, size: np.ndarray, boxes: Boxes) -> None:
    """One kind of cell: its solid and volume, in a cover where there is one."""
    _add_box(solids, f"cell_box_{number}", size)
    _volume(structure, f"Cell_{number}", SCINTILLATOR, f"cell_box_{number}")
    if boxes.wall_mm > 0:
        _add_box(solids, f"cover_box_{number}", size + 2 * boxes.wall_mm)
        cover = _volume(structure, f"Cover_{number}", boxes.cover, f"cover_box_{number}")
        _place(cover, f"scintillator_{number}", 0, f"Cell_{number}", np.zeros(3))


def _add_surroundings(
    solids: ET.Element, structure: ET.Element, boxes: Boxes, around: Surrounding, kind: np.ndarray
) -> None:
    _add_box(solids, "surroundings_box", around.size_mm)
    volume = _volume(structure, "Surroundings", around.material, "surroundings_box")
    prefix = "Cover" if boxes.wall_mm > 0 else "Cell"
    for row, name in enumerate(safe_names(boxes.labels)):
        _place(volume, name, row, f"{prefix}_{kind[row]}", boxes.centers_mm[row] - around.center_mm)


def _add_world(solids: ET.Element, structure: ET.Element, around: Surrounding) -> None:
    reach = np.abs(around.center_mm) + around.size_mm / 2 + _WORLD_MARGIN_MM
    _add_box(solids, "world_box", 2 * reach)
    world = _volume(structure, "World", AIR, "world_box")
    _place(world, "surroundings", 0, "Surroundings", around.center_mm)
