"""What a page may not hold: anything that a browser would ask another place for, or run unasked."""

from __future__ import annotations

import re
from html.parser import HTMLParser


class _Elements(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def elements(page: str) -> list[tuple[str, dict[str, str | None]]]:
    """Every element of a page with its attributes."""
    parser = _Elements()
    parser.feed(page)
    return parser.found


def require_offline(page: str) -> None:
    """Fail for a page that names another place where a browser would follow, or an attribute that is a script."""
    for tag, attributes in elements(page):
        assert tag not in ("link", "iframe", "object", "embed", "base", "audio", "video", "source")
        for name, value in attributes.items():
            assert not name.startswith("on"), (tag, name)
            if name in ("src", "href", "action", "data", "poster", "srcset", "xlink:href"):
                assert (value or "").startswith(("data:image/png;base64,", "#")), (tag, name, (value or "")[:60])
    styles = "".join(re.findall(r"<style>(.*?)</style>", page, re.DOTALL))
    styles += "".join(attributes.get("style") or "" for _, attributes in elements(page))
    assert "url(" not in styles
    assert "@import" not in styles
