"""A market for tests: contracts on the embedded chain, funded roles with key files, a local store, time control.

Roles act in this process (`Stage.trainer`, `Stage.aggregator`), by commands in this process (`Stage.cli`), or by
commands in processes of their own (`Stage.start`), which is slower by the imports and needed where one is killed.
"""

from __future__ import annotations

import contextlib
import functools
import io
import json
import os
import queue
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from unittest import mock

import numpy as np
import typer.main
from eth_account import Account
from eth_account.signers.local import LocalAccount
from eth_typing import HexStr
from web3 import Web3

from aggregator.srs import VerifyingKey
from market.chain import rpc
from market.chain.artifacts import load_artifact
from market.chain.deployment import deploy
from market.chain.keys import create, load
from market.chain.market import MarketClient
from market.chain.transactions import send
from market.cli.app import main
from market.domain import NATIVE_COIN, Address
from market.rounds import RoundState
from market.services.aggregator import Aggregator, aggregator_folder
from market.services.balances import withdraw
from market.services.closing import close_job
from market.services.encryption import EncryptionKeys, encryption_folder
from market.services.job import Job, Vector
from market.services.journal import Journal
from market.services.owner import CreatedJob, JobRequest, Split, create_job
from market.services.trainer import Trainer, open_round, trainer_folder
from market.srs import cache
from market.srs.files import SrsFile
from market.storage.local import LocalStorage

PASSWORD = "correct horse"
COIN = 10**18
STAKE = COIN // 10
BOND = COIN // 2
POWERS = 4_818
"""Of the development reference string: as many as `digits` needs."""
WAIT_SECONDS = 60.0


_VERIFIERS: dict[str, Address] = {}
"""Verifiers by the chain's address: they keep no state, so that the markets of one chain share one."""
_KNOWN: set[tuple[Address, bytes]] = set()
"""Verifiers and digests of their reference strings that have passed every check in this process."""


class _Client(MarketClient):
    """A client that does not check again what cannot change: contracts keep their code."""

    def verifier_is_known(self, verifier: Address, key: VerifyingKey) -> bool:
        checked = (verifier, key.digest)
        if checked not in _KNOWN and super().verifier_is_known(verifier, key):
            _KNOWN.add(checked)
        return checked in _KNOWN


_command = functools.cache(typer.main.get_command)
"""The command line, which is otherwise put together anew each time that it runs."""


class Told(list[tuple[str, dict[str, Any]]]):
    """A service's reports, in order."""

    def __call__(self, event: str, fields: dict[str, Any]) -> None:
        """Take one."""
        self.append((event, fields))

    def named(self, event: str) -> list[dict[str, Any]]:
        """Return the fields of all reports of one event."""
        return [fields for name, fields in self if name == event]


@dataclass(frozen=True)
class Actor:
    """One role's key, and where it keeps things."""

    name: str
    account: LocalAccount
    keystore: Path
    state: Path

    @property
    def address(self) -> Address:
        """The role's address."""
        return Address(self.account.address)


@dataclass(frozen=True)
class Answer:
    """What a command answered."""

    code: int
    stdout: str
    stderr: str

    @property
    def envelope(self) -> dict[str, Any]:
        """The last line of standard output, which ``--json`` makes the envelope."""
        told: dict[str, Any] = json.loads(self.stdout.strip().splitlines()[-1])
        return told

    @property
    def data(self) -> dict[str, Any]:
        """The envelope's data, of a command that succeeded."""
        assert self.code == 0, self.stdout + self.stderr
        data: dict[str, Any] = self.envelope["data"]
        return data


@dataclass
class Stage:
    """One market of its own on a chain that tests share."""

    w3: Web3
    url: str
    folder: Path
    market: Address = ""
    verifier: Address = ""
    told: Told = field(default_factory=Told)
    _actors: dict[str, Actor] = field(default_factory=dict)
    _clients: dict[str, MarketClient] = field(default_factory=dict)
    _observers: dict[int, Job] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.storage = LocalStorage(self.folder / "store")
        self.password_file = self.folder / "password"
        self.password_file.write_text(PASSWORD)
        self.srs: SrsFile = cache.development(POWERS)
        deployer = self.actor("deployer").account
        if not self.w3.eth.get_code(Web3.to_checksum_address(_VERIFIERS.get(self.url, NATIVE_COIN))):
            _VERIFIERS[self.url] = deploy(self.w3, deployer, self.srs.key).verifier
        artifact = load_artifact("Market")
        market = self.w3.eth.contract(abi=artifact.abi, bytecode=HexStr(artifact.bytecode)).constructor()
        self.market = Address(str(send(self.w3, deployer, market)["contractAddress"]))
        self.verifier = _VERIFIERS[self.url]

    # -- roles ----------------------------------------------------------------------------------------------------

    def actor(self, name: str) -> Actor:
        """Return a role by name; it comes with a key file and a hundred coins."""
        if name not in self._actors:
            path = self.folder / "keys" / f"{name}.json"
            create(path, PASSWORD, light=True)
            account = load(path, PASSWORD)
            rpc.fund(self.w3, account.address, 100 * COIN)
            self._actors[name] = Actor(name, account, path, self.folder / "state" / name)
        return self._actors[name]

    def client(self, name: str) -> MarketClient:
        """Return the market as a role sees it."""
        if name not in self._clients:
            self._clients[name] = _Client(self.w3, self.market, self.actor(name).account)
        return self._clients[name]

    def create(self, **changes: Any) -> CreatedJob:
        """Open a small job by the owner; ``changes`` are fields of `JobRequest` or `Split`. Its aggregators get ready.

        It has no reference row unless asked for, and pays by the score "shapley" alone.
        """
        split: dict[str, Any] = {
            "rule": "multi-krum",
            "score": "shapley",
            "reference": False,
            "floor_bps": 0,
            "cap_bps": 0,
        }
        split |= {name: changes.pop(name) for name in split.keys() & changes.keys()}
        terms: dict[str, Any] = {
            "task": "digits",
            "name": "test",
            "verifier": self.verifier,
            "aggregators": [self.actor("aggregator").address],
            "round_budget": COIN,
            "rounds": 3,
            "stake_min": STAKE,
            "stake_max": STAKE,
            "min_trainers": 3,
            "max_trainers": 8,
            "byzantine": 0,
            "commit_seconds": 3600,
            "settle_seconds": 3600,
            "challenge_seconds": 3600,
            "aggregator_bond": BOND,
            "lifetime_seconds": 30 * 86400,
            "scale_exponent": -20,
        }
        journal = Journal(self.actor("owner").state / "jobs")
        request = JobRequest(**{**terms, **changes}, split=Split(**split))
        created = create_job(self.client("owner"), self.storage, request, journal, self.told)
        for name, actor in list(self._actors.items()):
            if actor.address in request.aggregators:
                self.aggregator(created.job_id, name)
        return created

    def job(self, name: str, job_id: int = 1) -> Job:
        """Return a job as a role sees it, with a cache of its own."""
        return Job(self.client(name), self.storage, job_id, self.actor(name).state / f"cache-{job_id}")

    def observed(self, job_id: int = 1) -> Job:
        """Return a job as it now stands, to look at; one object a job."""
        if job_id not in self._observers:
            self._observers[job_id] = self.job("observer", job_id)
        self._observers[job_id].refresh()
        return self._observers[job_id]

    def trainer(self, name: str, job_id: int = 1, **fields: Any) -> Trainer:
        """Return a trainer of a job in this process."""
        actor = self.actor(name)
        journal = Journal(trainer_folder(actor.state, actor.address, job_id))
        return Trainer(self.job(name, job_id), actor.account, journal, report=self.told, **fields)

    def joined(self, *names: str, job_id: int = 1) -> list[Trainer]:
        """Return trainers that have put their stakes in."""
        trainers = [self.trainer(name, job_id) for name in names]
        for trainer in trainers:
            trainer.join()
        return trainers

    def aggregator(self, job_id: int = 1, name: str = "aggregator", **fields: Any) -> Aggregator:
        """Return an aggregator of a job in this process, its key published, its deposit for a bond made."""
        actor = self.actor(name)
        aggregator = Aggregator(
            self.job(name, job_id),
            actor.account,
            self.encryption_keys(name),
            Journal(aggregator_folder(actor.state, actor.address, job_id)),
            **{"report": self.told, **fields},
        )
        aggregator.prepare()
        return aggregator

    def encryption_keys(self, name: str) -> EncryptionKeys:
        """Return a role's encryption keys."""
        actor = self.actor(name)
        return EncryptionKeys(encryption_folder(actor.state, actor.address), actor.account)

    # -- time and steps -------------------------------------------------------------------------------------------

    def travel(self, timestamp: int) -> None:
        """Move chain time to ``timestamp``."""
        rpc.set_time(self.w3, timestamp)

    def balance(self, name: str) -> int:
        """Return a role's coins, in wei."""
        return int(self.w3.eth.get_balance(Web3.to_checksum_address(self.actor(name).address)))

    def open(self, job_id: int = 1) -> RoundState:
        """Open a round by the aggregator and return it."""
        self.client("aggregator").open_round(job_id)
        return open_round(self.observed(job_id))

    def commit(self, *trainers: Trainer) -> RoundState:
        """Let trainers commit made-up updates of common direction to the open round; return it."""
        for trainer in trainers:
            trainer.job.refresh()
            state = open_round(trainer.job)
            trainer.submit(state, made_up_update(trainer.address, trainer.job.state.terms.dimension))
        return open_round(self.observed(trainers[0].job.job_id))

    def settled(self, *trainers: Trainer, final: bool = True) -> RoundState:
        """Run one whole round with made-up updates; return it, its payouts claimable if ``final``."""
        job_id = trainers[0].job.job_id
        self.open(job_id)
        self.travel(self.commit(*trainers).opened.commit_end)
        aggregator = self.aggregator(job_id)
        assert aggregator.step()
        state = aggregator.job.state.latest
        assert state is not None
        assert state.settled is not None
        if final:
            self.travel(state.settled.challenge_end)
        return state

    def all_leave(self, *trainers: Trainer) -> None:
        """End the job: everybody claims and leaves, the owner closes; nothing may be left in the contract."""
        for trainer in trainers:
            trainer.claim()
            if trainer.joined:
                trainer.leave()
        job = self.job("owner", trainers[0].job.job_id)
        close_job(job, self.actor("owner").address)
        token = job.state.terms.token
        for name, actor in list(self._actors.items()):
            if self.client("observer").free_balance(token, actor.address):
                withdraw(self.client(name), token, None, actor.address)
        assert self.client("observer").balance() == 0

    # -- commands -------------------------------------------------------------------------------------------------

    def environment(self, name: str, **changes: str) -> dict[str, str]:
        """Return the environment in which a role's commands run; an empty value takes a variable away."""
        actor = self.actor(name)
        settings = {
            "GRAMERCY_RPC_URL": self.url,
            "GRAMERCY_MARKET": self.market,
            "GRAMERCY_STORAGE": f"local:{self.folder / 'store'}",
            "GRAMERCY_KEYSTORE": str(actor.keystore),
            "GRAMERCY_PASSWORD_FILE": str(self.password_file),
            "GRAMERCY_STATE": str(actor.state),
            "GRAMERCY_CONFIG": os.devnull,
            "OMP_NUM_THREADS": "1",
            cache.FOLDER_VARIABLE: str(self.srs.path.parent),
        }
        plain = {key: value for key, value in os.environ.items() if not key.startswith("GRAMERCY_")}
        return {key: value for key, value in {**plain, **settings, **changes}.items() if value}

    def cli(self, name: str, *arguments: object, as_json: bool = True, **changes: str) -> Answer:
        """Run a role's command in this process and return what it answered."""
        return run_main([*map(str, arguments), *(["--json"] if as_json else [])], self.environment(name, **changes))

    def start(self, name: str, *arguments: object, **changes: str) -> Process:
        """Start a role's command in a process of its own."""
        return Process([*map(str, arguments), "--json", "--yes"], self.environment(name, **changes))


class Process:
    """A command in a process of its own, whose reports can be waited for."""

    def __init__(self, arguments: list[str], environment: dict[str, str]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "market.cli.app", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=environment,
            text=True,
        )
        self._lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self.seen: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> Self:
        """Return the running process."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Kill it if it still runs."""
        self.kill()

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid

    def wait_for(self, event: str, seconds: float = WAIT_SECONDS) -> dict[str, Any]:
        """Wait until the command reports an event; return the report."""
        while True:
            line = self._lines.get(timeout=seconds)
            if line is None:
                raise AssertionError(f"ended before {event!r}: " + "".join(self.seen))
            self.seen.append(line)
            if not line.startswith("{"):  # a warning, on standard error
                continue
            told: dict[str, Any] = json.loads(line)
            if told.get("event") == event:
                return told

    def finish(self, seconds: float = WAIT_SECONDS) -> Answer:
        """Wait for the end and return what the command answered."""
        code = self._process.wait(seconds)
        self._reader.join()
        while (line := self._lines.get()) is not None:
            self.seen.append(line)
        return Answer(code, "".join(self.seen), "")

    def kill(self) -> None:
        """End it with SIGKILL: what a crash looks like."""
        self._process.kill()
        self._process.wait()
        self._reader.join()
        if self._process.stdout is not None:
            self._process.stdout.close()

    def _read(self) -> None:
        for line in self._process.stdout or ():
            self._lines.put(line)
        self._lines.put(None)


def run_main(arguments: list[str], environment: dict[str, str]) -> Answer:
    """Run the command line in this process, without a terminal."""
    out, errors = io.StringIO(), io.StringIO()
    with (
        mock.patch.dict(os.environ, environment, clear=True),
        mock.patch.object(sys, "argv", ["gramercy", *arguments]),
        mock.patch.object(sys, "stdin", io.StringIO()),
        mock.patch.object(typer.main, "get_command", _command),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(errors),
    ):
        try:
            main()
            code: object = 0
        except SystemExit as end:
            code = end.code
    assert isinstance(code, int)
    return Answer(code, out.getvalue(), errors.getvalue())


def made_up_update(address: Address, dimension: int) -> Vector:
    """Return an update that is mostly everybody's direction and a little the trainer's own, always the same."""
    common = np.random.default_rng(7).normal(size=dimension)
    own = np.random.default_rng(int(address, 16)).normal(size=dimension)
    return (0.001 * (common + 0.3 * own)).astype(np.float32)


def new_account() -> LocalAccount:
    """Return a fresh account without coins."""
    account: LocalAccount = Account.create()
    return account
