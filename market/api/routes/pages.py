"""The pages: the built bundle beside this package, held in memory; only names that it has lead anywhere."""

from __future__ import annotations

import hashlib
import mimetypes
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from fastapi import APIRouter, Request, Response
from starlette.exceptions import HTTPException

from market.api.answers import has_tag

BUNDLE = Path(__file__).parents[1] / "bundle"
INDEX = "index.html"
_HASHED = "assets/"
_FOREVER = "public, max-age=31536000, immutable"
_OWN_PATHS = ("api/", _HASHED, "healthz", "readyz", "metrics")
_ABSENT = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Gramercy</title>
<h1>The pages are not built</h1>
<p>The API answers under <a href="/api/v1/markets">/api/v1</a>. An installed package carries the pages; in a source
tree, <code>cd frontend &amp;&amp; npm ci &amp;&amp; npm run build</code> makes them. Then start the server again.</p>
</html>
"""
router = APIRouter(include_in_schema=False)


@dataclass(frozen=True, slots=True)
class Page:
    """A file of the bundle."""

    content: bytes
    media_type: str
    tag: str
    cache: str


def read_bundle(folder: Path = BUNDLE) -> Mapping[str, Page]:
    """Return the bundle's files by name; nothing if it is not built."""
    found = {}
    for path in sorted(folder.rglob("*")) if (folder / INDEX).is_file() else []:
        if path.is_file() and not path.is_symlink():
            name, content = path.relative_to(folder).as_posix(), path.read_bytes()
            kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
            kind = "text/javascript" if name.endswith((".js", ".mjs")) else kind
            tag = f'W/"{hashlib.blake2b(content, digest_size=12).hexdigest()}"'
            found[name] = Page(content, kind, tag, _FOREVER if name.startswith(_HASHED) else "no-cache")
    return found


@router.api_route("/{path:path}", methods=["GET", "HEAD"])
async def page(request: Request, path: str) -> Response:
    """A file of the bundle; every other path that is no file is one of the pages, which route themselves."""
    bundle: Mapping[str, Page] = request.app.state.bundle
    found = bundle.get(path)
    if found is None and (path.startswith(_OWN_PATHS) or "." in path.rpartition("/")[2]):
        raise HTTPException(404)
    if not bundle:
        return Response(_ABSENT, status_code=503, media_type="text/html")
    found = found or bundle[INDEX]
    headers = {"ETag": found.tag, "Cache-Control": found.cache}
    if has_tag(request.headers.get("if-none-match"), found.tag):
        return Response(status_code=304, headers=headers)
    return Response(found.content, media_type=found.media_type, headers=headers)
