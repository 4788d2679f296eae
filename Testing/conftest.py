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


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--slow", action="store_true", help="also run the tests that take over 20 s each")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the slow tests out unless --slow, a -m expression or the very test's name asks for them."""
    named = any("::" in argument for argument in config.args)
    if config.getoption("--slow") or config.getoption("-m") or named:
        return
    slow = [item for item in items if "slow" in item.keywords]
    if slow:
        config.hook.pytest_deselected(items=slow)
        items[:] = [item for item in items if "slow" not in item.keywords]
