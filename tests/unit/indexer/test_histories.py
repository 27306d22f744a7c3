"""Random histories: reorganisations, restarts, failing nodes and any division into chunks leave the same tables."""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine

from market.errors import ChainError, ChainUnreachable
from market.indexer import Indexer, Reader, indexer, open_index
from scripts.benchmarks.synthetic_market import Player
from scripts.benchmarks.synthetic_node import Node
from tests.unit.indexer.tables import derived

moves = st.lists(
    st.one_of(
        st.tuples(st.just("play"), st.integers(1, 25)),
        st.tuples(st.just("step"), st.integers(1, 3)),
        st.tuples(st.just("reorganise"), st.integers(1, 14)),
        st.tuples(st.just("restart"), st.just(0)),
        st.tuples(st.just("fail"), st.integers(1, 9)),
        st.tuples(st.just("range"), st.sampled_from([1, 2, 5, 1000])),
    ),
    min_size=4,
    max_size=25,
)


class Follower:
    """An indexer of a market that is played, and what may happen to both."""

    def __init__(self, engine: Engine, seed: int) -> None:
        self.engine = engine
        self.node = Node()
        self.player = Player(self.node, seed, mischief=0.25, trainers=5, rounds_each=3)
        self.player.create()
        self.choose = random.Random(seed)
        self.restart()

    def restart(self, _: int = 0) -> None:
        """Go on as a process that was killed goes on."""
        self.indexer = Indexer(self.engine, self.node.client())

    def play(self, count: int) -> None:
        """Let things happen."""
        for _ in range(count):
            jobs = len(self.player.world.jobs)
            if not jobs or (jobs < 3 and self.choose.random() < 0.1):
                self.player.create()
            else:
                self.player.step(self.choose.randrange(jobs) + 1)

    def step(self, count: int) -> None:
        """Read on."""
        for _ in range(count):
            self.indexer.step()

    def reorganise(self, depth: int) -> None:
        """Take blocks back, and let other things happen."""
        self.player.reorganise(depth)
        self.play(depth)

    def range(self, blocks: int) -> None:
        """Read so many blocks at once."""
        self.indexer._range = blocks

    def fail(self, after: int) -> None:
        """Have the node break off at some request, and the process with it."""
        answered = iter(range(after))

        def broken(_method: str, _params: Any, answer: Any) -> Any:
            if next(answered, None) is None:
                raise ChainUnreachable("gone")
            return answer

        self.node.intercept = broken
        with suppress(ChainError):
            self.indexer.step()
        self.node.intercept = lambda _method, _params, answer: answer
        self.restart()


def fresh(node: Node, open_new: Callable[[], Engine]) -> Engine:
    engine = open_new()
    Indexer(engine, node.client()).catch_up()
    return engine


@pytest.mark.slow
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(seed=st.integers(0, 10**6), happens=moves)
def test_any_way_of_reading_gives_the_same_tables(seed: int, happens: list[tuple[str, int]]) -> None:
    with TemporaryDirectory() as folder:
        opened: list[Engine] = []

        def open_new() -> Engine:
            opened.append(open_index(f"sqlite:///{Path(folder)}/{len(opened)}.db"))
            return opened[-1]

        try:
            follower = Follower(open_new(), seed)
            for what, count in happens:
                getattr(follower, what)(count)
            follower.indexer.catch_up()
            assert derived(follower.engine) == derived(fresh(follower.node, open_new))
            told = Reader(follower.engine).status().markets[0]
            assert (told.fault, told.caught_up) == (None, True)
        finally:
            for engine in opened:
                engine.dispose()


@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_a_reorganisation_of_six_blocks_leaves_what_a_fresh_index_has(
    new_index: Callable[[], Engine], seed: int
) -> None:
    follower = Follower(new_index(), seed)
    for _ in range(6):
        follower.play(12)
        follower.indexer.catch_up()
        before = derived(follower.engine)
        follower.reorganise(6)
        follower.indexer.catch_up()
        assert derived(follower.engine) != before
    expected = derived(fresh(follower.node, new_index))
    assert derived(follower.engine) == expected
    assert all(expected[name] for name in ("events", "jobs", "rounds", "updates", "settlements", "ledger", "totals"))


def test_chunks_are_divided_between_blocks(new_index: Callable[[], Engine], monkeypatch: pytest.MonkeyPatch) -> None:
    follower = Follower(new_index(), 5)
    follower.play(150)
    whole = derived(fresh(follower.node, new_index))
    monkeypatch.setattr(indexer, "EVENTS_AT_ONCE", 7)
    assert derived(fresh(follower.node, new_index)) == whole


def test_histories_that_fell_out_of_memory_are_read_back(
    new_index: Callable[[], Engine], monkeypatch: pytest.MonkeyPatch
) -> None:
    follower = Follower(new_index(), 6)
    follower.play(150)
    whole = derived(fresh(follower.node, new_index))
    monkeypatch.setattr("market.indexer.book.LIVE_JOBS", 1)
    follower.range(3)
    while follower.indexer.step():
        follower.range(3)
    assert derived(follower.engine) == whole
