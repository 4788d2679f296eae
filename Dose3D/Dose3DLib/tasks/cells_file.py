"""CELLS.csv as a task's output: the file and, beside it, its provenance."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from ..core.errors import InputError
from ..core.output import atomic_output

__all__ = ["check_csv_name", "provenance_path", "write_cells_file"]


def check_csv_name(path: Path) -> None:
    """Refuse an output that nobody would know for a table.

    Raises
    ------
    InputError
    """
    if path.suffix.lower() != ".csv":
        raise InputError(path, "has another ending than .csv", "name the output CELLS.csv, for instance")


def provenance_path(path: Path) -> Path:
    """By the whole name: a layout of the same stem may lie beside it."""
    return path.with_name(f"{path.name}.provenance.json")


def write_cells_file(
    path: Path, text: str, provenance: Callable[[], dict[str, Any]], overwrite: bool, inputs: Iterable[Path]
) -> dict[str, str]:
    """Write both; they appear together or not at all. Returns the names of the files by kind.

    Raises
    ------
    OutputError
    """
    inputs = tuple(inputs)
    record_path = provenance_path(path)
    with atomic_output(record_path, overwrite, inputs) as record, atomic_output(path, overwrite, inputs) as draft:
        draft.write_text(text, encoding="utf-8", newline="")
        content = json.dumps(provenance(), indent=2, ensure_ascii=False) + "\n"
        record.write_text(content, encoding="utf-8", errors="backslashreplace")
    return {"cells": path.name, "provenance": record_path.name}
