"""Answers of reads: JSON with an entity tag, made once for all who ask the same of the same state of the index."""

from __future__ import annotations

import gzip
import hashlib
import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated, TypeVar

from fastapi import Depends, Request, Response
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from market.api.reader import Reader
from market.indexer.views import Page, View

LAGGING_SECONDS = 1.0
"""How long an answer serves that tells how long ago the chain was asked, which no version counts."""
TEMPLATE = "gramercy.template"
"""Where a request's scope names the path template that an answer was made by."""
_MAX_ENTRIES = 4_096
_MAX_BYTES = 32 << 20
_PACK_FROM_BYTES = 1_024
_PACK_LEVEL = 4
Item = TypeVar("Item", bound=View)


@dataclass(frozen=True, slots=True)
class Body:
    """An answer's bytes, also compressed, and their tag; valid for one version of the index, and until a second."""

    content: bytes
    packed: bytes | None
    tag: str
    version: int
    until: float
    template: str

    @property
    def size(self) -> int:
        """Bytes held."""
        return len(self.content) + len(self.packed or b"")

    def answer(self, headers: Headers) -> Response:
        """Return the answer to a request: 304 where the asker has it already."""
        told = {"ETag": self.tag, "Cache-Control": "no-cache", "Vary": "Accept-Encoding"}
        if has_tag(headers.get("if-none-match"), self.tag):
            return Response(status_code=304, headers=told)
        if self.packed is not None and "gzip" in headers.get("accept-encoding", ""):
            told["Content-Encoding"] = "gzip"
            return Response(self.packed, media_type="application/json", headers=told)
        return Response(self.content, media_type="application/json", headers=told)


@dataclass
class Bodies:
    """The bodies of late answers by path and query, least recently used out first."""

    reader: Reader
    _kept: OrderedDict[str, Body] = field(default_factory=OrderedDict)
    _bytes: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def get(self, key: str) -> Body | None:
        """Return the body of a path if it is still what the index says."""
        with self._lock:
            body = self._kept.get(key)
        if body is None or time.monotonic() > body.until or body.version != self.reader.version():
            return None
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
        return body

    def put(self, key: str, body: Body) -> None:
        """Keep a body."""
        with self._lock:
            before = self._kept.pop(key, None)
            self._bytes += body.size - (before.size if before else 0)
            self._kept[key] = body
            while self._bytes > _MAX_BYTES or len(self._kept) > _MAX_ENTRIES:
                self._bytes -= self._kept.popitem(last=False)[1].size


@dataclass
class Replays:
    """Answers again what was asked before, without the way through paths and threads."""

    app: ASGIApp
    bodies: Bodies

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        body = self.bodies.get(_key(scope)) if scope["type"] == "http" and scope["method"] == "GET" else None
        if body is None:
            await self.app(scope, receive, send)
            return
        scope[TEMPLATE] = body.template
        await body.answer(Headers(scope=scope))(scope, receive, send)


@dataclass(frozen=True, slots=True)
class Answering:
    """One read request: whom it can ask, and how it is answered."""

    request: Request
    bodies: Bodies

    def __call__(self, query: Callable[[Reader], View], *, seconds: float = math.inf) -> Response:
        """Return what a query of the index gives; others get the same while it is so, for ``seconds`` at most."""
        version = self.bodies.reader.version()  # before the query: an answer is never taken for newer than it is
        content = query(self.bodies.reader).model_dump_json().encode()
        packed = gzip.compress(content, _PACK_LEVEL, mtime=0) if len(content) >= _PACK_FROM_BYTES else None
        tag = f'W/"{hashlib.blake2b(content, digest_size=12).hexdigest()}"'
        template = getattr(self.request.scope.get("route"), "path", "")
        body = Body(content, packed, tag, version, time.monotonic() + seconds, template)
        self.bodies.put(_key(self.request.scope), body)
        return body.answer(self.request.headers)


async def answering(request: Request) -> Answering:
    """Return how to answer a request."""
    return Answering(request, request.app.state.bodies)


Answer = Annotated[Answering, Depends(answering)]


def _key(scope: Scope) -> str:
    query: bytes = scope["query_string"]
    return f"{scope['path']}?{query.decode('latin-1')}"


def whole(items: tuple[Item, ...]) -> Page[Item]:
    """Return a list that is short enough for one page."""
    return Page(items=items, total=len(items))


def has_tag(header: str | None, tag: str) -> bool:
    """Whether an If-None-Match header names a tag; compared weakly (RFC 9110, 13.1.2)."""
    if header is None:
        return False
    named = (part.strip().removeprefix("W/") for part in header.split(","))
    return header.strip() == "*" or tag.removeprefix("W/") in named
