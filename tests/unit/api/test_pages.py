"""The pages: files of the bundle, cached by what they are, and every route of theirs the index."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from sqlalchemy import Engine

from market.api.app import Parts, create_app
from market.api.routes.pages import read_bundle
from market.api.settings import Settings
from tests.unit.api.fake_reader import FakeReader
from tests.unit.api.serving import client_of


@pytest.fixture(scope="module")
def pages(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    folder = tmp_path_factory.mktemp("bundle")
    (folder / "assets").mkdir()
    (folder / "index.html").write_text("<!doctype html><title>index</title>")
    (folder / "assets" / "app-1a2b.js").write_text("export {};" * 400)
    (folder / "secret").symlink_to("/etc/passwd")
    app = create_app(Settings(), Parts(FakeReader(), engine))
    app.state.bundle = read_bundle(folder)
    with client_of(app) as client:
        yield client


@pytest.mark.parametrize("path", ["/", "/jobs", "/markets/31337/0x1/jobs/1/rounds/2", "/index.html"])
def test_every_route_of_the_pages_is_the_index(pages: httpx.Client, path: str) -> None:
    answer = pages.get(path)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert "<title>index" in answer.text
    assert answer.headers["cache-control"] == "no-cache"
    assert pages.get(path, headers={"If-None-Match": answer.headers["etag"]}).status_code == 304


def test_hashed_files_are_kept_for_ever(pages: httpx.Client) -> None:
    answer = pages.get("/assets/app-1a2b.js")
    assert answer.headers["content-type"].startswith("text/javascript")
    assert "immutable" in answer.headers["cache-control"]
    assert answer.headers["content-encoding"] == "gzip"
    assert pages.head("/assets/app-1a2b.js").status_code == 200


@pytest.mark.parametrize("path", ["/assets/gone-3c4d.js", "/api/v2/markets", "/secret.txt", "/.env", "/favicon.ico"])
def test_what_the_bundle_does_not_have_is_not_found(pages: httpx.Client, path: str) -> None:
    assert (pages.get(path).status_code, pages.get(path).json()["status"]) == (404, 404)


def test_links_out_of_the_bundle_are_not_followed(pages: httpx.Client) -> None:
    assert "root:" not in pages.get("/secret").text


def test_an_absent_bundle_is_said_so(engine: Engine, tmp_path: Path) -> None:
    app = create_app(Settings(), Parts(FakeReader(), engine))
    app.state.bundle = read_bundle(tmp_path)
    with client_of(app) as client:
        answer = client.get("/jobs")
    assert answer.status_code == 503
    assert "npm run build" in answer.text
