"""Read surfaces of the simple formats: STL (binary, ASCII), OBJ, PLY, and VTK's legacy poly data (.vtk).

Slicer says the frame in a comment of each ("SPACE=LPS"); others say nothing.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from ..core.errors import InputError
from .polydata import PolyData, triangles_of, triangles_of_strips

__all__ = ["READERS", "read_mesh"]

_REMEDY = "save it again as .stl or .vtp"
_VTK_TYPES = {
    "float": ">f4",
    "double": ">f8",
    "int": ">i4",
    "unsigned_int": ">u4",
    "long": ">i8",
    "vtktypeint64": ">i8",
}
_PLY_TYPES = {"char": "i1", "uchar": "u1", "short": "i2", "ushort": "u2", "int": "i4", "uint": "u4", "float": "f4"} | {
    "double": "f8", "int8": "i1", "uint8": "u1", "int16": "i2", "uint16": "u2", "int32": "i4", "uint32": "u4"} | {
    "float32": "f4", "float64": "f8"}  # fmt: skip


def _space(text: str) -> dict[str, str]:
    found = re.search(r"SPACE\s*=\s*(LPS|RAS)", text)
    return {"space": found[1]} if found else {}


def read_stl(content: bytes) -> PolyData:
    """Binary STL has 84 bytes of head and 50 a triangle; anything else that says `facet` is ASCII."""
    count = int(np.frombuffer(content, "<u4", 1, 80)[0]) if len(content) >= 84 else -1
    if len(content) == 84 + 50 * count:
        kind = np.dtype([("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("attribute", "<u2")])
        corners = np.frombuffer(content, kind, count, 84)["corners"]
        head = content[:80].decode("latin-1")
    else:
        head = content[:1000].decode("latin-1")
        words = re.findall(rb"vertex\s+(\S+)\s+(\S+)\s+(\S+)", content)
        if not words or len(words) % 3:
            raise ValueError("neither binary nor ASCII STL")
        corners = np.array(words).astype(np.float64)
    points = np.asarray(corners, np.float64).reshape(-1, 3)
    return PolyData(points, np.arange(len(points)).reshape(-1, 3), (), _space(head))


def read_obj(content: bytes) -> PolyData:
    """Wavefront OBJ: `v` and `f` lines, negative numbers counted from the end."""
    text = content.decode("utf-8", "replace")
    points, ends, corners = [], [], []
    for line in text.splitlines():
        words = line.split()
        if words[:1] == ["v"]:
            points.append([float(word) for word in words[1:4]])
        elif words[:1] == ["f"]:
            numbers = [int(word.split("/")[0]) for word in words[1:]]
            corners += [number - 1 if number > 0 else len(points) + number for number in numbers]
            ends.append(len(corners))
    triangles = triangles_of(np.array(ends, int), np.array(corners, int))
    return PolyData(np.array(points, float).reshape(-1, 3), triangles, (), _space(text[:2000]))


def read_ply(content: bytes) -> PolyData:
    """Stanford PLY, ASCII or binary, with `vertex` before `face`."""
    mark = re.search(rb"end_header\r?\n", content)
    if not content.startswith(b"ply") or mark is None:
        raise ValueError("no header of PLY")
    head, body = content[: mark.start()].decode("ascii", "replace"), content[mark.end() :]
    form = re.search(r"format\s+(\w+)", head)
    elements = _ply_elements(head)
    if form is None or [name for name, _, _ in elements[:2]] != ["vertex", "face"]:
        raise ValueError("its elements are not vertex and face")
    (_, count, columns), (_, faces, face) = elements[:2]
    if form[1] == "ascii":
        rows = body.decode("ascii").split("\n")
        table = np.array([row.split() for row in rows[:count]], float)
        lists = [np.array(row.split(), float).astype(int) for row in rows[count : count + faces]]
        corners = [row[1 : 1 + row[0]] for row in lists]
    else:
        order = "<" if form[1] == "binary_little_endian" else ">"
        kind = np.dtype([(name, order + _PLY_TYPES[kind]) for name, kind in columns])
        raw = np.frombuffer(body, kind, count)
        table = np.column_stack([raw[name] for name, _ in columns]).astype(float)
        corners = _ply_faces(body[count * kind.itemsize :], faces, face, order)
    place = [[name for name, _ in columns].index(axis) for axis in "xyz"]
    ends = np.cumsum([len(corner) for corner in corners])
    return PolyData(table[:, place], triangles_of(ends, np.concatenate(corners)), (), _space(head))


def _ply_elements(head: str) -> list[tuple[str, int, list[tuple[str, str]]]]:
    """Name, number and properties (name, type; of a list "count type,value type") of each element."""
    elements: list[tuple[str, int, list[tuple[str, str]]]] = []
    for words in (line.split() for line in head.splitlines()):
        if words[:1] == ["element"]:
            elements.append((words[1], int(words[2]), []))
        elif words[:1] == ["property"]:
            elements[-1][2].append((words[-1], ",".join(words[2:-1]) if words[1] == "list" else words[1]))
    return elements


def _ply_faces(body: bytes, count: int, columns: list[tuple[str, str]], order: str) -> list[np.ndarray]:
    """The list of corners of each face; one list a face, and nothing else, is what is written."""
    if len(columns) != 1 or "," not in columns[0][1]:
        raise ValueError("its faces have more than their corners")
    size, value = (np.dtype(order + _PLY_TYPES[kind]) for kind in columns[0][1].split(","))
    faces, place = [], 0
    for _ in range(count):
        corners = int(np.frombuffer(body, size, 1, place)[0])
        faces.append(np.frombuffer(body, value, corners, place + size.itemsize).astype(int))
        place += size.itemsize + corners * value.itemsize
    return faces


def read_vtk(content: bytes) -> PolyData:
    """Legacy VTK poly data of versions 1 to 5.1, ASCII or binary (VTK File Formats, "Simple legacy formats")."""
    lines = content.split(b"\n", 3)
    if not content.startswith(b"# vtk DataFile") or len(lines) < 4:
        raise ValueError("no header of VTK")
    text = _Legacy(lines[3], lines[2].strip().upper() == b"BINARY")
    points, triangles, loops = np.zeros((0, 3)), [np.zeros((0, 3), np.int64)], []
    while (words := text.line()) is not None:
        word = words[0].upper() if words else ""
        if word == "DATASET" and words[1].upper() != "POLYDATA":
            raise ValueError(f"it holds {words[1]}, not POLYDATA")
        if word == "POINTS":
            points = text.numbers(3 * int(words[1]), words[2]).astype(np.float64).reshape(-1, 3)
        elif word in ("POLYGONS", "TRIANGLE_STRIPS", "LINES"):
            offsets, connectivity = text.cells(int(words[1]), int(words[2]))
            if word == "LINES":
                lists = np.split(connectivity, offsets[:-1]) if len(offsets) else []
                loops += [line[:-1] for line in lists if len(line) > 3 and line[0] == line[-1]]
            else:
                triangles.append((triangles_of if word == "POLYGONS" else triangles_of_strips)(offsets, connectivity))
        elif word in ("POINT_DATA", "CELL_DATA"):
            break
    return PolyData(points, np.concatenate(triangles), tuple(loops), _space(lines[1].decode("latin-1")))


class _Legacy:
    """Walks through a legacy file: lines of words, then numbers as text or big-endian bytes."""

    def __init__(self, content: bytes, is_binary: bool):
        self.content, self.is_binary, self.place = content, is_binary, 0

    def line(self) -> list[str] | None:
        """The words of the next line, None at the end."""
        if self.place >= len(self.content):
            return None
        end = self.content.find(b"\n", self.place)
        end = len(self.content) if end < 0 else end
        text, self.place = self.content[self.place : end], end + 1
        return text.decode("latin-1").split()

    def numbers(self, count: int, kind: str) -> np.ndarray:
        if kind.lower() not in _VTK_TYPES:
            raise ValueError(f"its numbers are {kind}")
        dtype = np.dtype(_VTK_TYPES[kind.lower()])
        if self.is_binary:
            values = np.frombuffer(self.content, dtype, count, self.place)
            self.place += count * dtype.itemsize
            return values
        words = re.compile(rb"\S+")
        found = []
        while len(found) < count and (match := words.search(self.content, self.place)):
            found.append(float(match[0]))
            self.place = match.end()
        if len(found) < count:
            raise ValueError("it ends too early")
        return np.array(found)

    def cells(self, count: int, size: int) -> tuple[np.ndarray, np.ndarray]:
        """Ends and points of cells, of the old form (count, numbers ...) or of 5.1 (OFFSETS, CONNECTIVITY)."""
        before = self.place
        words = self.line() or []
        while words == []:
            before, words = self.place, self.line() or ["end"]
        if words[0] == "OFFSETS":
            offsets = self.numbers(count, words[1]).astype(np.int64)
            words = self.line() or []
            while words[:1] != ["CONNECTIVITY"]:
                words = self.line() or ["CONNECTIVITY", "missing"]
            return offsets[1:], self.numbers(size, words[1]).astype(np.int64)
        self.place = before
        flat = self.numbers(size, "int").astype(np.int64)
        starts = [0]
        for _ in range(count):
            starts.append(starts[-1] + int(flat[starts[-1]]) + 1)
        keep = np.ones(size, bool)
        keep[starts[:-1]] = False
        return np.array(starts[1:]) - np.arange(1, count + 1), flat[keep]


READERS = {".stl": read_stl, ".obj": read_obj, ".ply": read_ply, ".vtk": read_vtk}
"""Ending -> reader of a file's bytes; they raise ValueError, KeyError or IndexError where the file is damaged."""


def read_mesh(path: Path) -> PolyData:
    """A surface of one of the READERS' formats.

    Raises
    ------
    InputError
        not readable as such.
    """
    try:
        data = READERS[path.suffix.lower()](path.read_bytes())
        if len(data.triangles) and not 0 <= data.triangles.min() <= data.triangles.max() < len(data.points):
            raise ValueError("a cell names a point that is not there")
        return data
    except (ValueError, KeyError, IndexError, TypeError) as error:
        raise InputError(path, f"is no {path.suffix} file that can be read ({error})", _REMEDY) from error
