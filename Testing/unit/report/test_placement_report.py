"""The report of placed cells: pictures judged by their pixels, tables by their texts."""

from __future__ import annotations

import io

import numpy as np
import pytest
from Dose3DLib.geometry.cells import Cells
from Dose3DLib.geometry.grid import Grid, Volume
from Dose3DLib.geometry.mask import Mask
from Dose3DLib.geometry.structure import Structure, StructureSet
from Dose3DLib.report.detector_fidelity import (
    FidelityRow,
    LeftRow,
    Pictured,
    PlacementReport,
    Plans,
    placement_page,
)
from Dose3DLib.report.detector_figures import CellGroup, cells_figure, steps_figure
from Dose3DLib.report.html import render

GRID = Grid.axial((30, 30, 30), (4.0, 4.0, 4.0), (-58.0, -58.0, -58.0))
PINK = (255, 0, 255)


def picture(png: bytes) -> np.ndarray:
    from PIL import Image

    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(int)


def pink(image: np.ndarray) -> np.ndarray:
    """Pixels of outlines and faces, whose colour is blended with what is below."""
    red, green, blue = np.moveaxis(image, -1, 0)
    return (red > 70) & (blue > 70) & (green < 0.5 * red)


def one_cell(center=(0.0, 0.0, 0.0), degrees: float = 0.0) -> Cells:
    a = np.radians(degrees)
    turn = np.array([[np.cos(a), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [0, 0, 1]])
    return Cells(("a",), np.array([center]), np.full((1, 3), 20.0), turn)


def empty() -> StructureSet:
    return StructureSet(GRID, ())


def panels(image: np.ndarray) -> list[np.ndarray]:
    """Three panels of equal width, as a cube has them."""
    return [image[:, n * image.shape[1] // 3 : (n + 1) * image.shape[1] // 3] for n in range(3)]


def drawn(cells: Cells, center=(0.0, 0.0, 0.0)) -> np.ndarray:
    ct = Volume(np.full(GRID.shape, -1000, np.int16), GRID)
    return picture(cells_figure(ct, empty(), [CellGroup(cells, PINK)], np.array(center)))


def test_a_cell_is_drawn_where_the_plane_cuts_it():
    counts = [pink(panel).sum() for panel in panels(drawn(one_cell()))]
    assert min(counts) > 100
    assert max(counts) < 1.15 * min(counts)
    counts = [pink(panel).sum() for panel in panels(drawn(one_cell(), (0, 0, 15.0)))]
    assert counts[0] == 0  # the axial plane passes above it
    assert min(counts[1:]) > 100


def test_a_turned_cell_is_wider_by_its_diagonal():
    def width(degrees: float) -> float:
        axial = panels(drawn(one_cell(degrees=degrees)))[0]
        columns = np.flatnonzero(pink(axial).any(axis=0))
        return float(np.ptp(columns)) / axial.shape[1]

    shown = 20 / (20 + 60), 20 * np.sqrt(2) / (20 * np.sqrt(2) + 60)
    assert width(45) / width(0) == pytest.approx(shown[1] / shown[0], rel=0.06)


def test_left_is_on_the_right_and_superior_on_top():
    cells = Cells(("a", "b"), np.array([[0.0, 0, 0], [40.0, 40, 30]]), np.array([[20.0] * 3, [6.0] * 3]), np.eye(3))
    image = drawn(cells, (0, 0, 0))
    large = panels(image)[1]
    rows, columns = np.nonzero(pink(large))
    assert rows.mean() > 0.45 * large.shape[0]  # room is left above and on the patient's left for the other cell
    assert columns.mean() < 0.45 * large.shape[1]


def report(**more) -> str:
    structure = Structure("PTV <70>", Mask.from_array(np.indices(GRID.shape)[0] > 20, GRID), None, (220, 30, 30))
    ct = Volume(np.zeros(GRID.shape, np.int16), GRID)
    return render(placement_page(PlacementReport("Title", "sub", ct, StructureSet(GRID, (structure,)), **more)))


def test_tables_say_what_is_known():
    row = FidelityRow("PTV <70>", (1, 2, 3), 123.4, 5, 9, -0.123, 0.8567, 0.5, 0.25, 1.23, 4.56)
    none = FidelityRow("Node", (1, 2, 3), 0.5, 0, 0, -1.0, 0.0, 0.0, 0.0, float("nan"), float("nan"))
    left = [LeftRow("PTV <70>", (1, 2, 3), 1.0, (0.25,)), LeftRow("Cord", (1, 2, 3), 0.5, (1.0,))]
    text = report(fidelity=[row, none], left_columns=("after",), left=left)
    for words in (
        "PTV &lt;70&gt;",
        "0.857",
        "\N{MINUS SIGN}12.3 %",
        "1.2, 4.6",
        "25.0 % (35.0 Gy)",
        "100.0 % (70.0 Gy)",
    ):
        assert words in text
    assert "nan" not in text.replace("Nanum", "")
    assert "Weight" in text
    assert "Weight" not in report(left_columns=("after",), left=left[:1])
    assert "Set-up" not in text


def test_plans_are_side_by_side():
    plans = Plans({"planned shifts": (0.5, 0.25), "no shift": (0.5, 0.5)}, (("1", "0", "0", "0", "0", "0", "-6.00"),))
    text = report(plans=plans)
    assert "after 2" in text
    assert "25.0 %" in text
    assert "\N{MINUS SIGN}6.00" in text
    assert text.count("data:image/png") == 1


def test_pictures_have_their_legend():
    pictured = Pictured((CellGroup(one_cell(), PINK),), np.zeros(3), "caption & more")
    text = report(pictures=[pictured])
    assert "caption &amp; more" in text
    assert text.count("data:image/png") == 1


def test_lines_of_steps_go_down_where_values_do():
    image = picture(steps_figure({"planned": (100.0, 10.0), "still": (100.0, 100.0)}, "left"))
    blue = (image[..., 2] > 150) & (image[..., 0] < 60)
    rows, columns = np.nonzero(blue)
    line = columns > 0.1 * image.shape[1]
    left, right = columns[line] < 0.3 * image.shape[1], columns[line] > 0.9 * image.shape[1]
    assert rows[line][left].min() + 50 < rows[line][right].min()
