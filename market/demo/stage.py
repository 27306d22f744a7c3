"""The demo's stage: chain, storage, keys, and each role in its own process."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import signal
import subprocess
import sys
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
from market.domain import Address
from market.errors import ChainError, ConfigError, RoleFailed
from market.srs import cache
from market.srs.files import SrsFile
from market.trainer.parameters import ModelSchema
from market.trainer.task import load_task

_ROLE_WEI = 100 * 10**18
_END_SECONDS = 10


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


class RoleProcess:
    """A ``gramercy`` command in its own process, its output kept in a log file."""

    def __init__(self, stage: Stage, actor: Actor, arguments: list[str], folder: Path) -> None:
        self.actor = actor
        self.log = folder / "logs" / f"{actor.name}-{arguments[1]}.jsonl"
        self.log.parent.mkdir(parents=True, exist_ok=True)
        self._sink: IO[bytes] = self.log.open("ab")
        environment = {
            **os.environ,
            "GRAMERCY_RPC_URL": stage.rpc_url,
            "GRAMERCY_CHAIN_ID": str(stage.chain_id),
            "GRAMERCY_MARKET": stage.market,
            "GRAMERCY_STORAGE": stage.storage_url,
            "GRAMERCY_KEYSTORE": str(actor.keystore),
            "GRAMERCY_PASSWORD_FILE": str(stage.password_file),
            "GRAMERCY_STATE": str(folder / "roles" / actor.name),
            "GRAMERCY_CONFIG": os.devnull,
            cache.FOLDER_VARIABLE: str(stage.srs.path.parent),
            "OMP_NUM_THREADS": "1",
        }
        self._process = subprocess.Popen(
            [sys.executable, "-m", "market.cli.app", *arguments, "--json", "--yes"],
            stdin=subprocess.DEVNULL,
            stdout=self._sink,
            stderr=subprocess.STDOUT,
            env=environment,
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
            raise RoleFailed(f"{self.actor.name} did not finish in {timeout} s", hint=f"see {self.log}") from None
        self._sink.close()
        envelope = self._last_line()
        if code != 0 or not envelope.get("ok"):
            told = envelope.get("error", {})
            raise RoleFailed(
                f"{self.actor.name} failed ({code}): {told.get('message', 'no message')}", hint=f"see {self.log}"
            )
        data: dict[str, Any] = envelope["data"]
        return data

    def events(self, name: str) -> list[dict[str, Any]]:
        """Return what the process reported under a name, in order."""
        lines = self.log.read_text(errors="replace").splitlines()
        reports = (json.loads(line) for line in lines if line.startswith("{"))
        return [report for report in reports if report.get("event") == name]

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


@contextlib.contextmanager
def set_stage(plan: DemoPlan) -> Iterator[Stage]:
    """Start chain and storage, deploy, make and fund every role's key; end what was started on leaving."""
    plan.folder.mkdir(parents=True, exist_ok=True)
    if any(plan.folder.iterdir()):
        raise ConfigError(f"{plan.folder} is not empty", hint="each run needs a folder of its own")
    with contextlib.ExitStack() as stack:
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
        )


def _powers(plan: DemoPlan) -> int:
    """Return how many powers the reference string needs for the plan's task."""
    return ModelSchema.of(load_task(plan.task).init_model(plan.seed)).dimension + MASK_COEFFICIENTS


@contextlib.contextmanager
def _chain(plan: DemoPlan) -> Iterator[str]:
    if plan.chain == "embedded":
        from market.chain.devnet import spawn

        with spawn(log=plan.folder / "devnet.log") as chain:
            yield chain.url
    elif plan.chain == "anvil":
        from market.chain import anvil

        try:
            anvil.find_anvil()
        except ChainError:
            anvil.install()
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

        jsipfs.install()
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
