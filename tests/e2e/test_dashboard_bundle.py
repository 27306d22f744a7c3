"""The committed bundle is what the sources build, stays small, and asks nobody but its own server for anything."""

from __future__ import annotations

import gzip
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.node, pytest.mark.slow]

ROOT = Path(__file__).parents[2]
FRONTEND, BUNDLE = ROOT / "frontend", ROOT / "market" / "api" / "bundle"
SECONDS = 300
INITIAL_BUDGET_BYTES = 250_000
"""Gzipped JavaScript and styles that a first visit fetches."""
CHARTS_BUDGET_BYTES = 210_000
"""The same of the charts, which come with the first chart."""
_ASSET = re.compile(r'(?:src|href)="/([^"]+)"')
_STATIC_IMPORT = re.compile(r'(?:import|from)\s*"\./([\w.-]+\.js)"')
_OWN_URL = re.compile(r"https?://[a-z0-9.-]+\.[a-z]{2,}", re.IGNORECASE)
_NAMES_ONLY = frozenset({"http://www.w3.org", "https://www.w3.org"})
"""Names of XML namespaces, which nobody fetches."""


@pytest.fixture(scope="module")
def npm() -> str:
    """The path of npm, with the packages of the lock file installed."""
    found = shutil.which("npm")
    if found is None:
        pytest.skip("node is not installed")
    if not (FRONTEND / "node_modules" / "vite").is_dir():
        _run(found, "ci", "--no-progress")
    return found


def _run(npm: str, *arguments: str) -> None:
    done = subprocess.run([npm, *arguments], cwd=FRONTEND, capture_output=True, text=True, timeout=SECONDS, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def _files(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def _initial(files: dict[str, bytes]) -> set[str]:
    """Return what the index page fetches: what it names, and what that imports statically."""
    found: set[str] = set()
    waiting = [name for name in _ASSET.findall(files["index.html"].decode()) if name.endswith((".js", ".css"))]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            if name.endswith(".js"):
                folder = name.rpartition("/")[0]
                waiting += [f"{folder}/{one}" for one in _STATIC_IMPORT.findall(files[name].decode())]
    return found


def _gzipped(files: dict[str, bytes], names: set[str]) -> int:
    return sum(len(gzip.compress(files[name], 9)) for name in names)


def test_the_committed_bundle_is_what_the_sources_build(npm: str, tmp_path: Path) -> None:
    _run(npm, "run", "build", "--", "--outDir", os.fspath(tmp_path / "bundle"))
    built, committed = _files(tmp_path / "bundle"), _files(BUNDLE)
    assert sorted(built) == sorted(committed), "run `npm run build` in frontend/ and commit market/api/bundle"
    assert [name for name in built if built[name] != committed[name]] == []


def test_types_and_styles_hold(npm: str) -> None:
    _run(npm, "run", "check")


def test_units_hold(npm: str) -> None:
    """Protocol on the shared vectors, formats, data client, wallet and terms: by Vitest."""
    _run(npm, "test")


@pytest.mark.parametrize("script", ["protocol/make_evidence.py", "owner/make_cases.py"])
def test_the_fixtures_are_what_python_makes(script: str) -> None:
    command = [sys.executable, os.fspath(FRONTEND / "tests" / script), "--check"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=SECONDS, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_first_visit_stays_within_its_budget() -> None:
    files = _files(BUNDLE)
    initial = _initial(files)
    assert {name.rpartition(".")[2] for name in initial} == {"js", "css"}
    assert _gzipped(files, initial) <= INITIAL_BUDGET_BYTES


def test_charts_come_later_and_stay_small() -> None:
    files = _files(BUNDLE)
    later = {name for name in files if name.endswith(".js")} - _initial(files)
    charts = {name for name in later if b"visualMap" in files[name]}
    assert len(charts) == 1
    assert _gzipped(files, charts) <= CHARTS_BUDGET_BYTES


def test_the_page_obeys_a_strict_policy() -> None:
    page = _files(BUNDLE)["index.html"].decode()
    assert all("src=" in tag for tag in re.findall(r"<script[^>]*>", page))
    assert "<style" not in page
    assert " style=" not in page
    assert not re.search(r"\son\w+=", page)


def test_nothing_is_fetched_from_elsewhere() -> None:
    files = _files(BUNDLE)
    for name in ("index.html", "theme.js", *(one for one in files if one.endswith(".css"))):
        named = {url.lower() for url in _OWN_URL.findall(files[name].decode())}
        assert named <= _NAMES_ONLY, f"{name} names {named}"
    assert not re.search(rb"@import|url\((?!data:)", b"".join(files[name] for name in files if name.endswith(".css")))
