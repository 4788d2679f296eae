"""The report of a dose from cells: what it says where, and that it escapes names."""

from __future__ import annotations

import re

import numpy as np
import pytest
from builders.scale_builder import ball_problem
from Dose3DLib.geometry.grid import Volume
from Dose3DLib.report.dose_figures import ColorScale, Line
from Dose3DLib.report.dose_scale import MapPart, ScaleReport, write_scale_report


def cell(name: str, measured: float, fitted: float, notes: str = "") -> dict:
    away = (fitted - measured) / 0.5
    return {"file": "A.csv", "cell": name, "measured": measured, "sd": 0.5, "fitted": fitted, "deviation": away,
            "notes": notes}  # fmt: skip


@pytest.fixture
def content() -> ScaleReport:
    problem, truth = ball_problem()
    table = np.linspace([0, 0, 80], [255, 0, 0], 64).astype(np.uint8)
    part = MapPart(Volume(truth, problem.grid), ColorScale(table, 0.0, 60.0, "dose (Gy)", 5.0), (6.0, -4.0, 0.0))
    return ScaleReport(
        part, (Line(30.0, (255, 0, 0), "30 Gy"),), part, part, part, "This dose minus the plan",
        (cell("a", 10, 10), cell("<script>", 20, 26, "missed"), cell("c", np.nan, 4, "no value"),
         cell("d", 9, 1, "dose outside the body")),
        {"Method": "Tikhonov"}, (("A.csv", "4 cells"),), "The ratio was carried.", {"highest dose": "60 Gy"},
        warnings=("a warning",),
    )  # fmt: skip


def test_the_page(content, tmp_path):
    write_scale_report(tmp_path / "r.html", content)
    page = (tmp_path / "r.html").read_text("utf-8")
    assert page.count("data:image/png") == 5
    for text in ("Geometry, A.csv", "The ratio was carried.", "a warning", "What is not known", "Tikhonov"):
        assert text in page
    assert "<script>" not in page
    assert "&lt;script&gt;" in page
    # Contradictions of the body come first, then what is missed most.
    order = [page.index(text) for text in ("dose outside the body</td>", ">missed</td>", ">no value</td>")]
    assert order == sorted(order)
    assert re.search(r">\+12\.0<", page)


def test_when_every_cell_agrees(content, tmp_path):
    from dataclasses import replace

    write_scale_report(tmp_path / "r.html", replace(content, cells=(cell("a", 10, 10.2),)))
    assert "Every cell has a value" in (tmp_path / "r.html").read_text("utf-8")
