"""When signals cut in: only where that is allowed, once, and never lost."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Callable, Iterator

import pytest

from market.demo.signals import Signals
from market.errors import ChainUnreachable

NUMBERS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]


@pytest.fixture
def signals() -> Iterator[Signals]:
    """Signals taken over for one test."""
    with Signals().handled() as taken:
        yield taken


def send(number: signal.Signals = signal.SIGTERM) -> None:
    """Send a signal to this process; its handler has run when this returns."""
    os.kill(os.getpid(), number)


def cut_off(signals: Signals, body: Callable[[], None]) -> bool:
    """Run a body where signals are allowed; return whether one cut it off."""
    try:
        with signals.allowed():
            body()
    except KeyboardInterrupt:
        return True
    return False


@pytest.mark.parametrize("number", NUMBERS)
def test_a_signal_cuts_in_where_it_is_allowed(signals: Signals, number: signal.Signals) -> None:
    reached = []

    def body() -> None:
        send(number)
        reached.append(number)

    assert cut_off(signals, body)
    assert (signals.asked, reached) == (True, [])


def test_elsewhere_it_waits_for_the_next_stretch_that_allows_it(signals: Signals) -> None:
    send()
    reached: list[int] = []
    assert cut_off(signals, lambda: reached.append(1))
    assert not reached


def test_what_is_held_is_finished_first(signals: Signals) -> None:
    reached = []

    def body() -> None:
        with signals.held():
            send()
            reached.append("held")
        reached.append("after")

    assert cut_off(signals, body)
    assert reached == ["held"]


def test_holding_what_is_not_allowed_anyway_raises_nothing(signals: Signals) -> None:
    with signals.held():
        send()
    assert signals.asked


def test_what_ends_what_was_begun_is_not_cut_off(signals: Signals) -> None:
    ended = []

    def body() -> None:
        try:
            send()
        finally:
            for number in NUMBERS:
                send(number)
                with signals.held():
                    ended.append(number)

    assert cut_off(signals, body)
    assert ended == NUMBERS


def test_one_that_was_swallowed_is_raised_again(signals: Signals) -> None:
    with signals.allowed():
        with contextlib.suppress(KeyboardInterrupt):  # as a finaliser does
            send()
        with pytest.raises(KeyboardInterrupt):
            signals.check()


@pytest.mark.parametrize(("asked", "raised"), [(True, KeyboardInterrupt), (False, ChainUnreachable)])
def test_what_fails_after_a_signal_fails_because_of_it(asked: bool, raised: type[BaseException]) -> None:
    """A terminal's Ctrl-C reaches the chain's process, too, and that may be noticed first."""

    def start() -> None:
        with Signals().handled():
            if asked:
                send()
            raise ChainUnreachable("it did not begin to answer")

    with pytest.raises(raised):
        start()


def test_former_handlers_come_back_and_what_was_ignored_stays_so() -> None:
    before = {number: signal.getsignal(number) for number in NUMBERS}
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with Signals().handled() as taken, taken.allowed():
            assert signal.getsignal(signal.SIGTERM) != before[signal.SIGTERM]
            send(signal.SIGHUP)
        assert not taken.asked
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before[signal.SIGHUP])
    assert {number: signal.getsignal(number) for number in NUMBERS} == before


def test_in_another_thread_signals_stay_as_they_are() -> None:
    before = signal.getsignal(signal.SIGTERM)
    seen = []

    def work() -> None:
        with Signals().handled() as taken, taken.allowed():
            seen.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [before]
