"""What an index answers, beside what the reducers say of the same market."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import pytest
from sqlalchemy import Engine

from aggregator.errors import InvalidInput
from market.domain import NATIVE_COIN, Phase
from market.errors import NotFound
from market.indexer import Indexer, Notebook, Reader, schema
from market.indexer.cursors import encode_cursor
from market.indexer.views import JobStatus
from market.rounds import JobState
from scripts.benchmarks.synthetic_market import CID, Player
from scripts.benchmarks.synthetic_node import CHAIN_ID, MARKET, Node, address

PLACE = (CHAIN_ID, MARKET)


@dataclass
class Told:
    """A market that was played, and the index of it."""

    player: Player
    engine: Engine

    @property
    def now(self) -> int:
        return self.player.world.now

    @property
    def reader(self) -> Reader:
        return Reader(self.engine, now=self.now, clock=lambda: 0.0)

    @property
    def jobs(self) -> tuple[JobState, ...]:
        return self.player.world.jobs


@cache
def played() -> Player:
    """Return a market on which a lot has happened; nobody changes it."""
    player = Player(Node(), seed=38, mischief=0.15, trainers=5, rounds_each=3)
    for _ in range(4):
        player.create()
    for step in range(260):
        player.step((1, 1, 2, 3)[step % 4])
    for _ in range(9):
        player.step(4)
    return player


@pytest.fixture
def told(index: Engine) -> Told:
    Indexer(index, played().node.client()).catch_up()
    return Told(played(), index)


def every(page: Callable[..., Any], *place: Any, **arguments: Any) -> list[Any]:
    """Return a list's entries, page by page."""
    found: list[Any] = []
    cursor: str | None = None
    while True:
        part = page(*place, cursor=cursor, limit=2, **arguments)
        found += part.items
        if part.next is None:
            assert len(found) == part.total
            return found
        cursor = part.next


def test_jobs_are_as_the_reducer_has_them(told: Told) -> None:
    balances = told.player.world.accounts
    for state in told.jobs:
        job = told.reader.job(*PLACE, state.job_id)
        assert job.summary.rounds_used == state.used_by(told.now)
        assert job.summary.escrow == state.escrow
        assert job.stakes == sum(state.stakes.values())
        assert job.bonds == state.bonds
        assert job.summary.escrow + job.stakes + job.bonds + job.unclaimed == state.liabilities
        assert job.summary.trainers == len(state.stakes)
        assert (job.terms.rounds, job.terms.deadline) == (state.terms.rounds, state.terms.deadline)
        assert job.owner_free == balances.free(state.terms.token, state.owner)
        assert {each.address for each in job.aggregators if not each.dismissed} >= set(state.aggregators)
        named = {each.address: each.named_by for each in job.aggregators}
        assert all(trainer in named[aggregator] for trainer, aggregator in state.named.items())
        latest = job.summary.latest
        assert (Phase.NONE if latest is None else Phase[latest.phase.name]) is state.phase(told.now)


def test_status_is_the_same_in_rows_and_in_conditions(told: Told) -> None:
    times = {told.now}
    for state in told.jobs:
        for each in state.rounds:
            times |= {each.opened.commit_end, each.opened.settle_end, each.opened.settle_end - 1}
            times |= set() if each.settled is None else {each.settled.challenge_end, each.settled.challenge_end - 1}
        times |= {state.terms.deadline, state.terms.deadline - 1}
    seen = set()
    for now in sorted(times):
        reader = Reader(told.engine, now=now)
        for state in told.jobs:
            status = reader.job(*PLACE, state.job_id).summary.status
            seen.add(status)
            assert (status is JobStatus.CLOSED) == state.closed
            assert state.closed or (status is JobStatus.FINISHED) == state.finished(now)
        for status in JobStatus:
            listed = {job.job_id for job in reader.jobs(status=status).items}
            assert listed == {job.job_id for job in reader.jobs().items if job.status is status}
    assert seen == {JobStatus.CLOSED, JobStatus.RUNNING, JobStatus.FINISHED}


def test_a_new_job_waits_for_trainers(index: Engine) -> None:
    player = Player(Node(), seed=1)
    player.create()
    Indexer(index, player.node.client()).catch_up()
    assert Reader(index).jobs(status=JobStatus.JOINING).total == 1
    assert Reader(index).job(*PLACE, 1).summary.status is JobStatus.JOINING


def test_rounds_and_updates_are_as_the_reducer_has_them(told: Told) -> None:
    for state in told.jobs:
        listed = every(told.reader.rounds, *PLACE, state.job_id)
        assert [each.number for each in listed] == [each.number for each in reversed(state.rounds)]
        for summary, each in zip(reversed(listed), state.rounds, strict=True):
            assert Phase[summary.phase.name] is each.phase(told.now)
            detail = told.reader.round(*PLACE, state.job_id, each.number)
            assert detail.summary == summary
            assert [update.trainer for update in detail.updates] == [commit.trainer for commit in each.commits]
            assert {u.trainer: u.payout for u in detail.updates if u.included and each.valid} == each.payouts
            assert {u.trainer for u in detail.updates if u.claimed} == set(each.claimed)
            assert {u.index for u in detail.updates if u.slashed} == set(each.slashed)
            assert len(detail.replaced) == len(each.replaced)
            assert (detail.settlement is None) == (each.settled is None)
            assert detail.refunded == each.refunded
            assert (detail.reference_commitment is None) == (each.reference is None)
            assert all((update.reason is None) == (each.settled is None) for update in detail.updates)


def test_trainers_and_accounts_are_as_the_reducers_have_them(told: Told) -> None:
    for state in told.jobs:
        trainers = every(told.reader.trainers, *PLACE, state.job_id)
        assert {each.address for each in trainers} >= set(state.stakes)
        for each in trainers:
            claimable = state.claimable(each.address, told.now)
            assert dict.fromkeys(each.claimable_rounds) == dict.fromkeys(claimable)
            assert each.claimable == sum(claimable.values())
            assert each.stake == state.stakes.get(each.address, 0)
            assert (each.left is None) == (each.address in state.stakes)
            assert each.committed == sum(1 for one in state.rounds if one.commit_of(each.address))
            assert each.paid == sum(one.payouts.get(each.address, 0) for one in state.rounds)
            assert each.named == state.named.get(each.address)
            assert each.slashed == any(
                commit.trainer == each.address and commit.index in one.slashed
                for one in state.rounds
                for commit in one.commits
            )
            account = told.reader.account(*PLACE, each.address)
            mine = every(told.reader.jobs_of_trainer, *PLACE, each.address)
            assert account.trains == len(mine)
            assert each in [one.trainer for one in mine if one.job.job_id == state.job_id]
            assert sum(one.free for one in account.claimable) == sum(one.trainer.claimable for one in mine)
    owner = told.reader.account(*PLACE, address("owner-1"))
    assert owner.owns == sum(1 for state in told.jobs if state.owner == address("owner-1"))
    free = {balance.token.address: balance.free for balance in owner.balances}
    assert free.get(NATIVE_COIN, 0) == told.player.world.accounts.free(NATIVE_COIN, address("owner-1"))
    nobody = told.reader.account(*PLACE, address("nobody at all"))
    assert (nobody.balances, nobody.owns, nobody.trains, nobody.aggregates) == ((), 0, 0, 0)


def test_a_markets_money_is_the_sum_of_its_jobs(told: Told) -> None:
    market = told.reader.market(*PLACE)
    assert market == told.reader.markets()[0]
    assert market.jobs == len(told.jobs)
    assert market.rounds_settled == sum(len(state.settled_rounds) for state in told.jobs)
    assert market.running == told.reader.jobs(status=JobStatus.RUNNING).total
    for amounts in market.amounts:
        mine = [state for state in told.jobs if state.terms.token == amounts.token.address]
        assert amounts.escrow + amounts.stakes + amounts.bonds + amounts.unclaimed == sum(
            state.liabilities for state in mine
        )
        assert amounts.free == told.player.world.accounts.owed(amounts.token.address)
        assert amounts.claimed + amounts.unclaimed == sum(sum(e.payouts.values()) for s in mine for e in s.rounds)


def test_jobs_are_found_sorted_and_paged(told: Told) -> None:
    reader = told.reader
    keys: dict[str, Callable[[Any], int]] = {
        "newest": lambda job: -job.created,
        "deadline": lambda job: job.deadline,
        "budget": lambda job: -job.round_budget * job.rounds,
    }
    for sort, key in keys.items():
        listed = every(reader.jobs, sort=sort)
        assert list(map(key, listed)) == sorted(map(key, listed))
        assert {job.job_id for job in listed} == {1, 2, 3, 4}
    trainer = next(iter(told.jobs[0].stakes))
    assert {job.job_id for job in reader.jobs(trainer=trainer).items} >= {1}
    assert [job.job_id for job in reader.jobs(owner=address("owner-2")).items] == [2]
    assert reader.jobs(chain_id=5).total == reader.jobs(market=address("elsewhere")).total == 0
    assert [job.job_id for job in reader.jobs(query="3").items] == [3]
    assert [job.job_id for job in reader.jobs(query=address("owner-2").lower()[4:20]).items] == [2]
    Notebook(told.engine).set_name(CID, "Digits\n 100%_sure")
    assert reader.jobs(query="dIGITS").total == 4
    assert reader.jobs(query="100%_s").items[0].name == "Digits 100%_sure"
    assert reader.jobs(query="%").total == 4
    assert reader.jobs(query="_x").total == reader.jobs(query="9" * 40).total == 0


def test_events_are_told_in_words_newest_first(told: Told) -> None:
    everything = [log for block in told.player.node.blocks for log in block.logs]
    first = told.reader.events(*PLACE, limit=200)
    assert first.total == len(everything)
    places = [(event.block, event.log_index) for event in first.items]
    assert places == sorted(places, reverse=True)
    assert all("{" not in event.text and event.text for event in first.items)
    opened = every(told.reader.events, *PLACE, job_id=1, round=1)
    assert {event.job_id for event in opened} == {1}
    assert "Round 1 of job 1 opened" in [event.text for event in opened]
    of_one = every(told.reader.events, *PLACE, account=address("aggregator"))
    assert any(
        "deposited 0.3 coins" in event.text or "deposited 300000000000000000 units" in event.text for event in of_one
    )


def test_contributions_and_similarity(told: Told) -> None:
    state = next(state for state in told.jobs if state.settled_rounds)
    table = told.reader.contributions(*PLACE, state.job_id)
    assert table.rounds == tuple(each.number for each in state.settled_rounds)
    for column, each in enumerate(state.settled_rounds):
        paid = dict(zip(table.trainers, (row[column] for row in table.payouts), strict=True))
        assert {who: amount for who, amount in paid.items() if amount is not None} == each.payouts
        assert sum(row[column] or 0 for row in table.scores) == pytest.approx(1)
        similar = told.reader.similarity(*PLACE, state.job_id, each.number)
        assert similar.labels == tuple(commit.trainer for commit in each.included)
        assert all(similar.cosines[i][i] == pytest.approx(1) for i in range(len(similar.labels)))
        assert similar.cosines[0][1] == similar.cosines[1][0]
        evidence = told.reader.evidence(*PLACE, state.job_id, each.number)
        assert evidence.terms.round_budget == each.budget
        assert evidence.verifying_key == evidence.carried_before == "0x"


def test_what_others_say_of_a_round_goes_with_its_settlement(told: Told) -> None:
    book = Notebook(told.engine)
    state = next(state for state in told.jobs if state.settled_rounds)
    each = state.settled_rounds[0]
    book.record_evaluation(*PLACE, state.job_id, each.number, accuracy=0.5, loss=1.25, by="somebody")
    version = told.reader.version()
    book.record_evaluation(*PLACE, state.job_id, each.number, accuracy=0.75, loss=None, by="somebody")
    assert told.reader.version() > version
    assert told.reader.changes(version)[-1].round == each.number
    summary = told.reader.round(*PLACE, state.job_id, each.number).summary
    assert (summary.accuracy, summary.loss) == (0.75, None)
    with told.engine.begin() as connection:
        settled = schema.rounds.c.aggregate_commitment.is_not(None)
        connection.execute(schema.rounds.update().where(settled).values(aggregate_commitment=b"another"))
    assert told.reader.round(*PLACE, state.job_id, each.number).summary.accuracy is None
    unsettled = next(one for job in told.jobs for one in job.rounds if one.settled is None)
    with pytest.raises(NotFound, match="not settled"):
        book.record_reasons(*PLACE, unsettled.opened.job_id, unsettled.number, {})
    assert not book.set_verifier_words(CHAIN_ID, address("verifier"), bytes(576))
    assert {job for _, _, job, _ in book.unnamed()} == {1, 2, 3, 4}
    book.set_name(CID, "named")
    assert book.unnamed() == ()


def test_an_aggregators_reasons_are_its_word(told: Told) -> None:
    found = [
        (state.job_id, each, commit)
        for state in told.jobs
        for each in state.settled_rounds
        for commit in each.commits
        if commit not in each.included and commit.index not in each.slashed
    ]
    job_id, each, commit = found[0]
    before = told.reader.round(*PLACE, job_id, each.number).updates[commit.index]
    assert (before.reason, before.reason_by) == ("left out of the settlement", "chain")
    Notebook(told.engine).record_reasons(*PLACE, job_id, each.number, {commit.trainer: "not to be had"})
    after = told.reader.round(*PLACE, job_id, each.number).updates[commit.index]
    assert (after.reason, after.reason_by) == ("left out: not to be had", "aggregator")


ABSENT: tuple[Callable[[Reader], Any], ...] = (
    lambda reader: reader.market(CHAIN_ID, address("elsewhere")),
    lambda reader: reader.market(1 << 80, MARKET),
    lambda reader: reader.job(*PLACE, 99),
    lambda reader: reader.job(*PLACE, 1 << 70),
    lambda reader: reader.rounds(*PLACE, 0),
    lambda reader: reader.round(*PLACE, 1, 99),
    lambda reader: reader.round(*PLACE, 1, 1 << 70),
    lambda reader: reader.evidence(*PLACE, 4, 1),
    lambda reader: reader.similarity(*PLACE, 99, 1),
    lambda reader: reader.contributions(*PLACE, 99),
    lambda reader: reader.trainers(*PLACE, 99),
    lambda reader: reader.events(*PLACE, job_id=99),
    lambda reader: reader.jobs_of_trainer(1, MARKET, MARKET),
    lambda reader: reader.account(1, MARKET, MARKET),
)


def test_what_is_not_there_is_told(told: Told) -> None:
    for ask in ABSENT:
        with pytest.raises(NotFound):
            ask(told.reader)


def test_cursors_of_no_list_and_endless_pages_are_refused(told: Told) -> None:
    for cursor in ("", "x", "!!", "e30", encode_cursor([1]), encode_cursor(["a", 1, 1]), "W1tbW1tb"):
        with pytest.raises(InvalidInput, match="cursor"):
            told.reader.jobs(cursor=cursor)
    for text in ("\ud800", "\0", "é"):
        with pytest.raises(InvalidInput, match="cursor"):
            told.reader.jobs(cursor=encode_cursor([text, 1, 1]), sort="budget")
    for limit in (0, 201, -1):
        with pytest.raises(InvalidInput, match="1 to 200"):
            told.reader.jobs(limit=limit)
