"""What a page is made of: text that is escaped, tables, and parts that a task adds."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from importlib import resources
from string import Template
from typing import Any


@dataclass(frozen=True)
class PagePart:
    """A section of a page that a task adds; what is written in it is the task's own, not of a run.

    Attributes:
        name: Letters only: the section, its data and its link are called so.
        title: Heading.
        body: HTML.
        style: CSS.
        script: JavaScript; a constant ``DATA`` holds :attr:`data`.
        data: What JSON can hold.
    """

    name: str
    title: str
    body: str
    style: str = ""
    script: str = ""
    data: Mapping[str, Any] | None = None


def text(value: object) -> str:
    """A value as HTML: whatever it says, it is text.

    Example:
        >>> text("<b>'&'")
        '&lt;b&gt;&#x27;&amp;&#x27;'
    """
    return escape(str(value), quote=True)


def shown(value: object) -> str:
    """A figure as HTML, with four significant digits; a dash for what is missing, NaN or a list.

    Example:
        >>> shown(0.123456), shown(12), shown(None), shown(1e-7)
        ('0.1235', '12', '—', '1e-07')
    """
    if value is None or isinstance(value, list | dict) or value != value:
        return "—"
    return text(f"{value:.4g}" if isinstance(value, float) else value)


def words(name: str) -> str:
    """The name of a figure in words, as HTML.

    Example:
        >>> words("balanced_accuracy")
        'balanced accuracy'
    """
    return text(name.replace("_", " "))


def table(headings: Sequence[str], rows: Sequence[Sequence[str]], *, caption: str = "", kind: str = "") -> str:
    """A table that scrolls by itself where it is too wide.

    Args:
        headings: Text of each column.
        rows: HTML of the cells; the first of a row is its heading.
        caption: Text above it.
        kind: Class of the table.
    """
    head = "".join(f'<th scope="col">{text(heading)}</th>' for heading in headings)
    lines = (f'<tr><th scope="row">{row[0]}</th>{"".join(f"<td>{cell}</td>" for cell in row[1:])}</tr>' for row in rows)
    said = f'<p class="quiet">{text(caption)}</p>' if caption else ""
    return (
        f'{said}<div class="scroll" tabindex="0" role="region" aria-label="{text(caption or "table")}">'
        f'<table class="{text(kind)}"><thead><tr>{head}</tr></thead><tbody>{"".join(lines)}</tbody></table></div>'
    )


def section(name: str, title: str, body: str) -> str:
    """A section of a page; nothing without a body."""
    return f'<section id="{text(name)}"><h2>{text(title)}</h2>{body}</section>' if body else ""


def page(title: str, lead: str, sections: Sequence[tuple[str, str, str]], parts: Sequence[PagePart] = ()) -> str:
    """A whole page, which asks nothing of any other place: its own policy forbids it.

    Args:
        title: Text of the title and the heading.
        lead: HTML below the heading.
        sections: Name, heading and HTML of each section; one without HTML is left out.
        parts: What the task adds; they come after the first section.
    """
    files = resources.files(__package__)
    style = (files / "page.css").read_text(encoding="utf-8") + "".join(part.style for part in parts)
    scripts = [_script(part) for part in parts if part.script]
    own = [section(part.name, part.title, part.body) for part in parts]
    found = [section(*entry) for entry in sections]
    links = [(part.name, part.title) for part in parts]
    links = [*[entry[:2] for entry in sections[:1] if entry[2]], *links, *[e[:2] for e in sections[1:] if e[2]]]
    return Template((files / "page.html").read_text(encoding="utf-8")).substitute(
        title=text(title),
        lead=lead,
        style=style,
        policy=" ".join(f"'sha256-{_digest(script)}'" for script in scripts) or "'none'",
        links="".join(f'<a href="#{text(name)}">{text(heading)}</a>' for name, heading in links),
        sections="".join([*found[:1], *own, *found[1:]]),
        data="".join(_data(part) for part in parts if part.data is not None),
        scripts="".join(f"<script>{script}</script>" for script in scripts),
    )


def _script(part: PagePart) -> str:
    """The script of a part, closed in so that two of them do not meet."""
    data = f'JSON.parse(document.getElementById("{part.name}-data")?.textContent ?? "null")'
    return f'\n"use strict";\n(() => {{\nconst DATA = {data};\n{part.script}\n}})();\n'


def _data(part: PagePart) -> str:
    """Data as JSON, in which nothing can end the element that it lies in."""
    content = json.dumps(part.data, separators=(",", ":")).replace("<", "\\u003c")
    return f'<script type="application/json" id="{text(part.name)}-data">{content}</script>'


def _digest(script: str) -> str:
    """SHA-256 of a script, as a policy names the scripts that may run."""
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii")
