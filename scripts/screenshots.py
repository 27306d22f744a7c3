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
from dataclasses import dataclass
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page, expect

from tests.e2e.browser import DESKTOP, PHONE, WAIT_MS, chromium

OPTIONS = ("--trainers", "9", "--byzantine", "1", "--rounds", "6")
LOOKS = {"light": (DESKTOP, False), "dark": (DESKTOP, True), "phone": (PHONE, False)}
SCALES = (1.5, 1.25, 1.0)
COLOURS = 256
TALLEST = {"light": 2_200, "dark": 2_200, "phone": 1_700}
_MARGIN = 12
MOST_BYTES = 200_000
_START_SECONDS = 600.0


def overview(page: Page) -> None:
    """All markets and their jobs."""
    expect(page.get_by_role("table", name="Jobs").get_by_text("demo: digits").first).to_be_visible()


def job(page: Page) -> None:
    """A job with what its trainers contributed."""
    expect(page.get_by_text("Contribution by trainer and round")).to_be_visible()


def round_(page: Page) -> None:
    """A round whose settlement this browser checked and compared with the chain."""
    page.get_by_role("button", name="Check this settlement").click()
    expect(page.get_by_role("status").filter(has_text="checks hold").first).to_be_visible()
    compared = page.get_by_role("region", name="Compared with the chain")
    expect(compared.get_by_role("listitem").first).to_be_visible()


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


@dataclass(frozen=True)
class Picture:
    """A page to take.

    Attributes
    ----------
    address
        Without the server's.
    prepare
        Waits for what has to be seen, and does what has to be done.
    last
        The part of the page with which the picture ends.
    on_phone
        The part that alone is taken on a phone; None: all.

    """

    address: str
    prepare: Callable[[Page], None]
    last: str
    on_phone: str | None = None


def take(browser: Browser, url: str, picture: Picture, look: str) -> bytes:
    """Return a page as a PNG of few colours, in the largest scale that is not too large."""
    packed = b""
    for scale in SCALES:
        packed = pack(shoot(browser, url, picture, look, scale))
        if len(packed) <= MOST_BYTES:
            break
    return packed


def shoot(browser: Browser, url: str, picture: Picture, look: str, scale: float) -> bytes:
    """Return a page as chromium draws it."""
    (width, height), dark = LOOKS[look]
    context = browser.new_context(
        viewport={"width": width, "height": height},
        device_scale_factor=scale,
        color_scheme="dark" if dark else "light",
        reduced_motion="reduce",
    )
    try:
        context.set_default_timeout(WAIT_MS)
        page = context.new_page()
        page.goto(url + picture.address)
        picture.prepare(page)
        expect(page.locator("[aria-busy=true]")).to_have_count(0)
        page.wait_for_load_state("networkidle")
        page.mouse.move(0, 0)
        page.evaluate("scrollTo(0, 0)")
        part = picture.on_phone if look == "phone" else None
        top = edges(page, part)[0] - _MARGIN if part else 0
        tall = min(TALLEST[look], edges(page, part or picture.last)[1] + _MARGIN - top)
        return page.screenshot(full_page=True, clip={"x": 0, "y": top, "width": width, "height": tall})
    finally:
        context.close()


def edges(page: Page, region: str) -> tuple[float, float]:
    """Return where a part of the page begins and ends."""
    box = page.get_by_role("region", name=region, exact=True).bounding_box()
    if box is None:
        raise SystemExit(f"{page.url} has no part {region!r}")
    return box["y"], box["y"] + box["height"]


def pack(png: bytes) -> bytes:
    """Return a PNG of few colours."""
    sink = io.BytesIO()
    image = Image.open(io.BytesIO(png)).convert("RGB").quantize(COLOURS, kmeans=2, dither=Image.Dither.NONE)
    image.save(sink, "PNG", optimize=True)
    return sink.getvalue()


def take_all(url: str, job_path: str, folder: Path) -> None:
    """Take every page in every look."""
    pictures = {
        "overview": Picture("/", overview, "Jobs"),
        "job": Picture(job_path, job, "Contribution by trainer and round"),
        "round": Picture(f"{job_path}/rounds/4", round_, "Compared with the chain", "Check it yourself"),
        "wizard": Picture(f"{job_path.rpartition('/jobs/')[0]}/new", wizard, "What it costs"),
    }
    folder.mkdir(parents=True, exist_ok=True)
    with chromium() as browser:
        for name, picture in pictures.items():
            for look in LOOKS:
                data = take(browser, url, picture, look)
                (folder / f"{name}-{look}.png").write_bytes(data)
                print(f"{name}-{look}.png: {len(data):,} bytes")


def main() -> None:
    """Run the demo, take all pictures of it, and end it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="where the pictures go")
    folder = parser.parse_args().folder
    with tempfile.TemporaryDirectory() as scratch, demo(Path(scratch) / "run") as (url, job_path):
        take_all(url, job_path, folder)


if __name__ == "__main__":
    main()
