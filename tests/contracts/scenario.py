"""Builders for market tests: a market with actors, and jobs that the pure reducer follows step by step."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from web3.contract import Contract
from web3.contract.contract import ContractFunction

from market import accounts, rounds
from market.accounts import Accounts
from market.chain.market import MarketClient
from market.chain.market_encoding import encode_terms
from market.domain import (
    NATIVE_COIN,
    JobCreated,
    JobTerms,
    MarketEvent,
)
from tests.contracts.calls import escrow_value
from tests.contracts.encoding import Call, calldata, decoded, encoded, output_types
from tests.contracts.harness import Chain, views_of
from tests.contracts.job import Job
from tests.contracts.labels import cid

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


class Scene:
    """A market, the accounts that act in it, and the client that decodes its events."""

    def __init__(self, chain: Chain, market: Contract, verifier: Contract, batch: Contract | None = None) -> None:
        self.chain = chain
        self.market = market
        self.views = views_of("Market", market.address)
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
        try:
            with self.chain.undone():
                yield
        finally:
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
        held: int = self.chain.call(views_of("StandardToken", token).functions.balanceOf(account))
        return held

    def expect(self, views: Sequence[tuple[Call, Any]]) -> None:
        """Check what views of the market answer, all in one call."""
        calls = [calldata(function) for function, _ in views]
        answers = self.chain.call(self.batch.functions.read(self.market.address, calls))
        for (function, value), answer in zip(views, answers, strict=True):
            types = output_types(function)
            if answer != encoded(types, (value,)):
                found = decoded(types, answer)[0]
                raise AssertionError(f"{function.fn_name}{function.arguments} is {found}, not {value}")

    def check(self) -> None:
        """Check that the contract's views tell what the reducer tells, and that every unit is owed to somebody."""
        for job in self.jobs:
            job.check()
        self.check_balances()

    def check_balances(self) -> None:
        """Check free balances, and that the market holds what it owes, token by token, and what was forced on it."""
        view, tokens = self.views.functions, {job.terms.token for job in self.jobs}
        tokens |= {token for token, _ in self.accounts.balances}
        known = {account for _, account in self.accounts.balances} | {self.owner, *self.aggregators, self.outsider}
        self.expect([(view.balanceOf(token, who), self.free(who, token)) for token in tokens for who in sorted(known)])
        for token in tokens:
            owed = sum(job.state.liabilities for job in self.jobs if job.terms.token == token)
            held = owed + self.accounts.owed(token) + self.forced.get(token, 0)
            assert self.balance(token, self.market.address) == held
