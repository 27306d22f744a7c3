"""Nonces serve one visitor, once and for a while, though nothing is kept of those that are given out."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import Engine, select

from market.api.nonces import NONCE_SECONDS, Nonces, kept_key, use
from market.api.tables import used_nonces
from market.indexer.database import open_index, writing

NOW = 1_800_000_000.5
KEY = b"k" * 32


def test_a_visitor_has_its_nonce_for_a_while() -> None:
    given = Nonces(KEY)
    visitor, nonce = given.give(NOW)
    other, different = given.give(NOW)
    assert nonce != different
    assert given.nonce(visitor, NOW + 1) == nonce
    assert given.nonce(other, NOW + NONCE_SECONDS + 1) is None
    assert given.nonce(other, NOW - 1) is None


@pytest.mark.parametrize("visitor", [None, "", "x", "0" * 74, "\ud800" * 40, "9" * 10 + "é" * 64])
def test_a_made_up_visitor_has_no_nonce(visitor: str | None) -> None:
    assert Nonces(KEY).nonce(visitor, NOW) is None


def test_a_visitor_that_was_changed_has_no_nonce() -> None:
    given = Nonces(KEY)
    visitor, _ = given.give(NOW)
    for place in range(len(visitor)):
        letter = "0" if visitor[place] != "0" else "1"
        assert given.nonce(visitor[:place] + letter + visitor[place + 1 :], NOW) is None
    assert given.nonce(visitor, NOW) is not None


def test_servers_over_one_database_know_each_others_visitors_and_no_others(database: Engine, tmp_path: Path) -> None:
    visitor, nonce = Nonces(kept_key(database)).give(NOW)
    assert Nonces(kept_key(database)).nonce(visitor, NOW) == nonce
    another = open_index(f"sqlite:///{tmp_path / 'another.db'}")
    assert Nonces(kept_key(another)).nonce(visitor, NOW) is None
    another.dispose()


def test_a_nonce_is_used_once_and_kept_no_longer_than_it_could_serve(database: Engine) -> None:
    def used(nonce: str, now: float) -> bool:
        with writing(database).begin() as connection:
            return use(connection, nonce, now)

    assert [used("a", NOW), used("b", NOW + 10), used("a", NOW + 20)] == [True, True, False]
    assert used("c", NOW + NONCE_SECONDS + 1)
    with database.connect() as connection:
        assert sorted(connection.scalars(select(used_nonces.c.nonce))) == ["b", "c"]
