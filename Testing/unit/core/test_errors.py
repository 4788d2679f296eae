"""Errors say what, why and what to do in one line."""

from __future__ import annotations

from pathlib import Path

import pytest
from Dose3DLib.core.errors import Cancelled, Dose3DError, InputError, OutputError, ResourceError


@pytest.mark.parametrize("kind", [Dose3DError, InputError, OutputError, ResourceError])
def test_three_parts(kind):
    error = kind(Path("CT"), "holds no CT", "choose another folder")
    assert str(error) == "CT: holds no CT; choose another folder"
    assert (error.what, error.cause, error.remedy) == ("CT", "holds no CT", "choose another folder")
    assert isinstance(error, Dose3DError)


def test_cancelled_is_no_error_of_input():
    assert not issubclass(Cancelled, Dose3DError)
    assert str(Cancelled()) == "cancelled; nothing was written"
