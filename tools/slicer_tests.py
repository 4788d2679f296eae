#!/usr/bin/env python3
"""Run the GUI tests and each module's own test in a real 3D Slicer.

    python tools/slicer_tests.py --slicer /opt/Slicer-5.10/Slicer            all of them
    python tools/slicer_tests.py --slicer Slicer.exe test_segment_page       one file of Testing/gui
    python tools/slicer_tests.py --slicer Slicer --window                    with the main window

Each file runs in a Slicer of its own (`--testing`: temporary settings, exit code 1 when an exception reached the top).
Packages must be there (press Apply once in a Slicer without `--testing`): nothing is installed while Slicer tests. The
same files run in the continuous integration on a stand-in, see Testing/gui. Exit code 0 when all passed, 1 when a test
failed, 2 when it could not run.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tools"))  # not there by itself under PYTHONSAFEPATH

from list_cmake_files import MODULES, slicer_tests  # noqa: E402

GUI_TESTS = ROOT / "Testing" / "gui"


def slicer_command(slicer: str, code: str, window: bool) -> list[str]:
    hidden = [] if window else ["--no-main-window"]
    paths = [str(ROOT / module) for module in MODULES]
    start = [slicer, "--testing", "--no-splash", *hidden, "--additional-module-paths", *paths]
    return [*start, "--python-code", code]


def code_of(name: str) -> str:
    """What Slicer is told to do: a file of Testing/gui by its name, or a module's own test by the module's name."""
    if name in MODULES:
        return f"import slicer, {name}; slicer.util.selectModule('{name}'); {name}.{name}Test().runTest()"
    return f"import slicer.testing; slicer.testing.runUnitTest([{str(GUI_TESTS)!r}], {name!r})"


def run_one(slicer: str, name: str, window: bool) -> bool:
    start = time.monotonic()
    code = subprocess.run(slicer_command(slicer, code_of(name), window), check=False).returncode
    print(
        f"{'passed' if code == 0 else f'FAILED (exit code {code})'}  {name}  {time.monotonic() - start:.0f} s",
        flush=True,
    )
    return code == 0


def main(arguments: list[str] | None = None) -> int:
    known = [*MODULES, *(Path(name).stem for name in slicer_tests())]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--slicer", required=True, help="Slicer's executable")
    parser.add_argument("--window", action="store_true", help="show the main window")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(known)} (default: all)")
    given = parser.parse_args(arguments)
    if shutil.which(given.slicer) is None:
        parser.error(f"--slicer {given.slicer}: is no program; name Slicer's executable")
    if unknown := [name for name in given.names if name not in known]:
        parser.error(f"{', '.join(unknown)}: no such test; choose from {', '.join(known)}")
    results = [run_one(given.slicer, name, given.window) for name in given.names or known]
    print(f"{sum(results)} of {len(results)} passed")
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
