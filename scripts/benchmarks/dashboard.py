"""How fast pages are in a browser: a job of many rounds opened cold, and a long list of jobs turned and searched.

A real index in SQLite, the real server in a process of its own, the machine's chromium; browser and server share its
cores. Each cold load is of a fresh profile: nothing is cached. Times count from when the page is asked for, or from
the key or click; milliseconds, medians.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from market.domain import BondReleased, Phase, RoundOpened
from market.indexer.database import open_index
from market.indexer.indexer import Indexer
from market.indexer.queries import Notebook, Reader
from scripts.benchmarks.process import Figures, MeasurementFailed
from scripts.benchmarks.synthetic_market import Player
from scripts.benchmarks.synthetic_node import CHAIN_ID, MARKET, Node

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

_CHARTS = 3
"""Of the job page: accuracy, pay, contributions."""
_OTHER_TRAINERS, _OTHER_STEPS = 4, 14
_SIZE = {"width": 1280, "height": 860}

_WATCH = """
window.__long = []
new PerformanceObserver((list) => {
  for (const { startTime, duration } of list.getEntries()) window.__long.push([startTime, duration])
}).observe({ type: 'longtask', buffered: true })
window.__until = (ready) => new Promise((done, fail) => {
  const latest = performance.now() + 60_000
  const look = () => {
    if (ready()) done(performance.now())
    else if (performance.now() > latest) fail(new Error(`not within a minute: ${ready}`))
    else requestAnimationFrame(look)
  }
  look()
})
const painted = new WeakSet()
window.__painted = (canvas) => {
  if (painted.has(canvas)) return true
  const copy = new OffscreenCanvas(canvas.width, canvas.height).getContext('2d', { willReadFrequently: true })
  copy.drawImage(canvas, 0, 0)
  if (!new Uint32Array(copy.getImageData(0, 0, canvas.width, canvas.height).data.buffer).some(Boolean)) return false
  painted.add(canvas)
  return true
}
window.__still = () => document.querySelector('h1') !== null && document.querySelector('main [aria-busy=true]') === null
  && ![...document.querySelectorAll('main .sr-only')].some(({ textContent }) => textContent === 'Loading')
"""
"""Watches long tasks from the first, and tells at which frame something holds."""

_DRAWN = """(charts) => __until(() => {
  const canvases = [...document.querySelectorAll('main canvas')]
  return __still() && canvases.length >= charts && canvases.every(__painted)
})"""
_LISTED = (
    """() => __until(() => __still() && document.querySelector("nav[aria-label='Pages of jobs'] button") !== null)"""
)
_ACT = """async ([selector, value]) => {
  const rows = () => [...document.querySelectorAll('main table tbody tr')].map(({ innerText }) => innerText).join()
  const before = rows()
  const element = [...document.querySelectorAll(selector)].at(-1)
  const begun = performance.now()
  if (value === null) element.click()
  else {
    element.value = value
    element.dispatchEvent(new Event(element.tagName === 'SELECT' ? 'change' : 'input', { bubbles: true }))
  }
  const done = await __until(() => __still() && rows() !== before)
  await new Promise((drawn) => requestAnimationFrame(() => setTimeout(drawn)))
  const long = __long.filter(([at]) => at >= begun).map(([, took]) => took)
  return { ms: done - begun, long_tasks: long.length, longest_task_ms: Math.max(0, ...long) }
}"""
_TOLD = """() => {
  const paint = performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? 0
  const got = performance.getEntriesByType('resource')
  const asked = got.filter(({ name }) => name.includes('/api/v1/') && !name.includes('/stream'))
  const engine = got.find(({ name }) => name.includes('/engine-'))
  return {
    first_paint_ms: paint,
    last_answer_ms: Math.max(0, ...asked.map(({ responseEnd }) => responseEnd)),
    slowest_answer_ms: Math.max(0, ...asked.map(({ requestStart, responseEnd }) => responseEnd - requestStart)),
    answers: asked.length,
    chart_code_ms: engine?.responseEnd ?? 0,
    transferred_kib: got.reduce((sum, { transferSize }) => sum + transferSize, 0) / 1024,
    long_tasks: __long.length,
    long_tasks_ms: __long.reduce((sum, [, took]) => sum + took, 0),
    longest_task_ms: Math.max(0, ...__long.map(([, took]) => took)),
  }
}"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the benchmark's options."""
    parser.add_argument("--rounds", type=int, default=100, help="rounds of the job that is opened (100)")
    parser.add_argument("--trainers", type=int, default=32, help="its trainers (32)")
    parser.add_argument("--jobs", type=int, default=1000, help="jobs of the overview (1,000)")
    parser.add_argument("--repeat", type=int, default=7, help="times on the clock (7)")
    parser.add_argument("--threads", type=int, default=0, help="cores to use (0: all)")
    parser.add_argument("--json", action="store_true", help="answer with one JSON object")


def run(asked: argparse.Namespace) -> Figures:
    """Make a market, index it, serve it, and look at it."""
    with tempfile.TemporaryDirectory() as folder:
        database = f"sqlite:///{Path(folder) / 'index.db'}"
        events = _index(database, asked.rounds, asked.trainers, asked.jobs)
        with _server(database) as url, _chromium() as browser:
            place = f"{url}/markets/{CHAIN_ID}/{MARKET}"
            return {
                "events": events,
                "job": _cold(browser, f"{place}/jobs/1", _DRAWN, _CHARTS, asked.repeat),
                "round": _cold(browser, f"{place}/jobs/1/rounds/{asked.rounds}", _DRAWN, 1, asked.repeat),
                "overview": _cold(browser, url, _LISTED, None, asked.repeat),
                **_used(browser, url, asked.repeat),
            }


def _index(database: str, rounds: int, trainers: int, jobs: int) -> int:
    """Play one long job and many short ones into an index; return how many events there are."""
    node = Node()
    player = Player(node, 1, trainers=trainers, rounds_each=rounds)
    player.create()
    for _ in range(rounds):
        _round(player, trainers)
    player.trainers, player.rounds_each = _OTHER_TRAINERS, 2
    for _ in range(jobs - 1):
        player.create()
    for job_id in range(2, jobs + 1):
        for _ in range(_OTHER_STEPS):
            player.step(job_id)
    engine = open_index(database)
    try:
        Indexer(engine, node.client()).catch_up()
        notes = Notebook(engine)
        for number in range(1, rounds + 1):
            share = number / rounds
            notes.record_evaluation(CHAIN_ID, MARKET, 1, number, accuracy=0.4 + share / 2, loss=2 - share, by="bench")
        found = len(Reader(engine).rounds(CHAIN_ID, MARKET, 1, limit=200).items)
        if found != rounds:
            raise MeasurementFailed(f"{found} rounds were indexed, not {rounds}")
    finally:
        engine.dispose()
    return sum(len(block.logs) for block in node.blocks)


def _round(player: Player, trainers: int) -> None:
    """Play a whole round of the first job, in which nobody claims yet."""
    while len(player.world.jobs[0].stakes) < trainers:
        player.step(1)
    job, now = player.world.jobs[0], player.world.now
    number, terms, latest = len(job.rounds) + 1, job.terms, job.latest
    before = []
    if latest is not None and latest.settled is not None and latest.bond:
        before.append(BondReleased(1, latest.number, latest.settled.aggregator, latest.bond))
    ends = now + terms.commit_seconds
    player.mine(*before, RoundOpened(1, number, job.next_scale_exponent(), ends, ends + terms.settle_seconds))
    while player.world.jobs[0].phase(player.world.now) is not Phase.FINAL:
        player.step(1)


@contextmanager
def _server(database: str) -> Iterator[str]:
    """Serve an index in a process of its own; nothing changes meanwhile."""
    command = [sys.executable, "-m", "scripts.benchmarks.dashboard", database]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            yield f"http://127.0.0.1:{int(server.stdout.readline()) if server.stdout else 0}"
        finally:
            server.terminate()


def serve(database: str) -> None:
    """Serve an index on a free port, which is printed."""
    import socket

    import uvicorn

    from market.api.app import Parts, create_app
    from market.api.settings import Settings

    engine = open_index(database)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        app = create_app(Settings(), Parts(Reader(engine), engine), lambda: print(port, flush=True))
        uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False)).run(sockets=[listener])


@contextmanager
def _chromium() -> Iterator[Browser]:
    import shutil

    from playwright.sync_api import sync_playwright

    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path is None:
        raise MeasurementFailed("there is no chromium on the PATH")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def _page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport=_SIZE, reduced_motion="reduce")  # type: ignore[arg-type]
    try:
        context.add_init_script(_WATCH)
        yield context.new_page()
    finally:
        context.close()


def _cold(browser: Browser, url: str, ready: str, argument: int | None, repeat: int) -> Figures:
    """Open a page in fresh profiles until all that it shows is drawn."""
    told: list[Figures] = []
    for _ in range(repeat + 1):
        with _page(browser) as page:
            page.goto(url, wait_until="commit")
            drawn = page.evaluate(ready, argument)
            told.append({"drawn_ms": drawn, **page.evaluate(_TOLD)})
    return _medians(told[1:])  # the first finds the server's caches cold, and the browser's code


def _used(browser: Browser, url: str, repeat: int) -> Figures:
    """Turn, sort and search the overview; each time from the page as it was loaded."""
    actions = {
        "next_page": ("nav[aria-label='Pages of jobs'] button", None),
        "sort": ("select", "deadline"),
        "search": ("input[type=search]", "997"),
    }
    told: dict[str, list[Figures]] = {name: [] for name in actions}
    for _ in range(repeat + 1):
        for name, action in actions.items():
            with _page(browser) as page:
                page.goto(url, wait_until="commit")
                page.evaluate(_LISTED)
                told[name].append(page.evaluate(_ACT, list(action)))
    return {name: _medians(rows[1:]) for name, rows in told.items()}


def _medians(rows: Sequence[Figures]) -> Figures:
    figures = {key: round(statistics.median([row[key] for row in rows]), 1) for key in rows[0]}
    first = next(iter(rows[0]))
    return {**figures, f"{first}_all": [round(row[first], 1) for row in rows]}


if __name__ == "__main__":
    serve(sys.argv[1])
