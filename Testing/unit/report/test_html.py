"""The page: well formed, escaped, self-contained."""

from __future__ import annotations

import base64
import re
from html.parser import HTMLParser

import pytest
from Dose3DLib.report.html import (
    Bars,
    Columns,
    Facts,
    Page,
    Picture,
    Section,
    Swatch,
    Table,
    flatten_facts,
    hex_color,
    render,
    write_page,
)

pytest.importorskip("jinja2", reason="needs jinja2")
VOID = {"meta", "img", "br", "link", "rect"}
NASTY = 'a"b<c>%&µ Łódź {{ 7 * 7 }}'
PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


class Outline(HTMLParser):
    """Collects tags, attributes and text, and complains about tags that do not match."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open, f"</{tag}> closes nothing"
            assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] != "style":
            self.text.append(data)


def parse(html: str) -> Outline:
    outline = Outline()
    outline.feed(html)
    outline.close()
    assert outline.open == []
    return outline


def _page() -> Page:
    table = Table((NASTY, "Volume"), ((Swatch(NASTY, (1, 2, 255)), "3"), ("Larynx", "not found")), "lr", frozenset({1}))
    picture = Picture(PIXEL, NASTY, NASTY, (Swatch("Cord", (255, 255, 0)),))
    bars = Bars(((NASTY, 1.0, "1.00 s"), ("half", 0.5, "0.50 s"), ("none", 0.0, "0.00 s")), NASTY)
    sections = (
        Section(NASTY, (Columns((table, picture), (3, 2)), bars), NASTY),
        Section("Provenance", (Facts((("hash", "f" * 64), (NASTY, NASTY))),), folds=True),
    )
    return Page(NASTY, sections, NASTY, ((NASTY, NASTY),), (NASTY,), NASTY)


def test_every_text_is_escaped_and_tags_match():
    outline = parse(render(_page()))
    assert "c" not in [tag for tag, _ in outline.tags]
    assert sum(NASTY in piece for piece in outline.text) >= 12
    assert next(attrs for tag, attrs in outline.tags if tag == "img")["alt"] == NASTY


def test_nothing_is_fetched_and_nothing_runs():
    html = render(_page())
    outline = parse(html)
    assert not {"script", "link", "iframe", "object"} & {tag for tag, _ in outline.tags}
    assert not re.search(r"https?:|url\(|@import", html)
    assert all(attrs["src"].startswith("data:image/png;base64,") for tag, attrs in outline.tags if tag == "img")


def test_pictures_colours_and_bars_carry_their_values():
    outline = parse(render(_page()))
    image = next(attrs for tag, attrs in outline.tags if tag == "img")
    assert base64.b64decode(image["src"].split(",", 1)[1]) == PIXEL
    patches = [attrs["style"] for tag, attrs in outline.tags if attrs.get("class") == "swatch"]
    assert patches == ["background:#0102ff", "background:#ffff00"]
    assert [attrs["width"] for tag, attrs in outline.tags if tag == "rect"] == ["100.00%", "50.00%", "0.00%"]
    assert ["muted" in (attrs.get("class") or "") for tag, attrs in outline.tags if tag == "tr"][:3] == [
        False,
        False,
        True,
    ]


def test_research_use_is_said_and_a_quiet_page_has_no_warning_box():
    html = render(Page("T", ()))
    assert "Research use only" in html
    assert "not for diagnosis" in html
    assert 'role="alert"' not in html
    assert 'role="alert"' in render(_page())


def test_file_is_utf8(tmp_path):
    write_page(tmp_path / "r.html", _page())
    data = (tmp_path / "r.html").read_bytes()
    assert "Łódź" in data.decode("utf-8")
    assert b'charset="utf-8"' in data


def test_nested_provenance_becomes_dotted_rows():
    content = {"a": 1, "b": {"c": [1.25, "x"], "d": None}, "e": True, "f": [{"g": 2}], "h": [], "i": 0.123456789}
    assert flatten_facts(content) == (
        ("a", "1"),
        ("b.c", "1.25, x"),
        ("b.d", "none"),
        ("e", "yes"),
        ("f.1.g", "2"),
        ("h", "none"),
        ("i", "0.123457"),
    )


def test_a_long_list_is_shortened():
    assert flatten_facts({"uids": list(range(40))}) == (("uids", "0, \N{HORIZONTAL ELLIPSIS}, 39 (40 in all)"),)


def test_colours_out_of_range_stay_colours():
    assert hex_color((300, -5, 16)) == "#ff0010"
