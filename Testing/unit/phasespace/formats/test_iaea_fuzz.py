"""Headers and records that hypothesis spoils: a clear line or particles, never a traceback, a hang or a lie."""

from __future__ import annotations

import struct
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from builders.iaea_decoder import decode
from builders.phase_space_builder import HEADER, RECORDS, write_phase_space
from Dose3DLib.core.errors import Dose3DError
from Dose3DLib.phasespace.filters import is_possible
from Dose3DLib.phasespace.formats.iaea_header import parse_header, read_header
from Dose3DLib.phasespace.formats.iaea_records import record_dtype
from Dose3DLib.phasespace.read import open_phase_space
from Dose3DLib.tasks import phsp_convert, phsp_info
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

QUICK = settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
WITH_FILES = settings(QUICK, max_examples=50, phases=[Phase.explicit, Phase.reuse, Phase.generate])
"""Writing takes too long to look for the smallest example."""

TEXT = HEADER.format(title="T", checksum=29 * 4, byte_order=1234, particles=4)
LINES = TEXT.splitlines()

numbers = st.one_of(
    st.integers(-(10**20), 10**20).map(str), st.floats().map(str),
    st.sampled_from(["", "1e400", "nan", "-inf", "0x1F", "1_0", "½", "٣", "1D3", "//", "$", "1,5", "9" * 5000]),
)  # fmt: skip


def unless_refused(function: Callable[[Any], Any], what: Any) -> Any:
    """What the function gives, or None where it refuses in one line; any other exception fails the test."""
    try:
        return function(what)
    except Dose3DError as error:
        if "\n" in str(error):
            raise AssertionError("more than one line") from error
        return None


@st.composite
def spoilt_headers(draw) -> str:
    lines = list(LINES)
    for _ in range(draw(st.integers(1, 4))):
        if not lines:
            break
        at = draw(st.integers(0, len(lines) - 1))
        change = draw(st.sampled_from(["drop", "double", "number", "text", "swap", "cut"]))
        if change == "drop":
            del lines[at]
        elif change == "double":
            lines.insert(at, lines[at])
        elif change == "number":
            lines[at] = draw(numbers)
        elif change == "text":
            lines[at] = draw(st.text(max_size=30))
        elif change == "swap":
            other = draw(st.integers(0, len(lines) - 1))
            lines[at], lines[other] = lines[other], lines[at]
        else:
            lines = lines[: at + 1]
    return "\n".join(lines)


@QUICK
@given(spoilt_headers())
def test_spoilt_headers(text):
    header = unless_refused(parse_header, text)
    if header is None:
        return
    length = 5 + 4 * len([name for name in header.stored if name != "w"])
    length += 4 * (len(header.extra_floats) + len(header.extra_longs))
    assert header.record_length == length == record_dtype(header).itemsize
    assert all(np.isfinite(value) for value in header.constants.values())
    assert header.highest_mev is None or header.highest_mev > 0


@QUICK
@given(st.binary(max_size=400))
def test_any_bytes_as_a_header(tmp_path, data):
    path = tmp_path / "a.IAEAheader"
    path.write_bytes(data)
    unless_refused(read_header, path)


@WITH_FILES
@given(spoilt_headers(), st.binary(max_size=150))
def test_any_records_below_any_header(tmp_path, text, data):
    """Header and bytes that belong to nobody: info and convert refuse, or say what they found."""
    path = tmp_path / "a.IAEAphsp"
    path.write_bytes(data)
    path.with_suffix(".IAEAheader").write_text(text, "utf-8", errors="replace")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for run in (info_of, converted):
            unless_refused(run, path)


def info_of(path: Path) -> None:
    phsp_info.run(phsp_info.Settings(phase_space=path))


def converted(path: Path) -> None:
    output = path.parent / "out.IAEAphsp"
    phsp_convert.run(phsp_convert.Settings(input=path, output=output, overwrite=True))
    found = decode(output)
    assert found.number("PARTICLES") == len(found.records) > 0


floats = st.floats(width=32)


@WITH_FILES
@given(st.lists(st.tuples(st.integers(-128, 127), floats, floats, floats, floats, floats, floats,
                          st.integers(-(2**31), 2**31 - 1)), min_size=1, max_size=12))  # fmt: skip
def test_any_numbers_in_records(tmp_path, records):
    """What is no particle is left out, what is one comes through as it is."""
    sound = [RECORDS[0]] * (10 * len(records))  # or the file would be taken for one of another kind
    path = write_phase_space(tmp_path, [*sound, *records])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        source = open_phase_space(path)
        whole = source.read(0, source.count)
        info_of(path)
        converted(path)
    assert len(whole) == len(sound) + len(records)
    found = decode(tmp_path / "out.IAEAphsp")
    assert len(found.records) == np.count_nonzero(is_possible(whole))
    good = {struct.pack("<3f", record[1], record[2], record[3]) for record in [*sound, *records]}
    for record in found.records:
        # The sign of the energy may have passed to the next particle of a history.
        signs = [struct.pack("<3f", sign * record["energy"], record["x"], record["y"]) for sign in (1, -1)]
        assert good & set(signs)
