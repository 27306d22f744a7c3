"""Work that may take as long as somebody's storage likes: begun in the background, waited for shortly.

Nobody's request holds one of the server's threads for it. One thread works for each job, however many ask; whoever
waits longer than a moment is told to come again, and finds the work done or still under way. An owner's jobs have a few
threads, so that jobs whose files nobody serves do not take all of them.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TypeVar, cast

from market.api.errors import Unavailable
from market.errors import StorageError

WAIT_SECONDS = 10.0
MAX_UNDER_WAY = 32
MAX_OF_OWNER = 4
KEPT_SECONDS = 60.0
"""How long it is remembered that storage has not got something."""
_MAX_KEPT = 64
_RETRY_SECONDS = 5
Result = TypeVar("Result")


@dataclass
class Making:
    """Makes things in the background, each once for all who ask for it; ``clock`` gives seconds."""

    clock: Callable[[], float] = time.monotonic
    _under_way: dict[Hashable, tuple[str, Future[object]]] = field(default_factory=dict)
    _kept: OrderedDict[Hashable, tuple[float, Future[object]]] = field(default_factory=OrderedDict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    async def get(self, key: Hashable, owner: str, work: Callable[[], Result], *, keep_seconds: float = 0.0) -> Result:
        """Return what ``work`` does, begun now or by somebody else before.

        Parameters
        ----------
        key
            What is made; it is made once at a time.
        owner
            Whose it is.
        work
            Makes it, in a thread of its own.
        keep_seconds
            How long it serves again.

        Raises
        ------
        Unavailable
            If it takes longer than a moment, or too much else is being made.

        Beyond these, errors are those of the work; those of storage are given again for a minute.

        """
        outcome = self._begin(key, owner, work, keep_seconds)
        try:
            return cast(Result, await asyncio.wait_for(asyncio.wrap_future(outcome), WAIT_SECONDS))
        except TimeoutError:
            if outcome.done():  # the work's own
                raise
            raise _refusal("it is being fetched, which takes a while") from None

    def _begin(self, key: Hashable, owner: str, work: Callable[[], object], keep_seconds: float) -> Future[object]:
        with self._lock:
            until, kept = self._kept.get(key, (0.0, None))
            if kept is not None and until > self.clock():
                return kept
            if key in self._under_way:
                return self._under_way[key][1]
            if len(self._under_way) >= MAX_UNDER_WAY:
                raise _refusal("too many others are being fetched")
            if Counter(whose for whose, _ in self._under_way.values())[owner] >= MAX_OF_OWNER:
                raise _refusal("too many others of the same owner are being fetched")
            outcome: Future[object] = Future()
            outcome.set_running_or_notify_cancel()  # who stops waiting does not end it for the others
            self._under_way[key] = owner, outcome

        def run() -> None:
            seconds = keep_seconds
            try:
                result = work()
            except BaseException as error:
                seconds = KEPT_SECONDS if isinstance(error, StorageError) else 0.0
                self._end(key, seconds, outcome)
                outcome.set_exception(error)
            else:
                self._end(key, seconds, outcome)
                outcome.set_result(result)

        threading.Thread(target=run, name="making", daemon=True).start()
        return outcome

    def _end(self, key: Hashable, seconds: float, outcome: Future[object]) -> None:
        with self._lock:
            del self._under_way[key]
            if seconds:
                self._kept[key] = self.clock() + seconds, outcome
                self._kept.move_to_end(key)
            while len(self._kept) > _MAX_KEPT:
                self._kept.popitem(last=False)


def _refusal(why: str) -> Unavailable:
    return Unavailable(
        f"the file cannot be given just now: {why}",
        hint="ask again in a few seconds",
        headers={"Retry-After": str(_RETRY_SECONDS)},
    )
