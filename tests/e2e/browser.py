"""A browser for tests: chromium without a window, and pages whose errors and requests to strangers are failures."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, sync_playwright

WAIT_MS = 30_000.0
DESKTOP, PHONE = (1280, 860), (390, 844)
AXE = Path(__file__).parents[2] / "frontend" / "node_modules" / "axe-core" / "axe.min.js"
SCREENSHOTS_VARIABLE = "GRAMERCY_SCREENSHOTS"
SCREENSHOTS = Path(__file__).parents[2] / "build" / "screenshots"
_FLAGS = (
    "--no-sandbox",  # a container's root cannot have one
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
_AXE_RUN = """async () => {
  const tags = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']
  const {violations} = await axe.run(document, {runOnly: tags})
  return violations.flatMap(({id, nodes}) => nodes.map(({html}) => `${id}: ${html.slice(0, 200)}`))
}"""

_CUT_OFF = """() => [...document.querySelectorAll('dialog[open]')].some((panel) => {
  const body = panel.querySelector('.body')
  const height = [...body.parentElement.children].reduce((sum, part) => sum + part.getBoundingClientRect().height, 0)
  const most = Math.min(parseFloat(getComputedStyle(panel).maxHeight), innerHeight)
  return body.scrollHeight > body.clientHeight + 1 && height < most - 4
})"""


@contextlib.contextmanager
def chromium() -> Iterator[Browser]:
    """Run the machine's chromium; skip the test where there is none.

    To be kept for a module of tests, not longer: while it runs, asyncio has its loop in this thread.
    """
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path is None:
        pytest.skip("no chromium on the PATH")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(_FLAGS))
        try:
            yield browser
        finally:
            browser.close()


@contextlib.contextmanager
def visit(
    browser: Browser,
    origins: tuple[str, ...],
    *,
    size: tuple[int, int] = DESKTOP,
    dark: bool = False,
    excused: str | None = None,
) -> Iterator[Page]:
    """Open a page of a browser profile of its own.

    Parameters
    ----------
    browser
        From :func:`chromium`.
    origins
        Whom the page may ask: schemes with host and port.
    size
        Of the window, in CSS pixels.
    dark
        Whether the visitor's system prefers dark.
    excused
        A pattern of console errors that the test itself causes.

    Raises
    ------
    AssertionError
        At the end, if the console had an error, a script failed, or anybody else was asked for anything.

    """
    faults: list[str] = []

    def heard(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and not (excused and re.search(excused, message.text)):
            faults.append(f"console: {message.text}")

    def asked(request: Request) -> None:
        parts = urlsplit(request.url)
        if parts.scheme not in ("data", "blob") and f"{parts.scheme}://{parts.netloc}" not in origins:
            faults.append(f"asked a stranger: {request.url}")

    context = browser.new_context(
        viewport={"width": size[0], "height": size[1]},
        color_scheme="dark" if dark else "light",
        reduced_motion="reduce",
    )
    try:
        context.set_default_timeout(WAIT_MS)
        context.on("console", heard)
        context.on("weberror", lambda error: faults.append(f"script: {error.error}"))
        context.on("request", asked)
        yield context.new_page()
        assert not faults, "\n".join(faults)
    finally:
        context.close()


def violations(page: Page) -> list[str]:
    """Return what axe-core finds against WCAG 2.2 AA and its best practices, one line an element."""
    page.evaluate(AXE.read_text())
    found: list[str] = page.evaluate(_AXE_RUN)
    return found


def overflow(page: Page) -> int:
    """Return by how many CSS pixels the page is wider than its window."""
    wider: int = page.evaluate("document.documentElement.scrollWidth - innerWidth")
    return wider


def keep(page: Page, name: str) -> None:
    """Write a screenshot into the folder that ``GRAMERCY_SCREENSHOTS`` names, or build/screenshots.

    Raises
    ------
    AssertionError
        If a panel before the page cuts its content off although there is room for it.

    """
    folder = Path(os.environ.get(SCREENSHOTS_VARIABLE) or SCREENSHOTS)
    page.screenshot(path=folder / f"{name}.png", full_page=page.locator("dialog[open]").count() == 0)
    assert not page.evaluate(_CUT_OFF), name
