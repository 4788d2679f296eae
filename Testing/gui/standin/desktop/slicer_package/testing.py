"""Runs unit tests by name, as the desktop does under --testing."""

from __future__ import annotations

import sys
import unittest

__all__ = ["runUnitTest"]


def runUnitTest(path, testname: str) -> None:
    """Run the tests of a module that is found in the given folders; raises when one fails."""
    sys.path[:0] = [path] if isinstance(path, str) else list(path)
    suite = unittest.TestLoader().loadTestsFromName(testname)
    if not unittest.TextTestRunner(verbosity=2).run(suite).wasSuccessful():
        raise Exception(f"Test {testname} failed")
