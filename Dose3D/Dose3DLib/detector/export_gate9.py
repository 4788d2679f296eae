"""Files for GATE 9: a macro with the boxes, a placements file a kind of cell for its generic repeater, and materials.

The generic repeater takes any list of places, which cubic arrays do not (GATE user's guide, "Defining a geometry").
"""

from __future__ import annotations

import numpy as np

from .export_boxes import Boxes, Surrounding, mm
from .materials import AIR, PMMA, SCINTILLATOR, WATER, Material

__all__ = ["gate9_files"]

MACRO, MATERIALS, NAMES = "detector.mac", "materials.db", "cells.csv"
_WORLD_MARGIN_MM = 100.0
_ELEMENTS = (
    ("Hydrogen", "H", 1, 1.008),
    ("Carbon", "C", 6, 12.011),
    ("Nitrogen", "N", 7, 14.007),
    ("Oxygen", "O", 8, 15.999),
    ("Argon", "Ar", 18, 39.948),
)


def gate9_files(boxes: Boxes, around: Surrounding, name: str) -> dict[str, str]:
    """Texts by file name. Places are relative to the surroundings' centre, which stands where it is in the frame."""
    sizes, kind = boxes.kinds()
    files = {MACRO: _macro(boxes, around, sizes, name), MATERIALS: _materials(), NAMES: _names(boxes, kind)}
    for number in range(len(sizes)):
        files[_placements_name(number)] = _placements(boxes, around, np.flatnonzero(kind == number))
    return files


def _placements_name(number: int) -> str:
    return f"cells_{number + 1}.placements"


def _placements(boxes: Boxes, around: Surrounding, rows: np.ndarray) -> str:
    lines = ["# time, angle and axis of the rotation, place", "Time s", "Rotation deg", "Translation mm"]
    for row in rows:
        place = " ".join(mm(v) for v in boxes.centers_mm[row] - around.center_mm)
        lines.append(f"0 0 0 0 1 {place}")
    return "\n".join(lines) + "\n"


def _names(boxes: Boxes, kind: np.ndarray) -> str:
    """Which copy of which volume is which cell: the repeater counts the lines of its file from 0."""
    repeated = "cover" if boxes.wall_mm > 0 else "cell"
    count = [0] * (int(kind.max(initial=0)) + 1)
    lines = ["volume,copy,row,cell"]
    for row, number in enumerate(kind):
        label = boxes.labels[row].replace('"', '""')
        lines.append(f'{repeated}_{number + 1},{count[number]},{row},"{label}"')
        count[number] += 1
    return "\n".join(lines) + "\n"


def _plain(text: str) -> str:
    return "".join(c if c.isprintable() else " " for c in text)


def _box(mother: str, name: str, size: np.ndarray, material: Material) -> list[str]:
    lengths = zip("XYZ", size, strict=True)
    return [
        f"/gate/{mother}/daughters/name {name}",
        f"/gate/{mother}/daughters/insert box",
        *(f"/gate/{name}/geometry/set{axis}Length {mm(length)} mm" for axis, length in lengths),
        f"/gate/{name}/setMaterial {material.name}",
    ]


def _macro(boxes: Boxes, around: Surrounding, sizes: np.ndarray, name: str) -> str:
    reach = 2 * (np.abs(around.center_mm) + around.size_mm / 2 + _WORLD_MARGIN_MM)
    lines = [
        f"# Detector {_plain(name)}: geometry for GATE 9, written by Dose3D. Run it before /gate/run/initialize.",
        f"/gate/geometry/setMaterialDatabase {MATERIALS}",
        *(f"/gate/world/geometry/set{axis}Length {mm(length)} mm" for axis, length in zip("XYZ", reach, strict=True)),
        f"/gate/world/setMaterial {AIR.name}",
        "",
        *_box("world", "surroundings", around.size_mm, around.material),
        f"/gate/surroundings/placement/setTranslation {' '.join(mm(v) for v in around.center_mm)} mm",
    ]
    for number, size in enumerate(sizes):
        lines += ["", *_kind(boxes, number, size)]
    return "\n".join(lines) + "\n"


def _kind(boxes: Boxes, number: int, size: np.ndarray) -> list[str]:
    """One kind of cell; its cover, where it has one, is what is repeated."""
    cell, lines = f"cell_{number + 1}", []
    mother, repeated = "surroundings", cell
    if boxes.wall_mm > 0:
        repeated = mother = f"cover_{number + 1}"
        lines = _box("surroundings", repeated, size + 2 * boxes.wall_mm, boxes.cover)
    return [
        *lines,
        *_box(mother, cell, size, SCINTILLATOR),
        f"/gate/{repeated}/repeaters/insert genericRepeater",
        f"/gate/{repeated}/genericRepeater/setPlacementsFilename {_placements_name(number)}",
        f"/gate/{repeated}/genericRepeater/useRelativeTranslation 1",
    ]


def _materials() -> str:
    """GATE's material database: elements, then materials by numbers of atoms or mass fractions."""
    names = {symbol: name for name, symbol, _, _ in _ELEMENTS}
    lines = ["[Elements]"]
    lines += [f"{name}: S= {symbol} ; Z= {z}. ; A= {a} g/mole" for name, symbol, z, a in _ELEMENTS]
    lines += ["", "[Materials]"]
    for material in (SCINTILLATOR, PMMA, WATER, AIR):
        parts = material.atoms or material.masses
        key = "n" if material.atoms else "f"
        state = " ; state=gas" if material is AIR else ""
        lines.append(f"{material.name}: d={material.density} g/cm3 ; n={len(parts)}{state}")
        lines += [f"        +el: name={names[symbol]} ; {key}={amount}" for symbol, amount in parts]
    return "\n".join(lines) + "\n"
