"""The header of an IAEA phase space, with all its habits."""

from __future__ import annotations

import pytest
from builders.phase_space_builder import HEADER
from Dose3DLib.core.errors import InputError
from Dose3DLib.phasespace.formats.iaea_header import parse_header, read_header

TEXT = HEADER.format(title="A test", checksum=116, byte_order=1234, particles=4)


def contents(*numbers: int) -> str:
    """The text with other RECORD_CONTENTS."""
    start, end = TEXT.index("$RECORD_CONTENTS:"), TEXT.index("$RECORD_CONSTANT:")
    return TEXT[:start] + "$RECORD_CONTENTS:\n" + "\n".join(map(str, numbers)) + "\n" + TEXT[end:]


def constants(text: str, *numbers: float) -> str:
    start, end = text.index("$RECORD_CONSTANT:"), text.index("$RECORD_LENGTH:")
    return text[:start] + "$RECORD_CONSTANT:\n" + "\n".join(map(str, numbers)) + "\n" + text[end:]


def test_all_keys():
    header = parse_header(TEXT)
    assert header.title == "A test"
    assert header.stored == ("x", "y", "u", "v", "w")
    assert header.constants == {"z": 27.0, "weight": 0.5}
    assert (header.extra_floats, header.extra_longs) == (("ZLAST",), ("LATCH",))
    assert (header.record_length, header.byte_order) == (29, "<")
    assert (header.histories, header.particles, header.checksum) == (1000, 4, 116)
    assert header.species == {1: 4}
    assert header.coordinate_system == "Z along the beam"
    assert header.texts["AUTHORS"] == "J\xf3zef"
    assert header.notes == ()


def test_order_case_and_line_ends_are_free():
    blocks = ["$" + part for part in TEXT.split("$")[1:]]
    odd = "\r\n\r\n".join(block.replace("\n", "\r\n") for block in reversed(blocks)).replace("$TITLE", "$title")
    assert parse_header(odd) == parse_header(TEXT) or parse_header(odd).title == "A test"
    assert parse_header(odd).constants == {"z": 27.0, "weight": 0.5}
    assert parse_header(odd).record_length == 29


def test_a_key_without_colon_ends_the_block_before():
    header = parse_header(TEXT.replace("$AUTHORS:\nJ\xf3zef", "$MD5SUM\nabc\n$AUTHORS: on the line"))
    assert header.texts["MD5SUM"] == "abc"
    assert header.texts["AUTHORS"] == "on the line"
    assert header.coordinate_system == "Z along the beam"


@pytest.mark.parametrize("encoding", ["latin-1", "utf-8", "utf-8-sig"])
def test_encodings(tmp_path, encoding):
    path = tmp_path / "a.IAEAheader"
    path.write_bytes(TEXT.encode(encoding))
    assert read_header(path).texts["AUTHORS"] == "J\xf3zef"


@pytest.mark.parametrize(
    ("flags", "length"),
    [
        ((1, 1, 0, 1, 1, 1, 0, 0, 0), 21),
        ((1, 1, 0, 1, 1, 1, 1, 0, 0), 25),
        ((1, 1, 1, 1, 1, 1, 1, 0, 0), 29),
        ((1, 1, 0, 1, 1, 1, 1, 1, 1, 3, 2), 33),
        ((1, 1, 1, 1, 1, 1, 1, 1, 1, 3, 2), 37),
    ],
)
def test_common_record_lengths(flags, length):
    """W is a flag, never bytes; the lengths are those that files are known to have."""
    header = parse_header(contents(*flags))
    assert header.record_length == length
    assert (header.notes != ()) == (length != 29)


def test_constants_follow_the_order_of_the_variables():
    header = parse_header(constants(contents(1, 1, 0, 1, 1, 0, 0, 0, 0), 26.7, 1.0, 0.25))
    assert header.constants == {"z": 26.7, "w": 1.0, "weight": 0.25}
    header = parse_header(constants(contents(0, 1, 1, 1, 1, 1, 0, 0, 0), -3.0, 0.125))
    assert header.constants == {"x": -3.0, "weight": 0.125}


def test_a_constant_weight_that_is_lost_is_said():
    header = parse_header(constants(TEXT, 27.0, 0.0))
    assert header.constants["weight"] == 1.0
    assert "constant weight" in header.notes[0]


def test_extra_values_without_a_meaning():
    header = parse_header(contents(1, 1, 0, 1, 1, 1, 0, 2, 2, 0, 3, 1))
    assert header.extra_floats == ("generic float", "ZLAST")
    assert header.extra_longs == ("incremental history", "generic long")
    assert any("extra values" in note for note in header.notes)
    assert parse_header(contents(1, 1, 0, 1, 1, 1, 0, 2, 0, 3, 3)).extra_floats == ("ZLAST", "ZLAST 2")


def test_counts_beyond_32_bits():
    header = parse_header(TEXT.replace("$PARTICLES:\n4", "$PARTICLES:\n5000000000"))
    assert header.particles == 5_000_000_000
    assert parse_header(TEXT.replace("1000   //", "9.0E8 //")).histories == 900_000_000


def test_histories_that_are_missing_are_said():
    header = parse_header(TEXT.replace("$ORIG_HISTORIES:\n1000   // electrons\n", ""))
    assert header.histories is None
    assert any("histories" in note for note in header.notes)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("$RECORD_CONTENTS", "$OTHER", "is no IAEA header"),
        ("$FILE_TYPE:\n0", "$FILE_TYPE:\n1", "event generator"),
        ("1234", "3412", "3412"),
        ("27.0000 // Constant Z\n    0.5000 // Constant Weight", "", "lacks the Z"),
        ("27.0000", "twenty", "which is no number"),
        ("27.0000", "nan", 'holds "nan", which is not finite'),
        ("$RECORD_CONTENTS:\n", "$RECORD_CONTENTS:\n1e400\n", 'holds "1e400", which is not finite'),
        ("$PARTICLES:\n4", "$PARTICLES:\nmany", "no whole number"),
        ("    1     // X is stored ?", "    7", "flags other than 0 and 1"),
        ("    1     // Extra longs stored ?\n    3     // ZLAST\n    2     // LATCH\n", "", "nine whole numbers"),
    ],
)
def test_refused(old, new, words):
    assert old in TEXT
    with pytest.raises(InputError, match=words):
        parse_header(TEXT.replace(old, new), "a.IAEAheader")


def test_topas_is_named():
    with pytest.raises(InputError, match="TOPAS"):
        parse_header("TOPAS Binary Phase Space\n\nNumber of Original Histories: 5\n")


def test_what_is_odd_is_said():
    header = parse_header(TEXT.replace("$RECORD_LENGTH:\n29", "$RECORD_LENGTH:\n33"))
    assert header.record_length == 29
    assert "33 bytes a record" in header.notes[0]
    assert "little endian is assumed" in parse_header(TEXT.replace("$BYTE_ORDER:\n1234\n", "")).notes[0]
    assert "more than once" in parse_header(TEXT + "$TITLE:\nanother\n").notes[0]
    assert parse_header(TEXT + "$TITLE:\nanother\n").title == "A test"
