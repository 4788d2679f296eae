"""The one look of all reports: a single HTML file that opens anywhere, prints on A4 and carries its pictures inside.

A report is a `Page` of sections of blocks. Whoever writes a report fills these objects; only the template knows HTML,
and it escapes every text. No script, no font, nothing is fetched from anywhere.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

__all__ = [
    "Bars",
    "Cell",
    "Columns",
    "Facts",
    "Page",
    "Picture",
    "Section",
    "Swatch",
    "Table",
    "flatten_facts",
    "hex_color",
    "render",
    "write_page",
]

_TEMPLATE = Path(__file__).with_name("template.html")

_SHORT_TABLE_ROWS = 15
_LONGEST_LIST = 12

RESEARCH_USE = (
    "Research use only. Not a medical device; not for diagnosis or treatment planning without review by an expert."
)


@dataclass(frozen=True)
class Swatch:
    """A colour patch before a text; `color` is RGB 0..255."""

    text: str
    color: tuple[int, int, int]


Cell = str | Swatch


@dataclass(frozen=True)
class Table:
    """`align` is one letter a column (l, r, c); rows whose numbers are in `muted` are set off."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    align: str
    muted: frozenset[int] = frozenset()
    note: str = ""
    kind: str = "table"

    @property
    def is_short(self) -> bool:
        """True when it is better moved to the next page than split."""
        return len(self.rows) <= _SHORT_TABLE_ROWS


@dataclass(frozen=True)
class Picture:
    """A PNG with a caption and, if wanted, a legend of coloured names."""

    png: bytes
    caption: str
    alt: str
    legend: tuple[Swatch, ...] = ()
    kind: str = "picture"

    @property
    def uri(self) -> str:
        return "data:image/png;base64," + base64.b64encode(self.png).decode("ascii")


@dataclass(frozen=True)
class Bars:
    """Horizontal bars: (label, value, text of the value)."""

    rows: tuple[tuple[str, float, str], ...]
    note: str = ""
    kind: str = "bars"

    def share(self, value: float) -> float:
        """Length of a bar in percent of the longest."""
        longest = max((v for _, v, _ in self.rows), default=0.0)
        return 100.0 * max(value, 0.0) / longest if longest > 0 else 0.0


@dataclass(frozen=True)
class Facts:
    """Names and values, small, in as many columns as fit; long values (hashes, paths) break."""

    rows: tuple[tuple[str, str], ...]
    kind: str = "facts"


@dataclass(frozen=True)
class Columns:
    """Blocks side by side; the widths are shares of the page."""

    blocks: tuple[Any, ...]
    widths: tuple[int, ...]
    kind: str = "columns"


@dataclass(frozen=True)
class Section:
    """A heading with blocks. `folds` puts them into a collapsible part (open, so that it prints)."""

    title: str
    blocks: tuple[Any, ...]
    intro: str = ""
    folds: bool = False


@dataclass(frozen=True)
class Page:
    """A whole report.

    Parameters
    ----------
    title, subtitle:
        what it is and of what.
    facts:
        the short list under the title (patient, study, date ...).
    sections:
        in order.
    warnings:
        shown first, in a box; nothing is shown when there are none.
    footer:
        program and version.
    """

    title: str
    sections: tuple[Section, ...]
    subtitle: str = ""
    facts: tuple[tuple[str, str], ...] = ()
    warnings: tuple[str, ...] = ()
    footer: str = ""
    statement: str = field(default=RESEARCH_USE)


def render(page: Page) -> str:
    """The page as HTML text, every value escaped."""
    return _template().render(page=page)


def write_page(path: Path, page: Page) -> None:
    """Write the page as UTF-8."""
    Path(path).write_text(render(page), encoding="utf-8", newline="\n")


def hex_color(color: tuple[int, int, int]) -> str:
    """`#rrggbb` of an RGB triple 0..255."""
    return "#{:02x}{:02x}{:02x}".format(*(min(max(int(c), 0), 255) for c in color))


def flatten_facts(content: Mapping[str, Any], prefix: str = "") -> tuple[tuple[str, str], ...]:
    """Nested dictionaries and lists as (dotted name, text) rows, in order: what provenance looks like on paper."""
    rows: list[tuple[str, str]] = []
    for key, value in content.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping):
            rows.extend(flatten_facts(value, f"{name}."))
        elif isinstance(value, (list, tuple)) and any(isinstance(item, (Mapping, list, tuple)) for item in value):
            rows.extend(flatten_facts({str(n + 1): item for n, item in enumerate(value)}, f"{name}."))
        elif isinstance(value, (list, tuple)):
            rows.append((name, _list_text(value)))
        else:
            rows.append((name, _text(value)))
    return tuple(rows)


def _list_text(values: list[Any] | tuple[Any, ...]) -> str:
    """All of a short list; of a long one (UIDs of every slice) the ends, since paper is no place for it."""
    texts = [_text(value) for value in values]
    if len(texts) > _LONGEST_LIST:
        texts = [texts[0], "\N{HORIZONTAL ELLIPSIS}", f"{texts[-1]} ({len(texts)} in all)"]
    return ", ".join(texts) or "none"


def _text(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.6g}" if isinstance(value, float) else str(value)


@lru_cache(maxsize=1)
def _template() -> Any:
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters["hex_color"] = hex_color
    environment.tests["swatch"] = lambda cell: isinstance(cell, Swatch)
    return environment.from_string(_TEMPLATE.read_text(encoding="utf-8"))
