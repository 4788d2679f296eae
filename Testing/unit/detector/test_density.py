"""HU to density: the default table at its points, and tables of clinics with their faults."""

from __future__ import annotations

import numpy as np
import pytest
from Dose3DLib.core.errors import InputError
from Dose3DLib.detector.density import SCHNEIDER, read_density_table


def test_the_default_table():
    assert SCHNEIDER.apply(np.array([-1000, -549, 14, 0, 3000])) == pytest.approx(
        [0.00121, (0.00121 + 0.93) / 2, 1.03, 0.930486 + 97 / 111 * (1.03 - 0.930486), 2.8]
    )
    assert SCHNEIDER.apply(np.array([-2000, 9000])) == pytest.approx([0.00121, 2.8])
    assert "Schneider" in SCHNEIDER.source


@pytest.mark.parametrize(
    "text",
    ["-1000,0.001\n0,1\n1000,1.6\n", "HU,density\n-1000,0.001\n0,1\n1000,1.6\n",
     "\ufeff# ours\nHU;g/cm3;\n-1000;0,001;\n0;1;\n1000;1,6\n"],
)  # fmt: skip
def test_tables_of_clinics(tmp_path, text):
    (tmp_path / "t.csv").write_text(text, encoding="utf-8")
    table = read_density_table(tmp_path / "t.csv")
    assert table.apply(np.array([-1000, 500])) == pytest.approx([0.001, 1.3])
    assert table.source == "t.csv"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "has 0 points"),
        ("HU,density\n0,1\n", "has 1 points"),
        ("0,1\n0,2\n", "don't rise after 0"),
        ("0,1\n-5,2\n", "don't rise"),
        ("0,-1\n5,2\n", "has the density -1"),
        ("0,1000\n5,1100\n", "not in kg/m3"),
        ("0,1\n5,x\n", "'x' in column density is no number"),
        ("0,1\n5,nan\n", "not finite"),
        ("0,1,2\n5,2,3\n", "has 3 columns, not two"),
        ("0,1\n5,=A1\n", "spreadsheet formula"),
    ],
)
def test_faults_are_named(tmp_path, text, words):
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(InputError, match=words):
        read_density_table(tmp_path / "t.csv")
