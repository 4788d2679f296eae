"""Meshes judged by VTK's reader and its filters, by edges counted here, and by volumes from the cells' sizes."""

from __future__ import annotations

import io
import xml.etree.ElementTree as ET
import zipfile
from collections import Counter

import numpy as np
import pytest
from builders.detector_builder import small_layout
from Dose3DLib.core.errors import InputError
from Dose3DLib.detector import box_union
from Dose3DLib.detector.box_union import joined_boxes, union_mesh
from Dose3DLib.detector.export_mesh import assembly, joined_cells, stl_bytes, three_mf_bytes
from Dose3DLib.detector.frames import frame_placement
from Dose3DLib.detector.layout import Layout
from Dose3DLib.detector.placement import Placement
from Dose3DLib.geometry.cells import Cells

LPS = frame_placement("lps", np.zeros(3))
NAMESPACE = {"m": "http://schemas.microsoft.com/3dmanufacturing/core/2015/02"}
TURN = np.array([[0.8, -0.6, 0], [0.6, 0.8, 0], [0, 0, 1.0]])


def layout_of(places, wall=1.0, size=10.0) -> Layout:
    points = np.array(places, float)
    labels = tuple(f"c{n}" for n in range(len(points)))
    cells = Cells(labels, points, np.full(points.shape, size), np.eye(3))
    return Layout(cells, Placement(np.zeros(3), np.eye(3)), (), wall, "x")


def lattice(count: int, pitch: float = 12.0, keep: float = 1.0, stagger: float = 0.0) -> np.ndarray:
    index = np.stack(np.meshgrid(*[np.arange(count)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    places = index * pitch + np.outer(index[:, 1] % 2, [stagger, 0, 0])
    return places[np.random.default_rng(count).random(len(places)) <= keep]


def open_or_crossed_edges(points: np.ndarray, triangles: np.ndarray) -> int:
    """Edges that do not belong to exactly two triangles in opposite directions; equal points are one."""
    index = np.unique(np.round(points, 6), axis=0, return_inverse=True)[1].reshape(-1)[triangles]
    ways = Counter((int(a), int(b)) for n in range(3) for a, b in zip(index[:, n], index[:, (n + 1) % 3], strict=True))
    return sum(count != 1 or ways.get((b, a)) != 1 for (a, b), count in ways.items())


def read_by_vtk(content: bytes, path):
    from vtkmodules.vtkIOGeometry import vtkSTLReader

    path.write_bytes(content)
    reader = vtkSTLReader()
    reader.SetFileName(str(path))
    reader.MergingOn()
    reader.Update()
    return reader.GetOutput()


def bad_edges_by_vtk(data) -> int:
    from vtkmodules.vtkFiltersCore import vtkFeatureEdges

    edges = vtkFeatureEdges()
    edges.SetInputData(data)
    edges.FeatureEdgesOff()
    edges.ManifoldEdgesOff()
    edges.BoundaryEdgesOn()
    edges.NonManifoldEdgesOn()
    edges.Update()
    return edges.GetOutput().GetNumberOfCells()


def volume_by_vtk(data) -> float:
    from vtkmodules.vtkFiltersCore import vtkMassProperties

    mass = vtkMassProperties()
    mass.SetInputData(data)
    mass.Update()
    return mass.GetVolume()


@pytest.mark.parametrize(
    ("places", "wall"),
    [
        (lattice(4), 1.0),
        (lattice(4, keep=0.5), 1.0),
        (lattice(4, stagger=6.0), 1.0),
        (lattice(5, keep=0.6, stagger=6.0), 1.0),
        (lattice(3, pitch=20.0), 1.0),
        (np.array([[0, 0, 0], [12, 12, 0], [0, 0, 12], [12, 12, 12.0]]), 1.0),
        (np.array([[0, 0, 0], [12, 12, 12.0]]), 1.0),
    ],
    ids=["full", "random", "staggered", "staggered random", "apart", "edges only", "a corner only"],
)
def test_the_housing_is_watertight(places, wall, tmp_path):
    layout = layout_of(places, wall)
    (part,), notes = assembly(layout, LPS, "housing")
    assert notes == ()
    assert open_or_crossed_edges(part.mesh.points_mm, part.mesh.triangles) == 0
    whole = len(layout) * ((10 + 2 * wall) ** 3 - 1000)
    assert whole - 1e-6 <= part.mesh.volume_mm3 < whole * 1.0005  # columns at edges add a little
    data = read_by_vtk(stl_bytes(part.mesh, "x"), tmp_path / "h.stl")
    assert data.GetNumberOfCells() == len(part.mesh.triangles)
    assert bad_edges_by_vtk(data) == 0
    low, high = np.array(data.GetBounds()).reshape(3, 2).T
    assert np.allclose(low, places.min(axis=0) - 6, atol=1e-4)
    assert np.allclose(high, places.max(axis=0) + 6, atol=1e-4)


def test_vtk_sees_a_hole():
    """The judge itself: without one triangle it finds three edges, and four triangles at one edge are found, too."""
    (part,), _ = assembly(layout_of(lattice(2)), LPS, "housing")
    assert open_or_crossed_edges(part.mesh.points_mm, part.mesh.triangles[1:]) == 3
    pair = np.array([[0, 0, 0], [1, 1, 0.0]])
    meshes = [box_union.box_mesh(low, low + 1) for low in pair]
    points = np.concatenate([mesh.points_mm for mesh in meshes])
    triangles = np.concatenate([meshes[0].triangles, meshes[1].triangles + len(meshes[0].points_mm)])
    assert open_or_crossed_edges(points, triangles) > 0


@pytest.mark.parametrize("pitch", [10.0, 12.0])
def test_cells_as_one_surface(pitch, tmp_path):
    layout = layout_of(lattice(3, pitch), wall=0.0)
    mesh, _ = joined_cells(layout, LPS)
    data = read_by_vtk(stl_bytes(mesh, "cells"), tmp_path / "c.stl")
    assert bad_edges_by_vtk(data) == 0
    assert volume_by_vtk(data) == pytest.approx(27 * 1000, rel=1e-5)
    assert len(mesh.triangles) == (12 * 9 * 6 if pitch == 10 else 12 * 27) / (6 if pitch == 10 else 1)


def test_triangles_look_outwards(tmp_path):
    """The normals in the file point away from the material: out of the housing, into its cavities."""
    layout = layout_of([[0, 0, 0]])
    (part,), _ = assembly(layout, LPS, "housing")
    content = stl_bytes(part.mesh, "x")
    record = np.dtype([("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("attribute", "<u2")])
    triangles = np.frombuffer(content, record, offset=84)
    assert len(content) == 84 + 50 * len(triangles)
    assert int.from_bytes(content[80:84], "little") == len(triangles)
    assert not content[:80].lower().startswith(b"solid")
    middle = triangles["corners"].mean(axis=1)
    outside = np.abs(middle).max(axis=1) > 5.5
    turned = np.einsum("ij,ij->i", triangles["normal"], middle)
    assert (turned[outside] > 0).all()
    assert (turned[~outside] < 0).all()
    assert outside.sum() >= 12
    assert (~outside).sum() >= 12


@pytest.mark.parametrize("turn", [None, TURN], ids=["along the frame", "oblique"])
def test_cells_are_where_the_layout_has_them(turn):
    layout = small_layout(turn=turn)
    parts, _ = assembly(layout, LPS)
    assert [part.name for part in parts[1:]] == list(layout.cells.labels)
    for row, part in enumerate(parts[1:]):
        corners = layout.cells.corners_mm()[row]
        found = part.mesh.points_mm
        assert found.shape == (8, 3)
        distance = np.linalg.norm(found[:, None] - corners[None], axis=2)
        assert distance.min(axis=1).max() < 1e-9
        assert part.mesh.volume_mm3 == pytest.approx(layout.cells.volumes_mm3[row])


def test_frames_of_the_file():
    layout = small_layout()
    in_detector, _ = assembly(layout, layout.placement, "cells")
    assert np.allclose(in_detector[0].mesh.points_mm.mean(axis=0), [-18, -6, 6])
    assert all(part.mesh.volume_mm3 > 0 for part in in_detector)


def read_3mf(content: bytes):
    with zipfile.ZipFile(io.BytesIO(content)) as package:
        assert package.testzip() is None
        assert package.namelist() == ["[Content_Types].xml", "_rels/.rels", "3D/3dmodel.model"]
        ET.fromstring(package.read("_rels/.rels"))
        ET.fromstring(package.read("[Content_Types].xml"))
        return ET.fromstring(package.read("3D/3dmodel.model"))


def test_3mf_has_an_object_a_part():
    layout = small_layout()
    parts, _ = assembly(layout, LPS)
    model = read_3mf(three_mf_bytes(parts, layout.name))
    assert model.get("unit") == "millimeter"
    objects = model.findall("m:resources/m:object", NAMESPACE)
    assert [one.get("name") for one in objects] == ["housing", *layout.cells.labels]
    identifiers = [one.get("id") for one in objects]
    assert [item.get("objectid") for item in model.findall("m:build/m:item", NAMESPACE)] == identifiers
    bases = model.find("m:resources/m:basematerials", NAMESPACE)
    assert bases.get("id") not in identifiers
    for one, part in zip(objects, parts, strict=True):
        points = np.array([[float(v.get(a)) for a in "xyz"] for v in one.findall(".//m:vertex", NAMESPACE)])
        triangles = np.array(
            [[int(t.get(f"v{n}")) for n in (1, 2, 3)] for t in one.findall(".//m:triangle", NAMESPACE)]
        )
        assert open_or_crossed_edges(points, triangles) == 0
        assert np.allclose(points, part.mesh.points_mm, atol=1e-5)
        assert int(one.get("pindex")) < len(bases)


def test_the_same_layout_gives_the_same_bytes():
    parts, _ = assembly(small_layout(), LPS)
    assert three_mf_bytes(parts, "x") == three_mf_bytes(parts, "x")


def test_groups_of_boxes_that_touch():
    low = np.array([[0, 0, 0], [1, 0, 0], [5, 5, 5], [2, 1, 1.0]])
    groups = sorted(sorted(group.tolist()) for group in joined_boxes(low, low + 1))
    assert groups == [[0, 1, 3], [2]]


def test_too_large_a_union_stays_apart(monkeypatch):
    monkeypatch.setattr(box_union, "MOST_BLOCKS", 100)
    layout = layout_of(lattice(3))
    (part,), notes = assembly(layout, LPS, "housing")
    assert "27 boxes were left apart" in notes[0]
    assert part.mesh.volume_mm3 == pytest.approx(27 * 728)


def test_random_boxes_keep_their_volume():
    """Boxes that share faces only: the union has the sum of their volumes, whatever their sizes."""
    rng = np.random.default_rng(4)
    for _ in range(20):
        cuts = [np.unique(np.round(rng.uniform(0, 30, 6), 3)) for _ in range(3)]
        index = np.stack(np.meshgrid(*[np.arange(len(c) - 1) for c in cuts], indexing="ij"), -1).reshape(-1, 3)
        index = index[rng.random(len(index)) < 0.5]
        low = np.stack([c[n] for c, n in zip(cuts, index.T, strict=True)], axis=1)
        high = np.stack([c[n + 1] for c, n in zip(cuts, index.T, strict=True)], axis=1)
        mesh = union_mesh(low, high)
        assert open_or_crossed_edges(mesh.points_mm, mesh.triangles) == 0
        assert mesh.volume_mm3 == pytest.approx((high - low).prod(axis=1).sum(), rel=2e-3)


def test_no_housing_without_walls():
    with pytest.raises(InputError, match="no walls, so there is no housing"):
        assembly(small_layout(wall_mm=0), LPS, "housing")
