"""Pictures of the dashboard for the documentation, of a real demo run: ``python -m scripts.screenshots docs/images``.

Runs the demo with one attacker and opens its pages in chromium, light, dark, and as on a phone.
"""

from __future__ import annotations

import argparse
import io
import json
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page, expect

from tests.e2e.browser import DESKTOP, PHONE, WAIT_MS, chromium

OPTIONS = ("--trainers", "9", "--byzantine", "1", "--rounds", "6")
LOOKS = {"light": (DESKTOP, False), "dark": (DESKTOP, True), "phone": (PHONE, False)}
SCALE = 2
COLOURS = 128
MOST_BYTES = 200_000
_START_SECONDS = 600.0


def overview(page: Page) -> None:
    """All markets and their jobs."""
    expect(page.get_by_role("table", name="Jobs").get_by_text("demo: digits").first).to_be_visible()


def job(page: Page) -> None:
    """A job with what its trainers contributed."""
    expect(page.get_by_text("Contribution by trainer and round")).to_be_visible()


def round_(page: Page) -> None:
    """A round whose settlement this browser checked."""
    page.get_by_role("button", name="Check this settlement").click()
    expect(page.get_by_role("status").filter(has_text="checks hold").first).to_be_visible()


def wizard(page: Page) -> None:
    """A job to be, with terms taken over from another."""
    page.get_by_label("Start from a job").select_option(index=1)
    expect(page.get_by_label("Parameters of the model")).not_to_have_value("")
    page.get_by_role("button", name="Rule and score").click()


@contextmanager
def demo(folder: Path) -> Iterator[tuple[str, str]]:
    """Run a demo whose dashboard goes on; give the address and the path of the job's page."""
    command = [sys.executable, "-m", "market.cli.app", "demo", "--folder", str(folder), *OPTIONS, "--serve"]
    process = subprocess.Popen([*command, "--port", "0"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + _START_SECONDS
        while not (folder / "result.json").is_file():
            if process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"the demo failed: see {folder / 'logs'}")
            time.sleep(0.5)
        run = json.loads((folder / "dashboard" / "run.json").read_text())
        url = json.loads((folder / "result.json").read_text())["dashboard_url"]
        yield url, f"/markets/{run['chain_id']}/{run['market']}/jobs/{run['job']}"
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()


def take(browser: Browser, address: str, look: str, prepare: Callable[[Page], None]) -> bytes:
    """Return one page as a PNG of few colours."""
    (width, height), dark = LOOKS[look]
    context = browser.new_context(
        viewport={"width": width, "height": height},
        device_scale_factor=SCALE,
        color_scheme="dark" if dark else "light",
        reduced_motion="reduce",
    )
    try:
        context.set_default_timeout(WAIT_MS)
        page = context.new_page()
        page.goto(address)
        prepare(page)
        expect(page.locator("[aria-busy=true]")).to_have_count(0)
        page.wait_for_load_state("networkidle")
        image = Image.open(io.BytesIO(page.screenshot(full_page=True)))
    finally:
        context.close()
    return pack(image)


def pack(image: Image.Image) -> bytes:
    """Return a PNG of few colours, and of fewer pixels where it would be too large."""
    while True:
        sink = io.BytesIO()
        image.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE).save(sink, "PNG", optimize=True)
        if len(sink.getvalue()) <= MOST_BYTES:
            return sink.getvalue()
        image = image.convert("RGB").resize((image.width * 7 // 8, image.height * 7 // 8), Image.Resampling.LANCZOS)


def main() -> None:
    """Take all pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="where the pictures go")
    folder = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch, demo(Path(scratch) / "run") as (url, path), chromium() as browser:
        pages: dict[str, tuple[str, Callable[[Page], None]]] = {
            "overview": ("/", overview),
            "job": (path, job),
            "round": (f"{path}/rounds/4", round_),
            "wizard": (f"{path.rpartition('/jobs/')[0]}/new", wizard),
        }
        for name, (address, prepare) in pages.items():
            for look in LOOKS:
                data = take(browser, url + address, look, prepare)
                (folder / f"{name}-{look}.png").write_bytes(data)
                print(f"{name}-{look}.png: {len(data):,} bytes")


if __name__ == "__main__":
    main()
