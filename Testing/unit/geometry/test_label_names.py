from __future__ import annotations

import json

import pytest
from Dose3DLib.core.errors import InputError
from Dose3DLib.geometry.label_names import Label, find_names_file, labels_from_caret, read_names

ITK_SNAP = """# ITK-SnAP Label Description File
    0     0    0    0        0  0  0    "Clear Label"
    1   255    0    0        1  1  1    "Parotid L"
    7     0  255  128        1  1  1    "µ 日本"
"""
CTBL = """# Color table file x.ctbl
# 3 values
0 Background 0 0 0 0
1 Parotid_L 255 0 0 255
7 "µ 日本" 0 255 128 255
"""
NEW_CTBL = "LabelValue,Name,Color_R,Color_G,Color_B,Color_A\n1,Parotid L,255,0,0,255\n7,µ 日本,0,255,128,255\n"
RED, GREEN = (255, 0, 0), (0, 255, 128)


@pytest.mark.parametrize(
    ("name", "text", "first", "colors"),
    [
        ("a.json", '{"0": "background", "1": "Parotid L", "7": "µ 日本"}', "Parotid L", (None, None)),
        ("a.json", '{"Parotid L": 1, "µ 日本": 7}', "Parotid L", (None, None)),
        ("dataset.json", '{"labels": {"background": 0, "Parotid L": 1, "µ 日本": 7}}', "Parotid L", (None, None)),
        ("dataset.json", '{"labels": {"0": "background", "1": "Parotid L", "7": "µ 日本"}}', "Parotid L", (None, None)),
        ("a.csv", "1,Parotid L\n7,µ 日本\n", "Parotid L", (None, None)),
        ("a.csv", "name;label\nParotid L;1\nµ 日本;7\n", "Parotid L", (None, None)),
        ("a.csv", "Index,Name,R,G,B\n1,Parotid L,255,0,0\n7,µ 日本,0,255,128\n", "Parotid L", (RED, GREEN)),
        ("a.tsv", "index\tname\n1\tParotid L\n7\tµ 日本\n", "Parotid L", (None, None)),
        ("a.txt", ITK_SNAP, "Parotid L", (RED, GREEN)),
        ("a.label", ITK_SNAP, "Parotid L", (RED, GREEN)),
        ("a.ctbl", CTBL, "Parotid_L", (RED, GREEN)),
        ("a.ctbl", NEW_CTBL, "Parotid L", (RED, GREEN)),
    ],
)
def test_tables(tmp_path, name, text, first, colors):
    (tmp_path / name).write_text(text, encoding="utf-8-sig")
    assert read_names(tmp_path / name) == [Label(first, (1,), colors[0]), Label("µ 日本", (7,), colors[1])]


def test_regions(tmp_path):
    (tmp_path / "dataset.json").write_text(json.dumps({"labels": {"background": 0, "whole": [1, 2], "ignore": 3}}))
    assert read_names(tmp_path / "dataset.json") == [Label("whole", (1, 2))]


@pytest.mark.parametrize(
    ("name", "text", "cause"),
    [
        ("a.json", "{", "Expecting"),
        ("a.json", "[1, 2]", "JSON object"),
        ("a.json", '{"A": 1.5}', "whole number"),
        ("a.json", '{"A": "x"}', "invalid literal"),
        ("a.json", '{"A": 1, "B": 1}', "twice"),
        ("a.json", '{"1": "A", "1": "B"}', "twice"),
        ("a.json", '{"1": "A", "2": "A"}', "twice"),
        ("a.json", '{"1": " "}', "empty name"),
        ("a.json", '{"A": -1}', "negative"),
        ("a.csv", "x,y\n1,2\n", "a column with the label"),
        ("a.csv", "label,name\n1\n", "too few cells"),
        ("a.csv", "", "no rows"),
        ("a.ctbl", "hello world\n", "not 'value name"),
    ],
)
def test_tables_that_are_refused(tmp_path, name, text, cause):
    (tmp_path / name).write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=cause) as caught:
        read_names(tmp_path / name)
    assert name in str(caught.value)


def test_missing_or_binary_table(tmp_path):
    with pytest.raises(InputError, match="No such file"):
        read_names(tmp_path / "x.json")
    (tmp_path / "x.csv").write_bytes(b"\xff\xfe\x01")
    with pytest.raises(InputError, match="UTF-8"):
        read_names(tmp_path / "x.csv")


def test_the_table_beside_an_image(tmp_path):
    (tmp_path / "sub").mkdir()
    image = tmp_path / "sub" / "case.nii.gz"
    assert find_names_file(image) is None
    for name in ("dataset.json", "sub/dataset.json", "sub/case.ctbl", "sub/case.json"):
        (tmp_path / name).write_text("")
        assert find_names_file(image) == tmp_path / name


def test_broken_caret_xml_gives_no_names():
    assert labels_from_caret("") == []
    assert labels_from_caret("<CaretExtension><Label") == []
