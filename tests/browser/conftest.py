"""A real browser (Debian's Chromium) for tests of the pages as people use them, and a place for its pictures."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

ARTIFACTS = Path(__file__).resolve().parent.parent / "artifacts" / "panel"
QUIET = (
    "--no-sandbox", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip
SIZES = {"desktop": {"width": 1280, "height": 900}, "phone": {"width": 390, "height": 844}}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    chromium = shutil.which("chromium")
    assert chromium, "the browser tests need Debian's chromium"
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=chromium, args=list(QUIET))
        yield running
        running.close()


@pytest.fixture(scope="module")
def open_page(browser: Browser) -> Iterator[Callable[[str, str], Page]]:
    """open_page(address, size): a page in a context of its own that keeps what the browser complains about.

    What other tabs of that context have to complain about is with it too.
    """
    contexts = []

    def make(base_url: str, size: str) -> Page:
        context = browser.new_context(viewport=SIZES[size], base_url=base_url)  # type: ignore[arg-type]
        contexts.append(context)
        page = context.new_page()
        page.complaints = complaints = []  # type: ignore[attr-defined]
        context.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
        context.on("weberror", lambda web_error: complaints.append(str(web_error.error)))
        return page

    yield make
    for context in contexts:
        context.close()


@pytest.fixture(scope="session")
def picture() -> Callable[[Page, str], None]:
    """Keeps a picture of the page under tests/artifacts/panel/ for people to look at."""
    ARTIFACTS.mkdir(parents=True, exist_ok=True)

    def take(page: Page, name: str) -> None:
        page.screenshot(path=str(ARTIFACTS / f"{name}.png"), full_page=True)

    return take
