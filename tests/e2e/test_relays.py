"""Calls that a trainer without coins signs and a relayer sends, and approvals that come along with a deposit."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from web3 import Web3
from web3.contract import Contract

from market.chain import relays
from market.chain.relays import Signed, SigningClient, relay
from market.chain.rpc import chain_time, fast_forward
from market.chain.tokens import sign_permit
from market.chain.transactions import send
from market.errors import NodeRefused
from market.services.audit import audit
from market.services.inputs import write_update
from market.services.trainer import Trainer
from tests.e2e.stage import COIN, STAKE, Stage, made_up_update

TRAINERS = ("ann", "bob", "cyd")


def emptied(stage: Stage, name: str) -> None:
    """Take all coins of a role: what it does, others pay for."""
    address = stage.actor(name).address
    stage.w3.manager.request_blocking("anvil_setBalance", [address, "0x0"])  # type: ignore[arg-type]


def relayed(stage: Stage, path: Path, name: str, *arguments: object) -> dict[str, Any]:
    """Sign a trainer's call into a file, and relay it."""
    told = stage.cli(name, "trainer", *arguments, "--relayer-file", path, "--yes").data
    assert told["request"] == str(path)
    (sent,) = stage.cli("relayer", "relay", path, "--yes").data["relayed"]
    assert sent["sender"] == stage.actor(name).address
    return {**told, **sent}


@pytest.mark.slow
def test_a_trainer_without_coins_takes_part_through_a_relayer(stage: Stage, tmp_path: Path) -> None:
    stage.create(rounds=1)
    path = tmp_path / "request.json"
    emptied(stage, "ann")
    ann = stage.actor("ann").address
    paid = stage.balance("relayer")
    joined = relayed(stage, path, "ann", "join", 1)
    assert (joined["call"], joined["value_wei"]) == ("joinJob", STAKE)
    assert paid - stage.balance("relayer") > STAKE
    assert relayed(stage, path, "ann", "name", 1, stage.actor("ours").address)["call"] == "nameAggregator"
    others = stage.joined(*TRAINERS[1:])
    assert stage.observed().state.stakes[ann] == STAKE
    assert stage.observed().state.named == {ann: stage.actor("ours").address}

    stage.open()
    update = tmp_path / "update.safetensors"
    write_update(update, made_up_update(ann, stage.observed().manifest.dimension))
    assert relayed(stage, path, "ann", "submit", 1, "--update", update)["call"] == "commitUpdate"
    state = stage.commit(*others)
    assert state.commits[0].trainer == ann
    stage.travel(state.opened.commit_end)
    aggregator = stage.aggregator()
    assert aggregator.step()
    settled = aggregator.job.state.rounds[0]
    assert settled.settled is not None
    stage.travel(settled.settled.challenge_end)
    assert relayed(stage, path, "ann", "claim", 1)["call"] == "claim"
    assert relayed(stage, path, "ann", "leave", 1)["call"] == "leaveJob"
    assert stage.balance("ann") == STAKE + settled.payouts[ann] > STAKE
    stage.all_leave(*(trainer for trainer in others if isinstance(trainer, Trainer)))


def test_a_request_serves_once_in_time_and_as_it_was_signed(stage: Stage, tmp_path: Path) -> None:
    stage.create()
    path = tmp_path / "request.json"
    emptied(stage, "ann")
    relayed(stage, path, "ann", "join", 1)
    used = stage.cli("relayer", "relay", path, "--yes")
    assert used.code == 5
    assert "used or cancelled" in used.envelope["error"]["message"]

    stage.cli("ann", "trainer", "leave", 1, "--relayer-file", path)
    record = json.loads(path.read_text())
    other = {**record, "data": record["data"][:-40] + stage.actor("thief").address[2:].lower()}
    path.write_text(json.dumps(other))
    forged = stage.cli("relayer", "relay", path, "--yes")
    assert "is not signed by" in forged.envelope["error"]["message"]
    path.write_text(json.dumps({**record, "chain_id": 1}))
    assert stage.cli("relayer", "relay", path, "--yes").envelope["error"]["code"] == "wrong-chain"
    for junk in ("{", "[]", json.dumps({**record, "nonce": -1}), json.dumps({**record, "data": 7})):
        path.write_text(junk)
        assert stage.cli("relayer", "relay", path, "--yes").envelope["error"]["code"] == "config"

    path.write_text(json.dumps(record))
    denied = stage.cli("relayer", "relay", path)
    assert "confirmation" in denied.envelope["error"]["message"]
    fast_forward(stage.w3, record["deadline"] - chain_time(stage.w3) + 1)
    expired = stage.cli("relayer", "relay", path, "--yes")
    assert expired.envelope["error"]["details"]["error"] == "ERC2771ForwarderExpiredRequest"


def test_a_node_that_lies_about_the_time_does_not_make_a_request_valid_for_longer(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On chains whose time nobody can move."""
    stage.create()
    stage.joined("ann")
    signer = SigningClient(stage.w3, stage.market, stage.actor("ann").account)
    now = signer.head().next_timestamp
    monkeypatch.setattr(relays, "LOCAL_CHAIN_IDS", frozenset())
    for local, deadline in ((now - 60, now - 60), (now, now), (now + 60, now)):
        monkeypatch.setattr(time, "time", lambda local=local: float(local))
        with pytest.raises(Signed) as signed:
            signer.leave_job(1, stage.actor("ann").address)
        assert signed.value.request.deadline in range(deadline + 3_600, deadline + 3_605)
    monkeypatch.setattr(time, "time", lambda: float(now - 7_200))
    with pytest.raises(NodeRefused, match="ahead of this computer's"):
        signer.leave_job(1, stage.actor("ann").address)


@pytest.mark.slow
def test_what_the_market_would_refuse_is_neither_signed_nor_relayed(stage: Stage, tmp_path: Path) -> None:
    stage.create(rounds=1)
    path = tmp_path / "request.json"
    trainers = stage.joined(*TRAINERS)
    stage.cli("ann", "trainer", "leave", 1, "--relayer-file", path)
    stage.open()
    stage.commit(*trainers)
    locked = stage.cli("relayer", "relay", path, "--yes")
    assert locked.envelope["error"]["details"]["error"] == "Market_StakeLocked"
    refused = stage.cli("bob", "trainer", "leave", 1, "--relayer-file", tmp_path / "other.json")
    assert refused.envelope["error"]["details"]["error"] == "Market_StakeLocked"
    assert not (tmp_path / "other.json").exists()


@pytest.mark.slow
def test_a_call_with_coins_that_the_market_refuses_costs_the_relayer_nothing(stage: Stage, tmp_path: Path) -> None:
    stage.create()
    path = tmp_path / "request.json"
    stage.cli("ann", "trainer", "join", 1, "--relayer-file", path, "--yes")
    stage.joined("ann")
    before = stage.balance("relayer")
    refused = stage.cli("relayer", "relay", path, "--yes")
    assert refused.code == 5
    assert "the market refuses the joinJob" in refused.envelope["error"]["message"]
    assert stage.balance("relayer") == before


@pytest.mark.slow
def test_a_settlement_that_was_relayed_is_audited_like_any_other(stage: Stage) -> None:
    """What was verified is in the log: the transaction that carried it is not the market's own."""
    stage.create(rounds=1)
    trainers = stage.joined(*TRAINERS)
    stage.open()
    stage.travel(stage.commit(*trainers).opened.commit_end)
    aggregator = stage.aggregator()
    state = aggregator.job.state.rounds[0]
    prepared = aggregator._prepare(state, aggregator.gatherer.gather(state))
    assert prepared is not None
    signer = SigningClient(stage.w3, stage.market, stage.actor("aggregator").account)
    with pytest.raises(Signed) as signed:
        signer.settle_round(1, 1, prepared.settlement, prepared.proof)
    relay(stage.client("relayer"), signed.value.request)
    aggregator.job.refresh()
    aggregator.publish_aggregates()
    job = stage.observed()
    settled = job.state.rounds[0].settled
    assert settled is not None
    assert settled.aggregator == aggregator.address
    assert audit(job).failures == ()
    assert stage.cli("stranger", "job", "verify", 1, GRAMERCY_KEYSTORE="").data["holds"] is True
    stage.travel(settled.challenge_end)
    stage.all_leave(*trainers)


# -- tokens -----------------------------------------------------------------------------------------------------------


def deployed(stage: Stage, name: str, *names: str) -> Contract:
    """Deploy a token and give each of ``names`` ten thousand of its units with 18 places."""
    from tests.contracts.harness import artifact

    code, owner = artifact(name), stage.actor("owner").account
    factory = stage.w3.eth.contract(abi=code["abi"], bytecode=code["bytecode"])
    address = send(stage.w3, owner, factory.constructor())["contractAddress"]
    assert address is not None
    token: Contract = stage.w3.eth.contract(address=address, abi=code["abi"])
    for each in names:
        send(stage.w3, owner, token.functions.mint(stage.actor(each).address, 10 * COIN))
    return token


@pytest.mark.node
@pytest.mark.slow
def test_deposits_of_a_token_with_permits_need_no_approval(stage: Stage) -> None:
    token = deployed(stage, "PermitToken", "owner", "aggregator", *TRAINERS)
    address = Web3.to_checksum_address(token.address)
    nonces = {name: stage.w3.eth.get_transaction_count(stage.actor(name).account.address) for name in TRAINERS}
    created = stage.cli(
        "owner", "owner", "create", "--verifier", stage.verifier, "--aggregator", stage.actor("aggregator").address,
        "--token", address, "--rounds", 1, "--byzantine", 0, "--no-reference", "--scale-exponent", -20,
        "--round-budget", "1.5token", "--stake", "0.25token", "--bond", "1token", "--yes",
    ).data  # fmt: skip
    assert created["escrow_wei"] == 15 * COIN // 10
    stage.aggregator()
    trainers = stage.joined(*TRAINERS)
    for name in TRAINERS:
        account = stage.actor(name).account.address
        assert stage.w3.eth.get_transaction_count(account) == nonces[name] + 1, "one transaction: no approval"
        assert token.functions.nonces(account).call() == 1
    assert token.functions.balanceOf(stage.market).call() == 15 * COIN // 10 + COIN + 3 * COIN // 4
    assert "of 1.5 " in stage.cli("ann", "job", "show", 1, as_json=False).stdout
    wrong = stage.cli("ann", "trainer", "join", 1, "--stake", "1ether", "--yes")
    assert (wrong.code, wrong.envelope["error"]["code"]) == (3, "config")
    stage.settled(*trainers)
    stage.all_leave(*trainers)
    assert token.functions.balanceOf(stage.market).call() == 0


@pytest.mark.node
def test_a_token_without_permits_gets_none(stage: Stage) -> None:
    plain = deployed(stage, "StandardToken")
    ann = stage.actor("ann").account
    assert sign_permit(stage.w3, ann, Web3.to_checksum_address(plain.address), stage.market, 5) == b""
    assert sign_permit(stage.w3, ann, stage.actor("bob").address, stage.market, 5) == b"", "no contract at all"
