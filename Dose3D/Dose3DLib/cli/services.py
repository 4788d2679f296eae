"""Commands that are no tasks: they serve until Ctrl-C, in this process, and leave no result.

A service's module has `Settings`, as a task's has, and `serve(settings, say)`, which returns when it was stopped. It
stands beside the registry of tasks, because a form, a job file or a worker has no use for it.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..tasks.base import Task
from ..tasks.registry import TASKS

__all__ = ["COMMANDS", "SERVICES", "Service"]


@dataclass(frozen=True)
class Service(Task):
    """One service: its command, the module that holds it, and the line that help shows."""


SERVICES: tuple[Service, ...] = (
    Service(("view",), "Dose3DLib.view.service", "Show a scene.mrb in the browser, without Slicer."),
)

COMMANDS: tuple[Task, ...] = (*TASKS, *SERVICES)
"""All that the command line knows."""
