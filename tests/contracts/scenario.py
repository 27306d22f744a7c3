"""Builders for market tests: a market with actors, and jobs that the pure reducer follows step by step."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import astuple, replace
from functools import cache
from hashlib import sha256
from typing import Any

import numpy as np
from eth_abi.abi import decode, encode
from eth_utils.abi import get_abi_output_types
from web3 import Web3
from web3.contract import Contract
from web3.contract.contract import ContractFunction

from aggregator.bn254 import P, compress, decompress
from aggregator.carried import EMPTY, Carried
from aggregator.products import Layout, pack_products
from aggregator.proofs.statement import Witness
from aggregator.rows import products_of_rows
from aggregator.settlement import settle
from market import rounds
from market.chain.market import MarketClient
from market.chain.market_encoding import encode_id, encode_settlement, encode_terms
from market.domain import NATIVE_COIN, REFERENCE_BIT, Event, JobCreated, JobTerms, Phase, Settlement
from market.rounds import JobState, RoundState
from tests.contracts.harness import Chain

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


def cid(label: object) -> bytes:
    """Return a CID (version 1, raw, sha2-256) of nothing in particular."""
    return b"\x01\x55\x12\x20" + sha256(f"cid {label}".encode()).digest()


@cache
def point(label: object) -> tuple[int, int]:
    """Return a point of the curve, whose logarithm nobody knows, that stands for a commitment."""
    x = int.from_bytes(sha256(f"commitment {label}".encode()).digest()) % P
    while pow(x**3 + 3, (P - 1) // 2, P) != 1:
        x += 1
    return x, pow(x**3 + 3, (P + 1) // 4, P)


def commitment(label: object) -> bytes:
    """Return the compressed form of :func:`point`."""
    return compress(point(label))


def y_of(word: bytes) -> int:
    """Return the y coordinate of a compressed point other than infinity."""
    found = decompress(word)
    assert found is not None
    return found[1]


def stranger(label: object) -> str:
    """Return an address that has never been used: its balance shows exactly what it was paid."""
    return Web3.to_checksum_address(sha256(f"stranger {label}".encode()).digest()[:20])


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
        job = Job(self, rounds.start(events[0]))
        self.jobs.append(job)
        return job

    def create_call(self, terms: JobTerms, aggregators: Sequence[str] | None = None) -> ContractFunction:
        """Return the call of createJob."""
        chosen = self.aggregators if aggregators is None else aggregators
        return self.market.functions.createJob(encode_terms(terms), list(chosen), cid("manifest"))

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

    def send(self, function: ContractFunction, sender: str, value: int = 0) -> list[Event]:
        """Mine a transaction; tell every job's reducer; return the market's events."""
        routed, outer = self._routed(function, sender, value)
        receipt = self.chain.send(routed, sender=outer, value=value)
        events = self.client.decode_logs(receipt["logs"])
        for event in events:
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
        """Check that the market holds what it owes, token by token, and what was forced on it."""
        for token in {job.terms.token for job in self.jobs}:
            owed = sum(job.state.liabilities for job in self.jobs if job.terms.token == token)
            assert self.balance(token, self.market.address) == owed + self.forced.get(token, 0)


class Job:
    """One job of a scene: its calls, what it takes to play it, and its state by the reducer."""

    def __init__(self, scene: Scene, state: JobState) -> None:
        self.scene = scene
        self.state = state
        self.calls = Calls(scene.market, state.job_id)
        self._carried: dict[int, Carried] = {}

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

    def feed(self, event: Event) -> None:
        """Tell the reducer of an event, if it is this job's."""
        if event.job_id == self.id:
            self.state = rounds.apply(self.state, event)

    def value(self, amount: int) -> int:
        """Return the coins to send along for an amount of the job's token."""
        return amount if self.terms.token == NATIVE_COIN else 0

    def send(self, function: ContractFunction, sender: str, value: int = 0) -> Event:
        """Mine a transaction of one market event; return it."""
        (event,) = self.scene.send(function, sender, value)
        return event

    def attempt(self, function: ContractFunction, sender: str, value: int = 0) -> Any:
        return self.scene.attempt(function, sender, value)

    def join(self, trainer: str, stake: int = 100) -> Event:
        self.scene.fund(self.terms.token, trainer, stake)
        return self.send(self.calls.join(stake), trainer, self.value(stake))

    def join_all(self, count: int = 5) -> list[str]:
        """Have trainers with unequal stakes join; return them."""
        trainers = list(self.scene.trainers[:count])
        for i, trainer in enumerate(trainers):
            self.join(trainer, 100 + 7 * i)
        return trainers

    def open(self, sender: str | None = None) -> Event:
        return self.send(self.calls.open(), sender or self.scene.outsider)

    def commit(self, trainer: str, label: object = None) -> Event:
        label = (self.id, self.number, trainer) if label is None else label
        return self.send(self.calls.commit(self.number, point(label), cid(label), 77), trainer)

    def travel_to(self, phase: Phase) -> None:
        """Travel to the first second of a later phase of the latest round."""
        opened, settled = self.latest.opened, self.latest.settled
        ends = {Phase.SETTLING: opened.commit_end, Phase.VOID: opened.settle_end}
        if settled is not None:
            ends[Phase.FINAL] = settled.challenge_end
        self.scene.chain.travel_to(ends[phase])

    def commit_reference(self, label: object = None, sender: str | None = None) -> Event:
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
        return EMPTY if before is None else self._carried.get(before.number, EMPTY)

    def settlement(
        self, *, excluded: Sequence[int] = (), scale: float = 12.0, reference: bool | None = None
    ) -> Settlement:
        """Return an honest settlement of the latest round, leaving out commitments by their places.

        ``reference`` leaves that row out of a job that has it.
        """
        commits = [commit for commit in self.latest.commits if commit.index not in excluded]
        usable = self.terms.reference if reference is None else reference
        layout = Layout(len(commits), usable, self.previous is not None)
        updates = updates_for([commit.trainer for commit in commits], self.terms, scale=scale)
        owner = self.state.created.owner
        extras = updates_for([owner] * layout.reference, self.terms) + updates_for(
            [owner] * layout.previous, self.terms
        )
        products = products_of_rows(layout, updates, extras, bits=self.terms.bits)
        outcome = settle(
            self.terms.round_rules,
            products,
            [self.state.stakes[commit.trainer] for commit in commits],
            scale_exponent=self.latest.opened.scale_exponent,
            trainers=[bytes.fromhex(commit.trainer[2:]) for commit in commits],
            memory=self.carried,
        )
        self._carried[self.number] = outcome.memory
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
            aggregate_commitment=commitment(("aggregate", self.id, self.number)),
            aggregate_root=sha256(f"root {self.id} {self.number}".encode()).digest(),
            aggregate_cid=cid(("aggregate", self.id, self.number)),
            aggregate_bytes=4321,
            witness=Witness(self.carried.encode(), outcome.rule_hints, outcome.score_hints, outcome.floor_hints),
        )

    def settle(self, settlement: Settlement | None = None, *, sender: str | None = None, proof: bytes = b"") -> Event:
        settlement = settlement or self.settlement()
        return self.send(self.calls.settle(self.number, settlement, proof), sender or self.scene.aggregators[0])

    def post_bond(self, aggregator: str | None = None) -> Event:
        aggregator, bond = aggregator or self.scene.aggregators[0], self.terms.aggregator_bond
        self.scene.fund(self.terms.token, aggregator, bond)
        return self.send(self.calls.post_bond(), aggregator, self.value(bond))

    def withdraw_bond(self, aggregator: str | None = None, recipient: str | None = None) -> Event:
        aggregator = aggregator or self.scene.aggregators[0]
        return self.send(self.calls.withdraw_bond(recipient or aggregator), aggregator)

    def challenge(self, challenger: str | None = None, evidence: bytes = b"") -> Event:
        return self.send(self.calls.challenge(self.number, evidence), challenger or self.scene.outsider)

    def withdraw_reward(self, challenger: str, recipient: str | None = None) -> Event:
        return self.send(self.calls.withdraw_reward(recipient or challenger), challenger)

    def claim(self, trainer: str, numbers: Sequence[int] | None = None, recipient: str | None = None) -> list[Event]:
        numbers = [self.number] if numbers is None else numbers
        return self.scene.send(self.calls.claim(numbers, recipient or trainer), trainer)

    def leave(self, trainer: str, recipient: str | None = None) -> Event:
        return self.send(self.calls.leave(recipient or trainer), trainer)

    def close(self, sender: str | None = None) -> Event:
        return self.send(self.calls.close(), sender or self.scene.outsider)

    def withdraw(self, recipient: str | None = None) -> Event:
        owner = self.state.created.owner
        return self.send(self.calls.withdraw(recipient or owner), owner)

    def open_and_commit(self, trainers: Sequence[str]) -> None:
        """Play a round up to its Settling phase."""
        if self.terms.reference and self.state.reference is None:
            self.commit_reference()
        self.open()
        for trainer in trainers:
            self.commit(trainer)
        self.travel_to(Phase.SETTLING)

    def play_to_overturned(self, trainers: Sequence[str], challenger: str | None = None) -> None:
        """Play a round whose settlement by the first aggregator, bonded by now, is overturned."""
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
        view, state = self.scene.market.functions, self.state
        settled = len(state.settled_rounds)
        owner, count = state.created.owner, len(state.rounds)
        job = (owner, state.closed, len(state.stakes), count, settled, state.escrow, state.refund)
        expected: list[tuple[ContractFunction, Any]] = [(view.job(self.id), job)]
        known = {*state.stakes, *(commit.trainer for round_state in state.rounds for commit in round_state.commits)}
        expected += [(view.stakeOf(self.id, account), state.stakes.get(account, 0)) for account in sorted(known)]
        for account in state.created.aggregators:
            expected.append((view.isAggregator(self.id, account), account in state.aggregators))
            expected.append((view.bondOf(self.id, account), state.bonds.get(account, 0)))
        expected += [(view.rewardOf(self.id, account), amount) for account, amount in state.rewards.items()]
        for number in range(first_round, count + 2):
            expected += self._round_views(state.round(number), number)
        self.scene.expect(expected)

    def _round_views(self, state: RoundState | None, number: int) -> list[tuple[ContractFunction, Any]]:
        """Return the views of a round, None for one that never opened, and what they should tell."""
        view, commits = self.scene.market.functions, () if state is None else state.commits
        phase = Phase.NONE if state is None else state.phase(self.scene.chain.now)
        expected: list[tuple[ContractFunction, Any]] = [
            (view.phase(self.id, number), int(phase)),
            (view.round(self.id, number), _round_view(self.state, number)),
            (view.committed(self.id, number), [commit.trainer for commit in commits]),
        ]
        for commit in commits:
            assert state is not None
            payout = (state.payouts.get(commit.trainer, 0), commit.trainer in state.claimed)
            expected.append((view.commitmentOf(self.id, number, commit.trainer), commit.commitment))
            expected.append((view.payoutOf(self.id, number, commit.trainer), payout))
        return expected


class Calls:
    """The calls on one job."""

    def __init__(self, market: Contract, job_id: int) -> None:
        self._functions: Any = market.functions
        self._id = job_id

    def join(self, stake: int) -> ContractFunction:
        return self._call("joinJob", stake)

    def leave(self, recipient: str) -> ContractFunction:
        return self._call("leaveJob", recipient)

    def open(self) -> ContractFunction:
        return self._call("openRound")

    def commit_reference(self, value: tuple[int, int], payload: bytes, size: int = 77) -> ContractFunction:
        return self._call("commitReference", value, payload, size)

    def commit(self, number: int, value: tuple[int, int], payload: bytes, size: int = 77) -> ContractFunction:
        return self._call("commitUpdate", number, value, payload, size)

    def settle(self, number: int, settlement: Settlement, proof: bytes = b"") -> ContractFunction:
        return self._call("settleRound", number, encode_settlement(settlement), proof)

    def post_bond(self) -> ContractFunction:
        return self._call("postBond")

    def withdraw_bond(self, recipient: str) -> ContractFunction:
        return self._call("withdrawBond", recipient)

    def challenge(self, number: int, evidence: bytes = b"") -> ContractFunction:
        return self._call("challengeSettlement", number, evidence)

    def withdraw_reward(self, recipient: str) -> ContractFunction:
        return self._call("withdrawReward", recipient)

    def claim(self, numbers: Sequence[int], recipient: str) -> ContractFunction:
        return self._call("claim", list(numbers), recipient)

    def close(self) -> ContractFunction:
        return self._call("closeJob")

    def withdraw(self, recipient: str) -> ContractFunction:
        return self._call("withdrawRefund", recipient)

    def _call(self, name: str, *arguments: Any) -> ContractFunction:
        call: ContractFunction = getattr(self._functions, name)(self._id, *arguments)
        return call


def escrow_value(terms: JobTerms) -> int:
    """Return the coins to send along when a job is created."""
    return terms.escrow if terms.token == NATIVE_COIN else 0


def calldata(function: ContractFunction) -> bytes:
    """Return a call's data, for a wallet to send."""
    return bytes.fromhex(str(function._encode_transaction_data())[2:])


def statement(job: Job, settlement: Settlement) -> tuple[Any, ...]:
    """Return IProofVerifier.Statement as the market must put it for a settlement of the latest round."""
    included = [commit for commit in job.latest.commits if settlement.included >> commit.index & 1]
    terms, chain, reference = job.terms, job.scene.chain, settlement.reference
    words = [commit.commitment for commit in included]
    if reference:
        assert job.latest.reference is not None
        words.append(job.latest.reference.commitment)
    words += [] if job.previous is None else [job.previous]
    gram = (
        *(chain.chain_id, job.scene.market.address, job.id, job.number),
        *(encode_id(terms.rule), encode_id(terms.score), terms.byzantine, terms.dimension),
        *(terms.bits, terms.headroom_bits, job.latest.opened.scale_exponent, terms.round_budget),
        *(terms.floor_bps, terms.cap_bps, reference, job.previous is not None, bool(settlement.history)),
        [commit.trainer for commit in included],
        [job.state.stakes[commit.trainer] for commit in included],
        [*map(decompress, words), *settlement.history],
        settlement.gram,
    )
    figures = (list(settlement.weights), list(settlement.scores), list(settlement.payouts))
    return (
        *(gram, *figures, settlement.aggregate_commitment, settlement.next_scale_exponent, terms.reference),
        *(job.state.memory_digest(job.number), settlement.next_memory_digest, astuple(settlement.witness)),
    )


def aggregate_claim(job: Job) -> tuple[Any, ...]:
    """Return IProofVerifier.AggregateClaim as the market must put it for the latest round."""
    assert job.latest.settled is not None
    terms, posted = job.terms, job.latest.settled.settlement
    return (
        *(job.scene.chain.chain_id, job.scene.market.address, job.id, job.number, terms.dimension, terms.bits),
        *(sum(posted.weights), posted.aggregate_commitment, posted.aggregate_root),
    )


def _round_view(job: JobState, number: int) -> tuple[Any, ...]:
    """Return IMarket.Round as the contract must tell it."""
    state = job.round(number)
    if state is None:
        next_reference = job.reference if number == len(job.rounds) + 1 else None
        word = bytes(32) if next_reference is None else next_reference.commitment
        return (0, 0, 0, 0, 0, 0, False, False, bytes(32), bytes(32), NATIVE_COIN, 0, 0, word, bytes(32), bytes(32))
    opened, settled, before = state.opened, state.settled, job.settled_before(number)
    times, commits = (opened.commit_end, opened.settle_end), len(state.commits)
    reference = bytes(32) if state.reference is None else state.reference.commitment
    given = (0 if before is None else before.number, reference, job.memory_digest(number))
    if settled is None:
        empty = (bytes(32), bytes(32), NATIVE_COIN, 0)
        return (*times, 0, opened.scale_exponent, 0, commits, False, False, *empty, *given, bytes(32))
    done = settled.settlement
    return (
        *times,
        settled.challenge_end,
        opened.scale_exponent,
        done.next_scale_exponent,
        commits,
        True,
        state.overturned is not None,
        done.aggregate_commitment,
        done.aggregate_root,
        settled.aggregator,
        sum(done.weights),
        *given,
        done.next_memory_digest,
    )
