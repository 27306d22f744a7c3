"""Everything a user or a hostile trainer can get wrong, by commands: the exit code, the words, and an unchanged market.

Each refusal is checked three ways: with ``--json`` the last line of standard output is the error envelope; without it,
the message goes to standard error; and neither moves anything on chain.
"""

from __future__ import annotations

import io
import json
import os
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from aggregator.bn254 import Point, compress
from aggregator.commitments import commit, encode_blinding
from market.chain.devnet import Devnet
from market.chain.keys import create
from market.chain.rpc import connect
from market.errors import UnknownCid
from market.rounds import JobState, RoundState
from market.services.gathering import PATIENCE
from market.services.inputs import write_update
from market.services.settling import prepare_settlement
from market.services.trainer import Trainer, recipients_of
from market.services.updates import round_binding
from market.storage.base import put_bytes
from market.storage.cid import RAW, Cid
from market.storage.payload import TensorSpec, pack, unpack
from market.storage.sealed import seal_bytes
from market.storage.unixfs import compute_cid
from market.storage.zstd_frame import compress_frame
from tests.e2e.stage import COIN, PASSWORD, Stage, made_up_update, new_account, run_main

TRAINERS = ("ann", "bob", "cyd")
DIMENSION = 4810
ABSENT = str(Cid.of(RAW, b"nobody has this"))


def observe(stage: Stage) -> tuple[JobState | None, dict[str, int]]:
    """Return all that a refusal must leave as it was: the job, and what everybody and the contract have."""
    count = stage.client("observer").job_count()
    names = ("owner", "aggregator", *TRAINERS)
    balances = {name: stage.balance(name) for name in names} | {"contract": stage.client("observer").balance()}
    return (stage.observed().state if count else None), balances


def refused(
    stage: Stage, code: int, error: str, words: str, name: str, *arguments: object, **changes: str
) -> dict[str, Any]:
    """Expect a command to be refused, in JSON and in words, and to change nothing; return the envelope's error."""
    before = observe(stage)
    told = stage.cli(name, *arguments, as_json=True, **changes)
    plain = stage.cli(name, *arguments, as_json=False, **changes)
    assert observe(stage) == before
    envelope = told.envelope
    assert (told.code, envelope["error"]["code"]) == (code, error), told.stdout + told.stderr
    assert envelope.keys() == {"schema", "command", "ok", "error"}
    assert envelope["error"].keys() == {"code", "message", "hint", "details"}
    assert (envelope["schema"], envelope["ok"]) == ("gramercy/1", False)
    assert words in envelope["error"]["message"]
    assert plain.code == code
    assert words in " ".join(plain.stderr.split())
    for answer in (told, plain):
        assert "Traceback" not in answer.stdout + answer.stderr
    found: dict[str, Any] = envelope["error"]
    return found


@pytest.fixture(scope="module")
def standing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """Three trainers in a job whose round is open: shared by tests that change nothing, on a chain of their own."""
    with Devnet() as chain:
        stage = Stage(connect(chain.url, expected_chain_id=None), chain.url, tmp_path_factory.mktemp("standing"))
        stage.create()
        stage.joined(*TRAINERS)
        stage.open()
        yield stage


@pytest.fixture
def trainers(stage: Stage) -> list[Trainer]:
    """Three trainers in a job whose round is open, for tests that go on from there."""
    stage.create()
    trainers = stage.joined(*TRAINERS)
    stage.open()
    return trainers


# -- keys, chain, settings ------------------------------------------------------------------------------------------


def test_a_wrong_password_and_a_missing_or_damaged_key_file(standing: Stage, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong"
    wrong.write_text("battery staple")
    command = ("trainer", "join", 1, "--yes")
    refused(standing, 7, "wrong-password", "does not open", "ann", *command, GRAMERCY_PASSWORD_FILE=str(wrong))
    missing = str(tmp_path / "none.json")
    refused(standing, 7, "keystore", "There is no key file", "ann", *command, GRAMERCY_KEYSTORE=missing)
    damaged = tmp_path / "damaged.json"
    damaged.write_text('{"version": 3, "crypto": ')
    refused(standing, 7, "keystore", "not a version 3 keystore", "ann", *command, GRAMERCY_KEYSTORE=str(damaged))
    refused(standing, 7, "keystore", "no key file is set", "ann", *command, GRAMERCY_KEYSTORE="")


def test_nothing_is_asked_where_there_is_no_terminal(standing: Stage) -> None:
    command = ("trainer", "claim", 1)
    refused(standing, 7, "keystore", "No password was given", "ann", *command, GRAMERCY_PASSWORD_FILE="")
    refused(standing, 3, "config", "needs a confirmation", "dan", "trainer", "join", 1)


def test_an_account_without_coins(stage: Stage, trainers: list[Trainer], tmp_path: Path) -> None:
    create(tmp_path / "poor.json", PASSWORD, light=True)
    poor = str(tmp_path / "poor.json")
    for command in (("trainer", "join", 1, "--yes"), ("deploy", "--yes"), ("job", "open", 1)):
        if command[0] == "job":
            opened = stage.observed().state.rounds[-1].opened
            stage.travel(opened.settle_end)  # void, so that another round may open
        error = refused(
            stage, 8, "insufficient-funds", "has 0 coins and needs", "dan", *command, GRAMERCY_KEYSTORE=poor
        )
        assert error["details"]["has_wei"] == 0


def test_a_chain_that_is_away_or_another(standing: Stage) -> None:
    for url in ("http://127.0.0.1:1", "ftp://127.0.0.1", "nonsense"):
        refused(standing, 4, "chain-unreachable", "", "ann", "job", "list", GRAMERCY_RPC_URL=url)
    secret = "http://user:hunter2@127.0.0.1:1/v3/0123456789abcdef"
    error = refused(
        standing, 4, "chain-unreachable", "cannot be reached", "ann", "job", "list", GRAMERCY_RPC_URL=secret
    )
    assert "hunter2" not in json.dumps(error)
    assert "0123456789abcdef" not in json.dumps(error)
    refused(standing, 4, "wrong-chain", "has id 31337, not 1", "ann", "job", "list", "--chain-id", 1)


def test_a_market_that_is_none(standing: Stage) -> None:
    nobody = new_account().address
    refused(standing, 4, "wrong-chain", "there is no contract at", "ann", "job", "list", GRAMERCY_MARKET=nobody)
    refused(standing, 3, "config", "no market address is set", "ann", "job", "list", GRAMERCY_MARKET="")
    refused(standing, 3, "config", "is not an address", "ann", "job", "list", GRAMERCY_MARKET="0x1234")
    mistyped = standing.market.swapcase().replace("0X", "0x")
    refused(standing, 3, "config", "checksum", "ann", "job", "list", GRAMERCY_MARKET=mistyped)


def test_a_contract_that_is_no_market_is_no_crash(standing: Stage) -> None:
    answer = standing.cli("ann", "job", "list", GRAMERCY_MARKET=standing.verifier)
    assert (answer.code, answer.envelope["error"]["code"]) in (
        (4, "chain"),
        (5, "contract-refused"),
        (4, "wrong-chain"),
    )


def test_events_that_begin_after_the_jobs_creation(standing: Stage) -> None:
    for block in ("999", str(standing.w3.eth.block_number - 1)):
        words = f"nothing of the creation of job 1 from block {block} on"
        refused(standing, 3, "payload", words, "ann", "job", "show", 1, GRAMERCY_FIRST_BLOCK=block)
    refused(standing, 3, "config", "must be a number", "ann", "job", "show", 1, GRAMERCY_FIRST_BLOCK="first")


def test_configuration_files_that_are_none(standing: Stage, tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    command = ("job", "list", "--config", path)
    refused(standing, 3, "config", "there is no configuration file", "ann", *command)
    path.write_text("[profile.default\nmarket = ")
    refused(standing, 3, "config", "is not TOML", "ann", *command)
    path.write_text('[profile.one]\nmarket = "x"\n')
    error = refused(standing, 3, "config", "has no [profile.two]", "ann", *command, "--profile", "two")
    assert error["hint"] == "profiles there: one"


def test_a_state_folder_and_a_store_that_cannot_be_used(standing: Stage, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    used = str(tmp_path / "file")
    refused(standing, 3, "config", "cannot use", "ann", "trainer", "status", 1, GRAMERCY_STATE=used)
    refused(standing, 6, "storage-unavailable", "", "ann", "storage", "has", ABSENT, GRAMERCY_STORAGE=f"local:{used}")
    for url in ("local:relative", "s3:bucket", "nothing"):
        refused(standing, 3, "config", "", "ann", "storage", "has", ABSENT, GRAMERCY_STORAGE=url)
    away = "kubo:http://127.0.0.1:1"
    refused(standing, 6, "storage-unavailable", "", "ann", "storage", "has", ABSENT, GRAMERCY_STORAGE=away)


# -- arguments ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("amount", ["1", "1.5", "ether", "-1ether", "1e3wei", "0.5wei", "1 coin", "9" * 5000 + "wei"])
def test_amounts_that_are_none(standing: Stage, amount: str) -> None:
    answer = standing.cli("dan", "trainer", "join", 1, f"--stake={amount}", "--yes")
    assert (answer.code, answer.envelope["error"]["code"]) == (3, "config")
    assert len(answer.envelope["error"]["message"]) < 200


def test_addresses_that_are_none(standing: Stage) -> None:
    words = "is not an address"
    for command in (
        ("trainer", "claim", 1, "--recipient", "ann"),
        ("trainer", "leave", 1, "--recipient", "0x12"),
        ("owner", "close", 1, "--recipient", "0x" + "g" * 40),
        ("devnet", "fund", "me"),
        ("owner", "create", "--verifier", "x", "--aggregator", standing.verifier, "--yes"),
        ("owner", "create", "--verifier", standing.verifier, "--aggregator", "x", "--yes"),
    ):
        refused(standing, 3, "config", words, "ann", *command)
    zero = "0x" + "0" * 40
    error = refused(standing, 5, "contract-refused", "", "ann", "trainer", "leave", 1, "--recipient", zero)
    assert error["details"]["error"] == "Market_ZeroRecipient"


@pytest.mark.parametrize(
    "arguments",
    [
        ("trainer", "join"),
        ("trainer", "join", "one"),
        ("trainer", "fly", "1"),
        ("trainer", "join", "1", "--nonsense"),
        ("trainer", "submit", "1", "--update", "no-such-file"),
        ("owner", "create", "--verifier", "0x1"),
        ("owner", "create", "--verifier", "0x1", "--aggregator", "0x1", "--rounds", "0"),
        ("owner", "create", "--verifier", "0x1", "--aggregator", "0x1", "--commit-seconds", "9999999999"),
        ("aggregator", "run", "1", "--poll-seconds", "0"),
        ("bogus",),
        ("storage", "get", ABSENT),
    ],
)
def test_wrong_usage(standing: Stage, arguments: tuple[str, ...]) -> None:
    told = run_main([*arguments, "--json"], standing.environment("ann"))
    assert (told.code, told.envelope["ok"], told.envelope["error"]["code"]) == (2, False, "usage")
    assert "--help" in told.envelope["error"]["hint"]
    assert told.stderr == ""
    plain = run_main(list(arguments), standing.environment("ann"))
    assert (plain.code, plain.stdout) == (2, "")
    assert "Traceback" not in plain.stderr
    assert "Error" in plain.stderr


def test_terms_that_the_market_refuses(standing: Stage) -> None:
    create = ("owner", "create", "--verifier", standing.verifier, "--aggregator", standing.verifier, "--yes")
    for options in (("--commit-seconds", 40 * 86400), ("--stake", "2wei", "--stake-max", "1wei")):
        error = refused(standing, 5, "contract-refused", "", "owner", *create, "--scale-exponent", -20, *options)
        assert error["details"]["error"] == "Market_InvalidTerms"
    refused(standing, 3, "invalid-input", "there is no rule 'median'", "owner", *create, "--rule", "median")
    refused(standing, 3, "task", "There is no task", "owner", *create, "--task", "chess")
    refused(standing, 3, "task", "cannot be read", "owner", *create, "--task", "chess.py")
    error = refused(standing, 8, "insufficient-funds", "", "owner", *create, "--round-budget", "1000ether")
    assert error["details"]["needed_wei"] >= 5000 * COIN


def test_output_files_that_cannot_be_written(standing: Stage, tmp_path: Path) -> None:
    cid = put_bytes(standing.storage, b"content").cid
    nowhere = tmp_path / "none" / "file"
    for command in (
        ("storage", "get", cid, "-o", nowhere),
        ("owner", "download", 1, "-o", nowhere),
        ("trainer", "train", 1, "-o", nowhere),
        ("storage", "get", cid, "-o", tmp_path),
    ):
        refused(standing, 3, "config", "", "ann", *command)
    assert not [path for path in tmp_path.iterdir() if path.name.startswith("tmp")]


# -- storage --------------------------------------------------------------------------------------------------------


def test_content_that_nobody_has_is_no_cid_or_is_spoilt(standing: Stage, tmp_path: Path) -> None:
    target = tmp_path / "content"
    refused(standing, 6, "unknown-cid", "has no block", "ann", "storage", "get", ABSENT, "-o", target)
    for text in ("zzz", "QmYwAPJzv5CZsnA625s3Xf2nemtYgPpHdWEz79ojWKPqrM", ABSENT.upper(), "http://127.0.0.1/" + ABSENT):
        refused(standing, 6, "invalid-cid", "CID", "ann", "storage", "get", text, "-o", target)
    blob = put_bytes(standing.storage, b"x" * 5000)
    refused(standing, 6, "size-exceeded", "", "ann", "storage", "get", blob.cid, "-o", target, "--max-bytes", 4999)
    (block,) = (standing.folder / "store" / "blocks").glob(f"*/{blob.cid}")
    for spoilt in (b"x" * 4999, b"x" * 4999 + b"y", b"x" * 5001, b""):
        block.write_bytes(spoilt)
        refused(standing, 6, "integrity", "", "ann", "storage", "get", blob.cid, "-o", target)
    assert not target.exists()


# -- trainers -------------------------------------------------------------------------------------------------------


def _with(entry: float) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        update = made_up_update("0x1", DIMENSION)
        update[17] = entry
        write_update(path, update)

    return write


def _pickle(path: Path) -> None:
    path.write_bytes(pickle.dumps({"update": made_up_update("0x1", DIMENSION)}))


UPDATES: dict[str, tuple[Callable[[Path], Any], str, str]] = {
    "nan": (_with(np.nan), "non-finite-update", "entry 17 of the update is nan"),
    "infinity": (_with(np.inf), "non-finite-update", "entry 17 of the update is inf"),
    "minus infinity": (_with(-np.inf), "non-finite-update", "entry 17 of the update is -inf"),
    "too short": (lambda path: write_update(path, np.zeros(7, np.float32)), "wrong-shape", "of shape (4810,)"),
    "a matrix": (
        lambda path: safetensors.numpy.save_file({"update": np.zeros((1, DIMENSION), np.float32)}, path),
        "wrong-shape",
        "of shape (1, 4810), F32",
    ),
    "float64": (
        lambda path: safetensors.numpy.save_file({"update": np.zeros(DIMENSION)}, path),
        "wrong-shape",
        "F64",
    ),
    "another name": (
        lambda path: safetensors.numpy.save_file({"delta": np.zeros(DIMENSION, np.float32)}, path),
        "wrong-shape",
        "it holds delta",
    ),
    "two tensors": (
        lambda path: safetensors.numpy.save_file(
            {"update": np.zeros(DIMENSION, np.float32), "more": np.zeros(1, np.float32)}, path
        ),
        "wrong-shape",
        "it holds",
    ),
    "text": (lambda path: path.write_text("hello"), "payload", "is not a safetensors file"),
    "nothing": (lambda path: path.write_bytes(b""), "payload", "is not a safetensors file"),
    "a pickle": (_pickle, "payload", "is not a safetensors file"),
    "a header of 2^60 bytes": (
        lambda path: path.write_bytes((1 << 60).to_bytes(8, "little")),
        "payload",
        "safetensors",
    ),
}


@pytest.mark.parametrize("kind", UPDATES)
def test_updates_that_are_none(standing: Stage, tmp_path: Path, kind: str) -> None:
    write, error, words = UPDATES[kind]
    write(tmp_path / "update.safetensors")
    pins = len(list((standing.folder / "store" / "pins").iterdir()))
    refused(standing, 3, error, words, "ann", "trainer", "submit", 1, "--update", tmp_path / "update.safetensors")
    assert len(list((standing.folder / "store" / "pins").iterdir())) == pins


def test_commitments_that_come_twice_late_or_from_strangers(
    stage: Stage, trainers: list[Trainer], tmp_path: Path
) -> None:
    update = tmp_path / "update.safetensors"
    write_update(update, made_up_update("0x1", DIMENSION))
    submit = ("trainer", "submit", 1, "--update", update)

    def details(name: str) -> object:
        return refused(stage, 5, "contract-refused", "does not take", name, *submit)["details"]["error"]

    assert details("dan") == "Market_NotTrainer"
    data = stage.cli("ann", *submit).data
    assert data["round"] == 1
    assert Cid.parse(data["cid"])
    assert details("ann") == "Market_AlreadyCommitted"
    state = stage.commit(*trainers[1:])
    stage.travel(state.opened.commit_end)
    error = refused(stage, 5, "contract-refused", "is not open but settling", "bob", *submit)
    assert error["details"]["error"] == "Market_WrongPhase"


def test_what_trainers_may_not(standing: Stage) -> None:
    def names(name: str, *arguments: object) -> object:
        return refused(standing, 5, "contract-refused", "", name, *arguments)["details"]["error"]

    assert names("dan", "trainer", "leave", 1) == "Market_NotTrainer"
    assert names("dan", "trainer", "join", 1, "--stake", "1wei", "--yes") == "Market_StakeOutOfRange"
    assert names("ann", "trainer", "join", 9, "--yes") == "Market_UnknownJob"
    assert names("ann", "trainer", "join", 0, "--yes") == "Market_UnknownJob"
    assert names("ann", "job", "open", 1) == "Market_WrongPhase"
    assert names("ann", "owner", "close", 1) == "Market_WrongPhase"
    assert names("ann", "trainer", "claim", 1, "--round", 1) == "Market_WrongPhase"
    assert names("ann", "trainer", "claim", 1, "--round", 7) == "Market_WrongPhase"
    refused(standing, 5, "contract-refused", "there is no job 9 on this market", "ann", "job", "show", 9)
    again = standing.cli("ann", "trainer", "join", 1)  # joining twice changes nothing, and asks nothing
    assert again.data["stake_wei"] == COIN // 10


def test_a_payout_is_claimed_once(stage: Stage) -> None:
    stage.create()
    trainers = stage.joined(*TRAINERS)
    state = stage.settled(*trainers)
    claimed = stage.cli("ann", "trainer", "claim", 1, "--round", 1).data
    assert claimed["amount_wei"] == state.payouts[trainers[0].address]
    error = refused(stage, 5, "contract-refused", "cannot be claimed", "ann", "trainer", "claim", 1, "--round", 1)
    assert error["details"]["error"] == "Market_AlreadyClaimed"
    assert stage.cli("ann", "trainer", "claim", 1).data["amount_wei"] == 0
    error = refused(stage, 5, "contract-refused", "", "dan", "trainer", "claim", 1, "--round", 1)
    assert error["details"]["error"] == "Market_NothingToClaim"
    twice = stage.cli("bob", "trainer", "claim", 1, "--round", 1, "--round", 1).data
    assert twice["amount_wei"] == state.payouts[trainers[1].address]


def test_who_is_no_aggregator(standing: Stage) -> None:
    for command in (("aggregator", "settle", 1), ("aggregator", "run", 1)):
        error = refused(standing, 5, "contract-refused", "is not an aggregator of job 1", "ann", *command)
        assert error["details"]["error"] == "Market_NotAggregator"
    refused(standing, 5, "contract-refused", "can be settled now", "aggregator", "aggregator", "settle", 1)


@pytest.mark.slow
def test_an_own_task_needs_the_file_that_the_job_pins(stage: Stage, tmp_path: Path) -> None:
    source = Path(__file__).parents[2] / "market" / "trainer" / "builtin.py"
    task = tmp_path / "own.py"
    task.write_text(f"{source.read_text()}\ntask = builtin_task('digits')\n")
    stage.create(task=str(task))
    stage.joined(*TRAINERS)
    stage.open()
    train = ("trainer", "train", 1, "-o", tmp_path / "update")
    refused(stage, 3, "task", "the job's task is an own file, own.py", "ann", *train)
    other = tmp_path / "other.py"
    other.write_text(task.read_text() + "# changed\n")
    refused(stage, 3, "task", "not the task file that the job pins", "ann", *train, "--task", other)
    refused(stage, 3, "config", "is not a part of the data", "ann", *train, "--task", task, "--shard", "4/3")
    refused(stage, 3, "config", "no behaviour", "ann", *train, "--task", task, "--behaviour", "nice")
    assert stage.cli("ann", *train, "--task", task, "--shard", "1/3").data["round"] == 1


# -- hostile trainers: what is committed on chain is not what it should be --------------------------------------------


Seal = Callable[[bytes], bytes]
BLINDING = (1, 2, 3)


def _good(trainer: Trainer, state: RoundState) -> tuple[Point, bytes, Seal]:
    """Return an honest commitment, its plain payload, and what seals a payload for it."""
    update = made_up_update(trainer.address, DIMENSION)
    entries = trainer.job.quantiser(state).quantise(update).entries
    point = commit(trainer.job.srs, entries, BLINDING)
    bound_to = round_binding(trainer.job.market.round_id(1, state.number), trainer.address, compress(point))
    return point, _plain(entries), lambda plain: seal_bytes(plain, recipients_of(trainer.job), bound_to)


def _plain(entries: Any, **notes: str) -> bytes:
    return pack({"update": entries}, {"blinding": encode_blinding(BLINDING).hex(), **notes})


def _flipped(data: bytes) -> bytes:
    return data[:-1] + bytes([data[-1] ^ 1])


def _bomb() -> bytes:
    """Return a frame that expands a thousandfold."""
    return compress_frame(b"\0" * (1 << 26), level=19)


def _nested() -> bytes:
    """Return a payload whose JSON header is nested half a million deep: what ends a careless parser's process."""
    header = b"[" * 500_000 + b" " * 64
    return compress_frame(len(header).to_bytes(8, "little") + header + b"\0" * (2 * DIMENSION), level=1)


def _endless() -> bytes:
    """Return a payload whose JSON header is one string of quotes that never ends: hours for a careless scanner."""
    header = b'"' + b'\\"' * 500_000 + b" " * 7
    return compress_frame(len(header).to_bytes(8, "little") + header + b"\0" * (2 * DIMENSION), level=1)


ONES = np.ones(DIMENSION, np.int16)
STRANGER = X25519PrivateKey.from_private_bytes(b"\7" * 32).public_key().public_bytes_raw()

HOSTILE: dict[str, tuple[Callable[[bytes, Seal], bytes], str]] = {
    "ten times the declared size": (lambda plain, seal: seal(plain) * 10, "bytes, allowed are"),
    "another update than committed": (lambda _, seal: seal(_plain(ONES)), "does not match the commitment"),
    "another blinding than committed": (
        lambda plain, seal: seal(_reblinded(plain)),
        "does not match the commitment",
    ),
    "an entry out of range": (lambda _, seal: seal(_plain(ONES * np.int16(-(1 << 15)))), "more than 16 bits"),
    "a short blinding": (lambda _, seal: seal(_plain(ONES, blinding="00")), "no blinding"),
    "not sealed": (lambda plain, _: plain, "no sealed payload"),
    "sealed to a stranger": (lambda plain, _: seal_bytes(plain, [STRANGER], bytes(192)), "keys that are not on"),
    "a flipped bit": (lambda plain, seal: _flipped(seal(plain)), "changed, cut short"),
    "cut short": (lambda plain, seal: seal(plain)[:-9], "changed, cut short"),
    "no zstd": (lambda plain, seal: seal(plain[::-1]), "not zstd-compressed"),
    "damaged zstd": (lambda plain, seal: seal(plain[:200] + bytes(len(plain) - 200)), "payload"),
    "truncated zstd": (lambda plain, seal: seal(plain[:-9]), "payload"),
    "a pickle": (lambda _, seal: seal(pickle.dumps({"update": [1]})), "not zstd-compressed"),
    "a bomb": (lambda _, seal: seal(_bomb()), "payload"),
    "nested JSON": (lambda _, seal: seal(_nested()), "not JSON"),
    "endless JSON": (lambda _, seal: seal(_endless()), "not JSON"),
    "fewer entries": (lambda _, seal: seal(_plain(ONES[:7])), "expands to"),
    "int8 entries": (lambda _, seal: seal(_plain(ONES.astype(np.int8))), "payload"),
}


def _reblinded(plain: bytes) -> bytes:
    entries = unpack(plain, {"update": TensorSpec("I16", (DIMENSION,))}).arrays["update"]
    return _plain(entries, blinding=encode_blinding((3, 2, 1)).hex())


QUICK = ("ten times the declared size", "another update than committed", "not sealed", "absent")


@pytest.mark.parametrize(
    "kinds",
    [QUICK, pytest.param((*HOSTILE, "absent", "a terabyte declared"), marks=pytest.mark.slow)],
    ids=["some", "all"],
)
def test_hostile_payloads_are_left_out_with_their_reasons_and_the_rest_is_settled(
    stage: Stage, kinds: tuple[str, ...]
) -> None:
    f = len(kinds)
    stage.create(
        challenge_seconds=0, aggregator_bond=0, byzantine=f, min_trainers=2 * f + 3, max_trainers=2 * f + 3, rule="mean"
    )
    honest = stage.joined(*(f"honest {place}" for place in range(f + 3)))
    hostile = dict(zip(kinds, stage.joined(*map(str, range(f))), strict=True))
    reasons = {kind: words for kind, (_, words) in HOSTILE.items()}
    reasons |= {"absent": "has no block", "a terabyte declared": "a payload of 1099511627776 bytes was declared"}
    state = stage.open()
    for kind, mallory in hostile.items():
        point, plain, seal = _good(mallory, state)
        payload = HOSTILE[kind][0](plain, seal) if kind in HOSTILE else seal(plain)
        cid, size = Cid.of(RAW, b"never stored"), len(payload)
        if kind != "absent":
            blob = put_bytes(stage.storage, payload)
            cid, size = blob.cid, blob.size_bytes
        declared = {"ten times the declared size": size // 10, "a terabyte declared": 1 << 40}.get(kind, size)
        mallory.job.market.commit_update(1, state.number, point, cid.to_bytes(), declared)
    _leaves_out(stage, honest, {mallory.address: reasons[kind] for kind, mallory in hostile.items()})


@pytest.mark.parametrize("arrives", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_content_that_may_be_on_its_way_is_waited_for_before_its_trainer_is_left_out(
    stage: Stage, arrives: bool
) -> None:
    created = stage.create(byzantine=1, min_trainers=5, rule="mean")
    *honest, slow = stage.joined("ann", "bob", "cyd", "dan", "eve")
    state = stage.open()
    point, plain, seal = _good(slow, state)
    payload = seal(plain)
    cid = compute_cid(io.BytesIO(payload)).cid
    slow.job.market.commit_update(1, 1, point, cid.to_bytes(), len(payload))
    stage.travel(stage.commit(*honest).opened.commit_end)
    aggregator = stage.aggregator()
    for _ in range(3):
        aggregator.job.refresh()
        with pytest.raises(UnknownCid):
            aggregator.step()
    assert not stage.told.named("excluded")
    if arrives:
        put_bytes(stage.storage, payload)
    else:
        stage.travel(state.opened.commit_end + int(PATIENCE * created.terms.settle_seconds))
        aggregator.job.refresh()
    assert aggregator.step()
    assert len(stage.told.named("excluded")) == (0 if arrives else 1)
    assert len(aggregator.job.state.settled_rounds[0].payouts) == (5 if arrives else 4)
    kept = [path for path in aggregator.job.workdir.rglob("*") if path.is_file()]
    assert not kept  # what was fetched does not stay


@pytest.mark.slow
def test_a_spoilt_blob_in_the_store_costs_its_trainer_the_round_and_nobody_else(stage: Stage) -> None:
    stage.create(challenge_seconds=0, aggregator_bond=0, byzantine=1, min_trainers=5, rule="mean")
    trainers = stage.joined("ann", "bob", "cyd", "dan", "eve")
    stage.open()
    state = stage.commit(trainers[4])
    (block,) = (stage.folder / "store" / "blocks").glob(f"*/{Cid.parse(state.commits[0].cid)}")
    block.write_bytes(_flipped(block.read_bytes()))
    _leaves_out(stage, trainers[:4], {trainers[4].address: ""})


def _leaves_out(stage: Stage, honest: list[Trainer], hostile: dict[str, str]) -> None:
    """Settle by command, and check that just the hostile are left out, with their reasons on record."""
    stage.travel(stage.commit(*honest).opened.commit_end)
    settled = stage.cli("aggregator", "aggregator", "settle", 1, "--yes")
    assert settled.data == {"job": 1, "round": 1}
    events = [json.loads(line) for line in settled.stdout.splitlines()[:-1]]
    excluded = {event["trainer"]: event["reason"] for event in events if event["event"] == "excluded"}
    assert excluded.keys() == hostile.keys()
    for address, words in hostile.items():
        assert words in excluded[address]

    shown = stage.cli("observer", "job", "show", 1).data
    verdicts = {verdict["trainer"]: verdict for verdict in shown["rounds"][0]["trainers"]}
    for address, reason in excluded.items():
        assert verdicts[address]["reason"] == f"left out: {reason}"
        assert not verdicts[address]["accepted"]
        assert verdicts[address]["payout"] == 0
    assert all(verdicts[trainer.address]["payout"] > 0 for trainer in honest)
    assert sum(verdict["payout"] for verdict in verdicts.values()) > COIN - len(honest)
    plain = stage.cli("observer", "job", "show", 1, as_json=False)
    assert plain.code == 0
    assert "left out: " in plain.stdout


@pytest.mark.slow
def test_a_hostile_aggregators_words_are_shown_as_words(stage: Stage) -> None:
    """Reasons come from the aggregator: neither markup nor terminal sequences in them may act."""
    stage.create(challenge_seconds=0, aggregator_bond=0, byzantine=1, min_trainers=5, rule="mean")
    trainers = stage.joined("ann", "bob", "cyd", "dan", "eve")
    stage.open()
    state = stage.commit(*trainers)
    stage.travel(state.opened.commit_end)
    aggregator = stage.aggregator()
    reasons = {state.commits[4].trainer: "[/bold] [red]accepted[/red] \x1b[2J\x07"}
    prepared = prepare_settlement(
        aggregator.gatherer.inputs(state),
        aggregator.job.srs,
        aggregator.gatherer.gather(state).opened[:4],
        reasons,
        aggregator.address,
    )
    put_bytes(stage.storage, prepared.aggregate)
    aggregator.job.market.settle_round(1, 1, prepared.settlement, prepared.proof)
    for as_json in (True, False):
        shown = stage.cli("observer", "job", "show", 1, as_json=as_json)
        assert shown.code == 0
        assert "[/bold] [red]" in shown.stdout
        assert "\x1b" not in shown.stdout
        assert "\x07" not in shown.stdout


# -- the real program -----------------------------------------------------------------------------------------------


def test_the_installed_program_exits_with_the_same_codes(standing: Stage) -> None:
    environment = standing.environment("ann", GRAMERCY_RPC_URL="http://127.0.0.1:1")
    for arguments, code in ((["job", "list", "--json"], 4), (["job", "show"], 2)):
        done = subprocess.run(
            [sys.executable, "-m", "market.cli.app", *arguments],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        inside = run_main(arguments, environment)
        assert done.returncode == inside.code == code
        assert done.stdout == inside.stdout
        assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_a_reader_that_goes_away_is_no_error(standing: Stage) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as closed:
        done = subprocess.run(
            [sys.executable, "-m", "market.cli.app", "job", "show", "1", "--json"],
            env=standing.environment("ann"),
            stdin=subprocess.DEVNULL,
            stdout=closed,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 1
    assert done.stderr == ""
