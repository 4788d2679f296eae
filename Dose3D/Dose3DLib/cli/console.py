"""What the command line says while a task runs and when it ends; safe on consoles of any encoding."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, TextIO

from ..core.progress import Event
from ..tasks.base import Result

__all__ = ["Display", "SafeStream", "duration", "show_result"]

PLAIN_INTERVAL_SECONDS = 10.0
"""Where no bar can be drawn (a pipe, a log), at most one line in this time, and one for each new stage."""


class SafeStream:
    """A text stream that writes what its encoding lacks as escapes, and has what rich asks of a stream.

    Slicer's own stdout has little more than `write`; a Windows pipe knows only cp1252.
    """

    def __init__(self, stream: TextIO):
        self._stream = stream

    @property
    def encoding(self) -> str:
        return getattr(self._stream, "encoding", None) or "ascii"

    def write(self, text: str) -> int:
        self._stream.write(text.encode(self.encoding, "backslashreplace").decode(self.encoding))
        return len(text)

    def flush(self) -> None:
        getattr(self._stream, "flush", lambda: None)()

    def isatty(self) -> bool:
        return bool(getattr(self._stream, "isatty", lambda: False)())

    def fileno(self) -> int:
        return self._stream.fileno()

    def say(self, text: str) -> None:
        self.write(text + "\n")
        self.flush()


def duration(seconds: float) -> str:
    """`0.4 s`, `12 s`, `2 min 05 s`, `1 h 07 min`."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    return f"{whole // 60} min {whole % 60:02} s" if whole < 3600 else f"{whole // 3600} h {whole % 3600 // 60:02} min"


class Display:
    """Shows a task's progress: a bar on a terminal, now and then a line elsewhere, nothing but warnings when quiet."""

    def __init__(self, stream: SafeStream, title: str, quiet: bool = False):
        self._stream, self._title, self._quiet = stream, title, quiet
        self._bar: Any = None
        self._stage, self._last = "", time.monotonic()
        self.said: list[str] = []

    def __enter__(self) -> Display:
        if self._quiet:
            return self
        if self._stream.isatty():
            self._bar = _make_bar(self._stream)
            self._row = self._bar.add_task(self._title, total=1.0, left="starting")
            self._bar.start()
        else:
            self._stream.say(f"{self._title}: starting")
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Take the bar away; what is said afterwards stands alone."""
        if self._bar is not None:
            self._bar.stop()

    def __call__(self, event: Event) -> None:
        if event["event"] == "warning":
            self.said.append(event["message"])
            self._warn(f"warning: {event['message']}")
        elif event["event"] == "progress" and not self._quiet:
            self._show(event)

    def _warn(self, line: str) -> None:
        line = " ".join(line.split())
        if self._bar is not None:
            self._bar.console.print(line, markup=False, highlight=False, soft_wrap=True)
        else:
            self._stream.say(line)

    def _show(self, event: Event) -> None:
        step = " ".join(filter(None, [event["stage"], event["message"]])) or self._title
        left = "" if event["remaining_s"] is None else f"{duration(event['remaining_s'])} left"
        if self._bar is not None:
            self._bar.update(self._row, completed=event["fraction"], description=step, left=left)
            return
        now = time.monotonic()
        if event["stage"] != self._stage or now - self._last >= PLAIN_INTERVAL_SECONDS:
            self._stage, self._last = event["stage"], now
            self._stream.say(f"{event['fraction']:4.0%}  {step}" + (f"  ({left})" if left else ""))


def _make_bar(stream: SafeStream) -> Any:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("{task.percentage:3.0f} %"),
        BarColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[left]}"),
        TextColumn("{task.description}", markup=False),
    )
    return Progress(
        *columns, console=Console(file=stream), transient=True, redirect_stdout=False, redirect_stderr=False
    )


def show_result(result: Result, stream: SafeStream, seconds: float, said: Sequence[str] = ()) -> None:
    """Where the results are, the figures of the summary, the warnings (in full those not `said` before), the time."""
    if result.output is not None:
        stream.say(f"results in {result.output}")
    width = max((len(name) for name in [*result.files, *result.summary]), default=0)
    for name, path in result.files.items():
        stream.say(f"  {name:<{width}}  {path}")
    for name, value in result.summary.items():
        stream.say(f"  {name:<{width}}  {_words(value)}")
    for text in result.warnings:
        if text not in said:
            stream.say(f"warning: {text}")
    count = len(result.warnings)
    warned = f" with {count} warning{'s' * (count > 1)}" if count else ""
    stream.say(f"done in {duration(seconds)}{warned}; for research use only")


def _words(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, dict):
        return ", ".join(f"{name} {_words(v)}" for name, v in value.items())
    return ", ".join(_words(v) for v in value) if isinstance(value, list | tuple) else str(value)
