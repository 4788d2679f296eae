"""Meshes of a detector: STL and 3MF, closed surfaces in mm, for printers, for G4RT and for Slicer.

STL is a list of triangles (binary, 50 bytes each, single precision). 3MF is a ZIP of XML with an object a part (3MF
core specification 1.3): each cell under its own name, and the housing.
"""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass
from typing import Literal
from xml.sax.saxutils import escape, quoteattr

import numpy as np

from ..core.errors import InputError
from .box_union import Mesh, box_mesh, joined_boxes, union_mesh
from .layout import Layout
from .placement import Placement

__all__ = ["Part", "Parts", "assembly", "joined_cells", "stl_bytes", "three_mf_bytes"]

Parts = Literal["all", "housing", "cells"]

_COLORS = {"cell": "#3FA7D6C0", "housing": "#D9D9D960"}
_STAMP = (2000, 1, 1, 0, 0, 0)
"""Date of the files in a 3MF: the same layout gives the same bytes."""
_CONTENT_TYPES = (
    '<?xml version="1.0" encoding="UTF-8"?>\n'
    '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
    '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
    '<Default Extension="model" ContentType="application/vnd.ms-package.3dmanufacturing-3dmodel+xml"/></Types>'
)
_RELATIONS = (
    '<?xml version="1.0" encoding="UTF-8"?>\n'
    '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
    '<Relationship Target="/3D/3dmodel.model" Id="rel0" '
    'Type="http://schemas.microsoft.com/3dmanufacturing/2013/01/3dmodel"/></Relationships>'
)


@dataclass(frozen=True, eq=False)
class Part:
    """A closed surface and what it is: `kind` is cell or housing."""

    name: str
    kind: Literal["cell", "housing"]
    mesh: Mesh


def assembly(layout: Layout, placement: Placement, parts: Parts = "all") -> tuple[list[Part], tuple[str, ...]]:
    """The parts of a detector in the frame that stands at `placement`, and notes.

    The housing is the covers of all cells as one body: those that touch are joined, each cell is a cavity in it. It
    exists where the layout has walls.

    Raises
    ------
    InputError
        a housing is asked for and the layout has no walls.
    """
    if parts == "housing" and layout.wall_mm <= 0:
        raise InputError("--parts", "the layout has no walls, so there is no housing", "choose --parts cells")
    turn = placement.to_lps.T @ layout.cells.axes
    centers = layout.cells.centers_mm @ layout.cells.axes  # along the boxes' own axes
    half, shift = layout.cells.sizes_mm / 2, placement.detector(np.zeros(3))
    found: list[Part] = []
    notes: tuple[str, ...] = ()
    if parts != "cells" and layout.wall_mm > 0:
        mesh, notes = _housing(centers, half, layout.wall_mm)
        found.append(Part("housing", "housing", _turned(mesh, turn, shift)))
    if parts != "housing":
        unit = box_mesh(-np.ones(3), np.ones(3))
        for label, center, length in zip(layout.cells.labels, centers, half, strict=True):
            mesh = Mesh(center + unit.points_mm * length, unit.triangles)
            found.append(Part(label, "cell", _turned(mesh, turn, shift)))
    return found, notes


def joined_cells(layout: Layout, placement: Placement) -> tuple[Mesh, tuple[str, ...]]:
    """All cells as one surface; cells that touch are one body."""
    turn = placement.to_lps.T @ layout.cells.axes
    centers = layout.cells.centers_mm @ layout.cells.axes
    half = layout.cells.sizes_mm / 2
    mesh, notes = _bodies(centers - half, centers + half, None)
    return _turned(mesh, turn, placement.detector(np.zeros(3))), notes


def _housing(centers: np.ndarray, half: np.ndarray, wall_mm: float) -> tuple[Mesh, tuple[str, ...]]:
    outer = half + wall_mm
    return _bodies(centers - outer, centers + outer, (centers - half, centers + half))


def _bodies(
    low: np.ndarray, high: np.ndarray, hollow: tuple[np.ndarray, np.ndarray] | None
) -> tuple[Mesh, tuple[str, ...]]:
    """Groups of boxes that touch, each as one body."""
    meshes, apart = [], 0
    for group in joined_boxes(low, high):
        inner = None if hollow is None else (hollow[0][group], hollow[1][group])
        mesh = union_mesh(low[group], high[group], inner)
        if mesh is None:
            apart += len(group)
            for n in group:
                one = None if hollow is None else (hollow[0][[n]], hollow[1][[n]])
                meshes.append(union_mesh(low[[n]], high[[n]], one))
            continue
        meshes.append(mesh)
    note = f"{apart} boxes were left apart, though some touch: joining that many irregular ones takes too much memory."
    return _together(meshes), (note,) if apart else ()


def _together(meshes: list[Mesh]) -> Mesh:
    starts = np.cumsum([0, *(len(mesh.points_mm) for mesh in meshes)])
    triangles = [mesh.triangles + start for mesh, start in zip(meshes, starts, strict=False)]
    return Mesh(np.concatenate([mesh.points_mm for mesh in meshes]), np.concatenate(triangles))


def _turned(mesh: Mesh, turn: np.ndarray, shift: np.ndarray) -> Mesh:
    """Into the frame; a mirrored frame turns triangles inside out, so they are turned back."""
    triangles = mesh.triangles if np.linalg.det(turn) > 0 else mesh.triangles[:, ::-1]
    return Mesh(mesh.points_mm @ turn.T + shift, triangles)


def stl_bytes(mesh: Mesh, title: str) -> bytes:
    """Binary STL; the title, at most 80 characters, must not begin with `solid`, which marks the text form."""
    head = f"Dose3D {title}; mm".encode("ascii", "replace")[:80].ljust(80)
    corners = mesh.points_mm.astype(np.float32)[mesh.triangles]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]).astype(np.float64)
    lengths = np.linalg.norm(normals, axis=1, keepdims=True)
    records = np.zeros(len(corners), np.dtype([("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("attribute", "<u2")]))
    records["normal"] = np.divide(normals, lengths, out=np.zeros_like(normals), where=lengths > 0)
    records["corners"] = corners
    return head + np.uint32(len(records)).astype("<u4").tobytes() + records.tobytes()


def three_mf_bytes(parts: list[Part], title: str) -> bytes:
    """3MF with an object a part."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as package:
        for name, text in (
            ("[Content_Types].xml", _CONTENT_TYPES),
            ("_rels/.rels", _RELATIONS),
            ("3D/3dmodel.model", _model(parts, title)),
        ):
            package.writestr(zipfile.ZipInfo(name, _STAMP), text, zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def _model(parts: list[Part], title: str) -> str:
    kinds = list(_COLORS)
    objects = "\n".join(_object(n, part, kinds.index(part.kind)) for n, part in enumerate(parts, 2))
    items = "".join(f'<item objectid="{n}"/>' for n in range(2, len(parts) + 2))
    bases = "".join(f'<base name="{kind}" displaycolor="{color}"/>' for kind, color in _COLORS.items())
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<model unit="millimeter" xml:lang="en-US" xmlns="http://schemas.microsoft.com/3dmanufacturing/core/2015/02">\n'
        f'<metadata name="Title">{escape(_printable(title))}</metadata>\n'
        '<metadata name="Application">Dose3D</metadata>\n'
        f'<resources><basematerials id="1">{bases}</basematerials>\n{objects}\n</resources>\n'
        f"<build>{items}</build>\n</model>\n"
    )


def _object(number: int, part: Part, material: int) -> str:
    points = "".join(
        map('<vertex x="%.9g" y="%.9g" z="%.9g"/>'.__mod__, map(tuple, (part.mesh.points_mm + 0.0).tolist()))
    )
    triangles = "".join(map('<triangle v1="%d" v2="%d" v3="%d"/>'.__mod__, map(tuple, part.mesh.triangles.tolist())))
    name = quoteattr(_printable(part.name))
    return (
        f'<object id="{number}" name={name} type="model" pid="1" pindex="{material}"><mesh>'
        f"<vertices>{points}</vertices><triangles>{triangles}</triangles></mesh></object>"
    )


def _printable(text: str) -> str:
    return "".join(c for c in text if c.isprintable())
