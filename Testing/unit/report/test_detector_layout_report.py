"""The report on a layout: what stands where, with and without a patient."""

from __future__ import annotations

import numpy as np
from Dose3DLib.geometry.cells import Cells
from Dose3DLib.geometry.grid import Grid, Volume
from Dose3DLib.geometry.mask import Mask
from Dose3DLib.geometry.structure import Structure, StructureSet
from Dose3DLib.report.detector_layout import LayoutReport, LayoutRow, layout_page, write_layout_report

GRID = Grid.axial((20, 30, 30), (3.0, 2.0, 2.0), (-30.0, -30.0, -30.0))
CELLS = Cells(["a", "b", "c"], np.array([[0.0, 0, 0], [12, 0, 0], [24, 0, 0]]), np.full((3, 3), 10.0), np.eye(3))
COLUMNS = {
    "main_structure": np.array(["PTV", "BODY", ""]),
    "mean_hu": np.array([41.6, -3.0, np.nan]),
    "density_g_cm3": np.array([1.0519, 1.0, np.nan]),
}


def _structures() -> StructureSet:
    body, target = np.ones(GRID.shape, bool), np.zeros(GRID.shape, bool)
    target[5:15, 10:20, 10:20] = True
    return StructureSet(GRID, (Structure("BODY", Mask.from_array(body, GRID), None, (0, 200, 0)),
                               Structure("PTV", Mask.from_array(target, GRID), None, (200, 0, 0))))  # fmt: skip


def _report(**more) -> LayoutReport:
    rows = (LayoutRow("PTV", 12.34, 1, 2, 0.25, True), LayoutRow("BODY", 216.0, 3, 3, 0.01, False))
    given = {"rows": rows, "structures": _structures(), "volume": Volume(np.zeros(GRID.shape, np.int16), GRID)}
    return LayoutReport(CELLS, COLUMNS, "tower", (("cells", "3"),), **{**given, **more})


def _tables(page):
    return {section.title: section.blocks[0] for section in page.sections}


def test_tables_say_what_cells_hold():
    tables = _tables(layout_page(_report()))
    first = tables["Structures"].rows[0]
    assert (first[0].text, first[0].color) == ("PTV", (200, 0, 0))
    assert first[1:] == ("12.3", "1", "2", "25.0 %")
    assert tables["Structures"].muted == {1}
    assert tables["Cells"].rows[0] == ("a", "0.0", "0.0", "0.0", "PTV", "42", "1.052")
    assert tables["Cells"].rows[2][4:] == ("–", "–", "–")


def test_the_picture_names_its_colours():
    legend = _tables(layout_page(_report(body="BODY")))["Cells in the patient"].legend
    assert {swatch.text: swatch.color for swatch in legend} == {
        "PTV": (200, 0, 0), "BODY": (0, 200, 0), "in no structure": (255, 190, 60)}  # fmt: skip


def test_without_a_patient(tmp_path):
    bare = LayoutReport(CELLS, {}, "tower", (("cells", "3"),))
    tables = _tables(layout_page(bare))
    assert "Structures" not in tables
    assert tables["Cells"].columns == ("Cell", "x (mm)", "y (mm)", "z (mm)")
    write_layout_report(tmp_path / "r.html", bare)
    assert (tmp_path / "r.html").read_text("utf-8").count("data:image/png") == 1


def test_structures_without_a_ct():
    assert _tables(layout_page(_report(volume=None)))["Cells in the patient"].png.startswith(b"\x89PNG")


def test_many_cells_are_cut_short():
    count = 350
    centers = np.column_stack([np.arange(count) * 12.0, np.zeros(count), np.zeros(count)])
    cells = Cells([f"c{n}" for n in range(count)], centers, np.full((count, 3), 10.0), np.eye(3))
    table = _tables(layout_page(LayoutReport(cells, {}, "row", ())))["Cells"]
    assert len(table.rows) == 300
    assert table.note == "50 more cells are in the CSV."
