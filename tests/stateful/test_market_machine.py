"""The contract against the reducers: random actors, arguments and times; the same outcome and books after each step.

Three jobs share a market. One pays coins, has a score with memory, and its verifier checks figures and finds fault with
what it is told is false; two pay the same token, so that one free balance backs settlements of both, and their verifier
accepts anything, challenges too. One of them has a reference, the other refunds void rounds. The token is a standard
one, or returns nothing, or blocks accounts. Two of the trainers are contracts: one refuses coins, one calls back when
it is paid. Whatever an actor tries, the reducers say beforehand by
which error it is refused, if at all; at sampled states one actor alone gets its own out.
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
from market import accounts, rounds
from market.domain import NATIVE_COIN, REFERENCE_BIT, Phase, Settlement
from tests.contracts.encoding import calldata
from tests.contracts.harness import Chain, refused
from tests.contracts.job import Job
from tests.contracts.labels import cid, commitment, point, stranger, y_of
from tests.contracts.scenario import Scene

COMMON: dict[str, Any] = {
    **{"commit_seconds": 30, "settle_seconds": 15, "stake_max": 100},
    **{"min_trainers": 5, "max_trainers": 7, "byzantine": 1},
}
COIN_JOB: dict[str, Any] = {
    **COMMON,
    **{"challenge_seconds": 10, "rounds": 2, "aggregator_bond": 57, "challenger_share_bps": 3_333},
    "score": "reputation",
}
REFERENCE_JOB: dict[str, Any] = {
    **COMMON,
    **{"challenge_seconds": 6, "rounds": 3, "aggregator_bond": 1_001, "challenger_share_bps": 10_000},
    "reference": True,
}
REFUNDING_JOB: dict[str, Any] = {
    **COMMON,
    **{"min_trainers": 3, "max_trainers": 6, "byzantine": 0, "challenge_seconds": 8, "rounds": 3},
    **{"aggregator_bond": 600, "challenger_share_bps": 1},
    "refund_void": True,
}
LIFETIME = 800
TRAINERS = 7
REVERTING, REENTERING = TRAINERS - 2, TRAINERS - 1
OWNER, OUTSIDER = TRAINERS + 2, TRAINERS + 3
FUNDS = 10**12
TOKENS = ("StandardToken", "NoReturnToken", "BlocklistToken")

job_index = st.integers(0, 2)
actor_index = st.integers(0, OUTSIDER)
trainer_index = st.integers(0, TRAINERS - 1)
settler_index = st.sampled_from([*range(TRAINERS, OUTSIDER), *range(TRAINERS, OUTSIDER), 0, OUTSIDER])
beginning = st.sampled_from([2, 5, 8, 11, 14])
round_offset = st.sampled_from([0, 0, 0, 0, -1, 1])
destination = st.sampled_from(["stranger", "stranger", "stranger", "itself", "nobody"])


@cache
def _session() -> tuple[Scene, Contract, tuple[Contract, ...]]:
    chain = Chain()
    market, switch, permissive, *tokens = (
        chain.deploy(name) for name in ("Market", "FaultSwitchVerifier", "PermissiveVerifier", *TOKENS)
    )
    scene = Scene(chain, market, switch)
    reverting, reentering = (scene.wallet(name) for name in ("RevertingReceiver", "ReenteringReceiver"))
    scene.trainers = (*scene.trainers[:REVERTING], reverting.address, reentering.address)
    for account in (*scene.trainers, *scene.aggregators, scene.owner, scene.outsider):
        for token in tokens:
            scene.fund(token.address, account, FUNDS)
    functions = market.functions
    withdrawal = functions.withdraw(NATIVE_COIN, 1, reentering.address)
    attacks = [withdrawal, functions.claim(1, [1], reentering.address), functions.leaveJob(1, reentering.address)]
    chain.send(reentering.functions.arm([(call.address, calldata(call)) for call in attacks]))
    return scene, permissive, tuple(tokens)


class MarketMachine(RuleBasedStateMachine):
    """Actors do what they like; every step is predicted, and checked view by view."""

    def __init__(self) -> None:
        super().__init__()
        shared, self.permissive, self.tokens = _session()
        self.chain, self.switch = shared.chain, shared.verifier
        self._undo = self.chain.undone()
        self._undo.__enter__()
        self.scene = scene = Scene(self.chain, shared.market, self.switch, shared.batch)
        scene.wallets, scene.trainers = shared.wallets, shared.trainers
        self.trainers = scene.trainers
        self.actors = (*self.trainers, *scene.aggregators, scene.owner, scene.outsider)
        self.token, self.blocked = self.tokens[0], set[str]()
        self.jobs: tuple[Job, ...] = ()
        self.ended: dict[tuple[int, int], Phase] = {}

    # -- what brings jobs on ----------------------------------------------------------------------------------------

    @initialize(token=st.sampled_from([0, 1, 2]), steps=st.tuples(beginning, beginning, beginning), data=st.data())
    def begin(self, token: int, steps: tuple[int, int, int], data: st.DataObject) -> None:
        """Begin anywhere in the life of the jobs."""
        scene, self.token = self.scene, self.tokens[token]
        common = {"deadline": self.chain.now + LIFETIME, "aggregators": (*scene.aggregators, scene.owner)}
        in_token = {**common, "token": self.token.address, "verifier": self.permissive.address}
        created = ({**COIN_JOB, **common}, {**REFERENCE_JOB, **in_token}, {**REFUNDING_JOB, **in_token})
        self.jobs = tuple(scene.create(**terms) for terms in created)
        scene.fund(self.token.address, scene.owner, FUNDS)
        for index, count in enumerate(steps):
            self.advance(index, count, 6, data)

    @rule(index=job_index, steps=st.integers(2, 8), count=st.integers(5, TRAINERS), data=st.data())
    def advance(  # noqa: PLR0912 - one branch a phase
        self, index: int, steps: int, count: int, data: st.DataObject
    ) -> None:
        """Do what brings the job on, a few times over: random actors alone would seldom fill a round."""
        for _ in range(steps):
            job, now = self.jobs[index], self.chain.now
            phase = job.state.phase(now)
            if job.state.closed:
                self.collect(index, data.draw(trainer_index, label="collector"))
            elif phase.terminal and job.state.used_by(now) == job.terms.rounds:
                if data.draw(st.integers(0, 3), label="revive"):
                    self.close(index, TRAINERS, seldom=0)
                else:
                    self.extend(index, OWNER, 1, 0, 0)
            elif phase.terminal:
                self._many_join(index, count)
                self.commit_reference(index, OWNER, 1 + len(job.state.rounds))
                self.open(index, TRAINERS)
            elif phase is Phase.OPEN and not job.latest.commits:
                for actor in range(count):
                    self.commit(index, actor, 0, 1 + actor)
                self.leave(index, data.draw(trainer_index, label="leaver"), "stranger")
            elif phase is Phase.SETTLING and self._first_settlers(job):
                if not data.draw(st.integers(0, 2), label="sound updates"):
                    self.challenge_update(index, OUTSIDER, 0, data.draw(st.integers(0, 5), label="place"), false=True)
                chosen = data.draw(st.sampled_from(self._first_settlers(job)), label="settler")
                settler = self.actors.index(chosen)
                self.deposit(settler, job.terms.aggregator_bond, job.terms.token != NATIVE_COIN)
                left_out = data.draw(st.sampled_from([0, 1, 1]), label="left out") * job.terms.byzantine
                total = len(job.latest.commits)
                self.settle(
                    index, settler, 0, (1 << total) - 1 >> left_out & ~job.latest.slashed_mask, data, sound=True
                )
            elif phase is Phase.CHALLENGEABLE and data.draw(st.booleans(), label="settle anew"):
                settler = self.actors.index(job.state.aggregators[-1])
                self.deposit(settler, job.terms.aggregator_bond, job.terms.token != NATIVE_COIN)
                self.settle(index, settler, 0, -1, data, sound=True)
            elif phase is Phase.CHALLENGEABLE and data.draw(st.booleans(), label="false"):
                self.challenge(index, data.draw(actor_index, label="challenger"), 0, false=True)
            else:
                self.jump_to_the_next_boundary(index, data.draw(st.sampled_from([0, 0, 1]), label="beside"))

    def _first_settlers(self, job: Job) -> list[str]:
        """Return who may settle a round that waits for it, and can pay its bond."""
        token = job.terms.token
        return [one for one in job.state.aggregators if token == NATIVE_COIN or one not in self.blocked]

    def _many_join(self, index: int, count: int) -> None:
        for actor in range(count):
            if self.trainers[actor] not in self.jobs[index].state.stakes:
                self.join(index, actor, 10 + actor)

    # -- what trainers do -------------------------------------------------------------------------------------------

    @rule(index=job_index, actor=actor_index, stake=st.sampled_from([0, 9, 10, 55, 100, 101]))
    def join(self, index: int, actor: int, stake: int) -> None:
        job, sender = self.jobs[index], self.actors[actor]
        refusal = rounds.refusal_to_join(job.state, sender, stake)
        refusal = refusal or self._refusal_of_deposit(job.terms.token, sender, stake)
        self._act(job, job.calls.join(stake), sender, refusal, value=job.value(stake))

    @rule(index=job_index, actor=actor_index, where=destination)
    def leave(self, index: int, actor: int, where: str) -> None:
        job, sender = self.jobs[index], self.actors[actor]
        recipient = self._recipient(sender, where)
        refusal = rounds.refusal_to_leave(job.state, sender, self.chain.now, recipient)
        refusal = refusal or self._refusal_of_payment(job.terms.token, recipient)
        named = sender in job.state.named
        self._act(job, job.calls.leave(recipient), sender, refusal, events=1 + named)

    @rule(index=job_index, actor=actor_index, named=actor_index, nobody=st.sampled_from([False, False, True]))
    def name(self, index: int, actor: int, named: int, nobody: bool) -> None:
        job, sender = self.jobs[index], self.actors[actor]
        refusal = rounds.refusal_to_name(job.state, sender)
        self._act(job, job.calls.name(NATIVE_COIN if nobody else self.actors[named]), sender, refusal)

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

    @rule(index=job_index, actor=actor_index, numbers=st.lists(st.integers(0, 4), max_size=4), where=destination)
    def claim(self, index: int, actor: int, numbers: list[int], where: str) -> None:
        job, sender = self.jobs[index], self.actors[actor]
        numbers = [number % (job.number + 2) for number in numbers]  # up to one that never opened
        recipient = self._recipient(sender, where)
        refusal = self._refusal_to_claim(job, numbers, sender, recipient)
        refusal = refusal or self._refusal_of_payment(job.terms.token, recipient)
        self._act(job, job.calls.claim(numbers, recipient), sender, refusal, events=len(numbers))

    @rule(index=job_index, actor=trainer_index)
    def collect(self, index: int, actor: int) -> None:
        """Claim all that is due; when nothing is, leave."""
        owed = self.jobs[index].state.claimable(self.actors[actor], self.chain.now)
        if owed:
            self.claim(index, actor, list(owed), "stranger")
        else:
            self.leave(index, actor, "stranger")

    # -- what owners do ---------------------------------------------------------------------------------------------

    @rule(index=job_index, actor=actor_index)
    def open(self, index: int, actor: int) -> None:
        job, now = self.jobs[index], self.chain.now
        refusal = rounds.refusal_to_open(job.state, now)
        self._act(job, job.calls.open(), self.actors[actor], refusal, events=1 + self._concluded(job))

    @rule(index=job_index, actor=st.sampled_from([OWNER, OWNER, OWNER, 0, TRAINERS]), label=st.integers(0, 9))
    def commit_reference(self, index: int, actor: int, label: int) -> None:
        job, sender = self.jobs[index], self.actors[actor]
        refusal = rounds.refusal_to_commit_reference(job.state, sender, self.chain.now)
        if not label:
            refusal = refusal or "Market_InvalidCommitment"
        row = point(("reference", label)) if label else (0, 0)
        self._act(job, job.calls.commit_reference(row, cid(label)), sender, refusal)

    @rule(
        index=job_index,
        actor=st.sampled_from([OWNER, OWNER, OWNER, OUTSIDER]),
        more=st.sampled_from([-1, 0, 0, 1]),
        budget=st.sampled_from([-1, 0, 0, 7, 1_000]),
        seconds=st.sampled_from([-1, 0, 0, 1, 50, 10**9]),
    )
    def extend(self, index: int, actor: int, more: int, budget: int, seconds: int) -> None:
        job, sender, now = self.jobs[index], self.actors[actor], self.chain.now
        terms = job.terms
        wanted = (terms.rounds + more, terms.round_budget + budget, max(terms.deadline, now) + seconds)
        refusal = rounds.refusal_to_extend(job.state, sender, *wanted, now)
        deposit = 0 if refusal else job.state.extension_deposit(*wanted[:2], now)
        refusal = refusal or self._refusal_of_deposit(job.terms.token, sender, deposit)
        self._act(
            job,
            job.calls.extend(*wanted),
            sender,
            refusal,
            value=job.value(deposit),
            events=1 + self._concluded(job),
        )

    @rule(index=job_index, actor=st.sampled_from([OWNER, 0, OUTSIDER]), seldom=st.integers(0, 5))
    def stop(self, index: int, actor: int, seldom: int) -> None:
        """Stop a job; only now and then, for a stopped job is a dull one."""
        job, sender = self.jobs[index], self.actors[actor]
        if seldom and actor == OWNER:
            return
        self._act(job, job.calls.stop(), sender, rounds.refusal_to_stop(job.state, sender, self.chain.now))

    @rule(index=job_index, actor=actor_index, seldom=st.integers(0, 7))
    def close(self, index: int, actor: int, seldom: int) -> None:
        """Close a job; its owner before the end only now and then."""
        job, sender, now = self.jobs[index], self.actors[actor], self.chain.now
        if seldom and sender == job.state.owner and not job.state.finished(now):
            return
        refusal = rounds.refusal_to_close(job.state, sender, now)
        self._act(job, job.calls.close(), sender, refusal, events=1 + self._concluded(job))

    # -- what aggregators and challengers do ------------------------------------------------------------------------

    @rule(
        index=job_index,
        actor=settler_index,
        offset=round_offset,
        mask=st.sampled_from([-1, -1, 0, 7, 31, 62, 63, 127, 255]),
        data=st.data(),
        sound=st.booleans(),
    )
    def settle(self, index: int, actor: int, offset: int, mask: int, data: st.DataObject, *, sound: bool) -> None:
        """Settle a round; not ``sound``: with figures that may be refused."""
        job, sender, now = self.jobs[index], self.actors[actor], self.chain.now
        if not job.state.rounds:
            return
        number, latest = max(job.number + offset, 0), job.latest
        included = (1 << len(latest.commits)) - 1 & ~latest.slashed_mask if mask < 0 else mask
        words = [commit.commitment for commit in latest.commits if included >> commit.index & 1]
        if latest.reference is not None and (sound or data.draw(st.booleans(), label="usable")):
            included |= 1 << REFERENCE_BIT
            words.append(latest.reference.commitment)
        words += [] if job.previous is None else [job.previous]
        settlement = replace(_EMPTY, included=included, commitment_ys=tuple(map(y_of, words)))
        free = job.free(sender)
        refusal = rounds.refusal_to_settle(job.state, number, sender, included, now, free)
        if refusal in (None, "Market_InsufficientBalance"):
            settlement, figures = self._settlement(job, settlement, data, sound)
            if refusal is None or figures in ("Settling_WrongScore", "Market_WrongCommitment"):
                refusal = figures  # the market asks the verifier before it takes the bond
        anew = 2 if latest.settled is not None else 0
        self._act(job, job.calls.settle(number, settlement), sender, refusal, events=1 + anew)

    @rule(actor=actor_index, amount=st.sampled_from([0, 1, 57, 600, 1_001]), tokens=st.booleans())
    def deposit(self, actor: int, amount: int, tokens: bool) -> None:
        token, sender = self.token.address if tokens else NATIVE_COIN, self.actors[actor]
        call = self.scene.market.functions.deposit(token, amount, b"")
        refusal = accounts.refusal_to_deposit(amount) or self._refusal_of_deposit(token, sender, amount)
        self._act(None, call, sender, refusal, value=0 if tokens else amount)

    @rule(actor=actor_index, part=st.sampled_from([0, 1, 2, 2, 3]), tokens=st.booleans(), where=destination)
    def withdraw(self, actor: int, part: int, tokens: bool, where: str) -> None:
        """Withdraw nothing, a half, all, or a unit more."""
        token, sender = self.token.address if tokens else NATIVE_COIN, self.actors[actor]
        free = self.scene.free(sender, token)
        amount, recipient = (0, free // 2, free, free + 1)[part], self._recipient(sender, where)
        refusal = accounts.refusal_to_withdraw(self.scene.accounts, token, sender, amount, recipient)
        refusal = refusal or self._refusal_of_payment(token, recipient)
        self._act(None, self.scene.market.functions.withdraw(token, amount, recipient), sender, refusal)

    @rule(index=job_index, actor=actor_index, number=st.integers(0, 4))
    def release(self, index: int, actor: int, number: int) -> None:
        job = self.jobs[index]
        refusal = rounds.refusal_to_release_bond(job.state, number, self.chain.now)
        self._act(job, job.calls.release(number), self.actors[actor], refusal)

    @rule(index=job_index, actor=actor_index, offset=round_offset, false=st.booleans())
    def challenge(self, index: int, actor: int, offset: int, false: bool) -> None:
        """Challenge a round; in the job whose verifier believes nothing, say whether its aggregate is false."""
        job, sender = self.jobs[index], self.actors[actor]
        number = max(job.number + offset, 0)
        refusal = rounds.refusal_to_challenge(job.state, number, self.chain.now)
        if refusal is None and index == 0:
            self.chain.send(self.switch.functions.setFalse(job.id, number, false))
            refusal = rounds.refusal_to_challenge(job.state, number, self.chain.now)  # a second has gone by
            refusal = refusal or (None if false else "FaultSwitch_NoFault")
        self._act(job, job.calls.challenge(number), sender, refusal)

    @rule(index=job_index, actor=actor_index, offset=round_offset, place=st.integers(0, 7), false=st.booleans())
    def challenge_update(self, index: int, actor: int, offset: int, place: int, false: bool) -> None:
        job, sender = self.jobs[index], self.actors[actor]
        number = max(job.number + offset, 0)
        refusal = rounds.refusal_to_challenge_update(job.state, number, place, self.chain.now)
        events = 1
        if refusal is None:
            commit = job.latest.commits[place]
            events += commit.trainer in job.state.named
            if index == 0:
                word = commit.commitment
                self.chain.send(self.switch.functions.setOutOfRange(job.id, number, word, false))
                refusal = rounds.refusal_to_challenge_update(job.state, number, place, self.chain.now)
                refusal = refusal or (None if false else "FaultSwitch_NoFault")
        self._act(job, job.calls.challenge_update(number, place), sender, refusal, events=events)

    # -- what time and strangers do ---------------------------------------------------------------------------------

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

    @rule(actor=actor_index)
    def block(self, actor: int) -> None:
        """Have the token block an account, or let it go, in histories whose token does."""
        account = self.actors[actor]
        if self.token.address == self.tokens[TOKENS.index("BlocklistToken")].address:
            self.blocked ^= {account}
            self.chain.send(self.token.functions.setBlocked(account, account in self.blocked))

    # -- what must hold ---------------------------------------------------------------------------------------------

    @rule(actor=actor_index)
    def one_alone_gets_its_own_out(self, actor: int) -> None:
        """All others silent, from here on: at the end an actor has its stakes, payouts, bonds, and free balances."""
        account = self.actors[actor]
        with self.scene.undone():
            self.chain.travel_to(max(self.chain.now, self._end()))
            for token in (NATIVE_COIN, self.token.address):
                own = self._own(account, token)
                assert self._out(account, token) == own

    @invariant()
    def terminal_phases_absorb_and_seats_bound_commitments(self) -> None:
        for job in self.jobs:
            for state in job.state.rounds:
                assert len(state.commits) <= job.terms.max_trainers
                phase = state.phase(self.chain.now)
                if phase.terminal:
                    assert self.ended.setdefault((job.id, state.number), phase) is phase

    def teardown(self) -> None:
        """Get everybody out by the deadline and the last round's windows; nothing may be left over."""
        try:
            self._everybody_out()
        finally:
            self._undo.__exit__(None, None, None)
        super().teardown()

    def _end(self) -> int:
        """Return when every round is over: one window for each of the f + 1 times that it can be settled anew."""
        ends = []
        for job in self.jobs:
            terms, latest = job.terms, job.state.latest
            windows = (terms.byzantine + 2) * terms.challenge_seconds
            last = terms.deadline if latest is None else max(terms.deadline, latest.opened.commit_end)
            ends.append(last + terms.commit_seconds + terms.settle_seconds + windows)
        return max(ends)

    def _own(self, account: str, token: str) -> int:
        """Return what an account has in jobs and beside them once every round is over, by the reducers."""
        own, now = self.scene.free(account, token), self.chain.now
        for job in self.jobs:
            if job.terms.token != token:
                continue
            state = job.state
            own += state.stakes.get(account, 0) + sum(state.claimable(account, now).values())
            own += sum(state.releasable(account, now).values())
            own += state.escrow if account == state.owner else 0
        return own

    def _out(self, account: str, token: str) -> int:
        """Take all that out, by the account's own calls alone; return what arrived."""
        recipient = stranger((account, token, "out"))
        before = self.scene.balance(token, recipient)
        for job in self.jobs:
            if job.terms.token == token:
                self._out_of(job, account, recipient)
        if self.scene.free(account, token):
            self.scene.withdraw(account, token=token, recipient=recipient)
        return self.scene.balance(token, recipient) - before

    def _out_of(self, job: Job, account: str, recipient: str) -> None:
        owed = job.state.claimable(account, self.chain.now)
        if owed:
            job.claim(account, list(owed), recipient)
        if account in job.state.stakes:
            job.leave(account, recipient)
        for number in job.state.releasable(account, self.chain.now):
            job.send(job.calls.release(number), account)
        if account == job.state.owner and not job.state.closed:
            job.close(account)

    def _everybody_out(self) -> None:
        self.chain.travel_to(max(self._end(), self.chain.now))
        for account in self.actors:
            for token in (NATIVE_COIN, self.token.address):
                self._out(account, token)
        for account in self.actors:  # bonds that the owner's closes have freed
            for token in (NATIVE_COIN, self.token.address):
                self._out(account, token)
        assert [job.state.liabilities for job in self.jobs] == [0, 0, 0]
        assert self.scene.accounts.balances == {}
        self.scene.check()
        assert self.chain.balance(self.scene.market.address) == 0
        reentering = self.scene.wallets[self.trainers[REENTERING]]
        assert not [data for ok, data in self.chain.call(reentering.functions.answers()) if ok]

    # -- how ----------------------------------------------------------------------------------------------------------

    def _act(
        self,
        job: Job | None,
        call: ContractFunction,
        sender: str,
        refusal: str | None,
        *,
        value: int = 0,
        events: int = 1,
    ) -> None:
        """Make a call; it must be refused as predicted, or succeed, emit its events and keep the books."""
        if refusal is not None:
            with refused(refusal):
                self.scene.attempt(call, sender, value)
            return
        assert len(self.scene.send(call, sender, value)) == events
        if job is not None:
            job.check(first_round=job.number)
        self.scene.check_balances()

    def _concluded(self, job: Job) -> int:
        """Return how many events put the books of the latest round in order first."""
        latest = job.state.latest
        return bool(latest and latest.bond) + bool(job.state.refund_due(self.chain.now))

    def _recipient(self, sender: str, where: str) -> str:
        return {"stranger": stranger(sender), "itself": sender, "nobody": NATIVE_COIN}[where]

    def _refusal_of_payment(self, token: str, recipient: str) -> str | None:
        if token != NATIVE_COIN:
            return "Blocklist_Blocked" if recipient in self.blocked else None
        return "Reverting_NoCoins" if recipient == self.trainers[REVERTING] else None

    def _refusal_of_deposit(self, token: str, payer: str, amount: int) -> str | None:
        return "Blocklist_Blocked" if token != NATIVE_COIN and amount and payer in self.blocked else None

    def _refusal_to_claim(self, job: Job, numbers: Sequence[int], trainer: str, recipient: str) -> str | None:
        if recipient == NATIVE_COIN:
            return "Market_ZeroRecipient"
        for position, number in enumerate(numbers):
            refusal = rounds.refusal_to_claim(job.state, number, trainer, self.chain.now)
            if refusal is not None:
                return refusal
            if number in numbers[:position]:
                return "Market_AlreadyClaimed"
        return None if numbers else "Market_NothingToClaim"

    def _settlement(
        self, job: Job, settlement: Settlement, data: st.DataObject, sound: bool
    ) -> tuple[Settlement, str | None]:
        """Fill in a settlement, and say by which error its figures alone are refused."""
        included = settlement.included
        total = len(job.latest.commits)
        chosen = [commit for commit in job.latest.commits if included >> commit.index & 1]
        if job is self.jobs[0]:  # whose verifier checks figures
            honest = job.settlement(excluded=[index for index in range(total) if not included >> index & 1])
            if not sound:
                return replace(honest, scores=(*honest.scores[:-1], honest.scores[-1] + 1)), "Settling_WrongScore"
            return honest, None
        budget, exponent = job.terms.round_budget, data.draw(st.sampled_from([0, -64, 64]), label="exponent")
        payouts = [data.draw(st.sampled_from([0, 1, budget // 7]), label="payout") for _ in chosen]
        if not sound:
            exponent += data.draw(st.sampled_from([0, 1]), label="more")
            payouts += [data.draw(st.sampled_from([budget, 0]), label="surplus")]
            payouts = payouts[data.draw(st.sampled_from([0, 1]), label="fewer") :]
        figures = "Market_InvalidTerms" if exponent > 64 else None
        if sum(payouts) > budget:
            figures = "Market_BudgetExceeded"
        if len(payouts) != len(chosen):
            figures = "Market_WrongLength"
        digest = bytes([data.draw(st.integers(0, 3), label="memory")]) * 32
        aggregate = commitment(("aggregate", job.id, job.number, digest)) if any(digest) else b"\x40" + bytes(31)
        posted = replace(settlement, payouts=tuple(payouts), next_scale_exponent=exponent, next_memory_digest=digest)
        posted = replace(posted, aggregate_commitment=aggregate)
        wrong = not sound and data.draw(st.booleans(), label="wrong y") and bool(settlement.commitment_ys)
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
COMMON_SETTINGS = settings(
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Stage.generate],
    suppress_health_check=list(HealthCheck),
)

TestMarketMachine = MarketMachine.TestCase
TestMarketMachine.settings = settings(COMMON_SETTINGS, max_examples=2, stateful_step_count=25)

TestDeepMarketMachine = pytest.mark.slow(DeepMarketMachine.TestCase)
TestDeepMarketMachine.settings = settings(COMMON_SETTINGS, max_examples=40, stateful_step_count=50)
