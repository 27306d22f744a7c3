"""Builders for market tests: a market with actors, and jobs that the pure reducer follows step by step."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from hashlib import sha256
from typing import Any

import numpy as np
from eth_abi.abi import decode, encode
from eth_utils.abi import get_abi_output_types
from web3.contract import Contract
from web3.contract.contract import ContractFunction

from aggregator.bn254 import decompress
from aggregator.carried import EMPTY, Carried
from aggregator.products import Layout, pack_products
from aggregator.proofs.statement import Witness
from aggregator.rows import products_of_rows
from aggregator.settlement import settle
from market import accounts, rounds
from market.accounts import Accounts
from market.chain.market import MarketClient
from market.chain.market_encoding import encode_terms
from market.domain import (
    NATIVE_COIN,
    REFERENCE_BIT,
    Deposited,
    JobCreated,
    JobTerms,
    MarketEvent,
    Phase,
    Settlement,
    Withdrawn,
)
from market.rounds import JobState, RoundState
from tests.contracts.calls import Calls, calldata, escrow_value
from tests.contracts.harness import Chain
from tests.contracts.labels import cid, commitment, point, y_of
from tests.contracts.views import job_views

TERMS = JobTerms(
    token=NATIVE_COIN,
    verifier=NATIVE_COIN,
    round_budget=1_000_003,
    rounds=2,
    stake_min=10,
    stake_max=1_000,
    aggregator_bond=0,
    challenger_share_bps=0,
    min_trainers=5,
    max_trainers=8,
    byzantine=1,
    dimension=16,
    bits=8,
    headroom_bits=2,
    scale_exponent=-7,
    commit_seconds=100,
    settle_seconds=60,
    challenge_seconds=40,
    deadline=0,
    rule="multi-krum",
    score="shapley",
    floor_bps=0,
    cap_bps=0,
)
"""Verifier and deadline are the scene's: see :meth:`Scene.terms`."""


def updates_for(trainers: Iterable[str], terms: JobTerms, *, scale: float = 12.0) -> list[Any]:
    """Return small integer updates that agree in direction; the same for the same trainer."""
    common = np.random.default_rng(1).normal(size=terms.dimension)
    found = []
    for trainer in trainers:
        own = np.random.default_rng(int(trainer, 16) % 2**32).normal(size=terms.dimension)
        found.append(np.clip(np.rint(scale * (common + 0.3 * own)), -127, 127).astype(np.int8))
    return found


class Scene:
    """A market, the accounts that act in it, and the client that decodes its events."""

    def __init__(self, chain: Chain, market: Contract, verifier: Contract, batch: Contract | None = None) -> None:
        self.chain = chain
        self.market = market
        self.verifier = verifier
        self.client = MarketClient(chain.w3, market.address)
        self.owner: str = chain.accounts[1]
        self.aggregators: tuple[str, ...] = tuple(chain.accounts[2:4])
        self.outsider: str = chain.accounts[4]
        self.trainers: tuple[str, ...] = tuple(chain.accounts[10:])
        self.wallets: dict[str, Contract] = {}
        self.jobs: list[Job] = []
        self.accounts = Accounts()
        self.batch = batch or chain.deploy("Batch")
        self.forced: dict[str, int] = {}

    def terms(self, **changes: Any) -> JobTerms:
        """Return sound terms, changed as told; the deadline is 10 000 s ahead."""
        sound: dict[str, Any] = {"verifier": self.verifier.address, "deadline": self.chain.now + 10_000}
        return replace(TERMS, **(sound | changes))

    def create(self, *, owner: str | None = None, aggregators: Sequence[str] | None = None, **changes: Any) -> Job:
        """Create and fund a job."""
        owner, terms = owner or self.owner, self.terms(**changes)
        call = self.create_call(terms, aggregators)
        self.fund(terms.token, owner, terms.escrow)
        events = self.send(call, owner, escrow_value(terms))
        assert len(events) == 1
        assert isinstance(events[0], JobCreated)
        return self.jobs[-1]

    def create_call(
        self, terms: JobTerms, aggregators: Sequence[str] | None = None, permit: bytes = b""
    ) -> ContractFunction:
        """Return the call of createJob."""
        chosen = self.aggregators if aggregators is None else aggregators
        return self.market.functions.createJob(encode_terms(terms), list(chosen), cid("manifest"), permit)

    def deposit(self, account: str, amount: int, token: str = NATIVE_COIN) -> MarketEvent:
        """Give an account an amount and have it add that to its free balance."""
        self.fund(token, account, amount)
        value = amount if token == NATIVE_COIN else 0
        (event,) = self.send(self.market.functions.deposit(token, amount, b""), account, value)
        return event

    def withdraw(
        self, account: str, *, token: str = NATIVE_COIN, amount: int | None = None, recipient: str | None = None
    ) -> MarketEvent:
        """Have an account take its free balance, all of it where no amount is given."""
        (event,) = self.send(self.withdraw_call(account, token=token, amount=amount, recipient=recipient), account)
        return event

    def withdraw_call(
        self, account: str, *, token: str = NATIVE_COIN, amount: int | None = None, recipient: str | None = None
    ) -> ContractFunction:
        """Return the call of withdraw."""
        amount = self.free(account, token) if amount is None else amount
        return self.market.functions.withdraw(token, amount, recipient or account)

    def free(self, account: str, token: str = NATIVE_COIN) -> int:
        """Return an account's free balance, by the reducer."""
        return self.accounts.free(token, account)

    @contextmanager
    def undone(self) -> Iterator[None]:
        """Undo at the end whatever happens inside, to the chain and to what the reducers know; nests."""
        before = (self.accounts, list(self.jobs), [job.state for job in self.jobs], dict(self.forced))
        with self.chain.undone():
            yield
        self.accounts, self.jobs, states, self.forced = before
        for job, state in zip(self.jobs, states, strict=True):
            job.state = state

    def fund(self, token: str, account: str, amount: int) -> None:
        """Give an account tokens and let the market take them; coins every account has."""
        if token == NATIVE_COIN:
            return
        erc20 = self.chain.at("StandardToken", token)
        self.chain.send(erc20.functions.mint(account, amount))
        self.send(erc20.functions.approve(self.market.address, amount), account)

    def wallet(self, name: str) -> Contract:
        """Deploy a wallet double; what its address sends goes through its ``perform``."""
        contract = self.chain.deploy(name)
        self.wallets[contract.address] = contract
        return contract

    def send(self, function: ContractFunction, sender: str, value: int = 0) -> list[MarketEvent]:
        """Mine a transaction; tell the reducers; return the market's events."""
        routed, outer = self._routed(function, sender, value)
        return self.feed(self.chain.send(routed, sender=outer, value=value)["logs"])

    def feed(self, logs: Iterable[Any]) -> list[MarketEvent]:
        """Tell the reducers what a transaction logged; return the market's events."""
        events = self.client.decode_all(logs)
        for event in events:
            self.accounts = accounts.apply(self.accounts, event)
            if isinstance(event, JobCreated):
                self.jobs.append(Job(self, rounds.start(event)))
                continue
            for job in self.jobs:
                job.feed(event)
        return events

    def attempt(self, function: ContractFunction, sender: str, value: int = 0) -> Any:
        """Run a call that leaves no trace; return its answer, or raise what refuses it."""
        routed, outer = self._routed(function, sender, value)
        return self.chain.call(routed, sender=outer, value=value)

    def _routed(self, function: ContractFunction, sender: str, value: int) -> tuple[ContractFunction, str]:
        wallet = self.wallets.get(sender)
        if wallet is None:
            return function, sender
        return wallet.functions.perform(function.address, value, calldata(function)), self.chain.accounts[0]

    def balance(self, token: str, account: str) -> int:
        """Return what an account holds of a token or of the native coin."""
        if token == NATIVE_COIN:
            return self.chain.balance(account)
        held: int = self.chain.call(self.chain.at("StandardToken", token).functions.balanceOf(account))
        return held

    def expect(self, views: Sequence[tuple[ContractFunction, Any]]) -> None:
        """Check what views of the market answer, all in one call."""
        calls = [calldata(function) for function, _ in views]
        answers = self.chain.call(self.batch.functions.read(self.market.address, calls))
        for (function, value), answer in zip(views, answers, strict=True):
            types = get_abi_output_types(function.abi)
            if answer != encode(types, [value]):
                found = decode(types, answer)[0]
                raise AssertionError(f"{function.fn_name}{function.arguments} is {found}, not {value}")

    def check(self) -> None:
        """Check that the contract's views tell what the reducer tells, and that every unit is owed to somebody."""
        for job in self.jobs:
            job.check()
        self.check_balances()

    def check_balances(self) -> None:
        """Check free balances, and that the market holds what it owes, token by token, and what was forced on it."""
        view, tokens = self.market.functions, {job.terms.token for job in self.jobs}
        tokens |= {token for token, _ in self.accounts.balances}
        known = {account for _, account in self.accounts.balances} | {self.owner, *self.aggregators, self.outsider}
        self.expect([(view.balanceOf(token, who), self.free(who, token)) for token in tokens for who in sorted(known)])
        for token in tokens:
            owed = sum(job.state.liabilities for job in self.jobs if job.terms.token == token)
            held = owed + self.accounts.owed(token) + self.forced.get(token, 0)
            assert self.balance(token, self.market.address) == held


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
        self.scene.expect(job_views(self.scene.market, self.state, self.scene.chain.now, first_round))
