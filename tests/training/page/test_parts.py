"""What pages are made of: nothing that a run says becomes anything but text, and only the page's own scripts run."""

from __future__ import annotations

import base64
import hashlib
import json
import re

import pytest

from arcvae.training.page.parts import PagePart, page, shown, table
from tests.training.page.offline import elements, require_offline
from tests.training.page.records import HOSTILE


def test_whatever_a_title_a_heading_or_a_cell_says_is_text() -> None:
    found = page(HOSTILE, "", [(HOSTILE, HOSTILE, table([HOSTILE], [["a"]], caption=HOSTILE, kind=HOSTILE))])
    require_offline(found)
    assert {tag for tag, _ in elements(found)} & {"script", "img"} == set()


def test_data_of_a_part_cannot_end_its_element() -> None:
    part = PagePart(
        "own", "Own", "<p>here</p>", script="DATA.text;", data={"text": "</script><script>alert(1)</script>"}
    )
    found = page("title", "", [("first", "First", "x")], [part])
    (content,) = re.findall(r'<script type="application/json" id="own-data">(.*?)</script>', found)
    assert json.loads(content) == part.data
    assert len([tag for tag, _ in elements(found) if tag == "script"]) == 2


def test_policy_names_the_scripts_of_the_page_and_no_others() -> None:
    found = page("title", "", [("first", "First", "x")], [PagePart("own", "Own", "x", script="let a = 1;")])
    (script,) = re.findall(r"<script>(.*?)</script>", found, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    (policy,) = (a["content"] for tag, a in elements(found) if a.get("http-equiv") == "Content-Security-Policy")
    assert policy is not None
    assert f"script-src 'sha256-{digest}';" in policy
    assert policy.startswith("default-src 'none';")
    assert "script-src 'none'" in page("title", "", [])


def test_parts_come_after_the_first_section_and_empty_sections_not_at_all() -> None:
    sections = [("a", "A", "x"), ("b", "B", ""), ("c", "C", "x")]
    found = page("title", "", sections, [PagePart("own", "Own", "x")])
    assert [attributes["id"] for tag, attributes in elements(found) if tag == "section"] == ["a", "own", "c"]
    assert [attributes["href"] for tag, attributes in elements(found) if tag == "a"] == ["#a", "#own", "#c"]


@pytest.mark.parametrize(
    ("value", "expected"), [(0.0, "0"), (True, "True"), (float("nan"), "—"), ([1], "—"), (1234567, "1234567")]
)
def test_figures_are_short(value: object, expected: str) -> None:
    assert shown(value) == expected
