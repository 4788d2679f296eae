"""Tables of clinical goals: reading, what is refused, and pass, near, fail."""

from __future__ import annotations

import numpy as np
import pytest
from Dose3DLib.core.errors import InputError
from Dose3DLib.dose.dvh import Dvh
from Dose3DLib.dose.goals import find_structures, judge, protocol_names, read_goals

HEAD = "structure,metric,limit,near,source,note\n"


def uniform(dose: float, unknown: float = 0.0) -> Dvh:
    return Dvh(np.array([dose]), np.array([2.0]), unknown)


def write(tmp_path, text, name="goals.csv"):
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return str(path)


@pytest.mark.parametrize("name", protocol_names())
def test_protocols_are_read_and_each_row_has_its_source(name):
    goals = read_goals(name)
    assert len(goals) > 10
    assert all(goal.source for goal in goals)
    assert not [goal for goal in goals if goals.count(goal) > 1]
    assert read_goals(name.upper()) == goals


@pytest.mark.parametrize(
    ("table", "structure", "metric", "limit"),
    [  # as printed in the sources
        ("tg101_1", "SpinalCord", "D0.035cc[Gy]", "< 14"),
        ("tg101_3", "SpinalCord", "V18Gy[cc]", "< 0.35"),
        ("tg101_5", "Esophagus", "V19.5Gy[cc]", "< 5"),
        ("tg101_5", "Liver", "CV21Gy[cc]", ">= 700"),
        ("tg101_3", "GreatVes", "D0.035cc[Gy]", "< 45"),
        ("quantec", "Lungs|Lung_L+Lung_R", "V20Gy[%]", "<= 30"),
        ("quantec", "Rectum", "V50Gy[%]", "< 50"),
        ("quantec", "Brainstem", "Max[Gy]", "< 54"),
        ("rtog_0225", "SpinalCord", "D1cc[Gy]", "< 50"),
        ("rtog_0615", "Cavity_Oral", "Mean[Gy]", "<= 40"),
    ],
)
def test_limits_of_the_sources(table, structure, metric, limit):
    found = [
        f"{g.sense} {g.limit:g}" for g in read_goals(table) if g.structure == structure and g.metric.label == metric
    ]
    assert limit in found


def test_pass_near_fail(tmp_path):
    goals = read_goals(write(tmp_path, HEAD + "SpinalCord,Max[Gy],<= 45,<= 48,mine,\nPTV,D95%[Gy],>= 60,57,,\n"))
    for cord, target, states in ((45, 60, "pass pass"), (45.1, 59, "near near"), (48.1, 56.9, "fail fail")):
        found = judge(goals, {"Spinal Cord": uniform(cord), "PTV": uniform(target)})
        assert " ".join(outcome.state for outcome in found) == states
    assert found[0].name == "Spinal Cord"


def test_what_cannot_be_judged(tmp_path):
    goals = read_goals(write(tmp_path, HEAD + "Heart,Mean[Gy],< 26,,,\nPTV,V95%[%],>= 95,,,\nLens_L,Max[Gy],< 10,,,\n"))
    found = judge(goals, {"Heart": uniform(5, unknown=0.5), "PTV": uniform(60), "Lens_R": uniform(1)})
    assert [outcome.state for outcome in found] == ["unsure", "no prescription", "absent"]
    assert judge(goals, {"PTV": uniform(60)}, 60)[1].state == "pass"
    # Where the unknown part cannot change it the goal is decided: a maximum too high stays too high.
    goals = read_goals(write(tmp_path, HEAD + "Heart,Max[Gy],< 4,,,\n"))
    assert judge(goals, {"Heart": uniform(5, unknown=0.5)})[0].state == "fail"


def test_shares_of_samples(tmp_path):
    goals = read_goals(write(tmp_path, HEAD + "PTV,D95%[Gy],>= 60,,,\n"))
    samples = [uniform(dose) for dose in (59, 60, 61, 62)]
    assert judge(goals, {"PTV": uniform(60.5)}, samples={"PTV": samples})[0].passing == 0.75


def test_both_parotids_together(tmp_path):
    goals = read_goals(write(tmp_path, HEAD + "Parotids|Parotid_L+Parotid_R,Mean[Gy],<= 25,,,\n"))
    left, right = uniform(10), Dvh(np.array([30.0]), np.array([6.0]))
    (found,) = judge(
        goals, {"Parotid_R": right, "Parotid_L": left}, samples={"Parotid_R": [right], "Parotid_L": [left]}
    )
    assert (found.name, found.state, found.passing) == ("Parotid_L + Parotid_R", "pass", 1.0)
    assert found.figure.value == pytest.approx(25)


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("Parotid_L", [("LEFT PAROTID",)]),
        ("BrainStem", [("Brainstem",)]),
        ("PTV_7000|PTV70", [("PTV70",)]),
        ("PTV*", [("PTV70",), ("PTV54",)]),
        ("Heart|Brainstem", [("Brainstem",)]),
        ("Heart", []),
        ("Parotids|Parotid_L + Parotid_R", [("LEFT PAROTID", "parotid rt")]),
        ("Lens_L+Parotid_L", []),
    ],
)
def test_structures_are_found_by_name_alias_and_pattern(pattern, found):
    assert find_structures(pattern, ["LEFT PAROTID", "Brainstem", "PTV70", "PTV54", "parotid rt"]) == found


def test_semicolons_decimal_commas_comments_and_byte_order_marks(tmp_path):
    text = "\ufeff# mine\nStructure;Metric;Limit;Near\nSpinalCord;D0,03cc[Gy];<= 45,5;46,25\n\nHeart;V25Gy[%];<10 %;\n"
    for content in (text.encode(), text.replace(";", "\t").encode(), text.replace("\n", "\r\n").encode()):
        cord, heart = read_goals(write(tmp_path, content))
        assert (cord.metric.amount, cord.limit, cord.near) == (0.03, 45.5, 46.25)
        assert (heart.sense, heart.limit, heart.near) == ("<", 10, None)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("SpinalCord,Max[Gy],=B2*2,,,\n", "line 2: limit is the formula of a spreadsheet"),
        ("=A1,Max[Gy],<= 45,,,\n", "line 2: structure is the formula"),
        ("SpinalCord,Max[Gy],#REF!,,,\n", "line 2: limit is the formula"),
        ('SpinalCord,Max[Gy],"<= 45,5",,,\n', "line 2: limit has a decimal comma"),
        ("SpinalCord,Max[Gy],<= 45,5,,,\n", "line 2: has more cells than the heading"),
        ("SpinalCord,Max[Gy],45,,,\n", "line 2: limit is '45'"),
        ("SpinalCord,Max[Gy],<= 45 cc,,,\n", "limit is in cc, Max"),
        ("SpinalCord,EUD,<= 45,,,\n", "line 2: 'EUD' is no figure of a DVH"),
        ("SpinalCord,Max[Gy],<= 45,<= 40,,\n", "near (<= 40) is stricter"),
        ("SpinalCord,Max[Gy],<= 45,>= 50,,\n", "near (>= 50) is stricter"),
        ("SpinalCord,,<= 45,,,\n", "line 2: has no metric"),
        (",Max[Gy],<= 45,,,\n", "line 2: has no structure"),
        ("", "has no goals"),
    ],
)
def test_rows_that_are_refused(tmp_path, text, words):
    with pytest.raises(InputError) as error:
        read_goals(write(tmp_path, HEAD + text))
    assert words in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"organ,metric,limit\n", "has the column 'organ'"),
        (b"structure,limit\n", "has no column 'metric'"),
        (b"structure,metric,limit,limit\n", "names a column twice"),
        (b"\xff\xfe\x00", "is not a CSV table in UTF-8"),
        (b"", "has no column 'structure'"),
        (b'structure,metric,limit\n"a,b', "is not a CSV table"),
    ],
)
def test_tables_that_are_refused(tmp_path, content, words):
    with pytest.raises(InputError, match=words.replace("(", "\\(")):
        read_goals(write(tmp_path, content))


def test_no_such_table():
    with pytest.raises(InputError, match="quantec, rtog_0225"):
        read_goals("quantek")
