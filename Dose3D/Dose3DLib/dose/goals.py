"""Clinical goals: a table of limits on figures of DVHs, and which of them a dose meets.

A table is CSV with the columns `structure, metric, limit` and, if wanted, `near, source, note`:

    structure,metric,limit,near,source,note
    SpinalCord,D0.03cc[Gy],<= 45,<= 48,RTOG 0615 protocol,
    PTV_7000|PTV70,V95%[%],>= 98,>= 95,,

A goal is met (pass), missed but within `near` (near), or missed (fail). Structures are found by TG-263 name or any
alias; `|` separates names of which the first that is there counts, `+` joins structures that are judged together, `*`
stands for anything. Tables for common protocols
lie in `protocols`; they are for research and to be edited, not a recommendation.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Literal

from ..core.errors import InputError
from ..core.nomenclature import standard_name
from .dvh import Dvh, together
from .dvh_metrics import Figure, Metric, figure_of, parse_metric

__all__ = ["Goal", "Outcome", "find_structures", "judge", "protocol_names", "read_goals"]

State = Literal["pass", "near", "fail", "unsure", "absent", "no prescription"]

_FOLDER = Path(__file__).with_name("protocols")
_COLUMNS = ("structure", "metric", "limit", "near", "source", "note")
_LIMIT = re.compile(r"(<=|>=|<|>|≤|≥)\s*(\d+(?:[.,]\d+)?)\s*(Gy|%|cc)?", re.IGNORECASE)
_PLAIN = {"≤": "<=", "≥": ">="}
_MOST_BYTES = 2_000_000


@dataclass(frozen=True)
class Goal:
    """One row: `sense` is <=, <, >= or >; `near` is None where a miss is a miss."""

    structure: str
    metric: Metric
    sense: str
    limit: float
    near: float | None = None
    source: str = ""
    note: str = ""

    @property
    def text(self) -> str:
        near = "" if self.near is None else f" (near: {self.near:g})"
        return f"{self.metric.name} {self.sense} {self.limit:g} {self.metric.unit}{near}"


@dataclass(frozen=True)
class Outcome:
    """What became of a goal.

    Parameters
    ----------
    name:
        the structure's own name, "" where there is none.
    state:
        `unsure` where the part without a known dose decides; `absent` without the structure or any dose in it.
    passing:
        share of the possible doses that meet the goal, None without such.
    """

    goal: Goal
    name: str
    state: State
    figure: Figure | None = None
    passing: float | None = None


def protocol_names() -> list[str]:
    """Names of the tables that come with the program."""
    return sorted(path.stem for path in _FOLDER.glob("*.csv"))


def read_goals(what: str) -> list[Goal]:
    """The goals of a protocol that comes with the program, or of a CSV file.

    Columns may be separated by comma, semicolon or tab; with the latter two numbers may have a decimal comma.

    Raises
    ------
    InputError
        neither; no such column; a row whose figure, limit or name cannot be read, with its line.
    """
    shipped = _FOLDER / f"{what.lower()}.csv"
    path = shipped if re.fullmatch(r"[\w-]+", what) and shipped.is_file() else Path(what)
    if not path.is_file():
        remedy = f"give a CSV file, or one of {', '.join(protocol_names())}"
        raise InputError(what, "is no protocol and no file", remedy)
    rows, separator = _rows(path)
    goals = [_goal(path, line, row, separator) for line, row in rows]
    if not goals:
        raise InputError(path, "has no goals", "write a row for each")
    return goals


def _rows(path: Path) -> tuple[list[tuple[int, dict[str, str]]], str]:
    """Line number and cells by column of each row, and what separates columns."""
    remedy = f"write CSV in UTF-8 with the columns {', '.join(_COLUMNS)} (the last three may be left out)"
    try:
        content = path.read_bytes()
        text = content[:_MOST_BYTES].decode("utf-8-sig")
        lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
        heading = lines[0] if lines else ""
        separator = max(",;\t", key=heading.count)
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
        table = [(reader.line_num, cells) for cells in reader if any(c.strip() for c in cells) and cells[0][:1] != "#"]
    except OSError as error:
        raise InputError(path, error.strerror or "cannot be read", remedy) from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(path, f"is not a CSV table in UTF-8 ({error})", remedy) from error
    columns = [cell.strip().lower() for cell in table[0][1]] if table else []
    unknown = [column for column in columns if column not in _COLUMNS]
    missing = [column for column in _COLUMNS[:3] if column not in columns]
    if unknown or missing or len(set(columns)) < len(columns):
        fault = f"has the column '{unknown[0]}'" if unknown else f"has no column '{missing[0]}'" if missing else ""
        raise InputError(path, fault or "names a column twice", remedy)
    for line, cells in table[1:]:
        if len(cells) > len(columns):
            hint = "; a decimal comma needs columns separated by ;" if separator == "," else ""
            raise InputError(f"{path}, line {line}", "has more cells than the heading", f"mend the row{hint}")
    plain = [
        (line, [" ".join(cell.split()) for cell in cells]) for line, cells in table[1:]
    ]  # cells may hold line breaks
    return [(line, dict(zip(columns, cells, strict=False))) for line, cells in plain], separator


def _goal(path: Path, line: int, row: dict[str, str], separator: str) -> Goal:
    where = f"{path}, line {line}"
    for column in _COLUMNS[:4]:
        cell = row.get(column, "")
        if cell.startswith(("=", "+", "@")) or re.fullmatch(r"#[A-Z/0!?]+", cell):
            raise InputError(where, f"{column} is the formula of a spreadsheet: '{cell}'", "save its value")
        if column not in ("structure", "near") and not cell:
            raise InputError(where, f"has no {column}", "mend the row")
    if not row.get("structure"):
        raise InputError(where, "has no structure", "mend the row")
    metric = parse_metric(row["metric"], where)
    sense, limit = _limit(where, "limit", row["limit"], metric, separator)
    near = None
    if row.get("near"):
        text = row["near"] if _LIMIT.match(row["near"]) else f"{sense} {row['near']}"
        near_sense, near = _limit(where, "near", text, metric, separator)
        if near_sense[0] != sense[0] or (near < limit if sense[0] == "<" else near > limit):
            cause = f"near ({row['near']}) is stricter than the limit ({row['limit']})"
            raise InputError(where, cause, "near is the value up to which a miss is acceptable")
    return Goal(row["structure"], metric, sense, limit, near, row.get("source", ""), row.get("note", ""))


def _limit(where: str, column: str, text: str, metric: Metric, separator: str) -> tuple[str, float]:
    match = _LIMIT.fullmatch(text.strip())
    if match is None:
        raise InputError(where, f"{column} is '{text}'", "write <=, <, >= or > and a number, such as <= 45")
    if "," in match[2] and separator == ",":
        cause = f"{column} has a decimal comma: '{text}'"
        raise InputError(where, cause, "write a point, or separate the columns by semicolons")
    unit = {"gy": "Gy", "%": "%", "cc": "cc", "": metric.unit}[(match[3] or "").lower()]
    if unit != metric.unit:
        raise InputError(where, f"{column} is in {unit}, {metric.label} in {metric.unit}", "give both the same unit")
    return _PLAIN.get(match[1], match[1]), float(match[2].replace(",", "."))


def find_structures(pattern: str, names: Sequence[str]) -> list[tuple[str, ...]]:
    """Structures that a goal is about, each as the names that are judged together (mostly one), in order.

    Of alternatives those of the first that is there; exact names go before those that the nomenclature takes as equal.
    """
    for part in (one.strip() for one in pattern.split("|")):
        if "*" in part or "?" in part:
            found = [(name,) for name in names if fnmatchcase(name.casefold(), part.casefold())]
        elif "+" in part:
            sides = [_named(side.strip(), names) for side in part.split("+")]
            found = [tuple(side[0] for side in sides)] if all(sides) else []
        else:
            found = [(name,) for name in _named(part, names)]
        if found:
            return found
    return []


def _named(name: str, names: Sequence[str]) -> list[str]:
    exact = [one for one in names if one.casefold() == name.casefold()]
    wanted = standard_name(name).casefold()
    return exact or [one for one in names if standard_name(one).casefold() == wanted]


def judge(
    goals: Sequence[Goal],
    dvhs: dict[str, Dvh],
    prescription: float | None = None,
    samples: dict[str, Sequence[Dvh]] | None = None,
) -> list[Outcome]:
    """What became of each goal, one outcome for each structure that it is about.

    Parameters
    ----------
    dvhs:
        by name of structure.
    samples:
        DVHs of possible doses, by name.
    """
    outcomes = []
    for goal in goals:
        found = find_structures(goal.structure, list(dvhs))
        outcomes += [Outcome(goal, "", "absent")] if not found else []
        for names in found:
            figure = figure_of(_joined([dvhs[name] for name in names]), goal.metric, prescription)
            sides = [(samples or {}).get(name, ()) for name in names]
            passing = _passing(goal, [_joined(parts) for parts in zip(*sides, strict=True)], prescription)
            outcomes.append(Outcome(goal, " + ".join(names), _state(goal, figure, prescription), figure, passing))
    return outcomes


def _joined(dvhs: Sequence[Dvh]) -> Dvh:
    return dvhs[0] if len(dvhs) == 1 else together(dvhs)


def _state(goal: Goal, figure: Figure | None, prescription: float | None) -> State:
    if figure is None:
        return "no prescription" if goal.metric.needs_prescription and prescription is None else "absent"
    states = {_state_of(goal, value) for value in (figure.low, figure.high)}
    return states.pop() if len(states) == 1 else "unsure"


def _state_of(goal: Goal, value: float) -> State:
    if _meets(goal.sense, value, goal.limit):
        return "pass"
    return "near" if goal.near is not None and _meets(goal.sense[0] + "=", value, goal.near) else "fail"


def _meets(sense: str, value: float, limit: float) -> bool:
    return {"<=": value <= limit, "<": value < limit, ">=": value >= limit, ">": value > limit}[sense]


def _passing(goal: Goal, samples: Sequence[Dvh], prescription: float | None) -> float | None:
    figures = [figure_of(dvh, goal.metric, prescription) for dvh in samples]
    states = [_state(goal, figure, prescription) for figure in figures if figure is not None]
    return sum(state == "pass" for state in states) / len(states) if states else None
