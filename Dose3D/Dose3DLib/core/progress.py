"""Progress, warnings, timings and cancellation: what a task says while it runs.

A task receives one `Progress` and never prints. Doors subclass it or give it listeners: the console draws a bar, the
worker appends a JSON line, Slicer moves its progress bar, the tests keep the events in a list.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from .errors import Cancelled

__all__ = ["Event", "Progress"]

Event = dict[str, Any]

_KNOWN_AFTER_SECONDS, _KNOWN_AFTER_FRACTION = 2.0, 0.02
"""Before, the time that is left is a guess from too little: the first step says nothing about the next one."""


class Progress:
    """Collects what happens in a task and hands it on as events (plain JSON-able dictionaries).

    Events have `event` (`progress`, `warning`, `picture`, `curve`, `stage`), `time_s` since the start, and
    `progress` events also `fraction` in 0..1, `remaining_s` (None while unknown), `stage` and `message`; `curve` events
    `step` and numbers by name; `picture` events `path`, a PNG that lies there and may be written anew.

    Parameters
    ----------
    listener:
        called with each event.
    cancelled:
        asked at every report; returning True makes `report` and `check` raise `Cancelled`.
    """

    def __init__(
        self,
        listener: Callable[[Event], None] | None = None,
        cancelled: Callable[[], bool] | None = None,
    ):
        self._listener = listener or (lambda event: None)
        self._cancelled = cancelled or (lambda: False)
        self._start = time.monotonic()
        self._span = (0.0, 1.0)
        self._stage = ""
        self.fraction = 0.0
        self.warnings: list[str] = []
        self.seconds: dict[str, float] = {}

    def check(self) -> None:
        """Raise `Cancelled` when the user asked to stop."""
        if self._cancelled():
            raise Cancelled

    def emit(self, event: str, **content: Any) -> None:
        """Hand one event to the listener; `content` must be JSON-able."""
        self._listener({"event": event, "time_s": round(time.monotonic() - self._start, 3), **content})

    def report(self, fraction: float, message: str = "") -> None:
        """Say how far the present stage is (0..1 within the stage) and give a cancel its chance."""
        self.check()
        low, high = self._span
        self.fraction = low + (high - low) * min(max(fraction, 0.0), 1.0)
        elapsed = time.monotonic() - self._start
        is_known = elapsed > _KNOWN_AFTER_SECONDS and self.fraction > _KNOWN_AFTER_FRACTION
        remaining = elapsed * (1 - self.fraction) / self.fraction if is_known else None
        self.emit(
            "progress",
            fraction=round(self.fraction, 4),
            remaining_s=None if remaining is None else round(remaining, 1),
            stage=self._stage,
            message=message,
        )

    def warn(self, text: str) -> None:
        """Keep a warning for the report and pass it on; the same sentence is said once."""
        if text not in self.warnings:
            self.warnings.append(text)
            self.emit("warning", message=text)

    @contextmanager
    def part(self, until: float) -> Iterator[None]:
        """A share of the work that reports 0..1 of its own, by stages or reports: from now to `until`.

        `until` is a fraction of the enclosing part (of the whole task outside any), so that a task may call another.
        """
        self.check()
        previous = self._span
        low, high = previous
        self._span = (self.fraction, max(self.fraction, low + (high - low) * until))
        try:
            yield
        finally:
            end = self._span[1]
            self._span = previous
        self.fraction = end

    @contextmanager
    def stage(self, name: str, until: float) -> Iterator[None]:
        """A part with a name, whose seconds are kept."""
        previous, start = self._stage, time.monotonic()
        self._stage = name
        try:
            with self.part(until):
                self.report(0.0)
                yield
        finally:
            self.seconds[name] = round(self.seconds.get(name, 0.0) + time.monotonic() - start, 3)
            self._stage = previous
