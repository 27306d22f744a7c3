"""Nonces serve one visitor, once and for a while, though nothing is kept of those that are given out."""

from __future__ import annotations

import pytest

from market.api import nonces
from market.api.nonces import NONCE_SECONDS, Nonces

NOW = 1_800_000_000.5


def test_a_visitor_takes_its_nonce_once() -> None:
    given = Nonces()
    visitor, nonce = given.give(NOW)
    other, different = given.give(NOW)
    assert nonce != different
    assert given.take(visitor, NOW + 1) == nonce
    assert given.take(visitor, NOW + 2) is None
    assert given.take(other, NOW + NONCE_SECONDS + 1) is None


@pytest.mark.parametrize("visitor", [None, "", "x", "0" * 74, "\ud800" * 40, "9" * 10 + "é" * 64])
def test_a_made_up_visitor_has_no_nonce(visitor: str | None) -> None:
    assert Nonces().take(visitor, NOW) is None


def test_a_visitor_that_was_changed_has_no_nonce() -> None:
    given = Nonces()
    visitor, _ = given.give(NOW)
    for place in range(len(visitor)):
        letter = "0" if visitor[place] != "0" else "1"
        assert given.take(visitor[:place] + letter + visitor[place + 1 :], NOW) is None
    assert given.take(visitor, NOW) is not None


def test_a_visitor_of_another_process_has_no_nonce() -> None:
    assert Nonces().take(Nonces().give(NOW)[0], NOW) is None


def test_used_nonces_do_not_pile_up_and_never_serve_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nonces, "_MAX_USED", 10)
    given = Nonces()
    visitors = [given.give(NOW + number)[0] for number in range(30)]
    late = NOW + 40
    assert all(given.take(visitor, late) for visitor in visitors)
    assert len(given._used) == 10
    assert not any(given.take(visitor, late) for visitor in visitors)
    given.take(given.give(late + NONCE_SECONDS + 1)[0], late + NONCE_SECONDS + 1)
    assert len(given._used) == 1
