"""CELLS.csv: doses come back digit by digit; cells that don't fit the layout are refused in one line."""

from __future__ import annotations

import csv
from contextlib import suppress

import numpy as np
import pytest
from builders.detector_builder import small_layout
from Dose3DLib.core.errors import InputError
from Dose3DLib.detector.layout import Layout
from Dose3DLib.detector.layout_csv import moved
from Dose3DLib.detector.placement import Placement
from Dose3DLib.detector.readings import Readings
from Dose3DLib.detector.readings_csv import read_readings, readings_text, write_readings
from Dose3DLib.geometry.cells import Cells
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

LAYOUT = small_layout()
PLAIN = "cell,x_mm,y_mm,z_mm,dose_gy,fraction,size_x_mm,size_y_mm,size_z_mm\n"


def readings_of(layout: Layout = LAYOUT, **more) -> Readings:
    count = len(layout)
    dose = np.linspace(0.1, 60 / 7, count)
    dose[3] = np.nan
    fraction = np.ones(count)
    fraction[3], fraction[4] = 0, 1 / 3
    sd = np.where(np.arange(count) % 2, 0.01, np.nan)
    return Readings(layout.cells, dose, fraction, sd, **{"frame": "1.2.3", **more})


def same(one: Readings, two: Readings) -> None:
    assert one.cells.labels == two.cells.labels
    for name in ("centers_mm", "sizes_mm", "axes"):
        assert np.array_equal(getattr(one.cells, name), getattr(two.cells, name))
    for name in ("dose_gy", "fraction", "sd_gy"):
        assert np.array_equal(getattr(one, name), getattr(two, name), equal_nan=True)
    assert one.frame == two.frame


def saved(tmp_path, text: str, encoding="utf-8"):
    path = tmp_path / "CELLS.csv"
    path.write_text(text, encoding=encoding)
    return path


def test_everything_comes_back(tmp_path):
    write_readings(readings_of(), tmp_path / "C.csv", {"state": ["ok"] * 11}, ["made by: a test"])
    same(read_readings(tmp_path / "C.csv"), readings_of())
    same(read_readings(tmp_path / "C.csv", LAYOUT), readings_of())


def test_a_plain_reader_finds_what_was_promised():
    lines = [line for line in readings_text(readings_of()).splitlines() if not line.startswith("#")]
    rows = list(csv.DictReader(lines))
    assert list(rows[0])[:6] == ["cell", "x_mm", "y_mm", "z_mm", "dose_gy", "fraction"]
    assert [row["cell"] for row in rows] == list(LAYOUT.cells.labels)
    assert rows[3]["dose_gy"] == ""
    assert float(rows[4]["fraction"]) == 1 / 3
    assert [float(rows[10][name]) for name in ("x_mm", "y_mm", "z_mm")] == LAYOUT.cells.centers_mm[10].tolist()


def test_without_errors_there_is_no_column_of_them(tmp_path):
    readings = readings_of()
    plain = Readings(readings.cells, readings.dose_gy, readings.fraction, np.full(11, np.nan))
    write_readings(plain, tmp_path / "C.csv")
    assert "sd_gy" not in (tmp_path / "C.csv").read_text()
    assert np.isnan(read_readings(tmp_path / "C.csv").sd_gy).all()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_as_a_spreadsheet_saves_it(tmp_path, encoding):
    text = (
        "\ufeff" * 0
        + PLAIN.replace(",", ";")
        + "a;1,5;2;-3,25;0,75;1;10;10;10\nb;21,5;2;-3;1,5;0,5;10;10;10\n;;;;;;;;\n"
    )
    found = read_readings(saved(tmp_path, text, encoding))
    assert found.dose_gy.tolist() == [0.75, 1.5]
    assert found.cells.centers_mm.tolist() == [[1.5, 2, -3.25], [21.5, 2, -3]]
    assert found.fraction.tolist() == [1, 0.5]


def test_capitals_blanks_and_further_columns_do_no_harm(tmp_path):
    text = "note,Cell , X_mm,Y_mm,Z_mm, Dose_Gy\nfine,a,1,2,3,4.5\nworse,b,31,2,3,\n"
    found = read_readings(saved(tmp_path, text))
    assert found.cells.labels == ("a", "b")
    assert found.dose_gy[0] == 4.5
    assert np.isnan(found.dose_gy[1])
    assert found.fraction.tolist() == [1, 0]  # without a column, where there is a dose it is the whole cell's
    assert any("cubes of 10 mm" in note for note in found.notes)
    assert found.known.tolist() == [True, False]


@pytest.mark.parametrize(("unit", "factor"), [("cgy", 0.01), ("mgy", 0.001)])
def test_other_units_are_in_the_columns_name(tmp_path, unit, factor):
    found = read_readings(saved(tmp_path, f"cell,x_mm,y_mm,z_mm,dose_{unit},sd_{unit}\na,1,2,3,4500,20\n"))
    assert found.dose_gy == pytest.approx([4500 * factor])
    assert found.sd_gy == pytest.approx([20 * factor])
    assert any(f"{unit[0]}Gy" in note for note in found.notes)


def test_negative_doses_are_kept(tmp_path):
    """Background was subtracted: cut off at 0 the mean would be too high."""
    found = read_readings(saved(tmp_path, PLAIN + "a,1,2,3,-0.02,1,10,10,10\n"))
    assert found.dose_gy.tolist() == [-0.02]


ROW = "a,1,2,3,4.5,1,10,10,10\n"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "has no rows"),
        (PLAIN, "has no cells"),
        (PLAIN + ROW + ROW, "line 3: the cell 'a' is there already, in line 2"),
        (PLAIN + ROW + "b" + ROW[1:], "a and b overlap by 10 mm"),
        (PLAIN + "a,1,2,3,=B2*2,1,10,10,10\n", "is a spreadsheet formula"),
        (PLAIN + "a,1,2,3,+SUM(A1),1,10,10,10\n", "is a spreadsheet formula"),
        (PLAIN + "a,1,2,3,4.5,1,10,0,10\n", "line 2: the cell has a size that is not above 0"),
        (PLAIN + "a,1,2,3,4.5,1,10,-1,10\n", "not above 0"),
        (PLAIN + "a,1,nan,3,4.5,1,10,10,10\n", "not finite"),
        (PLAIN + "a,1,2,3,inf,1,10,10,10\n", "dose_gy is infinite"),
        (PLAIN + "a,1,2,3,4.5,1.2,10,10,10\n", "fraction is not 0 to 1"),
        (PLAIN + "a,1,2,3,4.5 Gy,1,10,10,10\n", "'4.5 Gy' in column dose_gy is no number"),
        (PLAIN + "a,1,2,3,4,5,1,10,10,10\n", "need ; between them"),
        (PLAIN + ",1,2,3,4.5,1,10,10,10\n", "line 2: the cell has no name"),
        (PLAIN.replace("dose_gy", "dose_percent") + ROW, "'dose_percent' is no absorbed dose in Gy"),
        (PLAIN.replace("dose_gy", "reading") + ROW, "`detector calibrate`"),
        (PLAIN.replace("dose_gy", "dose") + ROW, "'dose' is no absorbed dose in Gy"),
        (PLAIN.replace("fraction", "dose_cgy") + ROW, "both dose_gy and dose_cgy"),
        (PLAIN.replace("size_y_mm", "size") + ROW, "give all of size_x_mm"),
        ("cell,dose_gy\na,4\n", "give its layout as well"),
        ("cell,x_mm,dose_gy\na,4,5\n", "has x_mm only"),
        ("name,dose_gy\na,4\n", "has no column cell"),
        ("# frame: RAS\n" + PLAIN + ROW, "is in the frame 'RAS'"),
        ("# dose3d cells 2\n" + PLAIN + ROW, "use a newer Dose3D"),
        ("# to_lps: 1 0 0 0 1 0 0 0 2\n" + PLAIN + ROW, "to_lps is no rotation"),
        ("cell,x_mm,y_mm,z_mm,dose_gy,sd_gy\na,1,2,3,4,-1\n", "sd_gy is negative"),
    ],
)
def test_refused_in_one_line(tmp_path, text, words):
    with pytest.raises(InputError) as found:
        read_readings(saved(tmp_path, text))
    assert words in str(found.value)
    assert "\n" not in str(found.value)


def test_the_order_of_rows_does_not_matter(tmp_path):
    lines = readings_text(readings_of()).splitlines(keepends=True)
    head = sum(line.startswith("#") for line in lines) + 1
    same(read_readings(saved(tmp_path, "".join(lines[:head] + lines[: head - 1 : -1])), LAYOUT), readings_of())


def test_a_cell_without_a_row_has_no_value(tmp_path):
    lines = readings_text(readings_of()).splitlines(keepends=True)
    found = read_readings(saved(tmp_path, "".join(lines[:-2])), LAYOUT)
    assert len(found) == 11
    assert np.isnan(found.dose_gy[-2:]).all()
    assert found.fraction[-2:].tolist() == [0, 0]
    assert any("2 of the layout's 11 cells have no row in the readings: Zelle" in note for note in found.notes)


def test_labels_of_another_count_are_matched_by_centre(tmp_path):
    """The same cells under G4RT's ids of another build: permuted, and named differently."""
    order = np.random.default_rng(0).permutation(11)
    readings = readings_of()
    cells = LAYOUT.cells
    named = Cells(tuple(f"Cell_{n}_0_0" for n in range(11)), cells.centers_mm[order], cells.sizes_mm[order], cells.axes)
    columns = (readings.dose_gy[order], readings.fraction[order], readings.sd_gy[order])
    write_readings(Readings(named, *columns, "1.2.3"), tmp_path / "C.csv")
    found = read_readings(tmp_path / "C.csv", LAYOUT)
    same(found, readings)
    assert any("matched by their centres" in note for note in found.notes)


def test_a_label_that_stands_elsewhere_is_not_believed(tmp_path):
    """Two builds count the same ids differently: by label alone the doses would go to the wrong cells."""
    cells = LAYOUT.cells
    order = np.roll(np.arange(11), 1)
    swapped = Cells(cells.labels, cells.centers_mm[order], cells.sizes_mm[order], cells.axes)
    readings = readings_of()
    write_readings(Readings(swapped, readings.dose_gy, readings.fraction, readings.sd_gy), tmp_path / "C.csv")
    with pytest.raises(InputError, match="mm from where the layout has it"):
        read_readings(tmp_path / "C.csv", LAYOUT)


@pytest.mark.parametrize("rename", [False, True])
def test_a_detector_at_another_isocentre_is_said_so(tmp_path, rename):
    there = moved(LAYOUT, Placement(LAYOUT.placement.isocenter_mm + [5, 0, -2.5], LAYOUT.placement.to_lps))
    cells = there.cells
    if rename:
        cells = Cells(tuple(f"other {n}" for n in range(11)), cells.centers_mm, cells.sizes_mm, cells.axes)
    write_readings(readings_of(Layout(cells)), tmp_path / "C.csv")
    with pytest.raises(InputError, match=r"all its cells stand 5, 0, -2\.5 mm from those of the layout"):
        read_readings(tmp_path / "C.csv", LAYOUT)


def test_a_cell_that_the_layout_lacks(tmp_path):
    write_readings(readings_of(), tmp_path / "C.csv")
    part = Layout(LAYOUT.cells.take(np.arange(10)), LAYOUT.placement)
    with pytest.raises(InputError, match=r"cell '10\"x\"' is not in the layout, neither by its label nor by its"):
        read_readings(tmp_path / "C.csv", part)


def test_two_cells_at_one_place(tmp_path):
    center = " ,".join(map(repr, LAYOUT.cells.centers_mm[0].tolist()))
    text = f"cell,x_mm,y_mm,z_mm,dose_gy\nq,{center},1\nr,{center},2\n"
    with pytest.raises(InputError, match="'q' and 'r' have the same centre"):
        read_readings(saved(tmp_path, text), LAYOUT)


def test_labels_and_doses_alone_are_enough_with_a_layout(tmp_path):
    rows = [f"D3D_{n % 2}_{n // 6}_{n},{n}.5" for n in range(9)]
    found = read_readings(saved(tmp_path, "cell,dose_gy\n" + "\n".join(rows)), LAYOUT)
    assert found.dose_gy[:9].tolist() == [n + 0.5 for n in range(9)]
    with pytest.raises(InputError, match="line 2: the cell 'nobody' is not in the layout"):
        read_readings(saved(tmp_path, "cell,dose_gy\nnobody,1\n"), LAYOUT)


@pytest.mark.parametrize("label", ["=A1", "@x", "+SUM(1)", " a", "a\nb", "#a"])
def test_names_that_a_csv_cannot_hold_are_not_written(tmp_path, label):
    cells = Cells((label,), np.zeros((1, 3)), np.full((1, 3), 10.0), np.eye(3))
    with pytest.raises(InputError, match="rename it"):
        write_readings(Readings(cells, np.ones(1), np.ones(1), np.ones(1)), tmp_path / "C.csv")
    assert not (tmp_path / "C.csv").exists()


@pytest.mark.parametrize("column", ["dose_gy", "fraction", "sd_gy"])
@pytest.mark.parametrize("value", [np.inf, -2.0])
def test_impossible_readings_are_refused(column, value):
    columns = {"dose_gy": np.ones(11), "fraction": np.ones(11), "sd_gy": np.ones(11)}
    columns[column] = np.full(11, value)
    if column == "dose_gy" and value == -2:
        assert Readings(LAYOUT.cells, **columns).dose_gy[0] == -2
        return
    with pytest.raises(ValueError, match="fractions are|needs a number"):
        Readings(LAYOUT.cells, **columns)


label = st.text(st.characters(exclude_categories=("C", "Z"), exclude_characters="#=@+-"), min_size=1, max_size=8)
number = st.floats(-1e4, 1e4)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_whatever_is_written_comes_back(tmp_path, data):
    labels = data.draw(st.lists(label, min_size=1, max_size=6, unique=True))
    count = len(labels)
    centers = np.array([[30 * n, *data.draw(st.tuples(number, number))] for n in range(count)])
    sizes = np.array([data.draw(st.tuples(*[st.floats(1e-3, 25)] * 3)) for _ in range(count)])
    dose = [data.draw(st.one_of(number, st.just(np.nan))) for _ in range(count)]
    fraction = [data.draw(st.floats(0, 1)) for _ in range(count)]
    sd = [data.draw(st.one_of(st.floats(0, 10), st.just(np.nan))) for _ in range(count)]
    readings = Readings(Cells(tuple(labels), centers, sizes, np.eye(3)), dose, fraction, sd)
    write_readings(readings, tmp_path / "C.csv")
    same(read_readings(tmp_path / "C.csv"), readings)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(alphabet="ab,;\t\n\"'#=:-+.0123456789enif _mgyxzcldos", max_size=150), st.booleans())
def test_no_text_makes_it_fail_otherwise(tmp_path, text, with_header):
    path = saved(tmp_path, PLAIN + text if with_header else text)
    for layout in (None, LAYOUT):
        with suppress(InputError):
            read_readings(path, layout)
