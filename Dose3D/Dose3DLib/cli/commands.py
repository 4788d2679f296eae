"""From the registry to commands: one cyclopts app whose leaves return what was asked for, without running it."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import App, Group, Parameter

import Dose3DLib

from ..core.errors import InputError
from ..tasks.base import Option, Task, TaskSettings, options_of, parse_job
from ..tasks.registry import GROUPS
from .services import Service

__all__ = ["Request", "build_app"]

ABOUT = """Dose3D: from a CT to structures for planning systems. For research use only.

Example: dose3d segment run CT_FOLDER --output RESULTS

Each command tells its options with --help. Ctrl-C stops within two seconds and leaves nothing half-written."""

JOB_OPTIONS: dict[str, tuple[Any, Any, str]] = {
    "config": (Path | None, None, "Job file: JSON with settings by name; what the command line gives wins."),
    "json_events": (str | None, None, "Write events as JSON lines into this file, or to standard output for -."),
    "quiet": (bool, False, "Say nothing but warnings and errors."),
}
"""Options that each task has beside its settings: type, default, help; services have none of them."""


@dataclass(frozen=True)
class Request:
    """A task to run as the command line asked for it; `json_events` is a file, "-" or None."""

    task: Task
    settings: TaskSettings
    json_events: str | None = None
    quiet: bool = False


def build_app(argv: Sequence[str], tasks: Sequence[Task], console: Any = None) -> App:
    """The command line of these tasks; only the module of the task that `argv` names is imported."""
    app = _group_app("dose3d", ABOUT, console)
    groups: dict[str, App] = {}
    for task in tasks:
        parent = app
        if len(task.command) > 1:
            word = task.command[0]
            if word not in groups:
                groups[word] = _group_app(word, GROUPS.get(word, ""), console)
                app.command(groups[word])
            parent = groups[word]
        chosen = tuple(argv[: len(task.command)]) == task.command
        command = _command(task, argv) if chosen else _closed_command
        parent.command(command, name=task.command[-1], help=task.summary)
    return app


def _group_app(name: str, about: str, console: Any) -> App:
    version = f"dose3d {Dose3DLib.__version__}"
    return App(name=name, help=about, version=version, help_format="plaintext", console=console)


def _closed_command() -> None:
    """Stands in the help for a command that was not asked for."""


def _command(task: Task, argv: Sequence[str]) -> Any:
    """A function with one parameter for each setting and job option, which returns a Request."""
    settings_class = task.load().Settings
    # What is missing is said by the settings, after the job file was read; only the help shows it as required.
    helping = not {"--help", "-h"}.isdisjoint(argv)
    parameters = [_parameter(item, item.required and helping) for item in options_of(settings_class)]
    parameters.sort(key=lambda parameter: parameter.kind)
    group = Group("Job", sort_key=1)
    for name, (kind, default, text) in ({} if isinstance(task, Service) else JOB_OPTIONS).items():
        annotation = Annotated[kind, Parameter(help=text, group=group, negative=(), show_default=False)]
        keyword = inspect.Parameter.KEYWORD_ONLY
        parameters.append(inspect.Parameter(name, keyword, default=default, annotation=annotation))
    signature = inspect.Signature(parameters)

    def command(*args: Any, **kwargs: Any) -> Request:
        given = signature.bind_partial(*args, **kwargs).arguments
        job = {name: given.pop(name) for name in JOB_OPTIONS if name in given}
        settings = _settings(settings_class, given, job.pop("config", None))
        return Request(task, settings, **job)

    command.__signature__ = signature
    return command


def _parameter(item: Option, required: bool) -> inspect.Parameter:
    if item.name in JOB_OPTIONS:
        raise TypeError(f"{item.flag} is an option of every command; name the setting otherwise")
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD if item.positional else inspect.Parameter.KEYWORD_ONLY
    has_negative = item.kind is bool or (item.kind is tuple and bool(item.default))
    negative: tuple[str, ...] = ("--no-" + item.flag[2:],) if has_negative else ()
    annotation = Annotated[
        _annotation(item),
        Parameter(
            help=_help_text(item),
            required=required,
            negative=negative,
            consume_multiple=item.kind is tuple,
            show_default=False if item.default in (None, ()) else lambda default: _default_text(item),
        ),
    ]
    default = inspect.Parameter.empty if required else item.default
    return inspect.Parameter(item.name, kind, default=default, annotation=annotation)


def _help_text(item: Option) -> str:
    limits = item.range_text or item.unit
    return item.help[:1].upper() + item.help[1:] + (f" ({limits})" if limits else "")


def _default_text(item: Option) -> str:
    if item.kind is bool:
        return "yes" if item.default else "no"
    return " ".join(map(str, item.default)) if item.kind is tuple else str(item.default)


def _annotation(item: Option) -> Any:
    kind = Literal[item.choices] if item.choices else item.element if item.kind is tuple else item.kind
    if item.kind is tuple:
        return tuple[kind, ...]
    return kind | None if item.optional or item.required else kind


def _settings(settings_class: type[TaskSettings], given: dict[str, Any], job_file: Path | None) -> TaskSettings:
    """Settings from the job file and the line; the line wins, and errors name where the value stands."""
    if job_file is None:
        return settings_class.from_dict(given)
    values = parse_job(settings_class, _read_job(job_file), str(job_file))
    try:
        return settings_class.from_dict({**values, **given})
    except InputError as error:
        name = error.what.removeprefix("--").replace("-", "_")
        if name in values and name not in given:
            raise InputError(f'{job_file}, "{name}"', error.cause, error.remedy) from None
        raise


def _read_job(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(path, "is not a JSON file (no UTF-8 text)", "give a job file") from error
    except OSError as error:
        raise InputError(path, error.strerror or str(error), "give a job file that can be read") from error
