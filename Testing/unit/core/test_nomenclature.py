from __future__ import annotations

import re

import pytest
from Dose3DLib.core import nomenclature
from Dose3DLib.core.errors import InputError
from Dose3DLib.core.nomenclature import INTERPRETED_TYPES, color_for, load_user_table, lookup, standard_name

ENTRIES = nomenclature._shipped().entries
NOT_IN_PYDICOM = 40
"""At most so many codes are outside DICOM's context groups; from HL7's map of TG-263 or TotalSegmentator's table."""


@pytest.mark.parametrize(
    ("name", "standard"),
    [
        ("LeftParotid", "Parotid_L"),
        ("RightParotid", "Parotid_R"),
        ("PAROTID_LT", "Parotid_L"),
        ("Lt Parotid", "Parotid_L"),
        ("parotid gland, right", "Parotid_R"),
        ("ParotidR", "Parotid_R"),
        ("Spinal Cord", "SpinalCord"),
        ("SPINALCORD", "SpinalCord"),
        ("spinal_cord", "SpinalCord"),
        ("Bone_Mandible", "Mandible"),
        ("oesophagus", "Esophagus"),
        ("External", "BODY"),
        ("External ROI_1", "BODY"),
        ("Optic_Nerve_-_Rt", "OpticNrv_R"),
        ("Optic_Nerve-Lt", "OpticNrv_L"),
        ("Left_Cochlear", "Cochlea_L"),
        ("Lens_-_left", "Lens_L"),
        ("lung_upper_lobe_left", "Lung_LUL"),
        ("heart_atrium_left", "Atrium_L"),
        ("kidney_right", "Kidney_R"),
        ("rib_left_1", "Rib01_L"),
        ("rib_right_12", "Rib12_R"),
        ("vertebrae_L5", "VB_L5"),
        ("vertebrae_T10", "VB_T10"),
        ("clavicula_left", "Clavicle_L"),
        ("urinary_bladder", "Bladder"),
        ("PTV_70", "PTV_70"),
        ("Brainstem +0.3cm", "Brainstem +0.3cm"),
        ("L PAROTID PRV", "L PAROTID PRV"),
        ("Dose_5200[cGy]", "Dose_5200[cGy]"),
        ("日本語", "日本語"),
    ],
)
def test_names_of_clinics_and_tools(name, standard):
    assert standard_name(name) == standard


@pytest.mark.parametrize("name", [entry.name for entry in ENTRIES])
def test_every_name_and_alias_leads_home_and_codes_fit_dicom(name):
    entry = lookup(name)
    assert entry is not None
    assert entry.name == name
    for alias in entry.aliases:
        assert standard_name(alias) == name, alias
    assert entry.interpreted_type in INTERPRETED_TYPES
    for code in (entry.category, entry.type, entry.modifier):
        assert code is None or (len(code.value) <= 16 and 0 < len(code.meaning) <= 64)


def test_codes_agree_with_pydicom():
    """pydicom takes its concepts from PS3.16 itself: value and meaning must be those of one concept there."""
    concepts = pytest.importorskip("pydicom.sr._concepts_dict").concepts
    known: dict[tuple[str, str], set[str]] = {}
    for scheme in ("SCT", "DCM"):
        for versions in concepts[scheme].values():
            for value, (meaning, _) in versions.items():
                known.setdefault((scheme, value), set()).add(_plain(meaning))
    codes = {code for entry in ENTRIES for code in (entry.type, entry.modifier) if code}
    found = {code for code in codes if (code.scheme, code.value) in known}
    for code in found:
        words = set(_plain(code.meaning).split())
        assert any(words <= set(meaning.split()) for meaning in known[code.scheme, code.value]), code
    assert len(codes - found) <= NOT_IN_PYDICOM
    assert {code.meaning for code in found} >= {"Brain Stem", "Spinal cord", "Parotid gland", "Mandible", "Larynx"}
    assert all(_check_digit(code.value) for code in codes if code.scheme == "SCT")


def _check_digit(number: str) -> bool:
    """Verhoeff's check over the digits of a SNOMED CT identifier: a mistyped digit or swapped neighbours are found."""
    turn = (1, 5, 7, 6, 2, 8, 3, 0, 9, 4)
    check = 0
    for position, digit in enumerate(map(int, reversed(number))):
        for _ in range(position % 8):
            digit = turn[digit]
        check = _times(check, digit)
    return check == 0


def _times(a: int, b: int) -> int:
    """Product in the dihedral group of order ten."""
    if a < 5:
        return (a + b) % 5 if b < 5 else 5 + (a + b) % 5
    return 5 + (a - b) % 5 if b < 5 else (a - b) % 5


def _plain(meaning: str) -> str:
    return " ".join(re.sub(r"\(.*?\)|[^a-z0-9 ]", " ", meaning.lower()).split())


def test_the_issue_organs_are_known():
    for name in ("Brainstem", "SpinalCord", "Parotid_L", "Parotid_R", "Mandible", "Esophagus", "Larynx"):
        assert lookup(name).interpreted_type == "ORGAN"
    assert lookup("BODY").interpreted_type == "EXTERNAL"
    assert lookup("PTV70").interpreted_type == "PTV"
    assert lookup("CTVp_54").interpreted_type == "CTV"
    assert lookup("Parotid_L").modifier.meaning == "Left"
    assert lookup("PTV_70cf").interpreted_type == lookup("PTVnodes 54 Gy").interpreted_type == "PTV"
    assert lookup("GTV_n_CF").interpreted_type == "GTV"
    for name in ("PTV ring", "PTV_70 +0.5cm", "CTV minus air", "PTVision", "SPTV 56"):
        assert lookup(name) is None, name


def test_colors_are_stable_and_distinct():
    seven = ("Brainstem", "SpinalCord", "Parotid_L", "Parotid_R", "Mandible", "Esophagus", "Larynx")
    assert len({color_for(name) for name in seven}) == 7
    assert color_for("anything at all") == color_for("Anything_at_All")
    assert color_for("Brainstem") == (47, 127, 216)


def test_user_table_wins(tmp_path):
    path = tmp_path / "Łódź names.csv"
    path.write_text(
        "name,sides,aliases,color,type\nMarkknochen,LR,Femur;Cord,#010203;#040506,SCT 71341001 Femur\n",
        encoding="utf-8-sig",
    )
    table = load_user_table(path)
    entry = lookup("Femur_R", table)
    assert (entry.name, entry.color, entry.modifier.value) == ("Markknochen_R", (4, 5, 6), "24028007")
    assert standard_name("left parotid", table) == "Parotid_L"
    assert standard_name("PTV_70", table) == "PTV_70"
    assert lookup("Femur_R").name == "Femur_R"


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("organ,color\nLiver,#112233\n", "column 'organ'"),
        ("color\n#112233\n", "no column 'name'"),
        ("name,color\nLiver,red\n", "line 2: color is 'red'"),
        ("name,interpreted_type\nLiver,ORGANE\n", "line 2: interpreted_type is 'ORGANE'"),
        ("name,type\nLiver,10200004\n", "code is '10200004'"),
        ("name,sides\nLiver,XY\n", "sides is 'XY'"),
        ("name,color\n,#112233\n", "has no name"),
        ("name\nLiver,3\n", "more cells"),
        ("name\nLiver\nLIVER\n", "names 'LIVER' twice"),
    ],
)
def test_faults_of_a_user_table_are_named(tmp_path, text, cause):
    path = tmp_path / "names.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=re.escape(cause)) as caught:
        load_user_table(path)
    assert "names.csv" in str(caught.value)


def test_missing_or_binary_user_table(tmp_path):
    with pytest.raises(InputError, match="No such file"):
        load_user_table(tmp_path / "none.csv")
    (tmp_path / "x.csv").write_bytes(b"\xff\xfe\x00name")
    with pytest.raises(InputError, match="UTF-8"):
        load_user_table(tmp_path / "x.csv")
