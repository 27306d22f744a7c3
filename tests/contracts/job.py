"""One job of a scene: its calls, what it takes to play it, and its state by the reducer."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import numpy as np
from web3.contract.contract import ContractFunction

from aggregator.bn254 import decompress
from aggregator.carried import EMPTY, Carried
from aggregator.products import Layout, pack_products
from aggregator.proofs.statement import Witness
from aggregator.rows import products_of_rows
from aggregator.settlement import settle
from market import rounds
from market.domain import (
    NATIVE_COIN,
    REFERENCE_BIT,
    Deposited,
    JobTerms,
    MarketEvent,
    Phase,
    Settlement,
    Withdrawn,
)
from market.rounds import JobState, RoundState
from tests.contracts.calls import Calls
from tests.contracts.labels import cid, commitment, point, y_of
from tests.contracts.views import job_views

if TYPE_CHECKING:
    from tests.contracts.scenario import Scene


def updates_for(trainers: Iterable[str], terms: JobTerms, *, scale: float = 12.0) -> list[Any]:
    """Return small integer updates that agree in direction; the same for the same trainer."""
    common = np.random.default_rng(1).normal(size=terms.dimension)
    found = []
    for trainer in trainers:
        own = np.random.default_rng(int(trainer, 16) % 2**32).normal(size=terms.dimension)
        found.append(np.clip(np.rint(scale * (common + 0.3 * own)), -127, 127).astype(np.int8))
    return found


class Job:
    """One job of a scene: its calls, what it takes to play it, and its state by the reducer."""

    def __init__(self, scene: Scene, state: JobState) -> None:
        self.scene = scene
        self.state = state
        self.calls = Calls(scene.market, state.job_id)
        self._carried: dict[bytes, Carried] = {}

    @property
    def id(self) -> int:
        return self.state.job_id

    @property
    def terms(self) -> JobTerms:
        return self.state.terms

    @property
    def number(self) -> int:
        """Number of the latest round."""
        return len(self.state.rounds)

    @property
    def latest(self) -> RoundState:
        assert self.state.latest is not None
        return self.state.latest

    @property
    def phase(self) -> Phase:
        """Phase of the latest round, by the contract."""
        return Phase(self.scene.chain.call(self.scene.market.functions.phase(self.id, self.number)))

    def feed(self, event: MarketEvent) -> None:
        """Tell the reducer of an event, if it is this job's."""
        if not isinstance(event, Deposited | Withdrawn) and event.job_id == self.id:
            self.state = rounds.apply(self.state, event)

    def value(self, amount: int) -> int:
        """Return the coins to send along for an amount of the job's token."""
        return amount if self.terms.token == NATIVE_COIN else 0

    def send(self, function: ContractFunction, sender: str, value: int = 0) -> MarketEvent:
        """Mine a transaction; return its last market event, which is what the call did: others come before it."""
        return self.scene.send(function, sender, value)[-1]

    def attempt(self, function: ContractFunction, sender: str, value: int = 0) -> Any:
        return self.scene.attempt(function, sender, value)

    def join(self, trainer: str, stake: int = 100) -> MarketEvent:
        self.scene.fund(self.terms.token, trainer, stake)
        return self.send(self.calls.join(stake), trainer, self.value(stake))

    def join_all(self, count: int = 5) -> list[str]:
        """Have trainers with unequal stakes join; return them."""
        trainers = list(self.scene.trainers[:count])
        for i, trainer in enumerate(trainers):
            self.join(trainer, 100 + 7 * i)
        return trainers

    def open(self, sender: str | None = None) -> MarketEvent:
        return self.send(self.calls.open(), sender or self.scene.outsider)

    def commit(self, trainer: str, label: object = None) -> MarketEvent:
        label = (self.id, self.number, trainer) if label is None else label
        return self.send(self.calls.commit(self.number, point(label), cid(label), 77), trainer)

    def travel_to(self, phase: Phase) -> None:
        """Travel to the first second of a later phase of the latest round."""
        opened, settled = self.latest.opened, self.latest.settled
        ends = {Phase.SETTLING: opened.commit_end, Phase.VOID: opened.settle_end}
        if settled is not None:
            ends[Phase.FINAL] = settled.challenge_end
        self.scene.chain.travel_to(ends[phase])

    def commit_reference(self, label: object = None, sender: str | None = None) -> MarketEvent:
        """Commit the next round's reference row."""
        label = ("reference", self.id, self.number + 1) if label is None else label
        return self.send(self.calls.commit_reference(point(label), cid(label)), sender or self.state.created.owner)

    @property
    def previous(self) -> bytes | None:
        """Commitment to the aggregate that is a row of the latest round."""
        before = self.state.settled_before(self.number)
        if before is None or before.settled is None:
            return None
        word = before.settled.settlement.aggregate_commitment
        return None if decompress(word) is None else word

    @property
    def carried(self) -> Carried:
        """What the job brings into the latest round; the scene's own book, as settlements of tests need not be true."""
        before = self.state.settled_before(self.number)
        if before is None or before.settled is None:
            return EMPTY
        return self._carried.get(before.settled.settlement.next_memory_digest, EMPTY)

    def settlement(
        self, *, excluded: Sequence[int] = (), scale: float = 12.0, reference: bool | None = None
    ) -> Settlement:
        """Return an honest settlement of the latest round, leaving out commitments by their places, and slashed ones.

        ``reference`` leaves that row out of a job that has it.
        """
        left_out = {*excluded, *self.latest.slashed}
        commits = [commit for commit in self.latest.commits if commit.index not in left_out]
        usable = self.terms.reference if reference is None else reference
        layout = Layout(len(commits), usable, self.previous is not None)
        updates = updates_for([commit.trainer for commit in commits], self.terms, scale=scale)
        owner = self.state.created.owner
        extras = updates_for([owner] * layout.reference, self.terms) + updates_for(
            [owner] * layout.previous, self.terms
        )
        products = products_of_rows(layout, updates, extras, bits=self.terms.bits)
        outcome = settle(
            self.state.rules_of(self.latest),
            products,
            [self.state.stakes[commit.trainer] for commit in commits],
            scale_exponent=self.latest.opened.scale_exponent,
            trainers=[bytes.fromhex(commit.trainer[2:]) for commit in commits],
            memory=self.carried,
        )
        self._carried[outcome.memory.digest()] = outcome.memory
        label = ("aggregate", self.id, self.number, *excluded)
        words = [commit.commitment for commit in commits]
        if layout.reference:
            assert self.latest.reference is not None
            words.append(self.latest.reference.commitment)
        words += [] if self.previous is None else [self.previous]
        return Settlement(
            included=sum(1 << commit.index for commit in commits) | usable << REFERENCE_BIT,
            commitment_ys=tuple(map(y_of, words)),
            history=(),
            gram=pack_products(products),
            weights=outcome.weights,
            scores=outcome.scores,
            payouts=outcome.payouts,
            next_scale_exponent=outcome.next_scale_exponent,
            next_memory_digest=outcome.memory.digest(),
            aggregate_commitment=commitment(label),
            aggregate_root=sha256(f"root {label}".encode()).digest(),
            aggregate_cid=cid(label),
            aggregate_bytes=4321,
            witness=Witness(self.carried.encode(), outcome.rule_hints, outcome.score_hints, outcome.floor_hints),
        )

    def settle(
        self, settlement: Settlement | None = None, *, sender: str | None = None, proof: bytes = b""
    ) -> MarketEvent:
        settlement = settlement or self.settlement()
        return self.send(self.calls.settle(self.number, settlement, proof), sender or self.scene.aggregators[0])

    def deposit_bond(self, aggregator: str | None = None) -> MarketEvent:
        """Have an aggregator, the first if none is given, deposit what this job's bond will take."""
        return self.scene.deposit(aggregator or self.scene.aggregators[0], self.terms.aggregator_bond, self.terms.token)

    def release(self, number: int | None = None) -> MarketEvent:
        return self.send(self.calls.release(number or self.number), self.scene.outsider)

    def challenge(self, challenger: str | None = None, evidence: bytes = b"") -> MarketEvent:
        return self.send(self.calls.challenge(self.number, evidence), challenger or self.scene.outsider)

    def challenge_update(self, trainer: str, challenger: str | None = None, evidence: bytes = b"") -> MarketEvent:
        """Slash the trainer of a committed update of the latest round."""
        commit = self.latest.commit_of(trainer)
        assert commit is not None
        call = self.calls.challenge_update(self.number, commit.index, evidence)
        return self.send(call, challenger or self.scene.outsider)

    def free(self, account: str) -> int:
        """Return an account's free balance of this job's token."""
        return self.scene.free(account, self.terms.token)

    def name(self, trainer: str, aggregator: str) -> MarketEvent:
        return self.send(self.calls.name(aggregator), trainer)

    def extend(
        self, *, rounds: int | None = None, round_budget: int | None = None, deadline: int | None = None
    ) -> MarketEvent:
        """Have the owner extend the job, and pay for it."""
        terms, owner = self.terms, self.state.owner
        wanted = (rounds or terms.rounds, round_budget or terms.round_budget)
        deposit = self.state.extension_deposit(*wanted, self.scene.chain.now)
        self.scene.fund(terms.token, owner, deposit)
        return self.send(self.calls.extend(*wanted, deadline or terms.deadline), owner, self.value(deposit))

    def stop(self) -> MarketEvent:
        return self.send(self.calls.stop(), self.state.owner)

    def claim(
        self, trainer: str, numbers: Sequence[int] | None = None, recipient: str | None = None
    ) -> list[MarketEvent]:
        numbers = [self.number] if numbers is None else numbers
        return self.scene.send(self.calls.claim(numbers, recipient or trainer), trainer)

    def leave(self, trainer: str, recipient: str | None = None) -> MarketEvent:
        return self.send(self.calls.leave(recipient or trainer), trainer)

    def close(self, sender: str | None = None) -> MarketEvent:
        return self.send(self.calls.close(), sender or self.scene.outsider)

    def withdraw(self, account: str | None = None, recipient: str | None = None) -> MarketEvent:
        """Have an account, the owner if none is given, take its free balance of the job's token."""
        return self.scene.withdraw(account or self.state.owner, token=self.terms.token, recipient=recipient)

    def open_and_commit(self, trainers: Sequence[str]) -> None:
        """Play a round up to its Settling phase."""
        if self.terms.reference and self.state.reference is None:
            self.commit_reference()
        self.open()
        for trainer in trainers:
            self.commit(trainer)
        self.travel_to(Phase.SETTLING)

    def play_to_overturned(self, trainers: Sequence[str], challenger: str | None = None) -> None:
        """Play a round whose settlement by the first aggregator, with its bond deposited, is overturned."""
        self.open_and_commit(trainers)
        self.settle()
        self.challenge(challenger)

    def play_round(self, trainers: Sequence[str]) -> None:
        """Play a round up to its Final phase."""
        self.open_and_commit(trainers)
        self.settle()
        self.travel_to(Phase.FINAL)

    def check(self, *, first_round: int = 0) -> None:
        """Check every view of this job against the reducer's state; of its rounds, those from ``first_round``."""
        self.scene.expect(job_views(self.scene.views, self.state, self.scene.chain.now, first_round))
