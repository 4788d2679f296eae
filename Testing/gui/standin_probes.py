"""Runs probes of the real desktop in the stand-in: pieces of code with the answer that the real one gave.

    python standin_probes.py PROBES.json < IDS     prints one JSON line for each ID (one a line): what came out

A probe may end the process or never come back, so they run in processes of their own; `answers()` starts them, and
goes on behind a probe that ended one.
"""

from __future__ import annotations

import ast
import contextlib
import gc
import io
import json
import os
import re
import subprocess
import sys
import tempfile
import time
import types
from pathlib import Path

HERE = Path(__file__).resolve().parent
PROBES = HERE.parents[2] / "shared" / "slicer-api.json"
SECONDS = 300
"""For one process; the probes of one topic take seconds."""

TEMPLATE = "TEMPLATE/"
"""Stands in the probes for the folder of Slicer's own template, which a test may replace by its own .ui file."""


def load(topics: set[str] | None = None) -> list[dict]:
    """The probes, of some topics or all; empty where the file is absent."""
    if not PROBES.is_file():
        return []
    probes = json.loads(PROBES.read_text(encoding="utf-8"))["behaviour_probes"]
    return [probe for probe in probes if topics is None or probe["topic"] in topics]


def answers(probes: list[dict]) -> dict[str, str]:
    """What the stand-in answers, by the probe's ID: the repr of the value, or 'Error: message', or how it ended."""
    left = [probe["id"] for probe in probes]
    found: dict[str, str] = {}
    while left:
        lines, ended = _run(left)
        found.update((line["id"], line["answer"]) for line in lines)
        left = [name for name in left if name not in found]
        if left:
            found[left.pop(0)] = ended
    return found


def _run(ids: list[str]) -> tuple[list[dict], str]:
    """The lines of one process and how it ended."""
    environment = {**os.environ, "QT_QPA_PLATFORM": "offscreen", "OMP_NUM_THREADS": "1"}
    with tempfile.TemporaryDirectory() as folder:
        environment.update(HOME=folder, XDG_CONFIG_HOME=folder)
        command = [sys.executable, str(HERE / "standin_probes.py"), str(PROBES)]
        process = subprocess.Popen(
            command, cwd=folder, env=environment, text=True, stdin=-1, stdout=-1, stderr=subprocess.PIPE
        )
        try:
            output, errors = process.communicate("\n".join(ids), timeout=SECONDS)
            ended = f"process ended with {process.returncode}: {errors.strip()[-300:]}"
        except subprocess.TimeoutExpired:
            process.kill()
            output, ended = process.communicate()[0], f"no answer in {SECONDS} s"
    return [json.loads(line) for line in output.splitlines() if line.startswith("{")], ended


def expected(probe: dict) -> str:
    """What the real one answered, in the form of `answers`."""
    return probe["value"] if "value" in probe else probe["raised"]


def agrees(answer: str, wanted: str) -> bool:
    """Whether an answer is the real one's; addresses don't count, and long answers were cut with '...'."""
    answer, wanted = _plain(answer), _plain(wanted)
    cut = re.match(r"(.*)\.\.\.(['\"]?)$", wanted, re.DOTALL)
    return answer == wanted or bool(cut and len(wanted) > 400 and answer.startswith(cut.group(1)))


def _plain(text: str) -> str:
    return re.sub(r"0x[0-9a-fA-F.]+", "0x..", text)


# --- inside the process


def main() -> None:
    sys.path.insert(0, str(HERE))
    probes = {probe["id"]: probe for probe in json.loads(Path(sys.argv[1]).read_text())["behaviour_probes"]}
    ids = sys.stdin.read().split()
    output = os.fdopen(os.dup(1), "w")  # what the probes print does not belong here
    os.dup2(2, 1)
    bed = Bed()
    for name in ids:
        print(json.dumps({"id": name, "answer": bed.answer(probes[name])}), file=output, flush=True)
    output.close()
    os._exit(0)  # what the probes left behind may not end in order


class Bed:
    """The names that a probe finds."""

    def __init__(self):
        from PySide6.QtWidgets import QApplication

        self.application = QApplication.instance() or QApplication(["probes"])
        self.application.setOrganizationName("probe")
        self.application.setApplicationName("probe")
        from standin.pythonqt import qt_module, register_qt_name
        from standin.widgets import ctk_module, loader_class

        register_qt_name("QUiLoader", loader_class())
        self.qt, self.ctk = qt_module(), ctk_module()
        sys.modules["qt"], sys.modules["ctk"] = self.qt, self.ctk
        from standin.pythonqt import python_qt_module

        self.python_qt = python_qt_module()
        self._prepare_main()
        self.qt.QLabel("")  # loads PySide6's signatures
        gc.collect()
        gc.freeze()  # collections after each probe look at the probes' objects only

    def _prepare_main(self) -> None:
        """`__main__._app` and `__main__._help`, which probes ask for the error flag."""
        from standin.pythonqt import error_flag, wrap

        flag = types.SimpleNamespace(clearError=error_flag.clear, hadError=lambda: bool(error_flag.had_error))
        self.main = types.SimpleNamespace(_app=wrap(self.application), _help=flag)
        module = sys.modules["__main__"]
        module._app, module._help = self.main._app, flag

    def _prepare_slicer(self) -> None:
        import slicer
        from standin.widgets import slicer_widget_classes

        for name, wrapper in slicer_widget_classes().items():
            setattr(slicer, name, wrapper)
        from standin.desktop.application import install_package

        install_package(slicer)
        if not hasattr(slicer, "modules"):
            slicer.modules = types.SimpleNamespace()

    def spin(self, milliseconds: int = 20) -> None:
        """Handle events for a while, without a loop of its own (which would also delete what waits for deletion)."""
        end = time.monotonic() + milliseconds / 1000
        while time.monotonic() < end:
            self.application.processEvents()
            time.sleep(0.001)

    def answer(self, probe: dict) -> str:
        if "mrml" in probe["bed"]:
            self._prepare_slicer()
        code = probe["code"].replace(TEMPLATE, os.environ.get("STANDIN_TEMPLATE", TEMPLATE))
        names = {"qt": self.qt, "ctk": self.ctk, "sys": sys, "gc": gc, "os": os, "spin": self.spin}
        names.update(_app=self.main._app, PythonQt=self.python_qt)
        with contextlib.redirect_stdout(io.StringIO()):
            try:
                value = _run_code(code, names)
                result = "(no exception)" if value is _NOTHING else repr(value)
            except BaseException as error:  # noqa: BLE001 (a probe may raise anything, SystemExit too)
                result = f"{type(error).__name__}: {error}"
        names.clear()
        gc.collect()
        return result


_NOTHING = object()


def _run_code(code: str, names: dict):
    """Execute; the value of the last line where that is an expression."""
    tree = ast.parse(code)
    last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, "<probe>", "exec", dont_inherit=True), names)
    if last is None:
        return _NOTHING
    return eval(compile(ast.Expression(last.value), "<probe>", "eval", dont_inherit=True), names)


if __name__ == "__main__":
    main()
