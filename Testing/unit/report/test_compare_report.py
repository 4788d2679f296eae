"""The report of two doses: what stands on the page, and pictures that show what they should."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest
from builders.dose_builder import ball_dose
from Dose3DLib.geometry.grid import Volume
from Dose3DLib.report.compare_figures import ProfilePart, cells_figure, histogram_figure, profiles_figure
from Dose3DLib.report.dose_compare import CellsPart, CompareReport, IsodosePair, RegionRow, compare_page
from Dose3DLib.report.dose_figures import ColorScale, Line
from Dose3DLib.report.html import render
from PIL import Image

AT = np.linspace(-50, 50, 201)
TABLE = np.linspace([0, 0, 255], [255, 0, 0], 256).astype(np.uint8)


def pixels(png: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(int)


def has_color(png: bytes, color: tuple[int, int, int]) -> int:
    return int((np.abs(pixels(png) - color).max(axis=-1) < 12).sum())


def content() -> CompareReport:
    dose = ball_dose()
    gamma = Volume(np.where(dose.array > 6, dose.array / 30, np.nan).astype(np.float32), dose.grid)
    scale = ColorScale(TABLE, 0.0, 60.0, "dose (Gy)", 6.0)
    return CompareReport(
        "a<b against c", {"Criteria": "3 %/2 mm global"}, dose, dose, gamma, gamma, scale,
        ColorScale(TABLE, -2, 2, "difference (Gy)"), ColorScale(TABLE, 0, 2, "gamma", 0.0), 2.0, (10, -5, 20),
        (("Voxels that pass", "90.7 %", "80.9 %"),), "Within the tolerance limit.",
        [RegionRow(("PTV <1>", "12", "98.0 %", "91.0 %", "0.33"), ("PTV <1>", "60", "61", "+1", "-1", "+2"))],
        [IsodosePair(Line(30.0, (250, 150, 30), "50 % (30 Gy)"), 14.1, 15.2)],
        [ProfilePart("x", AT, np.exp(-(AT**2) / 300), np.exp(-((AT - 3) ** 2) / 300), 0.0)],
    )  # fmt: skip


def test_the_page_says_both_pass_rates_and_escapes_names():
    page = render(compare_page(content()))
    for text in ("90.7 %", "80.9 %", "between grid points", "at grid points only", "PTV &lt;1&gt;", "a&lt;b against c"):
        assert text in page
    assert "In the detector" not in page
    assert page.count("data:image/png") == 6


def test_cells_have_their_section():
    part = CellsPart(np.array([10.0, 20]), np.array([10.1, 25]), np.array([1.0, 1]), (("Cells of the layout", "2"),))
    page = render(compare_page(replace(content(), cells=part)))
    assert "In the detector" in page
    assert page.count("data:image/png") == 7
    none = CellsPart(np.zeros(0), np.zeros(0), np.zeros(0), (("Cells of the layout", "2"),))
    assert render(compare_page(replace(content(), cells=none))).count("data:image/png") == 6


def test_the_histogram_has_failures_in_their_own_colour():
    passing = histogram_figure(np.full(100, 0.5), 2.0)
    failing = histogram_figure(np.full(100, 2.0), 2.0)
    red = (178, 35, 40)
    assert has_color(passing, red) == 0
    assert has_color(failing, red) > 1000, "2 and more lies in the last column"


def test_cells_beyond_the_dose_difference_are_red():
    reference, width = np.linspace(10, 60, 50), np.full(50, 1.8)
    red = (200, 94, 98)  # over white, partly transparent
    assert has_color(cells_figure(reference, reference + 1, width, "Gy"), red) == 0
    assert has_color(cells_figure(reference, reference + 3, width, "Gy"), red) > 100


@pytest.mark.parametrize("gap", [False, True])
def test_profiles_show_both_doses_and_end_where_they_end(gap):
    first = np.exp(-(AT**2) / 300)
    second = np.where(AT > 0, np.nan, first * 0.5) if gap else first * 0.5
    png = profiles_figure([ProfilePart("x", AT, first, second, 0.0)] * 3, "Gy")
    orange = has_color(png, (192, 87, 26))
    assert has_color(png, (47, 111, 143)) > 300
    assert (150 < orange < 700) if gap else orange >= 300
