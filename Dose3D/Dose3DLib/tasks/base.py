"""What every task is made of: checked settings, a result, an entry of the registry.

A task's settings are a frozen dataclass derived from `TaskSettings`, its fields made by `option`::

    @dataclass(frozen=True)
    class Settings(TaskSettings):
        ct: Path = option(help="folder of a CT series", positional=True)
        output: Path = option(help="folder for the results")
        margin: float = option(5.0, help="margin around the body", unit="mm", minimum=0, maximum=50)

Fields are flat and of these types: str, int, float, bool, Path, `Literal[...]` of strings, `tuple[str, ...]`,
`tuple[float, ...]`, and `X | None` (default None) of the first six.
"""

from __future__ import annotations

import dataclasses
import json
import math
import numbers
import os
import shlex
import typing
from collections.abc import Iterable
from dataclasses import MISSING, dataclass, field
from difflib import get_close_matches
from functools import cache
from importlib import import_module
from pathlib import Path
from types import ModuleType, UnionType
from typing import Any, Literal, TypeVar

from ..core.errors import InputError

__all__ = ["Option", "Result", "Task", "TaskSettings", "option", "options_of", "parse_job"]

S = TypeVar("S", bound="TaskSettings")


@dataclass(frozen=True)
class Option:
    """One setting as the doors see it; `kind` is str, int, float, bool, Path or tuple, of `element` (str or float)."""

    name: str
    kind: type
    default: Any
    required: bool
    optional: bool
    help: str
    unit: str
    minimum: float | None
    maximum: float | None
    choices: tuple[str, ...]
    positional: bool
    element: type = str

    @property
    def flag(self) -> str:
        """The setting's name on the command line, which error messages use at every door."""
        return "--" + self.name.replace("_", "-")

    @property
    def range_text(self) -> str:
        """The allowed range in words with the unit, or an empty string."""
        unit = f" {self.unit}" if self.unit else ""
        if self.minimum is not None and self.maximum is not None:
            return f"{self.minimum:g} to {self.maximum:g}{unit}"
        if self.minimum is not None:
            return f"at least {self.minimum:g}{unit}"
        return f"at most {self.maximum:g}{unit}" if self.maximum is not None else ""


def option(
    default: Any = MISSING,
    *,
    help: str,
    unit: str = "",
    minimum: float | None = None,
    maximum: float | None = None,
    choices: tuple[str, ...] = (),
    positional: bool = False,
) -> Any:
    """A field of a `TaskSettings` class; without `default` the setting is required.

    `minimum` and `maximum` are allowed values themselves. `choices` holds the allowed strings; a `Literal[...]`
    annotation does the same. Of a tuple they are about each element. Positional settings come first on the command
    line, by order.
    """
    facts = {"help": help, "unit": unit, "minimum": minimum, "maximum": maximum}
    metadata = {**facts, "choices": tuple(choices), "positional": positional}
    return field(default=default, metadata=metadata, kw_only=True)


@cache
def options_of(settings_class: type[TaskSettings]) -> tuple[Option, ...]:
    """The settings of a task in the order of its fields."""
    hints = typing.get_type_hints(settings_class)
    return tuple(_read_field(f, hints[f.name]) for f in dataclasses.fields(settings_class))


def _read_field(f: dataclasses.Field[Any], hint: Any) -> Option:
    kind, optional, literals = _read_hint(f.name, hint)
    element = typing.get_args(hint)[0] if kind is tuple else str
    required = f.default is MISSING
    if optional and f.default is not None:
        raise TypeError(f"{f.name}: a setting that may be None must have None as its default")
    facts = {"help": "", "unit": "", "minimum": None, "maximum": None, "choices": (), "positional": False, **f.metadata}
    facts["choices"] = literals or facts["choices"]
    return Option(f.name, kind, None if required else f.default, required, optional, element=element, **facts)


def _read_hint(name: str, hint: Any) -> tuple[type, bool, tuple[str, ...]]:
    """Split an annotation into plain type, "may be None" and the choices of a Literal."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, UnionType):
        inner = [a for a in arguments if a is not type(None)]
        if len(inner) == 1 and len(arguments) == 2:
            kind, _, literals = _read_hint(name, inner[0])
            return kind, True, literals
    if origin is Literal and all(isinstance(a, str) for a in arguments):
        return str, False, arguments
    if origin is tuple and arguments in ((str, Ellipsis), (float, Ellipsis)):
        return tuple, False, ()
    if hint in (str, int, float, bool, Path):
        return hint, False, ()
    raise TypeError(f"{name}: {hint} is not a type that settings may have")


@dataclass(frozen=True)
class TaskSettings:
    """Base of all settings: checks types, ranges and choices when made, goes to JSON, command and Python and back.

    Raises
    ------
    InputError
        a value of the wrong type, outside its range or none of the choices; names the setting as `--name`.
    """

    def __post_init__(self) -> None:
        for item in options_of(type(self)):
            object.__setattr__(self, item.name, _checked(item, getattr(self, item.name)))

    def to_dict(self) -> dict[str, Any]:
        """All settings as JSON values: paths as strings, tuples as lists."""
        return {item.name: _plain(getattr(self, item.name)) for item in options_of(type(self))}

    def inputs(self) -> tuple[Path, ...]:
        """All paths that are set, but for outputs (`output`, or a name that ends in `_output`)."""
        names = [item.name for item in options_of(type(self)) if item.kind is Path and not item.name.endswith("output")]
        return tuple(path for path in (getattr(self, name) for name in names) if path is not None)

    def to_json(self) -> str:
        """A job file: all settings as a JSON object in ASCII, so any path survives any encoding."""
        return json.dumps(self.to_dict(), indent=2)

    @classmethod
    def from_json(cls: type[S], text: str, source: str = "settings") -> S:
        """Make settings from `to_json`'s text; settings that it leaves out have their defaults.

        Raises
        ------
        InputError
            no JSON object, an unknown key (the nearest name is given), a missing or wrong value; names `source`.
        """
        return cls.from_dict(parse_job(cls, text, source))

    @classmethod
    def from_dict(cls: type[S], values: dict[str, Any]) -> S:
        """Make settings from values by name; required ones that are missing raise InputError."""
        for item in options_of(cls):
            if item.required and item.name not in values:
                raise InputError(item.flag, "is missing", f"give it ({item.help})" if item.help else "give it")
        return cls(**values)

    def to_command(self, program: str = "dose3d") -> str:
        """The exact command line (POSIX shell) that runs the task with these settings; defaults are left out."""
        words = [program, *_task_of(type(self)).command]
        bare = self._bare_arguments()
        words += [str(getattr(self, item.name)) for item in bare]
        for item in self._changed():
            words += [] if item in bare else _to_words(item, getattr(self, item.name))
        return " ".join(shlex.quote(word) for word in words)

    def to_python(self) -> str:
        """The exact Python lines that run the task with these settings; defaults are left out."""
        package, _, name = type(self).__module__.rpartition(".")
        line = f"from {package} import {name}" if package else f"import {name}"
        values = ", ".join(f"{item.name}={_python(getattr(self, item.name))}" for item in self._changed())
        return f"{line}\n\nresult = {name}.run({name}.{type(self).__qualname__}({values}))\n"

    def _bare_arguments(self) -> list[Option]:
        """The positional settings that can stand without their names: up to the first default or odd value."""
        changed, bare = self._changed(), []
        for item in (item for item in options_of(type(self)) if item.positional):
            text = str(getattr(self, item.name))
            if item not in changed or item.kind is tuple or not text or text.startswith("-"):
                break
            bare.append(item)
        return bare

    def _changed(self) -> list[Option]:
        options = options_of(type(self))
        return [item for item in options if item.required or getattr(self, item.name) != _checked(item, item.default)]


def parse_job(settings_class: type[TaskSettings], text: str, source: str) -> dict[str, Any]:
    """Read a job file's text into values by name and check its keys; values are checked by the settings class."""
    try:
        values = json.loads(text)
    except ValueError as error:
        raise InputError(source, f"is not JSON ({error})", "mend the file or write a new one") from error
    if not isinstance(values, dict):
        raise InputError(source, "holds no JSON object", 'write {"setting": value, ...}')
    names = [item.name for item in options_of(settings_class)]
    for key in values:
        if key not in names:
            near = get_close_matches(key.replace("-", "_"), names, n=1)
            remedy = f'did you mean "{near[0]}"?' if near else f"known settings are {', '.join(names)}"
            raise InputError(source, f'has an unknown setting "{key}"', remedy)
    return values


def _checked(item: Option, value: Any) -> Any:
    """The value in the option's own type, or InputError."""
    if value is None and item.optional:
        return None
    if item.kind is tuple:
        return _checked_numbers(item, value) if item.element is float else _checked_tuple(item, value)
    return _checked_single(item, value)


def _checked_single(item: Option, value: Any) -> Any:
    value = _converted(item, value)
    if item.choices and value not in item.choices:
        raise _not_a_choice(item, value)
    below = item.minimum is not None and value < item.minimum
    if below or (item.maximum is not None and value > item.maximum):
        raise InputError(item.flag, f"{value} is out of range", f"give {item.range_text}")
    return value


def _converted(item: Option, value: Any) -> Any:
    """Accept what loses nothing: int for float, numpy's numbers, str or any path object for Path."""
    if item.kind is Path and isinstance(value, str | os.PathLike):
        return _converted_path(item, value)
    if item.kind is bool and isinstance(value, bool):
        return value
    if item.kind is str and isinstance(value, str) and "\0" not in value:
        return value
    if item.kind is int and isinstance(value, numbers.Integral) and not isinstance(value, bool):
        return int(value)
    if item.kind is float and isinstance(value, numbers.Real) and not isinstance(value, bool):
        if not math.isfinite(value):
            raise InputError(item.flag, f"{value} is not a finite number", f"give {item.range_text or 'a number'}")
        return float(value)
    words = {Path: "a path", str: "a text", bool: "true or false", int: "a whole number", float: "a number"}
    raise InputError(item.flag, f"{value!r} is not {words[item.kind]}", f"give {words[item.kind]}")


def _converted_path(item: Option, value: str | os.PathLike[Any]) -> Path:
    text = os.fsdecode(value)
    if not text or "\0" in text:
        raise InputError(item.flag, f"{text!r} is not a path", "give a path")
    return Path(text)


def _checked_tuple(item: Option, value: Any) -> tuple[str, ...]:
    values = (value,) if isinstance(value, str) else value
    if not isinstance(values, list | tuple) or not all(isinstance(v, str) and "\0" not in v for v in values):
        raise InputError(item.flag, f"{value!r} is not a list of texts", "give a list of texts")
    for v in values:
        if item.choices and v not in item.choices:
            raise _not_a_choice(item, v)
    return tuple(values)


def _checked_numbers(item: Option, value: Any) -> tuple[float, ...]:
    """Finite numbers within the range; any sequence of numbers will do, a numpy array, too."""
    if isinstance(value, str | bytes | dict) or not isinstance(value, Iterable):
        raise InputError(item.flag, f"{value!r} is not a list of numbers", "give a list of numbers")
    single = dataclasses.replace(item, kind=float)
    return tuple(_checked_single(single, v) for v in value)


def _not_a_choice(item: Option, value: str) -> InputError:
    near = get_close_matches(value, item.choices, n=1)
    remedy = f'did you mean "{near[0]}"?' if near else f"choose from {', '.join(item.choices)}"
    return InputError(item.flag, f'"{value}" is not one of the choices', remedy)


def _plain(value: Any) -> Any:
    if isinstance(value, Path):
        return str(value)
    return list(value) if isinstance(value, tuple) else value


def _python(value: Any) -> str:
    return repr(str(value)) if isinstance(value, Path) else repr(value)


def _to_words(item: Option, value: Any) -> list[str]:
    """One setting as command line words; `--name=value` where a value might be taken for an option."""
    if item.kind is bool:
        return [item.flag if value else "--no-" + item.flag[2:]]
    values = [str(v) for v in value] if item.kind is tuple else [str(value)]
    if not values:
        return ["--no-" + item.flag[2:]]
    if item.element is str and any(v.startswith("-") or not v for v in values):
        return [f"{item.flag}={v}" for v in values]
    return [item.flag, *values]


def _task_of(settings_class: type[TaskSettings]) -> Task:
    """The registry's entry whose module holds the settings class."""
    from . import registry  # it imports Task from here

    for task in registry.TASKS:
        if task.module == settings_class.__module__:
            return task
    raise LookupError(f"{settings_class.__module__} is not in tasks/registry.py")


@dataclass(frozen=True)
class Result:
    """What a task leaves behind; JSON-able.

    Parameters
    ----------
    output:
        the folder or file that was asked for; None where a task wrote nothing because none was.
    files:
        what lies in it: a short name to a path relative to `output`.
    summary:
        the figures worth a line on the screen, JSON values by name.
    warnings:
        what the user should know before using the result.
    seconds:
        time of each step.
    """

    output: Path | None
    files: dict[str, str] = field(default_factory=dict)
    summary: dict[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    seconds: dict[str, float] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        return {**dataclasses.asdict(self), "output": _plain(self.output), "warnings": list(self.warnings)}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Result:
        output = None if values["output"] is None else Path(values["output"])
        return cls(**{**values, "output": output, "warnings": tuple(values["warnings"])})


@dataclass(frozen=True)
class Task:
    """One user action: its command ("segment", "run"), the module that holds it, and the line that help shows."""

    command: tuple[str, ...]
    module: str
    summary: str

    @property
    def name(self) -> str:
        return " ".join(self.command)

    def load(self) -> ModuleType:
        """Import the task's module, which has `Settings` and `run`."""
        return import_module(self.module)
