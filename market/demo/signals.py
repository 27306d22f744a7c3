"""When Ctrl-C, SIGTERM and SIGHUP may cut in: never between starting a process and knowing of it, nor while ending."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator

_NAMES = ("SIGINT", "SIGTERM", "SIGHUP")
_NUMBERS = tuple(getattr(signal, name) for name in _NAMES if hasattr(signal, name))


class Signals:
    """Turns the first signal to end into KeyboardInterrupt, in the stretches where that is allowed.

    Use it in ``with``, in the main thread; former handlers are put back on leaving. A signal that comes where it is not
    allowed waits for the next stretch that allows it. After it was raised nothing is cut off any more, so that what
    was begun can be ended: later signals change nothing.
    """

    def __init__(self) -> None:
        self.asked = False
        self._allowed = False

    @contextlib.contextmanager
    def handled(self) -> Iterator[Signals]:
        """Take the signals over; what the process was told to ignore stays ignored (nohup).

        Whatever fails after a signal fails because of it, as processes that were begun got it, too: KeyboardInterrupt.
        """
        if threading.current_thread() is not threading.main_thread():
            yield self
            return
        former = {
            number: signal.signal(number, self._take)
            for number in _NUMBERS
            if signal.getsignal(number) is not signal.SIG_IGN
        }
        try:
            yield self
        except Exception:
            self.check()
            raise
        finally:
            for number, handler in former.items():
                signal.signal(number, handler)

    @contextlib.contextmanager
    def allowed(self) -> Iterator[None]:
        """Within, a signal raises KeyboardInterrupt, and so does one that came before."""
        with self._switched(True):
            self.check()
            yield

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Within, a signal waits; KeyboardInterrupt on leaving if one came, where it is allowed again."""
        before = self._allowed
        with self._switched(False):
            yield
        if before:
            self.check()

    def check(self) -> None:
        """Raise KeyboardInterrupt if a signal came: also one whose exception was lost in a place that swallows all."""
        if self.asked:
            raise KeyboardInterrupt

    @contextlib.contextmanager
    def _switched(self, allowed: bool) -> Iterator[None]:
        before, self._allowed = self._allowed, allowed and not self.asked
        try:
            yield
        finally:
            self._allowed = before and not self.asked

    def _take(self, _number: int, _frame: object) -> None:
        self.asked = True
        if self._allowed:
            self._allowed = False
            raise KeyboardInterrupt
