"""Layouts of others: texts as G4RT, its forks and GATE write them, made here by hand."""

from __future__ import annotations

import zipfile
from xml.sax.saxutils import escape

import numpy as np
import pytest
from Dose3DLib.core.errors import InputError
from Dose3DLib.detector.layout_csv import read_layout
from Dose3DLib.detector.placement import G4RT_TO_LPS, Placement

IDENTITY = Placement(np.zeros(3), np.eye(3))


def _read(tmp_path, text, name="layout.csv", **more):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return read_layout(path, more.pop("placement", IDENTITY), **more)


def test_positions_with_layers_comments_and_a_mark(tmp_path):
    text = "\ufeff# by hand\nlayer_1,,\n5.95,0.0,12\n-5.95, 0.0, 12\n\nlayer_2,,,\n5.95,0.0,24.5\n"
    layout = _read(tmp_path, text)
    assert layout.detector_centers_mm().tolist() == [[5.95, 0, 12], [-5.95, 0, 12], [5.95, 0, 24.5]]
    assert layout.layers == ("layer_1", "layer_1", "layer_2")
    assert len(set(layout.cells.labels)) == 3
    assert (layout.cells.sizes_mm == 10).all()
    assert layout.wall_mm == pytest.approx(0.95)  # 11.9 mm between centres leave no room for 1 mm twice
    assert any("0.95 mm" in note for note in layout.notes)


def test_positions_are_put_where_the_placement_says(tmp_path):
    """G4RT: X is Right, Y Superior, Z Posterior (head first supine), so the signs of an asymmetric cell tell."""
    layout = _read(tmp_path, "1,2,3\n", placement=Placement([100, 200, 300], G4RT_TO_LPS))
    assert layout.cells.centers_mm.tolist() == [[100 - 1, 200 + 3, 300 + 2]]


@pytest.mark.parametrize(
    "text",
    [
        "5,95;0,0;12\n-5,95;0;12\n",
        "5,95\t0\t12,0\n-5,95\t0\t12\n",
        '"5,95","0","12"\n"-5,95","0","12,0"\n',
        "sep=;\n5,95;0;12\n-5,95;0;12\n",
    ],
)
def test_decimal_commas(tmp_path, text):
    assert _read(tmp_path, text).detector_centers_mm().tolist() == [[5.95, 0, 12], [-5.95, 0, 12]]


def test_blanks_between_numbers(tmp_path):
    assert _read(tmp_path, "1 2 3\n21 2 3\n").detector_centers_mm().tolist() == [[1, 2, 3], [21, 2, 3]]


def test_g4rt_ids_keep_apart_what_its_hash_joins(tmp_path):
    head = "CellIdX,CellIdY,CellIdZ,CellPosX[mm],CellPosY[mm],CellPosZ[mm]\n"
    layout = _read(tmp_path, head + "1,11,0,-8.88178e-16,0,0\n11,1,0,12,0,0\n")
    assert layout.cells.labels == ("Cell_1_11_0", "Cell_11_1_0")
    assert layout.layers == ("Layer_11", "Layer_1")
    assert layout.detector_centers_mm().tolist() == [[0, 0, 0], [12, 0, 0]]


def test_the_forks_labels(tmp_path):
    head = "CellLabel,CellIdX,CellIdY,CellIdZ,CellPosX[mm],CellPosY[mm],CellPosZ[mm]\n"
    layout = _read(tmp_path, head + "D3DDetector_Cell_ON273,0,0,0,1,2,3\nD3DDetector_Cell_ON127,0,0,1,1,2,30\n")
    assert layout.cells.labels == ("D3DDetector_Cell_ON273", "D3DDetector_Cell_ON127")


def test_a_table_of_doses_serves_as_layout(tmp_path):
    layout = _read(tmp_path, "Label,Cell IdX,Cell IdY,Cell IdZ,X [mm],Y [mm],Z [mm],Dose [Gy]\na,0,0,0,1,2,3,1e-8\n")
    assert layout.detector_centers_mm().tolist() == [[1, 2, 3]]


GATE = "######  time [s] rotationAngle[deg]\nTime     s\nRotation deg\nTranslation mm\n"


def test_gate_repeater(tmp_path):
    layout = _read(tmp_path, GATE + "0 0 0 1 0 5.95 0 12\n0 0 0 1 0 -5.95 0 12\n", "generic_repeater.txt")
    assert layout.detector_centers_mm().tolist() == [[5.95, 0, 12], [-5.95, 0, 12]]
    assert np.array_equal(layout.cells.axes, np.eye(3))


def test_gate_units_and_a_common_turn(tmp_path):
    text = "Time s\nRotation deg\nTranslation cm\n0 30 0 0 1 1 2 3\n0 30 0 0 2 5 2 3\n"
    layout = _read(tmp_path, text, "g.txt")
    assert layout.detector_centers_mm().tolist() == [[10, 20, 30], [50, 20, 30]]
    c, s = np.cos(np.pi / 6), np.sin(np.pi / 6)
    assert np.allclose(layout.cells.axes, [[c, -s, 0], [s, c, 0], [0, 0, 1]])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no cells"),
        ("# nothing\nlayer_1,,\n", "no cells"),
        ("1,2\n", "has 2 numbers, not three"),
        ("1,2,3,4\n", "has 4 numbers, not three"),
        ("5,95,0,0,12,0\n", "need ; between"),
        ("1,2,3\n1,2,x\n", "line 2: 'x' in column z is no number"),
        ("1,2,3\n1,2,=A1\n", "spreadsheet formula"),
        ("0,0,0\n0,0,9.5\n", "overlap by 0.5 mm"),
        ("a,b,c\n1,2,3\n", "no columns of positions"),
        ("CellLabel,CellPosX[mm],CellPosY[mm],CellPosZ[mm]\na,0,0,0\na,20,0,0\n", "has the cell 'a' twice"),
        ("Cell IdX,Voxel IdX,X [mm],Y [mm],Z [mm]\n0,0,0,0,0\n", "lists the voxels"),
        ("Label,X [mm],Y [mm],Z [mm]\na,0,nan,0\n", "not finite"),
        ("0,0,1e308\n", "has a cell 1e\\+308 mm away"),
        (GATE.replace("mm", "m") + "0 0 0 1 0 0 0 1e5\n", "has a cell 1e\\+08 mm away"),
        (GATE + "0 0 0 1 0 5.95 0\n", "line 5 is no placement"),
        (GATE + "0 0 0 1 0 0 0 0\n0 9 0 1 0 50 0 0\n", "different angles"),
        (GATE + "0 0 0 1 0 0 0 0\n1 0 0 1 0 50 0 0\n", "with time"),
        (GATE + "0 5 0 0 0 0 0 0\n", "axis of length 0"),
        ("Time s\nRotation deg\nTranslation inch\n0 0 0 1 0 0 0 0\n", "units 'deg' and 'inch'"),
        (GATE, "no cells"),
    ],
)
def test_faults_are_named(tmp_path, text, words):
    with pytest.raises(InputError, match=words) as caught:
        _read(tmp_path, text)
    assert "\n" not in str(caught.value)


MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
HEADER = ["Hash", "Component_Name", "Co_M_X", "Co_M_Y", "Co_M_Z", "SC_id", "Fiber_id", "Bb_Min_X", "Bb_Min_Y",
          "Bb_Min_Z", "Bb_Max_X", "Bb_Max_Y", "Bb_Max_Z", "Cal_params"]  # fmt: skip
ROWS = [
    ["h1", "P|BrickTop v4:1", "33.29", "62.65", "59.45", "", "", "28.9", "55.3", "52.1", "40.9", "70", "66.8", ""],
    ["h2", "P|D3DF_SC_Cell v6:1", "35.60", "62.65", "59.45", "ON273", "F1", "30.6", "57.65", "54.45", "40.6", "67.65",
     "64.45", "0.93"],
    ["h3", "P|D3DF_SC_Cell v6:2", "51,0", "62.65", "59.45", "ON127", "", "46.0", "57.65", "54.45", "56.0", "67.65",
     "64.45", "1.25"],
]  # fmt: skip


def _workbook(path, rows, sheet="scintillator_mapping_db", cell=None):
    """An .xlsx file from ECMA-376's parts, texts inline or shared by turns."""
    shared: list[str] = []

    def one(text, row, column):
        if cell and (row, column) in cell:
            return cell[row, column]
        name = f"{chr(65 + column)}{row + 1}"
        if text == "":
            return ""
        if (row + column) % 2:
            return f'<c r="{name}" t="inlineStr"><is><t>{escape(text)}</t></is></c>'
        shared.append(f"<si><r><t>{escape(text[:1])}</t></r><r><t>{escape(text[1:])}</t></r></si>")
        return f'<c r="{name}" t="s"><v>{len(shared) - 1}</v></c>'

    body = "".join(
        f'<row r="{n + 1}">{"".join(one(text, n, m) for m, text in enumerate(row))}</row>' for n, row in enumerate(rows)
    )
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(
            "xl/workbook.xml",
            f'<workbook xmlns="{MAIN}" xmlns:r="{OFFICE}"><sheets><sheet name="Metadata" '
            f'sheetId="2" r:id="rId2"/><sheet name="{sheet}" sheetId="1" r:id="rId1"/></sheets></workbook>',
        )
        archive.writestr(
            "xl/_rels/workbook.xml.rels",
            '<Relationships><Relationship Id="rId1" Target="/xl/worksheets/sheet7.xml"/></Relationships>',
        )
        archive.writestr(
            "xl/worksheets/sheet7.xml", f'<worksheet xmlns="{MAIN}"><sheetData>{body}</sheetData></worksheet>'
        )
        archive.writestr("xl/sharedStrings.xml", f'<sst xmlns="{MAIN}">{"".join(shared)}</sst>')  # fmt: skip
    return path


def test_the_mapping_workbook(tmp_path):
    layout = read_layout(_workbook(tmp_path / "D3DF_bodies.xlsx", [HEADER, *ROWS]), IDENTITY)
    assert layout.cells.labels == ("ON273", "ON127")
    assert layout.detector_centers_mm().tolist() == [[35.6, 62.65, 59.45], [51, 62.65, 59.45]]
    assert np.allclose(layout.cells.sizes_mm, 10)
    assert layout.facts["cal_params"].tolist() == [0.93, 1.25]
    assert layout.facts["fiber_id"].tolist() == ["F1", ""]


def test_the_workbook_before_ids_are_filled_in(tmp_path):
    rows = [[*row[:5], "", *row[6:]] for row in ROWS]
    layout = read_layout(_workbook(tmp_path / "b.xlsx", [HEADER, *rows]), IDENTITY)
    assert layout.cells.labels == ("cell_001", "cell_002")
    assert any("D3DF_SC_Cell" in note for note in layout.notes)


def test_the_cad_export_behind_the_workbook(tmp_path):
    head = "#ComponentName; BodyName; CoM_x;CoM_y;CoM_z;BB_min_x;BB_min_y;BB_min_z;BB_max_x;BB_max_y;BB_max_z;Mesh\n"
    text = (
        head + "P|Fiber;B;0;0;0;0;0;0;0;0;0;[[1]]\nP|D3DF_SC_Cell v6:1;B;35.60;62.65;59.45;30.6;57.65;54.45;40.6;67.65;"
    )
    layout = _read(tmp_path, text + "64.45;" + "[[1.0, 2.0]]" * 20000 + "\n", "D3DF_bodies.csv")
    assert layout.detector_centers_mm().tolist() == [[35.6, 62.65, 59.45]]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"sheet": "Sheet1"}, "no sheet 'scintillator_mapping_db'"),
        ({"rows": [HEADER[:2]]}, "no columns Co_M_X"),
        ({"rows": [HEADER]}, "no row with an SC_id"),
        ({"cell": {(2, 2): '<c r="C3"><f>A1+1</f></c>'}}, "formula without a value in C3"),
        ({"cell": {(2, 2): '<c r="C3" t="e"><v>#REF!</v></c>'}}, "error '#REF!' in C3"),
        ({"cell": {(2, 2): '<c r="C3" t="s"><v>9999</v></c>'}}, "no .xlsx workbook"),
        ({"cell": {(2, 2): '<c r="C3"><v>abc</v></c>'}}, "'abc' in the centre"),
        ({"cell": {(2, 7): '<c r="H3"><v>99</v></c>'}}, "box has no volume"),
    ],
)
def test_faults_of_workbooks(tmp_path, change, words):
    rows = change.pop("rows", [HEADER, *ROWS])
    with pytest.raises(InputError, match=words):
        read_layout(_workbook(tmp_path / "b.xlsx", rows, **change), IDENTITY)


def test_a_stored_value_of_a_formula_counts(tmp_path):
    path = _workbook(tmp_path / "b.xlsx", [HEADER, *ROWS], cell={(2, 2): '<c r="C3"><f>A1+1</f><v>35.6</v></c>'})
    assert read_layout(path, IDENTITY).detector_centers_mm()[0].tolist() == [35.6, 62.65, 59.45]


def test_damaged_workbooks(tmp_path):
    good = _workbook(tmp_path / "good.xlsx", [HEADER, *ROWS]).read_bytes()
    rng = np.random.default_rng(1)
    for n in range(60):
        content = bytearray(good)
        for at in rng.integers(0, len(good), 3):
            content[at] = rng.integers(0, 256)
        bad = tmp_path / "bad.xlsx"
        bad.write_bytes(bytes(content[: len(content) - (n % 3) * 50]))
        refused = ""
        try:
            read_layout(bad)
        except InputError as error:
            refused = str(error)
        assert "\n" not in refused
