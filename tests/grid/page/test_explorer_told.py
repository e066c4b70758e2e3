"""What the explorer tells a person: refusals where one looks, why cells are wrong, and own grids by their names."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.grid.page.conftest import Opened
from tests.grid.page.test_explorer import paste, state
from tests.grid.page.test_explorer_hands import match, note, press, squares

pytestmark = pytest.mark.slow


def refusal_is_seen_below(opened: Opened, control: Any, said: str) -> None:
    """Whether the refusal is on the screen, and close below a control."""
    alert = opened.page.get_by_role("alert")
    alert.wait_for()
    assert said in alert.inner_text()
    place, message = control.bounding_box(), alert.bounding_box()
    assert 0 <= message["y"] - place["y"] - place["height"] < 20
    assert message["y"] + message["height"] <= opened.page.viewport_size["height"]


@pytest.mark.parametrize("width", [400, 1280])
def test_refusal_is_seen_below_what_was_used(opened: Opened, tmp_path: Path, width: int) -> None:
    page = opened.page

    def button(name: str) -> Any:
        return page.get_by_role("button", name=name, exact=True)

    page.set_viewport_size({"width": width, "height": 800})
    paste(opened, "hello")
    refusal_is_seen_below(opened, button("Use this"), "This is neither JSON nor rows of digits")
    (tmp_path / "odd.json").write_text('{"name": 1}')
    page.locator("#explorer-file").set_input_files(tmp_path / "odd.json")
    page.wait_for_selector("#explorer .bar #explorer-problem")
    refusal_is_seen_below(opened, page.locator("#explorer .open"), "a grid is a list of rows")
    page.locator("#explorer-rows").fill("31")
    press(opened, "Empty grid")
    refusal_is_seen_below(opened, button("Empty grid"), "A grid has 1 to 30 rows and columns")
    paste(opened, json.dumps([[3, 3, 0]]))
    assert page.get_by_role("alert").count() == 0
    press(opened, "Move up")
    refusal_is_seen_below(opened, button("Move up"), "This would move an object off the grid")
    page.get_by_role("radio", name="Colour 0, background", exact=True).click()
    press(opened, "Recolour to 0")
    refusal_is_seen_below(opened, button("Recolour to 0"), "Colour 0 is the background")
    page.locator("#explorer-drawn").focus()
    page.keyboard.press("ArrowDown")
    refusal_is_seen_below(opened, page.locator("#explorer-drawn"), "This would move an object off the grid")
    press(opened, "Keep as start")
    paste(opened, json.dumps([[3, 3]]))
    press(opened, "Keep as end")
    refusal_is_seen_below(opened, button("Keep as end"), "Start and end are grids of different sizes")


def test_what_is_wrong_beside_objects_without_a_slot_is_explained_as_well(untrained: Opened) -> None:
    grid = squares(6)
    grid[12, 4] = 5
    paste(untrained, json.dumps(grid.tolist()))
    assert "1 object has no place in the code" in note(untrained)
    assert "Shapes unlike those of the training corpus may come out wrong" in note(untrained)
    assert "codec.codes(grid, refine=20) may mend them" in note(untrained)


def test_object_of_one_cell_that_comes_out_wrong_is_told_to_be_smaller_than_those_of_the_corpora(
    untrained: Opened,
) -> None:
    paste(untrained, json.dumps([[0, 0, 0, 0], [0, 0, 3, 0], [0, 0, 0, 0], [0, 0, 0, 0]]))
    assert "wrong" in match(untrained)
    assert "an object of one cell is smaller than those of arcvae's corpora, which have 2 to 15." in note(untrained)
    assert "python -m arcvae.report atomic-objects" in note(untrained)


def test_wide_picture_scrolls_by_itself_where_it_would_be_too_small_to_read(untrained: Opened) -> None:
    figure = untrained.page.locator(".pictures figure")
    assert figure.locator("img").bounding_box()["width"] > 800
    assert figure.evaluate("(figure) => figure.clientWidth < figure.scrollWidth")
    assert untrained.page.evaluate("document.documentElement.scrollWidth") == 400


def test_grid_on_another_background_is_told_which_colour_the_background_is(opened: Opened) -> None:
    grid = np.full((10, 10), 8)
    grid[4, 4:6] = 0, 3
    paste(opened, json.dumps(grid.tolist()))
    assert "Colour 0 is the background here, but colour 8 fills most of this grid" in note(opened)
    exchanged = np.where(grid == 8, 0, np.where(grid == 0, 8, grid))  # as it says
    assert "np.where(grid == 8, 0, np.where(grid == 0, 8, grid))" in note(opened)
    assert "atomic-objects" not in note(opened)  # of which this is the page
    paste(opened, json.dumps(exchanged.tolist()))
    assert "background" not in note(opened)


def test_grids_of_a_person_are_listed_beside_the_examples(opened: Opened, tmp_path: Path) -> None:
    source = opened.page.locator("#explorer-source")
    chosen = "(list) => list.selectedOptions[0]?.textContent"
    first = opened.page.evaluate("explorer.state().grid")
    paste(opened, "[[1, 1, 0]]")
    pasted = source.evaluate(chosen)
    assert pasted.startswith("pasted")
    for row, objects in (("220", "1 object,"), ("2020", "2 objects,")):  # opened again, a file is listed once
        (tmp_path / "own.txt").write_text(row)
        opened.page.locator("#explorer-file").set_input_files(tmp_path / "own.txt")
        opened.page.wait_for_selector(f"#explorer-status:has-text('own.txt: {objects}')")
    assert source.evaluate(chosen) == "own.txt"
    names = [name.split()[0] for name in source.locator("option").all_inner_texts()]
    assert names.count("example") == 8
    assert names.count("own.txt") == 1
    source.select_option(pasted)
    assert state(opened)["grid"] == [[1, 1, 0]]
    source.select_option("example 2")
    assert len(state(opened)["grid"]) == 16
    press(opened, "Undo")
    assert source.evaluate(chosen) == pasted
    for _ in range(4):
        press(opened, "Undo")
    assert state(opened)["grid"] == first
    assert opened.page.locator("#explorer-file").evaluate("(input) => getComputedStyle(input).opacity") == "0"
