#!/usr/bin/env python3
"""Does every handler of the modules matter to a test? Each is replaced by a no-op, and a test must fail.

    .venv/bin/python Testing/gui/no_op_handlers.py                  all handlers
    .venv/bin/python Testing/gui/no_op_handlers.py onApplyButton    those whose name contains a word
    .venv/bin/python Testing/gui/no_op_handlers.py --list

A handler is a method `on...` of a module file or of Dose3DGui. The work is done in a copy of the sources: first one run
of the GUI tests notes which test calls which handler, then each handler loses its body and the tests that called it run
until the first failure. Exit code 0 when every handler was missed, 1 when the tests would not notice one, 2 when the
GUI tests fail as they are.
"""

from __future__ import annotations

import argparse
import ast
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MODULES = ("Dose3D", "Dose3DSegment", "Dose3DPhaseSpace")
SOURCES = (*(f"{name}/{name}.py" for name in MODULES), "Dose3D/Dose3DGui")
COPIED = (*MODULES, "Testing", "pyproject.toml")
PATIENCE_SECONDS = 1200
"""A test that hangs without its handler is a test that fails."""

NOTE = (
    "import os; open(os.environ['DOSE3D_HANDLER_LOG'], 'a', encoding='utf-8')"
    ".write({line!r} % os.environ.get('PYTEST_CURRENT_TEST', ''))"
)


@dataclass(frozen=True)
class Handler:
    """One method: its file below the root, its class and name, and the lines of its body (1-based, inclusive)."""

    file: str
    owner: str
    name: str
    first: int
    last: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}::{self.owner}.{self.name}"


def source_files() -> list[Path]:
    places = [ROOT / name for name in SOURCES]
    return [path for place in places for path in (sorted(place.glob("*.py")) if place.is_dir() else [place])]


def handlers() -> list[Handler]:
    """All methods named `on...` of the sources, in order."""
    return [handler for path in source_files() for handler in _handlers_of(path)]


def _handlers_of(path: Path) -> list[Handler]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    owners = [node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    methods = [(o, m) for o in owners for m in o.body if isinstance(m, ast.FunctionDef) and _does_something(m)]
    return [_handler(path.relative_to(ROOT).as_posix(), owner.name, method) for owner, method in methods]


def _does_something(method: ast.FunctionDef) -> bool:
    """A handler that has more than its docstring: the empty hooks of a base class can do no less."""
    return bool(re.match("on[A-Z]", method.name)) and (len(method.body) > 1 or ast.get_docstring(method) is None)


def _handler(file: str, owner: str, method: ast.FunctionDef) -> Handler:
    has_text = isinstance(method.body[0], ast.Expr) and isinstance(method.body[0].value, ast.Constant)
    body = method.body[1:] if has_text and len(method.body) > 1 else method.body
    return Handler(file, owner, method.name, body[0].lineno, body[-1].end_lineno, body[0].col_offset)


def copy_sources(folder: Path) -> None:
    """The sources and tests in a folder of their own; unchanged files are hard links where the disk allows."""
    for name in COPIED:
        source, target = ROOT / name, folder / name
        if source.is_dir():
            ignored = shutil.ignore_patterns("__pycache__", ".*")
            shutil.copytree(source, target, copy_function=_link, ignore=ignored)
        else:
            _link(source, target)
    if (ROOT.parent / "shared").is_dir():
        (folder.parent / "shared").symlink_to((ROOT.parent / "shared").resolve(), target_is_directory=True)


def _link(source: str | Path, target: str | Path) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def rewrite(folder: Path, file: str, text: str) -> None:
    """Give the copy another text, without touching the file that it may be a link to."""
    (folder / file).unlink()
    (folder / file).write_text(text, encoding="utf-8")


def with_notes(file: str, members: Sequence[Handler]) -> str:
    """The file's text in which each handler first notes that it was called, and by which test."""
    lines = (ROOT / file).read_text(encoding="utf-8").splitlines()
    for handler in sorted(members, key=lambda h: -h.first):
        lines.insert(handler.first - 1, " " * handler.column + NOTE.format(line=f"{handler}\t%s\n"))
    return "\n".join(lines) + "\n"


def without_body(handler: Handler) -> str:
    lines = (ROOT / handler.file).read_text(encoding="utf-8").splitlines()
    lines[handler.first - 1 : handler.last] = [" " * handler.column + "return None"]
    return "\n".join(lines) + "\n"


def run_tests(folder: Path, tests: Sequence[str], log: Path | None = None) -> tuple[bool, str]:
    """Run tests in a copy until the first failure; whether all passed, and the end of what pytest said."""
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "DOSE3D_HANDLER_LOG": str(log or os.devnull)}
    command = [sys.executable, "-m", "pytest", "--slow", "-x", "-q", "--no-header", "-p", "no:cacheprovider", *tests]
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True, "errors": "replace"}
    try:
        done = subprocess.run(command, cwd=folder, env=environment, timeout=PATIENCE_SECONDS, **streams, check=False)
    except subprocess.TimeoutExpired:
        return False, "hangs"
    if done.returncode not in (0, 1):
        return done.returncode == 5, done.stdout[-3000:]  # 5: no test ran; others: the process died, which is a failure
    return done.returncode == 0, done.stdout[-3000:]


def tests_by_handler(found: Sequence[Handler], folder: Path) -> dict[str, list[str]]:
    """One run of all GUI tests: handler -> the tests that call it, in their order."""
    copy = folder / "noted" / "copy"
    copy_sources(copy)
    for file in {handler.file for handler in found}:
        rewrite(copy, file, with_notes(file, [h for h in found if h.file == file]))
    log = folder / "calls.tsv"
    tests = sorted((copy / "Testing" / "gui").glob("test_*.py"))
    names = [path.name for path in tests if re.search(r"^from \w+_case import", path.read_text("utf-8"), re.M)]
    passed, words = run_tests(copy, [f"Testing/gui/{name}" for name in names], log)
    if not passed:
        print(words, file=sys.stderr)
        raise SystemExit(2)
    calls: dict[str, list[str]] = {}
    for line in log.read_text(encoding="utf-8").splitlines() if log.exists() else []:
        handler, test = line.split("\t")
        test = test.rpartition(" (")[0]
        if test and test not in calls.setdefault(handler, []):
            calls[handler].append(test)
    return calls


def is_missed(handler: Handler, tests: Sequence[str], folder: Path) -> bool:
    """True when a test fails without the handler's body."""
    copy = Path(tempfile.mkdtemp(dir=folder)) / "copy"
    copy_sources(copy)
    rewrite(copy, handler.file, without_body(handler))
    passed, _ = run_tests(copy, tests)
    shutil.rmtree(copy.parent, ignore_errors=True)
    return not passed


def judge(handler: Handler, calls: dict[str, list[str]], folder: Path) -> bool:
    start, tests = time.monotonic(), calls.get(str(handler), [])
    missed = bool(tests) and is_missed(handler, tests, folder)
    verdict = "missed" if missed else "NOT MISSED by its tests" if tests else "NOT CALLED by any test"
    print(f"{verdict:24} {handler}  ({len(tests)} tests, {time.monotonic() - start:.0f} s)", flush=True)
    return missed


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("words", nargs="*", help="only handlers whose file::Class.name contains one of these")
    parser.add_argument("--list", action="store_true", help="name the handlers and end")
    parser.add_argument("--jobs", type=int, default=1, help="handlers at a time (default 1)")
    given = parser.parse_args()
    every = handlers()
    chosen = [h for h in every if not given.words or any(word in str(h) for word in given.words)]
    if given.list or not chosen:
        print("\n".join(map(str, chosen)) or "no such handler")
        return 0 if given.list else 2
    with tempfile.TemporaryDirectory(prefix="dose3d-no-op-") as name:
        calls = tests_by_handler(every, Path(name))
        with ThreadPoolExecutor(given.jobs) as pool:
            results = list(pool.map(lambda handler: judge(handler, calls, Path(name)), chosen))
    print(f"{sum(results)} of {len(results)} handlers are missed when they do nothing")
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
