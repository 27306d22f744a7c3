"""Answers of reads: JSON with an entity tag, made once for all who ask the same of the same state of the index."""

from __future__ import annotations

import hashlib
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated, TypeVar

from fastapi import Depends, Request, Response

from market.api.reader import Reader
from market.indexer.views import Page, View

_MAX_ENTRIES = 2_048
_MAX_BYTES = 32 << 20
_FRESH_SECONDS = 1.0
"""Answers tell how long ago the chain was asked, which no version counts: they are made anew after this."""
Item = TypeVar("Item", bound=View)


@dataclass(frozen=True, slots=True)
class Body:
    """An answer's bytes and their tag; valid for one version of the index."""

    content: bytes
    tag: str
    version: int
    made: float


@dataclass
class Bodies:
    """The bodies of late answers by path and query, least recently used out first."""

    _kept: OrderedDict[str, Body] = field(default_factory=OrderedDict)
    _bytes: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def get(self, key: str, version: int) -> Body | None:
        """Return the body of a path if it is still what the index says."""
        with self._lock:
            body = self._kept.get(key)
            if body is None or body.version != version or time.monotonic() - body.made > _FRESH_SECONDS:
                return None
            self._kept.move_to_end(key)
            return body

    def put(self, key: str, body: Body) -> None:
        """Keep a body."""
        with self._lock:
            before = self._kept.pop(key, None)
            self._bytes += len(body.content) - (len(before.content) if before else 0)
            self._kept[key] = body
            while self._bytes > _MAX_BYTES or len(self._kept) > _MAX_ENTRIES:
                self._bytes -= len(self._kept.popitem(last=False)[1].content)


@dataclass(frozen=True, slots=True)
class Answering:
    """One read request: whom it can ask, and how it is answered."""

    request: Request
    reader: Reader
    bodies: Bodies

    def __call__(self, query: Callable[[Reader], View]) -> Response:
        """Return what a query of the index gives, or 304 where the asker has that already."""
        url = self.request.url
        key, version = f"{url.path}?{url.query}", self.reader.version()
        body = self.bodies.get(key, version)
        if body is None:
            content = query(self.reader).model_dump_json().encode()
            tag = f'W/"{hashlib.blake2b(content, digest_size=12).hexdigest()}"'
            body = Body(content, tag, version, time.monotonic())
            self.bodies.put(key, body)
        headers = {"ETag": body.tag, "Cache-Control": "no-cache"}
        if has_tag(self.request.headers.get("if-none-match"), body.tag):
            return Response(status_code=304, headers=headers)
        return Response(body.content, media_type="application/json", headers=headers)


async def answering(request: Request) -> Answering:
    """Return how to answer a request."""
    state = request.app.state
    return Answering(request, state.reader, state.bodies)


Answer = Annotated[Answering, Depends(answering)]


def whole(items: tuple[Item, ...]) -> Page[Item]:
    """Return a list that is short enough for one page."""
    return Page(items=items, total=len(items))


def has_tag(header: str | None, tag: str) -> bool:
    """Whether an If-None-Match header names a tag; compared weakly (RFC 9110, 13.1.2)."""
    if header is None:
        return False
    named = (part.strip().removeprefix("W/") for part in header.split(","))
    return header.strip() == "*" or tag.removeprefix("W/") in named
