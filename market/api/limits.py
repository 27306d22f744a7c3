"""Bounds on what is slow or waits: so many at once, a few that wait for a moment, the others are told to come later.

A server's threads are for everybody: whoever asks for much, or for what hangs, must not hold all of them.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import TypeVar

from market.api.errors import Unavailable

RETRY_SECONDS = 5
Result = TypeVar("Result")


class Limit:
    """Places for one kind of work.

    Parameters
    ----------
    what
        What is refused where there is no place, in words.
    at_once
        How many work at a time.
    waiting
        How many more may wait for a place.
    seconds
        For how long they wait.

    """

    def __init__(self, what: str, at_once: int, *, waiting: int = 0, seconds: float = 1.0) -> None:
        self._what, self._seconds = what, seconds
        self._inside = threading.BoundedSemaphore(at_once + waiting)
        self._places = threading.BoundedSemaphore(at_once)

    @contextmanager
    def place(self) -> Iterator[None]:
        """Hold a place; Unavailable, with `Retry-After`, if none is free."""
        self._enter()
        try:
            yield
        finally:
            self._leave()

    def within(self, seconds: float, work: Callable[[], Result]) -> Result:
        """Work in a thread of its own, and wait for the result at most so long; who is late keeps its place until done.

        Raises
        ------
        Unavailable
            If no place is free, or the time is over.

        """
        self._enter()
        outcome: Future[Result] = Future()

        def run() -> None:
            try:
                outcome.set_result(work())
            except Exception as error:
                outcome.set_exception(error)
            finally:
                self._leave()

        threading.Thread(target=run, name="limited", daemon=True).start()
        try:
            return outcome.result(seconds)
        except TimeoutError:
            raise self._refusal() from None

    def _enter(self) -> None:
        if not self._inside.acquire(blocking=False):
            raise self._refusal()
        if not self._places.acquire(timeout=self._seconds):
            self._inside.release()
            raise self._refusal()

    def _leave(self) -> None:
        self._places.release()
        self._inside.release()

    def _refusal(self) -> Unavailable:
        return Unavailable(
            f"{self._what} cannot be done just now: others ask for it too, or it takes too long",
            hint="ask again in a few seconds",
            headers={"Retry-After": str(RETRY_SECONDS)},
        )
