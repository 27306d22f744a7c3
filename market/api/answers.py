"""Answers of reads: JSON with an entity tag, made once for all who ask the same of what has not changed since."""

from __future__ import annotations

import gzip
import hashlib
import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, TypeVar

from anyio import CapacityLimiter
from anyio.to_thread import run_sync
from fastapi import Depends, Request, Response
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from market.domain import Address
from market.indexer.queries import Reader
from market.indexer.views import Page, View

LAGGING_SECONDS = 1.0
"""How long an answer serves that tells how long ago the chain was asked, which no version counts."""
TEMPLATE = "gramercy.template"
"""Where a request's scope names the path template that an answer was made by."""
_MAX_ENTRIES = 4_096
_LONGEST_KEY = 1_024
_MAX_BYTES = 32 << 20
_PACK_FROM_BYTES = 1_024
_PACK_LEVEL = 4
LOOK_SECONDS = 0.05
"""How long the index is taken to be as it was: a look at it costs as much as many answers that are known."""
_READS_AT_ONCE = 2
"""More would not be faster: the interpreter runs one at a time, and they would take it from the server's loop."""
Item = TypeVar("Item", bound=View)
Job = tuple[int, Address, int]
"""Chain, market and number of a job."""


@dataclass(frozen=True, slots=True)
class Body:
    """An answer's bytes, also compressed, and their tag, and how long they are what the index says.

    Attributes
    ----------
    content, packed, tag, template
        The bytes, plain and compressed, their entity tag, and the template of their path.
    version
        Of the index that they were read from, or an earlier one.
    until
        Second of the monotonic clock from which on they are old in any case.
    job
        What they follow from, together with chain time; None: from everything.
    horizon
        First chain time at which the job's phases change by themselves.

    """

    content: bytes
    packed: bytes | None
    tag: str
    template: str
    version: int
    until: float
    job: Job | None
    horizon: float

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
class Freshness:
    """Which answers are still what the index says: those whose job nothing happened to, neither events nor time.

    Only looks ask the database; they may wait for it, so they are not for the server's loop.

    Parameters
    ----------
    reader
        Queries of the index.
    seconds
        For how long a look at the index serves; who was told of a change has to call :meth:`look` first.

    """

    reader: Reader
    seconds: float = LOOK_SECONDS
    _looked: float = -math.inf
    _version: int = -1
    _times: Mapping[tuple[int, Address], int] = field(default_factory=dict)
    _changed: dict[Job, int] = field(default_factory=dict)
    _everything: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def version(self) -> int:
        """The version of the index as of the latest look; -1 before the first."""
        return self._version

    @property
    def is_old(self) -> bool:
        """Whether another look is due."""
        return time.monotonic() > self._looked + self.seconds

    def refresh(self) -> None:
        """Look at the index if that is due, once for all who want it."""
        with self._lock:
            if self.is_old:
                self._look()

    def look(self) -> None:
        """Learn what is new in the index."""
        with self._lock:
            self._look()

    def hear(self, _news: object) -> None:
        """Look before others are told that something is new: they will ask for it."""
        self.look()

    def time(self, job: Job) -> int:
        """Return the chain time of a job's market as of the version learned last."""
        return self._times.get(job[:2], 0)

    def holds(self, body: Body) -> bool:
        """Whether an answer is still right."""
        if time.monotonic() > body.until:
            return False
        if body.version == self._version:
            return True
        if body.job is None or body.version < self._everything:
            return False
        return body.version >= self._changed.get(body.job, 0) and self.time(body.job) < body.horizon

    def _look(self) -> None:
        now = time.monotonic()
        if self.reader.version() != self._version:
            self._learn()
        self._looked = now

    def _learn(self) -> None:
        news = self.reader.since(self._version)
        back = any(news.times.get(market, 0) < at for market, at in self._times.items())
        if news.changes is None or back:  # phases go back with a reorganised chain's time
            self._everything = news.version
            self._changed.clear()
        for change in news.changes or ():
            if change.job_id is not None:
                self._changed[change.chain_id, change.market, change.job_id] = change.version
        self._times, self._version = news.times, news.version


@dataclass
class Bodies:
    """The bodies of late answers by path and query, least recently used out first; and what bounds the reads."""

    fresh: Freshness
    at_once: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(_READS_AT_ONCE))
    _kept: OrderedDict[str, Body] = field(default_factory=OrderedDict)
    _bytes: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __contains__(self, key: str) -> bool:
        """Whether there is a body of a path, however old."""
        return key in self._kept

    def get(self, key: str) -> Body | None:
        """Return the body of a path if it was still what the index says at the latest look."""
        with self._lock:
            body = self._kept.get(key)
        if body is None or not self.fresh.holds(body):
            return None
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
        return body

    def put(self, key: str, body: Body) -> None:
        """Keep a body, unless what was asked is longer than any page asks."""
        if len(key) > _LONGEST_KEY:
            return
        with self._lock:
            before = self._kept.pop(key, None)
            self._bytes += body.size - before.size if before else body.size + len(key)
            self._kept[key] = body
            while self._bytes > _MAX_BYTES or len(self._kept) > _MAX_ENTRIES:
                oldest, gone = self._kept.popitem(last=False)
                self._bytes -= gone.size + len(oldest)


@dataclass
class Replays:
    """Answers again what was asked before, without the way through paths and threads."""

    app: ASGIApp
    bodies: Bodies

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        body = None
        if scope["type"] == "http" and scope["method"] == "GET" and (key := _key(scope)) in self.bodies:
            if self.bodies.fresh.is_old:
                await run_sync(self.bodies.fresh.refresh, limiter=self.bodies.at_once)
            body = self.bodies.get(key)
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

    async def __call__(
        self, query: Callable[[Reader], View], *, seconds: float = math.inf, job: Job | None = None
    ) -> Response:
        """Return what a query of the index gives; others get the same while it is so.

        Parameters
        ----------
        query
            What is asked.
        seconds
            For how long others get the same, at most.
        job
            The job that the answer follows from, if it follows from its events and chain time alone.

        """
        body = await run_sync(self._body, query, seconds, job, limiter=self.bodies.at_once)
        self.bodies.put(_key(self.request.scope), body)
        return body.answer(self.request.headers)

    def _body(self, query: Callable[[Reader], View], seconds: float, job: Job | None) -> Body:
        fresh = self.bodies.fresh
        fresh.refresh()  # before the query: an answer is never taken for newer than it is
        version = fresh.version
        now = 0 if job is None else fresh.time(job)
        content = query(fresh.reader).model_dump_json().encode()
        horizon = None if job is None else fresh.reader.next_time(*job, after=now)
        return Body(
            content=content,
            packed=gzip.compress(content, _PACK_LEVEL, mtime=0) if len(content) >= _PACK_FROM_BYTES else None,
            tag=f'W/"{hashlib.blake2b(content, digest_size=12).hexdigest()}"',
            template=getattr(self.request.scope.get("route"), "path", ""),
            version=version,
            until=time.monotonic() + seconds,
            job=job,
            horizon=math.inf if horizon is None else horizon,
        )


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
