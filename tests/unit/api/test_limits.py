"""What is slow has so many places; whoever finds none is told at once when to come again."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from market.api.errors import Unavailable
from market.api.limits import RETRY_SECONDS, Limit


def test_who_finds_no_place_is_told_when_to_come_again() -> None:
    limit = Limit("a test", 1)
    with limit.place():
        with pytest.raises(Unavailable, match="a test") as caught, limit.place():
            pass
        assert caught.value.headers == {"Retry-After": str(RETRY_SECONDS)}
    with limit.place():
        pass


def test_some_wait_for_a_place_and_the_others_do_not() -> None:
    limit, leave = Limit("a test", 1, waiting=1, seconds=10), threading.Event()
    inside = threading.Semaphore(0)

    def use() -> None:
        with limit.place():
            inside.release()
            assert leave.wait(10)

    with ThreadPoolExecutor(2) as pool:
        uses = [pool.submit(use), pool.submit(use)]
        assert inside.acquire(timeout=10)
        deadline = time.monotonic() + 10
        while limit._inside._value:  # until the second waits
            assert time.monotonic() < deadline
        with pytest.raises(Unavailable), limit.place():
            pass
        leave.set()
        for one in uses:
            one.result()


def test_waiting_ends() -> None:
    limit = Limit("a test", 1, waiting=1, seconds=0.01)
    for _ in range(3):
        with limit.place(), pytest.raises(Unavailable), limit.place():
            pass


def test_who_is_late_keeps_its_place_until_it_is_done() -> None:
    limit, leave, left = Limit("a test", 1), threading.Event(), threading.Event()

    def slow() -> None:
        assert leave.wait(10)
        left.set()

    with pytest.raises(Unavailable):
        limit.within(0.01, slow)
    with pytest.raises(Unavailable):
        limit.within(10, lambda: None)
    leave.set()
    assert left.wait(10)
    while True:
        try:
            assert limit.within(10, lambda: 7) == 7
            break
        except Unavailable:  # it is leaving
            continue


def test_what_fails_within_a_limit_fails_for_who_asked() -> None:
    limit = Limit("a test", 1)
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            limit.within(10, lambda: 1 // 0)
