"""Both EVMs under the contract tests do the same: one history on each, compared to the unit of gas.

This is why tests on revm stand for tests on py-evm, whose rules are written after Ethereum's specification.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from eth_utils.exceptions import ValidationError
from web3 import Web3

from aggregator.bn254 import G2_GENERATOR, GENERATOR, P, encode_point
from market.domain import NATIVE_COIN, Phase
from tests.contracts.harness import Chain, artifact
from tests.contracts.labels import point
from tests.contracts.node import EXECUTION_GAS, Reverted
from tests.contracts.scenario import Scene

EVMS = ("revm", "py-evm")
POOR = "0x" + "9a" * 20
ASKED = (0x30, 0x32, 0x33, 0x34, 0x38, 0x3A, 0x41, 0x42, 0x43, 0x44, 0x45, 0x46, 0x47, 0x48, 0x4A, 0x5A)
"""Opcodes that ask for the surroundings, from ADDRESS to GAS."""


class Witness:
    """A chain that writes down what it does."""

    def __init__(self, evm: str) -> None:
        self.chain = Chain(evm=evm)
        self.seen: list[Any] = []
        node = self.chain._node
        for name in ("mine", "call", "execute"):
            setattr(node, name, self._watched(name, getattr(node, name)))

    def _watched(self, name: str, run: Callable[..., Any]) -> Callable[..., Any]:
        def watched(*arguments: Any) -> Any:
            before = self.chain.now
            try:
                done = run(*arguments)
            except Reverted as error:
                self._tell(name, before, ("refused", error.data))
                raise
            self._tell(name, before, _told(done) if name == "mine" else done)
            return done

        return watched

    def _tell(self, name: str, before: int, outcome: object) -> None:
        chain = self.chain
        accounts = [
            (chain.balance(account), chain.w3.eth.get_transaction_count(account)) for account in chain.accounts[:20]
        ]
        self.seen.append(
            (name, before, chain.now, chain.w3.eth.block_number, outcome, accounts if name == "mine" else ())
        )


def _told(receipt: Any) -> dict[str, Any]:
    """Return a receipt but for its hashes: those of revm's blocks are not Ethereum's."""
    logs = [(log["address"], [bytes(topic) for topic in log["topics"]], bytes(log["data"])) for log in receipt["logs"]]
    places = [(log["logIndex"], log["blockNumber"], log["transactionIndex"]) for log in receipt["logs"]]
    fields = ("blockNumber", "status", "gasUsed", "contractAddress", "transactionIndex")
    return {field: receipt[field] for field in fields} | {"logs": logs, "places": places}


def _compare(play: Callable[[Chain], None]) -> list[Any]:
    """Play a history on both EVMs; return what was seen of it."""
    seen = []
    for evm in EVMS:
        witness = Witness(evm)
        play(witness.chain)
        seen.append(witness.seen)
    ours, theirs = seen
    assert len(ours) == len(theirs)
    for at, (one, other) in enumerate(zip(ours, theirs, strict=True)):
        assert one == other, at
    return ours


def _jobs(chain: Chain) -> None:
    """Play jobs of coins and of tokens through all that a job can do, and calls that are refused on the way."""
    market, verifiers = (
        chain.deploy("Market"),
        [chain.deploy(name) for name in ("AttestedVerifier", "PermissiveVerifier")],
    )
    scene, token = Scene(chain, market, verifiers[0]), chain.deploy("StandardToken").address
    wallet = scene.wallet("ReenteringReceiver").address
    common: dict[str, Any] = {"rounds": 4, "aggregator_bond": 70, "challenger_share_bps": 2_000, "refund_void": True}
    others: tuple[dict[str, Any], ...] = ({"score": "reputation"}, {"token": token, "reference": True})
    for verifier, terms in zip(verifiers, others, strict=True):
        job = scene.create(verifier=verifier.address, **common, **terms)
        trainers = [*job.join_all(5), wallet]
        job.join(wallet, 20)
        job.deposit_bond()
        with pytest.raises(Reverted):
            job.join(trainers[0])
        with pytest.raises(Reverted):
            chain.send(job.calls.open(), gas=60_000)
        job.play_round(trainers)
        job.check()
        with pytest.raises(Reverted):
            chain.send(job.calls.settle(1, job.settlement()), sender=scene.aggregators[0])
        job.claim(trainers[0])
        job.claim(wallet, recipient=scene.outsider)
        job.release()
        job.open_and_commit(trainers)
        job.settle()
        job.name(trainers[0], scene.aggregators[1])
        if verifier is verifiers[1]:
            with scene.undone():
                job.challenge_update(trainers[2])
                job.check()
            job.challenge()
            job.travel_to(Phase.VOID)
        else:
            job.travel_to(Phase.FINAL)
        scene.check()
        job.stop()
        job.close(scene.owner)
        job.leave(trainers[1])
        job.withdraw()
        scene.check()
    with pytest.raises(Reverted):
        scene.attempt(market.functions.withdraw(NATIVE_COIN, 1, scene.outsider), scene.outsider)


@pytest.mark.node
@pytest.mark.slow
def test_jobs_are_played_alike() -> None:
    seen = _compare(_jobs)
    assert sum(name == "mine" for name, *_ in seen) > 80
    assert sum(outcome[0] == "refused" for *_, outcome, _ in seen if isinstance(outcome, tuple)) >= 7


def _creation(code: str) -> bytes:
    """Return init code that stores 1 in slot 0, then deploys code, given in hex."""
    return bytes.fromhex(f"60015f5562{len(code) // 2:06x}80600f5f395ff3{code}")


def _transactions(chain: Chain) -> None:
    """Play transfers and creations, calldata and storage at the borders of their prices, and what code can ask."""
    send, funded = chain.send_raw, chain.accounts[3]
    send({"to": POOR}, value=7)
    send({"to": POOR}, value=0)
    for data in (bytes(5_000), b"\1" * 5_000, b"\0\1" * 40):
        send({"to": POOR, "data": data}, sender=funded)
    for size in (0, 1, 24_576):
        created = send({"to": "", "data": _creation("5b" * size)})["contractAddress"]
        assert bytes(chain.w3.eth.get_code(Web3.to_checksum_address(str(created)))) == b"\x5b" * size
    for init in (_creation("5b" * 24_577), b"\xfe", b"\xfd", bytes.fromhex("60ef5f5360015ff3")):
        with pytest.raises(Reverted):
            send({"to": "", "data": init}, sender=funded)
    for sent, value in (({"gas": 20_999}, 0), ({}, chain.balance(chain.accounts[0]) + 1)):
        with pytest.raises(ValidationError):
            send({"to": POOR, **sent}, value=value)
    _store(chain)
    for code in ("600160075560025f5560015f55", "60015f5d5f5c6009555f600955", "5f5f55", "5f5ffd", "fe", "5b5f56"):
        again = _created(chain, code)
        for _ in range(2):
            with suppress(Reverted):
                send({"to": again, "gas": 200_000})
    chain.travel_to(chain.now + 12_345)
    asks = _created(chain, "".join(f"{asked:02x}5f5260205fa0" for asked in ASKED))
    send({"to": asks}, value=3)
    # a contract that destroys itself: as it is created, and later, when only its coins go (EIP-6780)
    send({"to": "", "data": bytes.fromhex(f"60015f5573{POOR[2:]}ff")}, value=11)
    doomed = _created(chain, f"73{POOR[2:]}ff")
    send({"to": doomed}, value=13)
    send({"to": doomed}, value=2)
    assert (chain.balance(POOR), chain.balance(doomed)) == (33, 0)


def _store(chain: Chain) -> None:
    """Have a contract store calldata's first word in the slot of the second, and log what it finds there."""
    store = _created(chain, "5f356020355560203554805f5260205fa100")
    for value, key in ((1, 1), (1, 1), (2, 1), (0, 1), (0, 1), (5, 1 << 255), (0, 1 << 255), (9, 0), (1, 0)):
        with chain.undone():
            chain.send_raw({"to": store, "data": (value ^ 3).to_bytes(32) + key.to_bytes(32)})
        sent = {"to": store, "data": value.to_bytes(32) + key.to_bytes(32)}
        chain.send_raw(sent)
        with pytest.raises(Reverted):
            chain.send_raw(sent | {"gas": 22_600})


def _created(chain: Chain, code: str) -> str:
    return str(chain.send_raw({"to": "", "data": _creation(code)})["contractAddress"])


@pytest.mark.filterwarnings("ignore:SELFDESTRUCT:DeprecationWarning")
def test_transactions_are_priced_alike() -> None:
    seen = _compare(_transactions)
    assert sum(name == "mine" for name, *_ in seen) > 60


def _executions(chain: Chain) -> None:
    """Run code that returns, reverts, loops, stores, and calls each precompile."""
    plain = ["", "fe", "60015f55", "60015f555f5f55", "365f5f37365ffd", "365f5f37365ff3"]
    for code in (*plain, "5b5f56"):
        for gas in (100, 10**5, EXECUTION_GAS if code in plain else 10**6):
            chain.execute(bytes.fromhex(code), bytes(300) + b"data", gas=gas)
    for address, messages in _messages().items():
        # calls the precompile with calldata; returns whether it succeeded, and what it gave
        code = f"365f5f375f5f365f60{address:02x}620f4240fa5f523d5f60203e3d6020015ff3"
        for message in messages:
            chain.execute(bytes.fromhex(code), message)
    for rule in ("MultiKrum", "Shapley"):
        chain.execute(bytes.fromhex(artifact(rule)["deployedBytecode"][2:]), b"\1\2\3\4")


def _words(*numbers: int) -> bytes:
    return b"".join(number.to_bytes(32) for number in numbers)


def _messages() -> dict[int, list[bytes]]:
    """Return inputs of the precompiles by their addresses, sound ones and others."""
    one, other = encode_point(GENERATOR), encode_point(point("other"))
    minus = encode_point((GENERATOR[0], P - GENERATOR[1]))
    second = _words(*(coordinate for pair in G2_GENERATOR for coordinate in pair[::-1]))
    return {
        1: [bytes(128), b"\1" * 128],
        2: [b"", b"abc" * 30],
        3: [b"", b"abc" * 30],
        4: [b"xyz"],
        5: [b"", _words(32, 32, 32, 3, (1 << 255) - 20, (1 << 254) + 9), _words(1, 64, 2, 5 << 248), bytes(95) + b"\1"],
        6: [one + other, one + one, one + minus, bytes(128), _words(7, 7, 7, 7), one],
        7: [one + _words(7), other + b"\xff" * 32, bytes(96), _words(7, 7, 7)],
        8: [b"", one + second + minus + second, one + second, bytes(192), b"\1" * 192, b"\1"],
        9: [bytes(213), (3).to_bytes(4) + b"\5" * 208 + b"\1", b"\1"],
    }


def test_code_is_executed_alike() -> None:
    _compare(_executions)
