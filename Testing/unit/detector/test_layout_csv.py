"""LAYOUT.csv: what is written comes back digit by digit; what cannot be a detector is refused in one line."""

from __future__ import annotations

import csv

import numpy as np
import pytest
from Dose3DLib.core.errors import InputError
from Dose3DLib.detector.check import fitting_wall, overlapping_pair
from Dose3DLib.detector.layout import Layout
from Dose3DLib.detector.layout_csv import layout_text, read_layout, write_layout
from Dose3DLib.detector.placement import Placement
from Dose3DLib.geometry.cells import Cells
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st


def _layout(centers, size=10.0, **more) -> Layout:
    centers = np.array(centers, np.float64).reshape(-1, 3)
    placement = more.pop("placement", Placement())
    cells = Cells([f"c{n}" for n in range(len(centers))], centers, np.full(centers.shape, size), placement.to_lps)
    return Layout(cells, placement, **more)


def _turned(degrees: float) -> np.ndarray:
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])


def _same(one: Layout, two: Layout) -> None:
    assert one.cells.labels == two.cells.labels
    assert one.layers == two.layers
    for a, b in ((one.cells, two.cells), (one.placement, two.placement)):
        for name in vars(a):
            assert np.array_equal(getattr(a, name), getattr(b, name)), name
    assert (one.wall_mm, one.name, list(one.facts)) == (two.wall_mm, two.name, list(two.facts))
    for name in one.facts:
        assert np.array_equal(one.facts[name], two.facts[name], equal_nan=one.facts[name].dtype.kind == "f")


def test_everything_comes_back(tmp_path):
    facts = {"occupancy:PTV, 70": np.array([1 / 3, np.nan]), "main_structure": np.array(["12", ""]),
             "mean_hu": np.array([-1000.0, np.inf])}  # fmt: skip
    placement = Placement([1.1, -2.2, 1 / 7], _turned(33.3))
    layout = _layout([[0.1, 0.2, 0.3], [30, 0, 1e-9]], placement=placement, layers=("a", ""), wall_mm=1 / 3,
                     name="mine", facts=facts)  # fmt: skip
    write_layout(layout, tmp_path / "L.csv")
    _same(layout, read_layout(tmp_path / "L.csv"))


def test_a_plain_reader_finds_lps_centres(tmp_path):
    write_layout(_layout([[1, 2, 3], [14, 2, 3]]), tmp_path / "L.csv")
    lines = [line for line in (tmp_path / "L.csv").read_text().splitlines() if not line.startswith("#")]
    rows = list(csv.DictReader(lines))
    assert [(row["cell"], float(row["x_mm"]), float(row["size_z_mm"])) for row in rows] == [
        ("c0", 1, 10),
        ("c1", 14, 10),
    ]


def test_a_spreadsheet_may_have_saved_it(tmp_path):
    text = layout_text(_layout([[1.5, 2, 3.25], [14, 2, 3]]))
    path = tmp_path / "L.csv"
    head = [f"{line};;;;;;;" for line in text.splitlines() if line.startswith("#")]
    rows = [line.replace(",", ";").replace(".", ",") for line in text.splitlines() if not line.startswith("#")]
    path.write_text("\ufeff" + "\r\n".join(head + rows), encoding="utf-8")
    _same(_layout([[1.5, 2, 3.25], [14, 2, 3]]), read_layout(path))
    path.write_text(text, encoding="utf-16")
    _same(_layout([[1.5, 2, 3.25], [14, 2, 3]]), read_layout(path))


def test_moved_keeps_the_detector(tmp_path):
    write_layout(_layout([[1, 2, 3], [14, 2, 3]], facts={"mean_hu": np.zeros(2)}), tmp_path / "L.csv")
    elsewhere = Placement([5, 6, 7], _turned(90))
    moved, before = read_layout(tmp_path / "L.csv", elsewhere), read_layout(tmp_path / "L.csv")
    assert np.allclose(moved.detector_centers_mm(), before.detector_centers_mm())
    assert np.allclose(moved.cells.axes, elsewhere.to_lps)
    assert moved.facts == {}


HEAD = "cell,x_mm,y_mm,z_mm,size_x_mm,size_y_mm,size_z_mm\n"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (HEAD, "has no cells"),
        (HEAD + "a,0,0,0,0,10,10\n", "not above 0"),
        (HEAD + "a,0,0,0,-1,10,10\n", "not above 0"),
        (HEAD + "a,0,0,nan,1,1,1\n", "not finite"),
        (HEAD + "a,0,0,1e300,1,1,1\n", "has a cell 1e\\+300 mm away"),
        (HEAD + "a,0,0,0,1,1,1e-300\n", "has a cell of 1e-300 mm"),
        (HEAD + "a,0,0,0,1,1,1e300\n", "has a cell of 1e\\+300 mm"),
        ("# isocenter_mm: 0 0 1e308\n" + HEAD + "a,0,0,0,1,1,1\n", "isocenter_mm is 1e\\+308 mm away"),
        (HEAD + "a,0,0,inf,1,1,1\n", "not finite"),
        (HEAD + "a,0,0,1e3x,1,1,1\n", "is no number"),
        (HEAD + "a,0,0,0,5,5,5\na,9,0,0,5,5,5\n", "is there already, in line 2"),
        (HEAD + ",0,0,0,5,5,5\n", "has no name"),
        (HEAD + "a,0,0,0,5,5,5\nb,4,0,0,5,5,5\n", "a and b overlap by 1 mm"),
        (HEAD + "=1+1,0,0,0,5,5,5\n", "spreadsheet formula"),
        (HEAD + '"=HYPERLINK(""x"")",0,0,0,5,5,5\n', "spreadsheet formula"),
        (HEAD + "a,-1+2,0,0,5,5,5\n", "spreadsheet formula"),
        (HEAD + "a,0,0,0,5,5\n", "has 6 fields, the header 7"),
        (HEAD + "a,0,5,0,5,0,5,5,5,5\n", "decimal commas need ;"),
        (HEAD + 'a,"0,0,0,5,5,5\n', "CSV table"),
        ("cell,x_mm,y_mm,z_mm,x_mm\na,0,0,0,0\n", "column 'x_mm' twice"),
        ("x_mm,y_mm,z_mm\n0,0,0\n", "has no column cell"),
        ("cell,x_mm,y_mm,z_mm,size_x_mm\na,0,0,0,5\n", "has size_x_mm only"),
        ("cell;x_mm;y_mm;z_mm\na;1,5;0;0\nb;91.5;0;0\n", "side by side"),
        ("# dose3d layout 2\n" + HEAD + "a,0,0,0,5,5,5\n", "layout format '2'"),
        ("# frame: RAS\n" + HEAD + "a,0,0,0,5,5,5\n", "in the frame 'RAS'"),
        ("# to_lps: 1 0 0 0 1 0 0 0 2\n" + HEAD + "a,0,0,0,5,5,5\n", "no rotation"),
        ("# isocenter_mm: 1 2\n" + HEAD + "a,0,0,0,5,5,5\n", "give 3 numbers"),
        ("# wall_mm: -1\n" + HEAD + "a,0,0,0,5,5,5\n", "at least 0 mm"),
        ("# wall_mm: 1\n" + HEAD + "a,0,0,0,5,5,5\nb,0,6,0,5,5,5\n", "walls of at most 0.5 mm"),
        ("# dose3d layout 1\n", "has no rows"),
    ],
)
def test_faults_are_named(tmp_path, text, words):
    path = tmp_path / "L.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=words) as caught:
        read_layout(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"\x80abc", b"a\0b", b""])
def test_no_text(tmp_path, content):
    (tmp_path / "L.csv").write_bytes(content)
    with pytest.raises(InputError):
        read_layout(tmp_path / "L.csv")


@pytest.mark.parametrize("name", ["=1", "-PTV", " a", "#1", "a\nb", "@x"])
def test_names_that_a_table_cannot_hold_are_not_written(tmp_path, name):
    cells = Cells([name], np.zeros((1, 3)), np.ones((1, 3)), np.eye(3))
    with pytest.raises(InputError, match="rename it"):
        write_layout(Layout(cells), tmp_path / "L.csv")
    assert not (tmp_path / "L.csv").exists()


def test_over_a_million_rows_are_refused(tmp_path):
    (tmp_path / "L.csv").write_text(HEAD + "a,0,0,0,1,1,1\n" * 1_002_000)
    with pytest.raises(InputError, match="more than a million"):
        read_layout(tmp_path / "L.csv")


def test_overlaps_are_those_of_all_pairs():
    rng = np.random.default_rng(3)
    for n in range(60):
        centers, sizes = rng.uniform(0, 60, (8, 3)), rng.uniform(1, 30, (8, 3))
        gap = np.abs(centers[:, None] - centers) - (sizes[:, None] + sizes) / 2
        depth = -gap.max(axis=2) + np.where(np.eye(8) > 0, -np.inf, 0)
        axes = _turned(7.0 * n)
        found = overlapping_pair(Cells(list("abcdefgh"), centers @ axes.T, sizes, axes))
        assert (found is None) == (depth.max() <= 1e-3)
        if found:
            assert depth[found[0], found[1]] == pytest.approx(found[2])


def test_the_wall_that_fits():
    cells = _layout([[0, 0, 0], [11.9, 0, 0], [0, 12, 0]]).cells
    assert fitting_wall(cells, 1.0) == pytest.approx(0.95)
    assert fitting_wall(_layout([[0, 0, 0]]).cells, 1.0) == 1.0


_FLOAT = st.floats(-1e4, 1e4)
_NAME = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1, max_size=8).filter(
    lambda t: t[0] not in "=@+-#"
)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_any_layout_comes_back(tmp_path_factory, data):
    labels = data.draw(st.lists(_NAME, min_size=1, max_size=6, unique=True))
    n = len(labels)
    centers = np.arange(n)[:, None] * 100.0 + np.array(data.draw(st.lists(st.floats(-20, 20), min_size=3, max_size=3)))
    sizes = np.array(data.draw(st.lists(st.floats(0.1, 50), min_size=3 * n, max_size=3 * n))).reshape(n, 3)
    placement = Placement(data.draw(st.lists(_FLOAT, min_size=3, max_size=3)), _turned(data.draw(_FLOAT)))
    facts = {"one": np.array(data.draw(st.lists(st.floats(), min_size=n, max_size=n)))}
    cells = Cells(labels, centers, sizes, placement.to_lps)
    layout = Layout(cells, placement, tuple(data.draw(st.lists(_NAME, min_size=n, max_size=n))), 0.0, "f", facts)
    path = tmp_path_factory.mktemp("fuzz") / "L.csv"
    write_layout(layout, path)
    _same(layout, read_layout(path))


STARTS = (
    "",
    "# dose3d layout 1\n" + HEAD,
    "layer_1,,\n1,2,3\n",
    "CellIdX,CellIdY,CellIdZ,CellPosX[mm],CellPosY[mm],CellPosZ[mm]\n0,0,0,1,2,3\n",
    "Time s\nRotation deg\nTranslation mm\n0 0 0 1 0 0 0 0\n",
)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(st.sampled_from("01.5,;-e\t\n\"#=:cellxyz_m'")), st.sampled_from(STARTS))
def test_any_text_is_read_or_refused(tmp_path, text, start):
    path = tmp_path / "L.csv"
    path.write_text(start + text, newline="")
    refused = ""
    try:
        assert len(read_layout(path)) > 0
    except InputError as error:
        refused = str(error)
    assert "\n" not in refused
