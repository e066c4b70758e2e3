"""A page with an explorer, opened in a browser that may not ask for anything else."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch

from arcvae.app.loading import load
from arcvae.app.shipped import SHIPPED
from arcvae.grid.codec import Codec
from arcvae.grid.models.objects import ObjectsVAE
from arcvae.grid.page.explorer import explorer_part
from arcvae.training.page.parts import page

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


@dataclass
class Opened:
    """A page of a browser, and all that it has asked for and complained of."""

    page: Any
    address: str
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)


@pytest.fixture(scope="session")
def codec() -> Codec:
    """The model of objects that comes with arcvae."""
    found = load(SHIPPED / "atomic-objects.safetensors")
    assert isinstance(found, Codec)
    return found


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Headless Chromium."""
    api = pytest.importorskip("playwright.sync_api", reason="no playwright: pip install '.[browser]'")
    program = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    if program is None:
        pytest.skip(f"no browser: none of {', '.join(BROWSERS)} is installed")
    with api.sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield found
        found.close()


@pytest.fixture(scope="session")
def page_file(codec: Codec, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page with the explorer of the shipped model."""
    part = explorer_part(codec, None)
    assert part is not None
    path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_text(page("a model", "", [("first", "First", "<p>text</p>")], [part]), encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def first_opened(browser: Any, page_file: Path) -> Iterator[Opened]:
    """The page, opened once for all tests."""
    with opened_in(browser, page_file, accept_downloads=True) as found:
        yield found


@pytest.fixture(scope="session")
def on_a_phone(browser: Any, page_file: Path) -> Iterator[Opened]:
    """The page on a touch screen of 400 x 800."""
    with opened_in(browser, page_file, has_touch=True, viewport={"width": 400, "height": 800}) as found:
        yield found


@pytest.fixture(scope="session")
def untrained(browser: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Opened]:
    """The page of a run whose model has learned nothing, 400 pixels wide, with a picture that is wider."""
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("run")
    part = explorer_part(Codec(ObjectsVAE(width=8)), folder)
    assert part is not None
    drawing = "<svg xmlns='http://www.w3.org/2000/svg' width='1140' height='400'/>".replace("<", "%3C")
    pictures = f'<div class="pictures"><figure><img alt="" src="data:image/svg+xml,{drawing}"></figure></div>'
    path = folder / "report.html"
    path.write_text(page("a run", "", [("pictures", "Pictures", pictures)], [part]), encoding="utf-8")
    with opened_in(browser, path, viewport={"width": 400, "height": 800}) as found:
        yield found


@contextmanager
def opened_in(browser: Any, file: Path, **options: Any) -> Iterator[Opened]:
    """A page in a window of its own."""
    context = browser.new_context(**options)
    context.set_default_timeout(120_000)  # of a machine that is busy
    found = Opened(context.new_page(), file.as_uri())
    found.page.on("request", lambda request: found.requests.append(request.url))
    found.page.on("pageerror", lambda error: found.complaints.append(str(error)))
    found.page.on("console", lambda message: found.complaints.append(message.text))
    found.page.goto(found.address)
    yield found
    context.close()


@pytest.fixture
def opened(first_opened: Opened) -> Opened:
    """The page, 1280 pixels wide, with an empty grid of 16 x 16 and nothing but its choices as they were at first."""
    page = first_opened.page
    page.set_viewport_size({"width": 1280, "height": 1000})
    page.emulate_media(color_scheme="light")
    for name in ("rows", "columns"):
        page.locator(f"#explorer-{name}").fill("16")
    page.get_by_role("button", name="Empty grid").click()
    page.get_by_label("chosen object", exact=True).check()
    return first_opened
