"""The report of a calibration: every step, every cell, nothing made up where there is no number."""

from __future__ import annotations

import re
from math import nan

from Dose3DLib.report.detector_signals import SignalRow, SignalsReport, signals_page, write_signals_report


def report(count: int = 3) -> SignalsReport:
    rows = [SignalRow(f"c<{n}>", f"ch{n}", "ok", 2, 100.0 + n, 1.5, 0.01, 1.0 + n, 0.02) for n in range(count - 1)]
    rows.append(SignalRow("dark", "ch9", "dead", 2, 0.0, 1.5, nan, nan, nan))
    steps = [("readings", "3 channels were read 2 times", 3), ("dead channels", "1: dark", 1)]
    return SignalsReport(steps, rows, ["1 cells are dead"], {"read": 0.1}, {"task": "detector calibrate"})


def test_steps_and_cells_are_there(tmp_path):
    write_signals_report(tmp_path / "r.html", report())
    page = (tmp_path / "r.html").read_text("utf-8")
    for text in ("1. readings", "3 channels were read 2 times", "2. dead channels", "c&lt;1&gt;", "1 cells are dead"):
        assert text in page
    assert "2 ± 0.02" in page
    assert "Research use only" in page
    assert not re.search(r"\bnan\b", page, re.IGNORECASE)


def test_a_cell_without_a_dose_has_no_bar_and_is_set_off():
    page = signals_page(report())
    bars, table = page.sections[1].blocks[0], page.sections[2].blocks[0]
    assert [row[0] for row in bars.rows] == ["c<0>", "c<1>"]
    assert table.muted == {2}
    assert table.rows[2] == ("dark", "ch9", "dead", "2", "0", "1.5", "", "", "")


def test_many_cells_have_a_table_only():
    assert [section.title for section in signals_page(report(70)).sections][:2] == ["Steps", "Cells"]
