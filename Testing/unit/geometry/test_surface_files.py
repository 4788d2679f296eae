"""Surfaces of every format by VTK's own writers, volumes by VTK's or by formula, and what is refused."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from Dose3DLib.core.errors import InputError
from Dose3DLib.geometry.grid import Grid
from Dose3DLib.geometry.occupancy import contours_volume_cc
from Dose3DLib.geometry.polydata import PolyData
from Dose3DLib.geometry.slicing import open_edges, slice_surface
from Dose3DLib.geometry.surface_files import read_surfaces
from Dose3DLib.tasks.structure_source import StructureSource, form_of

vtk = pytest.importorskip("vtk", reason="needs vtk, the independent writer")

MIDDLE, RADIUS = (5.0, -7.0, 13.0), 20.0


def sphere(middle=MIDDLE, radius=RADIUS, points=40):
    source = vtk.vtkSphereSource()
    source.SetCenter(middle)
    source.SetRadius(radius)
    source.SetThetaResolution(points)
    source.SetPhiResolution(points)
    triangles = vtk.vtkTriangleFilter()
    triangles.SetInputConnection(source.GetOutputPort())
    triangles.Update()
    return triangles.GetOutput()


def volume_cc(mesh) -> float:
    properties = vtk.vtkMassProperties()
    properties.SetInputData(mesh)
    return properties.GetVolume() / 1000


def strips(mesh):
    stripper = vtk.vtkStripper()
    stripper.SetInputData(mesh)
    stripper.Update()
    assert stripper.GetOutput().GetNumberOfStrips() > 0
    return stripper.GetOutput()


def write(writer, path: Path, mesh, **settings) -> Path:
    writer.SetFileName(str(path))
    writer.SetInputData(mesh)
    for name, value in settings.items():
        getattr(writer, f"Set{name}")(*([value] if value is not True else []))
    assert writer.Write()
    return path


WRITERS = {
    "binary.stl": (vtk.vtkSTLWriter, {"FileType": 2}),
    "ascii.stl": (vtk.vtkSTLWriter, {"FileType": 1}),
    "mesh.obj": (vtk.vtkOBJWriter, {}),
    "ascii.ply": (vtk.vtkPLYWriter, {"FileType": 1}),
    "little.ply": (vtk.vtkPLYWriter, {"FileType": 2, "DataByteOrder": 0}),
    "big.ply": (vtk.vtkPLYWriter, {"FileType": 2, "DataByteOrder": 1}),
    "ascii42.vtk": (vtk.vtkPolyDataWriter, {"FileVersion": 42, "FileType": 1}),
    "binary42.vtk": (vtk.vtkPolyDataWriter, {"FileVersion": 42, "FileType": 2}),
    "ascii51.vtk": (vtk.vtkPolyDataWriter, {"FileVersion": 51, "FileType": 1}),
    "binary51.vtk": (vtk.vtkPolyDataWriter, {"FileVersion": 51, "FileType": 2}),
    "plain.vtp": (vtk.vtkXMLPolyDataWriter, {"DataMode": 0}),
    "inline.vtp": (vtk.vtkXMLPolyDataWriter, {"DataMode": 1, "CompressorTypeToZLib": True, "BlockSize": 4096}),
    "inline64.vtp": (
        vtk.vtkXMLPolyDataWriter,
        {"DataMode": 1, "HeaderTypeToUInt64": True, "CompressorTypeToNone": True},
    ),
    "appended.vtp": (vtk.vtkXMLPolyDataWriter, {"DataMode": 2, "CompressorTypeToZLib": True}),
    "lzma.vtp": (vtk.vtkXMLPolyDataWriter, {"DataMode": 2, "CompressorTypeToLZMA": True}),
    "raw.vtp": (vtk.vtkXMLPolyDataWriter, {"DataMode": 2, "EncodeAppendedData": 0}),
    "big.vtp": (vtk.vtkXMLPolyDataWriter, {"DataMode": 1, "ByteOrderToBigEndian": True}),
}


@pytest.mark.parametrize("name", WRITERS)
def test_every_format_of_a_sphere(tmp_path, name):
    writer, settings = WRITERS[name]
    mesh = sphere()
    path = write(writer(), tmp_path / name, mesh, **settings)
    found = read_surfaces(path)
    (structure,) = found
    assert structure.name == path.stem
    assert contours_volume_cc(structure.contours, found.grid) == pytest.approx(volume_cc(mesh), rel=2e-3)
    k, j, i = np.nonzero(structure.mask.to_array())
    assert found.grid.to_lps(np.column_stack([i, j, k]).mean(axis=0)) == pytest.approx(MIDDLE, abs=0.2)
    assert any("taken as LPS" in note for note in found.notes)
    assert form_of(path) == "surfaces"


@pytest.mark.parametrize("name", ["binary42.vtk", "ascii51.vtk", "inline.vtp"])
def test_triangle_strips(tmp_path, name):
    writer, settings = WRITERS[name]
    found = read_surfaces(write(writer(), tmp_path / name, strips(sphere()), **settings))
    assert contours_volume_cc(found.structures[0].contours, found.grid) == pytest.approx(volume_cc(sphere()), rel=2e-3)


def test_slices_of_a_grid_are_exact_circles_and_the_volume_agrees():
    from vtk.util.numpy_support import vtk_to_numpy

    mesh = sphere(points=300)
    points = np.array([mesh.GetPoint(n) for n in range(mesh.GetNumberOfPoints())])
    surface = PolyData(points, vtk_to_numpy(mesh.GetPolys().GetConnectivityArray()).reshape(-1, 3))
    assert open_edges(surface) == 0
    grid = Grid.axial((21, 60, 60), (2.0, 1.0, 1.0), (-25.0, -37.0, -7.0))
    contours = slice_surface(surface, grid)
    for k, (polygon,) in contours.items():
        z = -7 + 2 * k - MIDDLE[2]
        away = np.linalg.norm(polygon + (-25, -37) - np.array(MIDDLE[:2]), axis=1)
        assert away == pytest.approx(np.sqrt(RADIUS**2 - z**2), abs=0.03), k
    assert set(contours) == set(range(1, 20)) | ({0, 20} & set(contours))


def box(low, high) -> PolyData:
    """Twelve triangles, corners at the same place shared."""
    corners = np.array([[x, y, z] for z in (low[2], high[2]) for y in (low[1], high[1]) for x in (low[0], high[0])])
    faces = [(0, 2, 3, 1), (4, 5, 7, 6), (0, 1, 5, 4), (2, 6, 7, 3), (0, 4, 6, 2), (1, 3, 7, 5)]
    triangles = [(a, b, c) for a, b, c, _ in faces] + [(a, c, d) for a, _, c, d in faces]
    return PolyData(corners.astype(float), np.array(triangles))


def test_flat_ends_on_a_slice_belong_to_one_side():
    """A box from slice 2 to slice 5: of the planes at its ends one is inside and one is not, by the rule of halves."""
    grid = Grid.axial((10, 20, 20), (2.0, 1.0, 1.0), (0.0, 0.0, 0.0))
    contours = slice_surface(box((3, 4, 4), (9, 12, 10)), grid)
    assert len(contours) == 3
    for (polygon,) in contours.values():
        assert np.ptp(polygon, axis=0) == pytest.approx([6, 8])
    assert contours_volume_cc(contours, grid) == pytest.approx(6 * 8 * 6 / 1000)


def test_a_hollow_box_and_parts_that_touch(tmp_path):
    outer, inner = box((0, 0, 0), (20, 20, 20)), box((5, 5, 5), (15, 15, 15))
    both = PolyData(
        np.concatenate([outer.points, inner.points]), np.concatenate([outer.triangles, inner.triangles + 8])
    )
    grid = Grid.axial((40, 30, 30), (0.5, 1.0, 1.0), (-5.0, -5.0, 0.25))
    assert contours_volume_cc(slice_surface(both, grid), grid) == pytest.approx(8 - 1)
    # Two boxes that share an edge: four triangles at one edge, still closed.
    other = box((20, 20, 0), (30, 30, 20))
    points, index = np.unique(np.concatenate([outer.points, other.points]), axis=0, return_inverse=True)
    touching = PolyData(points, index.reshape(-1)[np.concatenate([outer.triangles, other.triangles + 8])])
    assert open_edges(touching) == 0
    grid = Grid.axial((40, 40, 40), (0.5, 1.0, 1.0), (-5.0, -5.0, 0.25))
    assert contours_volume_cc(slice_surface(touching, grid), grid) == pytest.approx(8 + 2)


def test_triangles_that_face_either_way_make_the_same_slices():
    surface = box((3, 4, 4), (9, 12, 10))
    turned = surface.triangles.copy()
    turned[::2] = turned[::2, ::-1]
    grid = Grid.axial((10, 20, 20), (2.0, 1.0, 1.0), (0.0, 0.0, 0.0))
    assert contours_volume_cc(slice_surface(PolyData(surface.points, turned), grid), grid) == pytest.approx(0.288)


def test_a_folder_and_the_grid_of_a_ct(tmp_path):
    for name, middle, radius in (("Parotid_L", (20, 0, 10), 9.0), ("Lens_R", (-20, 5, 12), 2.5)):
        write(vtk.vtkSTLWriter(), tmp_path / f"{name}.stl", sphere(middle, radius))
    assert form_of(tmp_path) == "surfaces"
    found = read_surfaces(tmp_path)
    assert found.names == ["Lens_R", "Parotid_L"]
    for structure, radius in zip(found, (2.5, 9.0), strict=True):
        assert contours_volume_cc(structure.contours, found.grid) == pytest.approx(
            volume_cc(sphere((0, 0, 0), radius)), rel=6e-3
        )
    ct = Grid.axial((8, 80, 90), (3.0, 1.0, 1.0), (-45.0, -40.0, 5.0))
    on_ct = StructureSource(tmp_path, "surfaces", ct).read()
    assert on_ct.grid is ct
    assert any("Parotid_L.stl goes beyond the slices" in note for note in on_ct.notes)
    (tmp_path / "mask.nii.gz").write_bytes(b"x")
    assert form_of(tmp_path) == "masks"


def test_frames_of_axes(tmp_path):
    """What the file says goes first, then what the user says, then LPS."""
    path = write(vtk.vtkSTLWriter(), tmp_path / "a.stl", sphere())
    assert centre(read_surfaces(path)) == pytest.approx(MIDDLE, abs=0.2)
    turned = (-MIDDLE[0], -MIDDLE[1], MIDDLE[2])
    assert centre(read_surfaces(path, frame="RAS")) == pytest.approx(turned, abs=0.2)
    writer = vtk.vtkSTLWriter()
    writer.SetHeader("3D Slicer output. SPACE=RAS")
    said = write(writer, tmp_path / "b.stl", sphere())
    assert centre(read_surfaces(said)) == pytest.approx(turned, abs=0.2)
    assert centre(read_surfaces(said, frame="LPS")) == pytest.approx(turned, abs=0.2)
    assert read_surfaces(said).notes == ()


def centre(found):
    k, j, i = np.nonzero(found.structures[0].mask.to_array())
    return found.grid.to_lps(np.column_stack([i, j, k]).mean(axis=0))


def planar(path: Path, planes, name="Optic Chiasm", radius=10.0) -> Path:
    """Closed lines with SlicerRT's field data, written by VTK."""
    points, lines = vtk.vtkPoints(), vtk.vtkCellArray()
    for z in planes:
        numbers = [
            points.InsertNextPoint(radius * np.cos(a), 30 + radius * np.sin(a), z) for a in np.arange(0, 6.2, 0.1)
        ]
        lines.InsertNextCell(len(numbers) + 1)
        for number in (*numbers, numbers[0]):
            lines.InsertCellPoint(number)
    mesh = vtk.vtkPolyData()
    mesh.SetPoints(points)
    mesh.SetLines(lines)
    title = vtk.vtkStringArray()
    title.SetName("Segment_Name")
    title.InsertNextValue(name)
    color = vtk.vtkDoubleArray()
    color.SetName("Segment_DefaultColor")
    for part in (1.0, 0.5, 0.25):
        color.InsertNextValue(part)
    mesh.GetFieldData().AddArray(title)
    mesh.GetFieldData().AddArray(color)
    return write(vtk.vtkXMLPolyDataWriter(), path, mesh)


def test_planar_contours_keep_their_polygons(tmp_path):
    (tmp_path / "s").mkdir()
    planar(tmp_path / "s" / "a.vtp", (10.0, 12.5, 15.0))
    write(vtk.vtkXMLPolyDataWriter(), tmp_path / "s" / "b.vtp", sphere((0, 30, 12), 6.0))
    lines = "\n".join(f'<DataSet index="{n}" file="s/{name}.vtp"/>' for n, name in enumerate("ab"))
    vtm = tmp_path / "set.vtm"
    vtm.write_text(
        f'<VTKFile type="vtkMultiBlockDataSet"><vtkMultiBlockDataSet>{lines}</vtkMultiBlockDataSet></VTKFile>'
    )
    found = read_surfaces(vtm)
    chiasm = found["Optic Chiasm"]
    assert chiasm.color == (255, 128, 64)
    assert found.grid.slice_distance_mm == pytest.approx(2.5)
    assert [len(polygons[0]) for polygons in chiasm.contours.values()] == [62, 62, 62]
    assert contours_volume_cc(chiasm.contours, found.grid) == pytest.approx(np.pi * 100 * 7.5 / 1000, rel=5e-3)
    assert found.grid.to_lps(np.array([*np.mean(chiasm.contours[min(chiasm.contours)][0], axis=0), 0]))[1] < 0  # RAS
    assert any("taken as RAS" in note for note in found.notes)


@pytest.mark.parametrize(
    ("planes", "words"),
    [((10.0,), "on a single plane"), ((10.0, 12.5, 16.0), "planes of uneven distance")],
)
def test_planar_contours_without_a_thickness(tmp_path, planes, words):
    path = planar(tmp_path / "a.vtp", planes)
    with pytest.raises(InputError, match=words):
        read_surfaces(path)
    fine = Grid.axial((20, 80, 80), (0.5, 1.0, 1.0), (-40.0, -70.0, 9.0))
    assert contours_volume_cc(read_surfaces(path, fine).structures[0].contours, fine) > 0
    aside = Grid.axial((20, 80, 80), (0.5, 1.0, 1.0), (-40.0, -70.0, 9.2))
    with pytest.raises(InputError, match="beside the slices of the image"):
        read_surfaces(path, aside)


def test_an_open_surface_is_refused(tmp_path):
    sphere_with_hole = vtk.vtkSphereSource()
    sphere_with_hole.SetEndTheta(300)
    sphere_with_hole.Update()
    path = write(vtk.vtkSTLWriter(), tmp_path / "open.stl", sphere_with_hole.GetOutput())
    with pytest.raises(InputError, match="is not closed: .* open edges"):
        read_surfaces(path)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.stl", b""),
        ("a.stl", b"solid nothing\nendsolid"),
        ("a.stl", b"\0" * 84 + b"xx"),
        ("a.obj", b"v 1 2 3\nf 1 2 9\n"),
        ("a.obj", b"nothing"),
        ("a.ply", b"ply\nend_header\n"),
        ("a.vtk", b"# vtk DataFile Version 3.0\nt\nASCII\nDATASET STRUCTURED_GRID\n"),
        ("a.vtk", b"# vtk DataFile Version 3.0\nt\nASCII\nDATASET POLYDATA\nPOINTS 9 float\n1 2 3\n"),
        ("a.vtp", b"<VTKFile><PolyData></PolyData></VTKFile>"),
        ("a.vtp", b"<!DOCTYPE x [<!ENTITY y 'z'>]><VTKFile/>"),
        ("a.vtp", b"no xml"),
        ("a.vtm", b"<VTKFile><DataSet file='gone.vtp'/></VTKFile>"),
    ],
)
def test_damaged_files_are_refused_in_one_line(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError) as error:
        read_surfaces(tmp_path / name)
    assert name in str(error.value)
    assert "\n" not in str(error.value)


def test_any_damage_of_a_vtp_is_refused_or_harmless(tmp_path):
    path = write(vtk.vtkXMLPolyDataWriter(), tmp_path / "a.vtp", sphere(points=10))
    content = path.read_bytes()
    random = np.random.default_rng(3)
    for _ in range(150):
        damaged = bytearray(content[: random.integers(len(content) // 2, len(content))])
        for place in random.integers(0, len(damaged), random.integers(0, 4)):
            damaged[place] = random.integers(256)
        path.write_bytes(damaged)
        with suppress(InputError):
            read_surfaces(path)


def test_compression_that_python_lacks_is_named(tmp_path):
    writer = vtk.vtkXMLPolyDataWriter()
    writer.SetCompressorTypeToLZ4()
    path = write(writer, tmp_path / "a.vtp", sphere())
    with pytest.raises(InputError, match="vtkLZ4DataCompressor"):
        read_surfaces(path)
