"""Fixtures that all tests share."""

from __future__ import annotations

from pathlib import Path

import pytest

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real test data; a stranger's clone has none, then the test skips with a line."""
    if not SHARED_DATA.is_dir():
        pytest.skip("needs the project's data sets in ../shared/data, which do not come with the repository")
    return SHARED_DATA
