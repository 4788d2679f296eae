"""The report of a review: which slices it shows, and that both versions are in the picture."""

from __future__ import annotations

import io

import numpy as np
import pytest
from Dose3DLib.geometry.agreement import compare_sets
from Dose3DLib.geometry.grid import Grid
from Dose3DLib.geometry.mask import Mask
from Dose3DLib.geometry.structure import Structure, StructureSet
from Dose3DLib.report.figures import changes_figure
from Dose3DLib.report.html import Picture, Table
from Dose3DLib.report.review import ReviewReport, _panel, review_page, write_review_report
from PIL import Image
from report_cases import GREEN, RED, axial_grid, ball, head

GRID = axial_grid()


def versions(grid: Grid) -> tuple[StructureSet, StructureSet]:
    """A ball that was moved to the left and a second one that stayed."""

    def made(center: tuple[float, float, float]) -> StructureSet:
        moved, stays = ball(grid, center, 15), ball(grid, (-30, 25, -20), 12)
        return StructureSet(
            grid,
            (
                Structure("Moved <b>", Mask.from_array(moved, grid), color=RED),
                Structure("Stays", Mask.from_array(stays, grid), color=GREEN),
            ),
        )

    return made((30, -25, 10)), made((10, -25, 10))


def report(grid: Grid = GRID) -> ReviewReport:
    before, after = versions(grid)
    return ReviewReport(head(grid)[0], before, after, compare_sets(before, after), "REJECTED")


def test_page_tells_what_changed():
    page = review_page(report())
    assert page.subtitle == "REJECTED; 1 of 2 structures changed by a human: Moved <b>"
    table = page.sections[0].blocks[0]
    assert isinstance(table, Table)
    assert [row[1] for row in table.rows] == ["changed", "unchanged"]
    assert table.muted == {0}
    picture, slices = page.sections[1].blocks
    assert isinstance(picture, Picture)
    assert [entry.text for entry in picture.legend] == ["Moved <b>"]
    dices = [float(row[2]) for row in slices.rows]
    assert dices == sorted(dices)


def pixels(png: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(int)


@pytest.mark.parametrize("axes", [(0, 1, 2), (1, 0, 2)], ids=["axial", "coronal"])
def test_both_versions_are_drawn(axes):
    """The earlier outline is white and dashed; without it the picture is another one just there."""
    grid = GRID
    if axes != (0, 1, 2):
        affine = np.array(grid.affine)
        affine[:3, :3] = affine[:3, :3][:, [0, 2, 1]] * [1, 1, 1]
        grid = Grid((grid.shape[1], grid.shape[0], grid.shape[2]), affine)
    content = report(grid)
    one = content.agreements[0].slices[0]
    panel = _panel(content, "Moved <b>", one)
    assert panel.plane.across == 0
    assert panel.plane.index == one.index
    assert panel.after.names == panel.before.names == ["Moved <b>"], "what is the same in both is not drawn"
    both = pixels(changes_figure(content.volume, [panel]))
    nothing = StructureSet(grid, ())
    alone = pixels(changes_figure(content.volume, [type(panel)(panel.plane, nothing, panel.after, panel.caption)]))
    different = np.abs(both - alone).sum(axis=2) > 30
    assert 100 < different.sum() < 0.05 * different.size
    assert both[different].mean() > alone[different].mean() + 40
    red = (both[..., 0] > both[..., 1] + 80) & (both[..., 0] > both[..., 2] + 80)
    assert red.sum() > 100


def test_names_are_escaped(tmp_path):
    write_review_report(tmp_path / "r.html", report())
    text = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert "Moved &lt;b&gt;" in text
    assert "Moved <b>" not in text


def test_nothing_changed_needs_no_picture():
    before, _ = versions(GRID)
    page = review_page(ReviewReport(head(GRID)[0], before, before, compare_sets(before, before), "APPROVED"))
    assert page.subtitle == "APPROVED; 0 of 2 structures changed by a human"
    assert [section.title for section in page.sections] == ["Changes"]
