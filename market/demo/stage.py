"""The demo's stage: chain, storage, keys, and each role in its own process."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from eth_account import Account
from web3 import Web3

from aggregator.proofs.prover import MASK_COEFFICIENTS
from market.chain import rpc
from market.chain.deployment import deploy
from market.chain.keys import create
from market.demo.plan import DemoPlan
from market.demo.signals import Signals
from market.domain import Address
from market.errors import ChainError, ConfigError, RoleFailed
from market.srs import cache
from market.srs.files import SrsFile
from market.trainer.parameters import ModelSchema
from market.trainer.task import load_task

_ROLE_WEI = 100 * 10**18
_END_SECONDS = 10
_POLL_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Actor:
    """One role: its name, behaviour (``owner``, ``aggregator``, ``honest`` or an attack), address and key file."""

    name: str
    role: str
    address: Address
    keystore: Path


@dataclass(frozen=True, slots=True)
class Stage:
    """A running chain with the contracts deployed, storage, and funded actors."""

    w3: Web3
    rpc_url: str
    chain_id: int
    market: Address
    verifier: Address
    storage_url: str
    owner: Actor
    aggregator: Actor
    trainers: tuple[Actor, ...]
    password_file: Path
    srs: SrsFile
    signals: Signals

    @property
    def settings(self) -> dict[str, str]:
        """Variables by which commands find the market."""
        return {
            "GRAMERCY_RPC_URL": self.rpc_url,
            "GRAMERCY_CHAIN_ID": str(self.chain_id),
            "GRAMERCY_MARKET": self.market,
            "GRAMERCY_STORAGE": self.storage_url,
            "GRAMERCY_CONFIG": os.devnull,
            cache.FOLDER_VARIABLE: str(self.srs.path.parent),
            "OMP_NUM_THREADS": "1",
        }


class CommandProcess:
    """A ``gramercy`` command in its own process, its output kept in a log file.

    Parameters
    ----------
    name
        Of whoever acts, for messages.
    arguments
        Of the command; ``--json`` and ``--yes`` are added.
    settings
        Variables of its environment, beside those of this process.
    log
        File that takes what it prints.

    """

    def __init__(self, name: str, arguments: list[str], settings: dict[str, str], log: Path) -> None:
        self.name = name
        self.log = log
        log.parent.mkdir(parents=True, exist_ok=True)
        self._sink: IO[bytes] = log.open("ab")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "market.cli.app", *arguments, "--json", "--yes"],
            stdin=subprocess.DEVNULL,
            stdout=self._sink,
            stderr=subprocess.STDOUT,
            env={**os.environ, **settings},
        )

    @property
    def running(self) -> bool:
        """Whether the process still runs."""
        return self._process.poll() is None

    def result(self, timeout: float | None = None) -> dict[str, Any]:
        """Wait for the end and return the envelope's data.

        Raises
        ------
        RoleFailed
            If it exits with another code than 0 or not in time, with its own words.

        """
        try:
            code = self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise RoleFailed(f"{self.name} did not finish in {timeout} s", hint=f"see {self.log}") from None
        self._sink.close()
        envelope = self._last_line()
        if code != 0 or not envelope.get("ok"):
            told = envelope.get("error", {})
            raise RoleFailed(
                f"{self.name} failed ({code}): {told.get('message', 'no message')}", hint=f"see {self.log}"
            )
        data: dict[str, Any] = envelope["data"]
        return data

    def events(self, name: str) -> list[dict[str, Any]]:
        """Return what the process reported under a name, in order."""
        lines = self.log.read_text(errors="replace").splitlines(keepends=True)
        # A line without its end is still being written.
        reports = (json.loads(line) for line in lines if line.startswith("{") and line.endswith("\n"))
        return [report for report in reports if report.get("event") == name]

    def wait_for(self, event: str, timeout: float) -> dict[str, Any]:
        """Wait until the process reports an event; return the report.

        Raises
        ------
        RoleFailed
            If it ends before, or does not report it in time.

        """
        deadline = time.monotonic() + timeout
        while not (found := self.events(event)):
            if not self.running:
                self.result()
                raise RoleFailed(f"{self.name} ended too early", hint=f"see {self.log}")
            if time.monotonic() > deadline:
                raise RoleFailed(f"{self.name} did not begin in {timeout:.0f} s", hint=f"see {self.log}")
            time.sleep(_POLL_SECONDS)
        return found[0]

    def stop(self) -> None:
        """End the process if it still runs."""
        if self.running:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(_END_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._sink.close()

    def _last_line(self) -> dict[str, Any]:
        lines = self.log.read_text(errors="replace").strip().splitlines()
        try:
            envelope: dict[str, Any] = json.loads(lines[-1])
        except (IndexError, ValueError):
            return {"error": {"message": lines[-1] if lines else "no output"}}
        return envelope


def start_role(stage: Stage, actor: Actor, arguments: list[str], folder: Path) -> CommandProcess:
    """Start a role's command with the role's key; its state is kept under the run's folder, and so is its log."""
    settings = {
        **stage.settings,
        "GRAMERCY_KEYSTORE": str(actor.keystore),
        "GRAMERCY_PASSWORD_FILE": str(stage.password_file),
        "GRAMERCY_STATE": str(folder / "roles" / actor.name),
    }
    return CommandProcess(actor.name, arguments, settings, folder / "logs" / f"{actor.name}-{arguments[1]}.jsonl")


@contextlib.contextmanager
def set_stage(plan: DemoPlan, signals: Signals) -> Iterator[Stage]:
    """Start chain and storage, deploy, make and fund every role's key; end what was started on leaving."""
    plan.folder.mkdir(parents=True, exist_ok=True)
    if any(plan.folder.iterdir()):
        raise ConfigError(f"{plan.folder} is not empty", hint="each run needs a folder of its own")
    with contextlib.ExitStack() as stack:
        with signals.allowed():
            _install(plan)
        url = stack.enter_context(_chain(plan))
        w3 = rpc.connect(url, expected_chain_id=None)
        if not rpc.is_development_chain(w3):
            raise ChainError(
                "the demo needs a development chain: it gives coins to the roles and moves chain time",
                hint="use --chain embedded or anvil; on other chains run the roles by hand, see docs/tutorial.md",
            )
        storage_url = stack.enter_context(_storage(plan))
        password_file = _write_password(plan.folder)
        actors = [
            _actor(plan.folder, name, role, password_file)
            for name, role in (
                ("owner", "owner"),
                ("aggregator", "aggregator"),
                *((f"trainer-{place}", role) for place, role in enumerate(plan.behaviours, start=1)),
            )
        ]
        deployer = Account.create()
        for address in (deployer.address, *(actor.address for actor in actors)):
            rpc.fund(w3, address, _ROLE_WEI)
        with signals.allowed():
            reference = cache.development(_powers(plan))
            deployment = deploy(w3, deployer, reference.key)
        yield Stage(
            w3=w3,
            rpc_url=url,
            chain_id=w3.eth.chain_id,
            market=deployment.market,
            verifier=deployment.verifier,
            storage_url=storage_url,
            owner=actors[0],
            aggregator=actors[1],
            trainers=tuple(actors[2:]),
            password_file=password_file,
            srs=reference,
            signals=signals,
        )


def _powers(plan: DemoPlan) -> int:
    """Return how many powers the reference string needs for the plan's task."""
    return ModelSchema.of(load_task(plan.task).init_model(plan.seed)).dimension + MASK_COEFFICIENTS


def _install(plan: DemoPlan) -> None:
    """Fetch the programs of chain and storage, where they are wanted and not there."""
    if plan.chain == "anvil":
        from market.chain import anvil

        try:
            anvil.find_anvil()
        except ChainError:
            anvil.install()
    if plan.storage == "ipfs":
        from market.storage import jsipfs

        jsipfs.install()


@contextlib.contextmanager
def _chain(plan: DemoPlan) -> Iterator[str]:
    if plan.chain == "embedded":
        from market.chain.devnet import spawn

        with spawn(log=plan.folder / "devnet.log") as chain:
            yield chain.url
    elif plan.chain == "anvil":
        from market.chain import anvil

        with anvil.Anvil() as node:
            yield node.url
    else:
        yield plan.chain


@contextlib.contextmanager
def _storage(plan: DemoPlan) -> Iterator[str]:
    if plan.storage == "local":
        yield f"local:{(plan.folder / 'blocks').resolve()}"
    elif plan.storage == "ipfs":
        from market.storage import jsipfs

        with jsipfs.JsIpfsDaemon(plan.folder / "ipfs") as daemon:
            yield f"kubo:{daemon.url}"
    else:
        yield plan.storage


def _write_password(folder: Path) -> Path:
    """Write a fresh password for this run's keys, readable by the user alone."""
    path = folder / "password"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(secrets.token_urlsafe(24))
    return path


def _actor(folder: Path, name: str, role: str, password_file: Path) -> Actor:
    keystore = folder / "keys" / f"{name}.json"
    keystore.parent.mkdir(exist_ok=True)
    address = create(keystore, password_file.read_text(), light=True)
    return Actor(name, role, address, keystore)
