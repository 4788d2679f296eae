"""Errors with three parts, so that every door can say the same line: what, why, what to do."""

from __future__ import annotations

__all__ = ["Cancelled", "Dose3DError", "InputError", "OutputError", "ResourceError"]


class Dose3DError(Exception):
    """A fault that a user can mend; doors print it as one line and exit with code 2.

    Parameters
    ----------
    what:
        the file, folder or setting at fault, as the user named it.
    cause:
        why it cannot be used.
    remedy:
        what to do about it.
    """

    def __init__(self, what: object, cause: str, remedy: str):
        self.what, self.cause, self.remedy = str(what), cause, remedy
        super().__init__(f"{self.what}: {self.cause}; {self.remedy}")


class InputError(Dose3DError):
    """An input or a setting that cannot be used."""


class OutputError(Dose3DError):
    """A result that cannot be written (exists already, not writable, disk full)."""


class ResourceError(Dose3DError):
    """Not enough memory, a missing optional package or a missing system library."""


class Cancelled(Exception):
    """The user asked to stop; nothing of the task's output is kept. Exit code 130."""

    def __init__(self) -> None:
        super().__init__("cancelled; nothing was written")
