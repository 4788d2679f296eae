"""The report of DVHs: what stands in it, and lines that can be told apart."""

from __future__ import annotations

import io
from itertools import combinations

import numpy as np
import pytest
from Dose3DLib.geometry.grid import Grid
from Dose3DLib.report.dose_dvh import DvhReport, GoalRow, StructureRow, dvh_page, write_dvh_report
from Dose3DLib.report.dvh_figures import DvhCurve, cumulative_figure, differential_figure, inks

DOSES = np.linspace(0, 70, 141)


def curve(name: str, color, middle: float, **extra) -> DvhCurve:
    cumulative = 100 / (1 + np.exp((DOSES - middle) / 3))
    return DvhCurve(name, color, DOSES, cumulative, -np.diff(cumulative) / np.diff(DOSES), **extra)


def content(**changes) -> DvhReport:
    values = {
        "name": "Plan",
        "facts": {"Patient": "A <b>", "Prescription": ""},
        "grid": Grid.axial((10, 20, 30), (3.0, 2.5, 2.5), (0.0, 0.0, 0.0)),
        "curves": (curve("PTV <70>", (220, 30, 30), 65), curve("Parotid_L", (40, 160, 80), 25)),
        "metrics": ("Mean[Gy]", "D95%[Gy]"),
        "rows": (StructureRow("PTV <70>", (220, 30, 30), 120.5, 0.0, ("65.00", "61.20")),
                 StructureRow("Parotid_L", (40, 160, 80), 20.0, 5.0, ("25.00 *", "–"))),
    }  # fmt: skip
    return DvhReport(**{**values, **changes})


def test_a_page_says_all_and_escapes_names(tmp_path):
    goals = (
        GoalRow("PTV <70>", "D95% ≥ 60 Gy", "61.20 Gy", "pass", "", "protocol & more", ""),
        GoalRow("Parotid_L", "Mean ≤ 20 Gy", "25.00 Gy", "unsure"),
        GoalRow("Heart", "Mean ≤ 26 Gy", "–", "absent"),
    )
    write_dvh_report(tmp_path / "r.html", content(goals=goals, warnings=("grid ends",)))
    page = (tmp_path / "r.html").read_text("utf-8")
    assert "PTV &lt;70&gt;" in page
    assert "<70>" not in page
    for text in ("protocol &amp; more", "grid ends", "Of 2 goals: 1 met, 1 not decided", "dose in it): Heart",
                 "20.0 (5.00 unknown)", "A part of the structure has no known dose", "Research use only"):  # fmt: skip
        assert text in page, text


@pytest.mark.parametrize(
    ("changes", "texts"),
    [
        ({}, ["reach half a slice beyond"]),
        ({"without_ends": True}, ["end at their first and last plane"]),
        ({"curves": (curve("a", (1, 2, 3), 30, reference=np.linspace(100, 0, 141)),)}, ["Thin and dashed"]),
        ({"curves": (curve("a", (1, 2, 3), 30, band=(np.zeros(141), np.ones(141))),)}, ["Bands: 95 %"]),
        ({"goals": (GoalRow("x", "y", "–", "absent"),)}, ["None of the goals is about a structure of this set"]),
    ],
)
def test_what_depends_on_the_content(changes, texts):
    page = dvh_page(content(**changes))
    words = " ".join(str(section) for section in page.sections)
    assert all(text in words for text in texts)


def test_wide_figures_are_split_over_tables():
    metrics = tuple(f"V{n}Gy[%]" for n in range(12))
    rows = (StructureRow("PTV", (1, 2, 3), 1.0, 0.0, tuple("100.0 (+10.0) [98.0, 100.0]" for _ in metrics)),)
    figures = next(
        section for section in dvh_page(content(metrics=metrics, rows=rows)).sections if section.title == "Figures"
    )
    assert len(figures.blocks) > 3
    assert [column for table in figures.blocks for column in table.columns[2:]] == list(metrics)


def test_lines_are_told_apart_and_seen_on_white():
    colors = [
        (0, 255, 0),
        (0, 255, 0),
        (255, 255, 255),
        (255, 255, 128),
        (255, 255, 128),
        (0, 0, 0),
        (220, 0, 0),
        (220, 0, 0),
    ]
    found = 255 * np.array(inks(colors))
    assert min(np.linalg.norm(a - b) for a, b in combinations(found, 2)) >= 60
    assert (found @ (0.2126, 0.7152, 0.0722)).max() < 0.65 * 255
    assert found[0].argmax() == 1  # the first keeps its hue


def test_pictures_show_each_curve():
    from PIL import Image

    curves = content().curves
    for draw in (cumulative_figure, differential_figure):
        image = np.asarray(Image.open(io.BytesIO(draw(curves))).convert("RGB")).astype(int)
        for ink in inks([one.color for one in curves]):
            near = np.abs(image - np.rint(255 * np.array(ink))).sum(axis=2) < 12
            assert near.sum() > 300
