"""Damaged headers, values and bytes: the CT either reads or is refused with a message; nothing else, and no hang."""

from __future__ import annotations

import io
import os
import shutil
import tempfile
import time
from pathlib import Path

import numpy as np
import pydicom
import pytest
from builders import ct_builder as cb
from Dose3DLib.core.errors import Dose3DError
from Dose3DLib.dicom.ct import read_ct
from Dose3DLib.dicom.rtdose import read_rtdose
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom.uid import JPEGLSLossless

LONGEST_SECONDS = 20.0
"""A read of four tiny slices takes 10 ms; a hang takes for ever; the machine may be busy."""
EXAMPLES = int(os.environ.get("DOSE3D_FUZZ", "60"))
FUZZ = settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))


@pytest.fixture(scope="module")
def originals(tmp_path_factory) -> dict[str, list[bytes]]:
    root = tmp_path_factory.mktemp("originals")
    array = cb.phantom_hu((4, 16, 20))
    made = {
        "plain": cb.write_series(root / "plain", array, names=lambda k: f"{k}.dcm"),
        "implicit": cb.write_series(root / "implicit", array, names=lambda k: f"{k}.dcm", syntax="1.2.840.10008.1.2"),
        "jpeg-ls": cb.write_series(root / "jls", array, names=lambda k: f"{k}.dcm", compress=JPEGLSLossless),
        "enhanced": [cb.write_enhanced(root / "enhanced.dcm", array)],
    }
    return {name: [path.read_bytes() for path in paths] for name, paths in made.items()}


def reads_or_refuses(files: list[bytes]) -> None:
    folder = Path(tempfile.mkdtemp(prefix="fuzz-"))
    try:
        for n, data in enumerate(files):
            (folder / f"{n}.dcm").write_bytes(data)
        start = time.monotonic()
        try:
            series = read_ct(folder)
        except Dose3DError as error:
            is_one_clear_line(error)
        else:
            assert series.volume.array.ndim == 3
            assert np.isfinite(series.volume.grid.affine).all()
        assert time.monotonic() - start < LONGEST_SECONDS
    finally:
        shutil.rmtree(folder)


def is_one_clear_line(error: Dose3DError) -> None:
    assert error.cause
    assert error.remedy
    assert "\n" not in str(error)


KINDS = st.sampled_from(["plain", "implicit", "jpeg-ls", "enhanced"])


@FUZZ
@given(kind=KINDS, which=st.integers(0, 3), start=st.floats(0, 1), noise=st.binary(min_size=1, max_size=12))
def test_overwritten_bytes(originals, kind, which, start, noise):
    files = list(originals[kind])
    n = which % len(files)
    data = bytearray(files[n])
    position = int(start * (len(data) - len(noise)))
    data[position : position + len(noise)] = noise
    files[n] = bytes(data)
    reads_or_refuses(files)


@FUZZ
@given(kind=KINDS, which=st.integers(0, 3), length=st.floats(0, 1))
def test_truncated_bytes(originals, kind, which, length):
    files = list(originals[kind])
    n = which % len(files)
    files[n] = files[n][: int(length * len(files[n]))]
    reads_or_refuses(files)


def elements(data: bytes) -> list[int]:
    """Tags that the header holds, nested ones not."""
    return [int(tag) for tag in list(pydicom.dcmread(io.BytesIO(data), force=True).keys())]


def changed(data: bytes, tag: int, value: bytes | None) -> bytes:
    """The file with another value (any bytes) of an attribute, or without it."""
    dataset = pydicom.dcmread(io.BytesIO(data), force=True)
    element = dataset.get_item(tag)
    del dataset[tag]
    if value is not None:
        implicit, little = dataset.original_encoding
        value = value + b" " * (len(value) % 2)
        vr = element.VR or pydicom.datadict.dictionary_VR(tag)
        dataset._dict[pydicom.tag.Tag(tag)] = pydicom.dataelem.RawDataElement(
            pydicom.tag.Tag(tag), vr, len(value), value, 0, implicit, little
        )
    buffer = io.BytesIO()
    pydicom.dcmwrite(buffer, dataset)
    return buffer.getvalue()


NASTY = st.one_of(
    st.none(),
    st.sampled_from(
        [
            b"",
            b"NaN",
            b"inf",
            b"-inf\\1\\1",
            b"1e308\\1e308\\1e308",
            b"0",
            b"0\\0",
            b"-1",
            b"99999999999999999",
            b"\\\\\\",
        ]
        + [b"1\\0\\0\\0\\NaN\\0", b"\xff\xff", b"\0\0", b"\xff\xff\xff\xff", b"\x00\x80", b"M\xfcller^\xe5", b"1.2.3"]
    ),
    st.binary(max_size=20),
)


@FUZZ
@given(kind=KINDS, which=st.integers(-1, 3), index=st.integers(0, 10**6), value=NASTY)
def test_any_attribute_dropped_or_garbled(originals, kind, which, index, value):
    """In one slice, or (-1) in all of them alike."""
    files = list(originals[kind])
    tags = elements(files[0])
    tag = tags[index % len(tags)]
    chosen = range(len(files)) if which < 0 else [which % len(files)]
    for n in chosen:
        try:
            files[n] = changed(files[n], tag, value)
        except Exception:  # pydicom itself cannot write this one
            return
    reads_or_refuses(files)


@FUZZ
@given(
    places=st.lists(
        st.tuples(*[st.one_of(st.integers(-3, 3).map(float), st.floats(-1e7, 1e7))] * 3), min_size=1, max_size=6
    )
)
def test_any_positions(places):
    folder = Path(tempfile.mkdtemp(prefix="fuzz-"))
    try:
        cb.write_series(folder, cb.phantom_hu((len(places), 4, 5)), places=np.array(places))
        files = [path.read_bytes() for path in folder.iterdir()]
    finally:
        shutil.rmtree(folder)
    reads_or_refuses(files)


@FUZZ
@given(start=st.floats(0, 1), noise=st.binary(min_size=1, max_size=12), length=st.floats(0, 1))
def test_damaged_dose(start, noise, length):
    data = bytearray(Path(pydicom.data.get_testdata_file("rtdose.dcm")).read_bytes())
    position = int(start * (min(len(data), 2000) - len(noise)))
    data[position : position + len(noise)] = noise
    if length < 0.5:
        data = data[: int(2 * length * len(data))]
    with tempfile.NamedTemporaryFile(suffix=".dcm") as file:
        file.write(data)
        file.flush()
        try:
            assert read_rtdose(Path(file.name)).volume.array.dtype == np.float32
        except Dose3DError as error:
            is_one_clear_line(error)
