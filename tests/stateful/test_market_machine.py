"""The contract against the reducer: random actors, arguments and times; the same outcome and books after each step.

Two jobs share a market: one pays coins, has a score with memory, and its verifier checks figures and finds fault with
the aggregates that it is told are false; one pays tokens, has a reference, and a verifier that accepts anything,
challenges too. Both ask for bonds, and one of the aggregators is the owner. Whatever an actor tries, the reducer says
beforehand by which error it is refused, if at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import Phase as Stage
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from web3.contract import Contract
from web3.contract.contract import ContractFunction

from aggregator.bn254 import P
from aggregator.proofs.statement import Witness
from market import rounds
from market.domain import NATIVE_COIN, REFERENCE_BIT, Phase, Settlement
from tests.contracts.harness import Chain, refused
from tests.contracts.labels import cid, commitment, point, stranger, y_of
from tests.contracts.scenario import Job, Scene

COMMON: dict[str, Any] = {"commit_seconds": 30, "settle_seconds": 15, "stake_max": 100}
COIN_JOB: dict[str, Any] = {
    **COMMON,
    "min_trainers": 3,
    "max_trainers": 6,
    "byzantine": 0,
    "challenge_seconds": 10,
    "rounds": 2,
    "aggregator_bond": 57,
    "challenger_share_bps": 3_333,
    "score": "reputation",
}
TOKEN_JOB: dict[str, Any] = {
    **COMMON,
    "min_trainers": 5,
    "max_trainers": 7,
    "byzantine": 1,
    "challenge_seconds": 4,
    "rounds": 3,
    "aggregator_bond": 1_001,
    "challenger_share_bps": 10_000,
    "reference": True,
}
LIFETIME = 800
TRAINERS = 7
OWNER = TRAINERS + 2

job_index = st.integers(0, 1)
actor_index = st.integers(0, TRAINERS + 3)
trainer_index = st.integers(0, TRAINERS - 1)
aggregator_index = st.integers(TRAINERS - 1, TRAINERS + 2)
beginning = st.sampled_from([2, 5, 8, 11, 14])
round_offset = st.sampled_from([0, 0, 0, 0, -1, 1])


@cache
def _session() -> tuple[Scene, Contract, Contract]:
    chain = Chain()
    market, switch, permissive, token = (
        chain.deploy(name) for name in ("Market", "FaultSwitchVerifier", "PermissiveVerifier", "StandardToken")
    )
    scene = Scene(chain, market, switch)
    for account in (*scene.trainers[:TRAINERS], *scene.aggregators):
        scene.fund(token.address, account, 10_000)
    return scene, permissive, token


class MarketMachine(RuleBasedStateMachine):
    """Actors do what they like; every step is predicted, and checked view by view."""

    def __init__(self) -> None:
        super().__init__()
        shared, permissive, self.token = _session()
        self.chain, self.switch = shared.chain, shared.verifier
        self._undo = self.chain.undone()
        self._undo.__enter__()
        self.scene = scene = Scene(self.chain, shared.market, self.switch, shared.batch)
        deadline, aggregators = self.chain.now + LIFETIME, (*scene.aggregators, scene.owner)
        self.jobs = (
            scene.create(**COIN_JOB, deadline=deadline, aggregators=aggregators),
            scene.create(
                **TOKEN_JOB,
                deadline=deadline + 50,
                token=self.token.address,
                verifier=permissive.address,
                aggregators=aggregators,
            ),
        )
        scene.fund(self.token.address, scene.owner, 10_000)
        self.trainers = scene.trainers[:TRAINERS]
        self.actors = (*self.trainers, *scene.aggregators, scene.owner, scene.outsider)
        self.ended: dict[tuple[int, int], Phase] = {}

    # -- what actors do ---------------------------------------------------------------------------------------------

    @initialize(steps=st.tuples(beginning, beginning), data=st.data())
    def begin(self, steps: tuple[int, int], data: st.DataObject) -> None:
        """Begin anywhere in the life of the jobs."""
        for index, count in enumerate(steps):
            self.advance(index, count, 6, data)

    @rule(index=job_index, actor=actor_index, stake=st.sampled_from([0, 9, 10, 55, 100, 101]))
    def join(self, index: int, actor: int, stake: int) -> None:
        job, sender = self.jobs[index], self.actors[actor]
        if sender not in self.trainers:
            return  # others hold no tokens
        refusal = rounds.refusal_to_join(job.state, sender, stake)
        self._act(job, job.calls.join(stake), sender, refusal, value=job.value(stake))

    @rule(index=job_index, steps=st.integers(2, 8), count=st.integers(5, TRAINERS), data=st.data())
    def advance(self, index: int, steps: int, count: int, data: st.DataObject) -> None:
        """Do what brings the job on, a few times over: random actors alone would seldom fill a round."""
        for _ in range(steps):
            job = self.jobs[index]
            phase = job.state.phase(self.chain.now)
            if job.state.closed:
                self.collect(index, data.draw(trainer_index, label="collector"))
            elif phase.terminal and len(job.state.settled_rounds) == job.terms.rounds:
                self.close(index, TRAINERS, seldom=0)
            elif phase.terminal:
                self._many_join(index, count)
                self.commit_reference(index, OWNER, 1 + len(job.state.rounds))
                self.open(index, TRAINERS)
            elif phase is Phase.OPEN and not job.latest.commits:
                for actor in range(count):
                    self.commit(index, actor, 0, 1 + actor)
                self.leave(index, data.draw(trainer_index, label="leaver"), zero=False)
            elif phase is Phase.SETTLING and job.state.aggregators:
                settler = self.actors.index(job.state.aggregators[0])
                self.post_bond(index, settler)
                total, dropped = len(job.latest.commits), data.draw(st.sampled_from([0, 0, 1, 2]), label="dropped")
                self.settle(index, settler, 0, (1 << total) - 1 >> dropped, data)
            elif phase is Phase.CHALLENGEABLE and data.draw(st.booleans(), label="false"):
                self.challenge(index, data.draw(actor_index, label="challenger"), 0, false=True)
            else:
                self.jump_to_the_next_boundary(index, data.draw(st.sampled_from([0, 0, 1]), label="beside"))

    def _many_join(self, index: int, count: int) -> None:
        for actor in range(count):
            if self.trainers[actor] not in self.jobs[index].state.stakes:
                self.join(index, actor, 10 + actor)

    @rule(index=job_index, actor=actor_index, zero=st.booleans())
    def leave(self, index: int, actor: int, zero: bool) -> None:
        job, sender = self.jobs[index], self.actors[actor]
        refusal = rounds.refusal_to_leave(job.state, sender, self.chain.now)
        if zero and refusal != "Market_NotTrainer":
            refusal = "Market_ZeroRecipient"
        self._act(job, job.calls.leave(self._recipient(sender, zero)), sender, refusal)

    @rule(index=job_index, actor=actor_index)
    def open(self, index: int, actor: int) -> None:
        job = self.jobs[index]
        refusal = rounds.refusal_to_open(job.state, self.chain.now)
        self._act(job, job.calls.open(), self.actors[actor], refusal)

    @rule(index=job_index, actor=st.sampled_from([OWNER, OWNER, OWNER, 0, TRAINERS]), label=st.integers(0, 9))
    def commit_reference(self, index: int, actor: int, label: int) -> None:
        job, sender = self.jobs[index], self.actors[actor]
        refusal = rounds.refusal_to_commit_reference(job.state, sender, self.chain.now)
        if not label:
            refusal = refusal or "Market_InvalidCommitment"
        row = point(("reference", label)) if label else (0, 0)
        self._act(job, job.calls.commit_reference(row, cid(label)), sender, refusal)

    @rule(index=job_index, actor=actor_index, offset=round_offset, label=st.integers(0, 9))
    def commit(self, index: int, actor: int, offset: int, label: int) -> None:
        job, sender, now = self.jobs[index], self.actors[actor], self.chain.now
        number = max(job.number + offset, 0)
        update = point(label) if label else (0, 0)
        refusal = rounds.refusal_to_commit(job.state, number, sender, now)
        if not label:
            refusal = refusal or "Market_InvalidCommitment"
        if refusal is None and commitment(label) in [other.commitment for other in job.latest.commits]:
            refusal = "Market_DuplicateCommitment"
        self._act(job, job.calls.commit(number, update, cid(label)), sender, refusal)

    @rule(index=job_index, actor=actor_index, offset=round_offset, mask=st.integers(-1, 255), data=st.data())
    def settle(self, index: int, actor: int, offset: int, mask: int, data: st.DataObject) -> None:
        job, sender, now = self.jobs[index], self.actors[actor], self.chain.now
        if not job.state.rounds:
            return
        number, total = max(job.number + offset, 0), len(job.latest.commits)
        included = (1 << total) - 1 if mask < 0 else mask
        words = [commit.commitment for commit in job.latest.commits if included >> commit.index & 1]
        if job.latest.reference is not None and data.draw(st.booleans(), label="usable"):
            included |= 1 << REFERENCE_BIT
            words.append(job.latest.reference.commitment)
        words += [] if job.previous is None else [job.previous]
        settlement = replace(_EMPTY, included=included, commitment_ys=tuple(map(y_of, words)))
        refusal = rounds.refusal_to_settle(job.state, number, sender, included, now)
        if refusal is None:
            settlement, refusal = self._settlement(job, settlement, data)
        self._act(job, job.calls.settle(number, settlement), sender, refusal)

    @rule(index=job_index, actor=aggregator_index)
    def post_bond(self, index: int, actor: int) -> None:
        job, sender = self.jobs[index], self.actors[actor]
        refusal = rounds.refusal_to_post_bond(job.state, sender)
        self._act(job, job.calls.post_bond(), sender, refusal, value=job.value(job.terms.aggregator_bond))

    @rule(index=job_index, actor=aggregator_index, zero=st.booleans())
    def withdraw_bond(self, index: int, actor: int, zero: bool) -> None:
        job, sender = self.jobs[index], self.actors[actor]
        refusal = rounds.refusal_to_withdraw_bond(job.state, sender, self.chain.now)
        if zero and refusal != "Market_NotBonded":
            refusal = "Market_ZeroRecipient"
        self._act(job, job.calls.withdraw_bond(self._recipient(sender, zero)), sender, refusal)

    @rule(index=job_index, actor=actor_index, offset=round_offset, false=st.booleans())
    def challenge(self, index: int, actor: int, offset: int, false: bool) -> None:
        """Challenge a round; in the job whose verifier believes nothing, say whether its aggregate is false."""
        job, sender = self.jobs[index], self.actors[actor]
        number = max(job.number + offset, 0)
        refusal = rounds.refusal_to_challenge(job.state, number, self.chain.now)
        if refusal is None and job.terms.token == NATIVE_COIN:
            self.chain.send(self.switch.functions.setFalse(job.id, number, false))
            refusal = rounds.refusal_to_challenge(job.state, number, self.chain.now)  # a second has gone by
            refusal = refusal or (None if false else "FaultSwitch_NoFault")
        self._act(job, job.calls.challenge(number), sender, refusal)

    @rule(index=job_index, actor=actor_index, zero=st.booleans())
    def withdraw_reward(self, index: int, actor: int, zero: bool) -> None:
        job, sender = self.jobs[index], self.actors[actor]
        refusal = "Market_ZeroRecipient" if zero else rounds.refusal_to_withdraw_reward(job.state, sender)
        self._act(job, job.calls.withdraw_reward(self._recipient(sender, zero)), sender, refusal)

    @rule(index=job_index, actor=actor_index, numbers=st.lists(st.integers(0, 4), max_size=4), zero=st.booleans())
    def claim(self, index: int, actor: int, numbers: list[int], zero: bool) -> None:
        job, sender = self.jobs[index], self.actors[actor]
        numbers = [number % (job.number + 2) for number in numbers]  # up to one that never opened
        refusal = self._refusal_to_claim(job, numbers, sender)
        if zero:
            refusal = "Market_ZeroRecipient"
        self._act(job, job.calls.claim(numbers, self._recipient(sender, zero)), sender, refusal, events=len(numbers))

    @rule(index=job_index, actor=trainer_index)
    def collect(self, index: int, actor: int) -> None:
        """Claim all that is due; when nothing is, leave."""
        owed = self.jobs[index].state.claimable(self.actors[actor], self.chain.now)
        if owed:
            self.claim(index, actor, list(owed), zero=False)
        else:
            self.leave(index, actor, zero=False)

    @rule(index=job_index, actor=actor_index, seldom=st.integers(0, 7))
    def close(self, index: int, actor: int, seldom: int) -> None:
        """Close a job; an unused one only now and then, for a closed job is a dull one."""
        job, sender = self.jobs[index], self.actors[actor]
        if seldom and not job.state.stakes and not job.state.rounds:
            return
        self._act(job, job.calls.close(), sender, rounds.refusal_to_close(job.state, sender, self.chain.now))

    @rule(index=job_index, actor=actor_index, zero=st.booleans())
    def withdraw(self, index: int, actor: int, zero: bool) -> None:
        job, sender = self.jobs[index], self.actors[actor]
        refusal = rounds.refusal_to_withdraw(job.state, sender)
        if zero and refusal != "Market_NotOwner":
            refusal = "Market_ZeroRecipient"
        self._act(job, job.calls.withdraw(self._recipient(sender, zero)), sender, refusal)

    @rule(index=job_index, beside=st.sampled_from([-1, 0, 1]))
    def jump_to_the_next_boundary(self, index: int, beside: int) -> None:
        """Travel to the second of the next boundary of the job's round, or to one beside it."""
        ahead = [second + beside for second in self._boundaries(self.jobs[index]) if second + beside > self.chain.now]
        if ahead:
            self.chain.travel_to(min(ahead))
            self.scene.check()

    @rule(seconds=st.integers(1, 40))
    def jump(self, seconds: int) -> None:
        self.chain.travel_to(self.chain.now + seconds)
        self.scene.check()

    @rule(index=job_index, beside=st.sampled_from([-1, 0, 1]), seldom=st.integers(0, 7))
    def jump_to_the_deadline(self, index: int, beside: int, seldom: int) -> None:
        second = self.jobs[index].terms.deadline + beside
        if not seldom and second > self.chain.now:
            self.chain.travel_to(second)
            self.scene.check()

    @rule(amount=st.integers(1, 50))
    def force_tokens(self, amount: int) -> None:
        self.chain.send(self.token.functions.mint(self.scene.market.address, amount))
        forced = self.scene.forced
        forced[self.token.address] = forced.get(self.token.address, 0) + amount

    # -- what must hold ---------------------------------------------------------------------------------------------

    @invariant()
    def terminal_phases_absorb(self) -> None:
        for job in self.jobs:
            for state in job.state.rounds:
                phase = state.phase(self.chain.now)
                if phase.terminal:
                    assert self.ended.setdefault((job.id, state.number), phase) is phase

    def teardown(self) -> None:
        """Get everybody out by the deadline and one round's windows; nothing may be left over."""
        try:
            self._everybody_out()
        finally:
            self._undo.__exit__(None, None, None)
        super().teardown()

    def _everybody_out(self) -> None:
        end = max(job.terms.deadline + COMMON["commit_seconds"] + COMMON["settle_seconds"] + 10 for job in self.jobs)
        self.chain.travel_to(max(end, self.chain.now))
        for job in self.jobs:
            for trainer in self.trainers:
                owed = job.state.claimable(trainer, self.chain.now)
                if owed:
                    job.claim(trainer, list(owed), stranger(trainer))
            for trainer in list(job.state.stakes):
                job.leave(trainer, stranger(trainer))
            for aggregator in list(job.state.bonds):
                job.withdraw_bond(aggregator, stranger(aggregator))
            for challenger in list(job.state.rewards):
                job.withdraw_reward(challenger, stranger(challenger))
            if not job.state.closed:
                job.close()
            if job.state.refund:
                job.withdraw(stranger("owner"))
            assert job.state.liabilities == 0
        self.scene.check()
        assert self.chain.balance(self.scene.market.address) == 0

    # -- how ----------------------------------------------------------------------------------------------------------

    def _act(
        self, job: Job, call: ContractFunction, sender: str, refusal: str | None, *, value: int = 0, events: int = 1
    ) -> None:
        """Make a call; it must be refused as predicted, or succeed, emit its events and keep the books."""
        if refusal is not None:
            with refused(refusal):
                job.attempt(call, sender, value)
            return
        assert len(self.scene.send(call, sender, value)) == events
        job.check(first_round=job.number)
        self.scene.check_balances()

    def _recipient(self, sender: str, zero: bool) -> str:
        return NATIVE_COIN if zero else stranger(sender)

    def _refusal_to_claim(self, job: Job, numbers: Sequence[int], trainer: str) -> str | None:
        for position, number in enumerate(numbers):
            refusal = rounds.refusal_to_claim(job.state, number, trainer, self.chain.now)
            if refusal is not None:
                return refusal
            if number in numbers[:position]:
                return "Market_AlreadyClaimed"
        return None if numbers else "Market_NothingToClaim"

    def _settlement(self, job: Job, settlement: Settlement, data: st.DataObject) -> tuple[Settlement, str | None]:
        """Fill in a settlement, and say by which error its figures alone are refused."""
        included = settlement.included
        total = len(job.latest.commits)
        chosen = [commit for commit in job.latest.commits if included >> commit.index & 1]
        if job.terms.token == NATIVE_COIN:  # the job whose verifier checks figures
            honest = job.settlement(excluded=[index for index in range(total) if not included >> index & 1])
            if data.draw(st.integers(0, 3), label="tamper") == 0:
                return replace(honest, scores=(*honest.scores[:-1], honest.scores[-1] + 1)), "Settling_WrongScore"
            return honest, None
        budget, exponent = job.terms.round_budget, data.draw(st.sampled_from([0, -64, 64, 65]), label="exponent")
        payouts = [data.draw(st.sampled_from([0, 1, budget // 7, budget // 3, budget]), label="payout") for _ in chosen]
        payouts += [0] * data.draw(st.sampled_from([0, 0, 0, 1]), label="surplus")
        figures = "Market_InvalidTerms" if exponent > 64 else None
        if sum(payouts) > budget:
            figures = "Market_BudgetExceeded"
        if len(payouts) != len(chosen):
            figures = "Market_WrongLength"
        digest = bytes([data.draw(st.integers(0, 3), label="memory")]) * 32
        aggregate = commitment(("aggregate", job.id, job.number, digest)) if any(digest) else b"\x40" + bytes(31)
        posted = replace(settlement, payouts=tuple(payouts), next_scale_exponent=exponent, next_memory_digest=digest)
        posted = replace(posted, aggregate_commitment=aggregate)
        wrong = data.draw(st.integers(0, 7), label="wrong y") == 0 and bool(settlement.commitment_ys)
        if wrong:
            other_root = P - settlement.commitment_ys[0]
            posted = replace(posted, commitment_ys=(other_root, *settlement.commitment_ys[1:]))
        return posted, "Market_WrongCommitment" if wrong else figures

    def _boundaries(self, job: Job) -> list[int]:
        found: list[int] = []
        if job.state.latest is not None:
            found += [job.latest.opened.commit_end, job.latest.opened.settle_end]
            if job.latest.settled is not None:
                found.append(job.latest.settled.challenge_end)
        return found


_EMPTY = Settlement(
    *(0, (), (), b"", (), (), (), 0, bytes(32), commitment("aggregate"), bytes(32), cid("aggregate"), 1, Witness())
)


class DeepMarketMachine(MarketMachine):
    """The same, for longer."""


# A failing history is reported as it was found: to shrink one on a real chain takes longer than to read it.
_COMMON = settings(
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Stage.generate],
    suppress_health_check=list(HealthCheck),
)

TestMarketMachine = MarketMachine.TestCase
TestMarketMachine.settings = settings(_COMMON, max_examples=2, stateful_step_count=25)

TestDeepMarketMachine = pytest.mark.slow(DeepMarketMachine.TestCase)
TestDeepMarketMachine.settings = settings(_COMMON, max_examples=20, stateful_step_count=40)
