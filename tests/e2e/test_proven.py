"""What proofs and sealed payloads are for: copies earn nothing, anybody can check, false settlements are slashed."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from aggregator.aggregate import aggregate_root
from aggregator.bn254 import GENERATOR, compress
from aggregator.commitments import combine_blindings, commit, linear_combination
from aggregator.errors import InvalidInput, InvalidSrs, WrongShape
from aggregator.gram import weighted_sum
from aggregator.proofs import open_chunk
from market.chain.deployment import deploy
from market.chain.settlements import recorded_settlement, verification_gas
from market.domain import Phase, RoundSettled
from market.errors import AuditFailed, ContractRefused, IntegrityError, NoRecipient, WrongChain
from market.rounds import RoundState
from market.services import audit as auditing
from market.services.audit import Audit, audit
from market.services.challenge import FILE_MISMATCH, OUT_OF_RANGE, Evidence, challenge, find_evidence
from market.services.closing import close_job
from market.services.job import Job
from market.services.settling import prepare_settlement
from market.services.trainer import Trainer, draw_blinding, open_round, recipients_of
from market.services.updates import OpenedUpdate, pack_aggregate, round_binding, seal_update
from market.srs import cache
from market.storage.base import put_bytes
from market.trainer.behaviours import make_behaviour
from tests.e2e.stage import BOND, COIN, POWERS, Stage, made_up_update

TRAINERS = ("ann", "bob", "cyd")
DIMENSION = 4_810


@pytest.fixture
def trainers(stage: Stage) -> list[Trainer]:
    """A job of two rounds with three trainers in it."""
    stage.create(rounds=2)
    return stage.joined(*TRAINERS)


def failed(found: Audit) -> set[str]:
    return {check.name for check in found.failures}


# -- copies -----------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_copied_ciphertext_under_a_shifted_commitment_earns_nothing(stage: Stage) -> None:
    stage.create(byzantine=2, min_trainers=7, max_trainers=9, rule="mean")
    honest = stage.joined("ann", "bob", "cyd", "dan", "eve")
    copiers = stage.joined("mallory", "mallet")
    state = stage.open()
    for copier in copiers:
        copier.behaviour = make_behaviour("copy")
        copier.job.refresh()
        assert not copier.step()  # there is nothing to copy yet
    stage.commit(*honest)
    for copier in copiers:
        copier.job.refresh()
        assert copier.step()
    state = open_round(stage.observed())
    own, *_ = state.commits
    for copied in state.commits[-2:]:
        assert copied.cid == own.cid
        assert copied.commitment != own.commitment
    stage.travel(state.opened.commit_end)
    aggregator = stage.aggregator()
    assert aggregator.step()
    payouts = aggregator.job.state.rounds[0].payouts
    assert set(payouts) == {trainer.address for trainer in honest}
    assert all(payouts.values())
    reasons = {told["trainer"]: told["reason"] for told in stage.told.named("excluded")}
    assert reasons == {
        copier.address: "the sealed payload was changed, or sealed for another commitment or round"
        for copier in copiers
    }


@pytest.mark.slow
def test_who_shifts_a_commitment_and_makes_an_opening_up_is_found_among_the_honest(stage: Stage) -> None:
    """The thief can seal under its own name, but it knows neither the update nor the blinding behind the point."""
    stage.create(byzantine=1, min_trainers=5)
    honest = stage.joined("ann", "bob", "cyd", "dan")
    (thief,) = stage.joined("mallory")
    stage.open()
    stage.commit(*honest[:1])
    thief.job.refresh()
    state = open_round(thief.job)
    victim = honest[0]._recorded(state)
    assert victim is not None
    point = linear_combination([victim.point, GENERATOR], [1, 1])
    bound_to = round_binding(thief.job.market.round_id(1, 1), thief.address, compress(point))
    entries = np.ones(DIMENSION, dtype=np.int16)
    payload = seal_update(entries, draw_blinding(), recipients_of(thief.job), bound_to)
    blob = put_bytes(stage.storage, payload)
    thief.job.market.commit_update(1, 1, point, blob.cid.to_bytes(), blob.size_bytes)
    state = stage.commit(*honest[1:])
    stage.travel(state.opened.commit_end)
    aggregator = stage.aggregator()
    assert aggregator.step()
    (excluded,) = stage.told.named("excluded")
    assert excluded == {
        "round": 1,
        "trainer": thief.address,
        "reason": "the payload does not match the commitment on chain",
    }
    assert set(aggregator.job.state.rounds[0].payouts) == {trainer.address for trainer in honest}
    assert audit(stage.observed()).failures == ()


def test_the_same_update_twice_gives_unlike_commitments_and_payloads(stage: Stage, trainers: list[Trainer]) -> None:
    state = stage.open()
    update = made_up_update(trainers[0].address, DIMENSION)
    one, other = trainers[0]._prepare(state, update), trainers[0]._prepare(state, update)
    assert one.commitment != other.commitment
    assert one.cid != other.cid


# -- keys -------------------------------------------------------------------------------------------------------------


def test_without_a_published_key_nobody_trains_and_the_words_say_what_to_do(stage: Stage) -> None:
    stage.create(aggregators=[stage.actor("late").address])
    stage.client("late").publish_key(bytes(32))  # as if there had never been one
    ann, *_ = stage.joined(*TRAINERS)
    stage.client("late").open_round(1)
    ann.job.refresh()
    with pytest.raises(NoRecipient) as refused:
        ann.submit(open_round(ann.job), made_up_update(ann.address, DIMENSION))
    assert "gramercy aggregator key publish" in str(refused.value.hint)
    assert not list(ann.journal.folder.glob("commit-*"))
    stage.aggregator(name="late")
    ann.submit(open_round(ann.job), made_up_update(ann.address, DIMENSION))


@pytest.mark.slow
def test_a_payload_sealed_before_a_rotation_opens_after_it(stage: Stage, trainers: list[Trainer]) -> None:
    stage.open()
    stage.commit(trainers[0])
    answer = stage.cli("aggregator", "aggregator", "key", "show")
    assert answer.envelope["command"] == "aggregator key show"
    shown = answer.data
    assert [row["published"] for row in shown["keys"]] == [True]
    rotated = stage.cli("aggregator", "aggregator", "key", "rotate").data
    assert rotated["number"] == 2
    assert rotated["key"] != shown["published"]
    assert stage.cli("aggregator", "aggregator", "key", "publish").data == rotated
    state = stage.commit(*trainers[1:])
    stage.travel(state.opened.commit_end)
    aggregator = stage.aggregator()
    assert aggregator.step()
    assert len(aggregator.job.state.rounds[0].payouts) == 3
    shown = stage.cli("aggregator", "aggregator", "key", "show").data
    assert [(row["number"], row["published"]) for row in shown["keys"]] == [(2, True), (1, False)]


def test_an_aggregator_that_lost_its_keys_publishes_new_ones_and_says_what_it_cannot_open(
    stage: Stage, trainers: list[Trainer]
) -> None:
    stage.open()
    state = stage.commit(*trainers)
    shutil.rmtree(stage.encryption_keys("aggregator").folder)
    stage.travel(state.opened.commit_end)
    aggregator = stage.aggregator()
    assert not aggregator.step()
    assert {told["reason"] for told in stage.told.named("excluded")} == {
        "the payload is sealed to keys that are not on this machine"
    }
    assert len(stage.told.named("key-published")) == 2


@pytest.mark.slow
def test_a_second_aggregator_can_settle_too(stage: Stage) -> None:
    names = ("aggregator", "second")
    stage.create(aggregators=[stage.actor(name).address for name in names])
    trainers = stage.joined(*TRAINERS)
    stage.open()
    state = stage.commit(*trainers)
    assert {told["recipients"] for told in stage.told.named("stored")} == {2}
    stage.travel(state.opened.commit_end)
    assert stage.aggregator(name="second").step()
    assert audit(stage.observed()).failures == ()


# -- whom to trust ----------------------------------------------------------------------------------------------------


def test_a_verifier_with_other_code_is_refused_before_money_moves(stage: Stage) -> None:
    """Its digest is right, but it is not the verifier: code is compared, not words."""
    liar = _liar(stage)
    with pytest.raises(WrongChain, match="not the verifier"):
        stage.create(verifier=liar)


def test_a_trainer_does_not_join_a_job_whose_verifier_it_does_not_know(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    liar = _liar(stage)
    with monkeypatch.context() as patch:
        patch.setattr("market.services.reference.check_verifier", lambda *_: None)  # an owner that does not mind
        stage.create(verifier=liar)
    before = stage.balance("ann")
    with pytest.raises(WrongChain, match="not the verifier"):
        stage.trainer("ann").join()
    assert stage.balance("ann") == before
    answer = stage.cli("observer", "job", "verify", 1)
    assert answer.code == 5
    assert [one["check"] for one in answer.envelope["error"]["details"]["failures"]] == ["verifier"]


def _liar(stage: Stage) -> str:
    """Deploy a contract that is a verifier by its own word: it supports every job, and names the good digest."""
    # CALLDATASIZE > 36, which only supportsJob(rule, score, dimension) has, is answered by 1, all else by the digest
    answer = bytes.fromhex("5f5260205ff3")
    runtime = bytes.fromhex("6024361160") + bytes([0x2E]) + bytes.fromhex("577f") + stage.srs.key.digest + answer
    runtime += bytes.fromhex("5b6001") + answer
    creation = bytes([0x60, len(runtime), 0x60, 11, 0x5F, 0x39, 0x60, len(runtime), 0x5F, 0xF3]) + b"\0" + runtime
    account = stage.actor("deployer").account
    sent: dict[str, Any] = {
        "from": account.address,
        "data": creation,
        "gas": 500_000,
        "gasPrice": stage.w3.eth.gas_price * 2,
        "nonce": stage.w3.eth.get_transaction_count(account.address),
        "chainId": stage.w3.eth.chain_id,
    }
    receipt = stage.w3.eth.wait_for_transaction_receipt(
        stage.w3.eth.send_raw_transaction(account.sign_transaction(sent).raw_transaction)
    )
    address = receipt["contractAddress"]
    assert address is not None
    return str(address)


def test_a_development_string_does_not_serve_elsewhere(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    stage.create()
    monkeypatch.setattr("market.services.reference.LOCAL_CHAIN_IDS", frozenset({1337}))
    with pytest.raises(InvalidSrs, match="secrets are known"):
        stage.trainer("ann").join()
    with pytest.raises(InvalidSrs, match="secrets are known"):
        stage.create()


def test_a_string_that_is_too_short_is_refused_by_the_owner(stage: Stage) -> None:
    short = cache.development(POWERS - 1)
    verifier = deploy(stage.w3, stage.actor("deployer").account, short.key).verifier
    with pytest.raises(WrongShape, match="4818 powers"):
        stage.create(verifier=verifier)


def test_the_string_is_fetched_by_the_manifest_and_checked_against_the_chain(
    stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage.create()
    monkeypatch.setenv(cache.FOLDER_VARIABLE, str(tmp_path / "empty"))
    told: list[str] = []
    job = stage.job("ann")
    job.stages = lambda name, _: told.append(name) or (lambda _: None)  # type: ignore[func-returns-value]
    assert job.srs.key == stage.srs.key
    assert "fetching the reference string" in told
    assert (tmp_path / "empty" / f"{stage.srs.key.digest.hex()}.srs").is_file()

    monkeypatch.setenv(cache.FOLDER_VARIABLE, str(tmp_path / "other"))
    false = stage.job("ann")
    entry = false.manifest.srs.model_copy(update={"digest": "00" * 32})
    false.manifest = false.manifest.model_copy(update={"srs": entry})
    with pytest.raises(InvalidSrs, match="manifest names"):
        false.require_srs()


# -- the audit --------------------------------------------------------------------------------------------------------


def test_anybody_checks_a_whole_job_from_chain_and_storage(stage: Stage, trainers: list[Trainer]) -> None:
    stage.settled(*trainers)
    trainers[2].job.refresh()
    trainers[2].claim()
    trainers[2].leave()  # its stake counted when the round was settled
    answer = stage.cli("stranger", "job", "verify", 1, GRAMERCY_KEYSTORE="")
    found = answer.data
    assert found["holds"] is True
    names = [(check["round"], check["name"]) for check in found["checks"]]
    assert names == [
        *((None, name) for name in auditing.JOB_CHECKS),
        *((1, name) for name in auditing.ROUND_CHECKS),
    ]
    assert all(check["holds"] for check in found["checks"])
    (proof,) = (check for check in found["checks"] if check["name"] == "proof")
    assert "384 bytes" in proof["words"]
    shown = stage.cli("stranger", "job", "verify", 1, as_json=False, GRAMERCY_KEYSTORE="")
    assert shown.code == 0
    assert "14 checks of 1 settled rounds hold" in shown.stdout


LIES: list[tuple[dict[str, Any], set[str]]] = [
    ({"weights": (1 << 30, 0, 0)}, {"statement", "rule", "aggregate commitment"}),
    ({"scores": (1, 2, 3)}, {"statement", "scores"}),
    ({"payouts": (1, 2, 3)}, {"statement", "payouts"}),
    ({"next_scale_exponent": 7}, {"statement", "scale"}),
    ({"aggregate_commitment": compress(GENERATOR)}, {"statement", "aggregate commitment", "aggregate file"}),
    ({"aggregate_root": b"r" * 32}, {"statement", "root"}),
    ({"aggregate_bytes": 5}, {"statement", "aggregate file", "range", "root"}),
    ({"commitment_ys": (1, 2, 3)}, {"statement"}),
    ({"included": 3}, {"statement", "proof", "rule", "scores", "payouts", "scale", "aggregate commitment"}),
]


@pytest.mark.slow
def test_each_lie_in_an_event_is_named(stage: Stage, trainers: list[Trainer]) -> None:
    stage.settled(*trainers)
    job = stage.observed()
    honest = job.state
    assert audit(job).failures == ()
    gram = bytearray(_settled(stage).settlement.gram)
    gram[-1] ^= 1
    for changes, names in LIES:
        job._state = honest
        _rewrite(job, changes)
        found = audit(job)
        assert failed(found) == names, changes
        with pytest.raises(AuditFailed) as refused:
            found.require()
        assert refused.value.exit_code == 5
        assert {one["check"] for one in refused.value.details["failures"]} == names
        assert all(f"round 1: {name}" in refused.value.message for name in names)
    job._state = honest
    _rewrite(job, {"gram": bytes(gram)})
    assert {"proof", "statement"} <= failed(audit(job))


def _rewrite(job: Job, changes: dict[str, Any]) -> None:
    """Let a job's state tell another settlement than the chain has."""
    (state,) = job.state.rounds
    assert state.settled is not None
    settlement = replace(state.settled.settlement, **changes)
    settled = replace(state.settled, settlement=settlement)
    job._state = replace(job.state, rounds=(replace(state, settled=settled),))


@pytest.mark.slow
def test_a_lost_aggregate_is_named_and_the_rest_still_checked(stage: Stage, trainers: list[Trainer]) -> None:
    stage.settled(*trainers)
    shutil.rmtree(stage.folder / "store" / "blocks", ignore_errors=True)
    answer = stage.cli("stranger", "job", "verify", 1, GRAMERCY_KEYSTORE="")
    assert answer.code in (5, 6)


def test_the_settlement_and_its_cost_are_read_back(stage: Stage, trainers: list[Trainer]) -> None:
    state = stage.settled(*trainers)
    client = stage.client("observer")
    recorded = recorded_settlement(client, 1, 1)
    assert state.settled is not None
    assert recorded.settlement == state.settled.settlement
    assert recorded.aggregator == stage.actor("aggregator").address
    inputs = auditing.inputs_of(stage.observed(), state)
    assert recorded.statement == inputs.statement(state.included, recorded.settlement, recorded.aggregator)
    statement, proof = recorded.statement.gram, recorded.proof
    gas = verification_gas(client, stage.verifier, statement, proof)
    assert 200_000 < gas < client.settlement_gas(1, 1)
    with pytest.raises(ContractRefused):
        verification_gas(client, stage.verifier, statement, proof[:-1] + bytes([proof[-1] ^ 1]))


# -- false settlements ------------------------------------------------------------------------------------------------


def publish_another_file(stage: Stage, trainers: list[Trainer]) -> None:
    """Let the aggregator settle round 1 with a valid proof, and publish a file that is not the aggregate it proved."""
    stage.open()
    stage.travel(stage.commit(*trainers).opened.commit_end)
    aggregator = stage.aggregator()
    state = aggregator.job.state.rounds[0]
    opened = aggregator.gatherer.gather(state).opened
    prepared = prepare_settlement(aggregator.gatherer.inputs(state), aggregator.job.srs, opened, {}, aggregator.address)
    weights = prepared.settlement.weights
    aggregate = weighted_sum([update.entries for update in opened], weights)
    aggregate[300] += 1
    blinding = combine_blindings(weights, [update.blinding for update in opened])
    blob = put_bytes(stage.storage, pack_aggregate(aggregate, blinding, {}))
    settlement = replace(
        prepared.settlement,
        aggregate_root=aggregate_root(aggregate),
        aggregate_cid=blob.cid.to_bytes(),
        aggregate_bytes=blob.size_bytes,
    )
    aggregator.job.market.settle_round(1, 1, settlement, prepared.proof)


def settle_an_entry_out_of_range(stage: Stage, trainers: list[Trainer]) -> None:
    """Let a trainer and the aggregator, in league, settle an update with an entry beyond the job's 8 bits."""
    *honest, colluder = trainers
    stage.open()
    stage.commit(*honest)
    entries = np.full(DIMENSION, 3, dtype=np.int16)
    entries[4_700] = -2_000
    blinding = draw_blinding()
    point = commit(stage.srs.srs, entries, blinding)
    blob = put_bytes(stage.storage, b"what the aggregator knows anyway")
    colluder.job.market.commit_update(1, 1, point, blob.cid.to_bytes(), blob.size_bytes)
    stage.travel(open_round(stage.observed()).opened.commit_end)
    aggregator = stage.aggregator()
    state = aggregator.job.state.rounds[0]
    opened = [*aggregator.gatherer.gather(state).opened, OpenedUpdate(state.commits[-1], entries, blinding)]
    prepared = prepare_settlement(aggregator.gatherer.inputs(state), aggregator.job.srs, opened, {}, aggregator.address)
    aggregator.job.market.settle_round(1, 1, prepared.settlement, prepared.proof)
    put_bytes(stage.storage, prepared.aggregate)


@pytest.mark.slow
def test_an_entry_out_of_range_costs_the_bond(stage: Stage) -> None:
    stage.create(rounds=2, bits=8, rule="mean", scale_exponent=-14)
    trainers = stage.joined(*TRAINERS)
    settle_an_entry_out_of_range(stage, trainers)
    assert failed(audit(stage.observed())) == {"range"}
    assert find_evidence(stage.observed(), _settled(stage)).kind == OUT_OF_RANGE
    done = stage.cli("challenger", "job", "challenge", 1, 1).data
    assert done["kind"] == OUT_OF_RANGE
    assert done["fault"].startswith("entry 4700 is -")
    assert done["reward_wei"] == BOND // 2
    job = stage.observed()
    assert job.state.rounds[0].phase(job.now) is Phase.VOID
    assert job.state.settled_rounds == ()
    assert audit(job).failures == ()
    for trainer in trainers:
        trainer.leave()
    stage.travel(job.state.terms.deadline)
    assert close_job(stage.job("owner"), stage.actor("owner").address) == 2 * COIN + BOND // 2
    assert stage.client("observer").balance() == 0


def _settled(stage: Stage) -> RoundSettled:
    settled = stage.observed().state.rounds[0].settled
    assert settled is not None
    return settled


@pytest.mark.slow
def test_a_file_that_is_not_the_proven_aggregate_costs_the_bond(stage: Stage, tmp_path: Path) -> None:
    names = ("aggregator", "second")
    stage.create(rounds=2, aggregators=[stage.actor(name).address for name in names])
    trainers = stage.joined(*TRAINERS)
    publish_another_file(stage, trainers)
    escrow = stage.client("observer").job_account(1).escrow

    verified = stage.cli("stranger", "job", "verify", 1, GRAMERCY_KEYSTORE="")
    assert verified.code == 5
    assert {one["check"] for one in verified.envelope["error"]["details"]["failures"]} == {"aggregate file"}
    trainers[0].job.refresh()
    with pytest.raises(IntegrityError, match="does not match its commitment"):
        trainers[0].job.model(1)

    alone = stage.cli("challenger", "job", "challenge", 1, 1)
    assert alone.code == 3
    assert "aggregator recompute" in alone.envelope["error"]["hint"]
    file = tmp_path / "true"
    stage.cli("second", "aggregator", "recompute", 1, 1, "-o", file)
    before = stage.balance("challenger")
    done = stage.cli("challenger", "job", "challenge", 1, 1, "--aggregate", file).data
    assert (done["kind"], done["reward_wei"]) == (FILE_MISMATCH, BOND // 2)
    assert BOND // 2 - COIN // 100 < stage.balance("challenger") - before <= BOND // 2

    job = stage.observed()
    state = job.state.rounds[0]
    assert state.phase(job.now) is Phase.VOID
    assert state.payouts == {}
    assert job.state.escrow == 2 * COIN > escrow
    owner = stage.actor("owner").address
    assert stage.client("observer").free_balance(job.state.terms.token, owner) == BOND - BOND // 2
    assert job.state.aggregators == (stage.actor("second").address,)
    first = stage.aggregator()
    assert first.finished
    assert first.shortage == 0
    late = stage.cli("challenger", "job", "challenge", 1, 1, "--aggregate", file)
    assert late.envelope["error"]["details"]["error"] == "Market_WrongPhase"

    stage.client("second").open_round(1)
    stage.travel(stage.commit(*trainers).opened.commit_end)
    second = stage.aggregator(name="second")
    assert second.step()
    assert audit(stage.observed()).failures == ()
    latest = second.job.state.rounds[-1].settled
    assert latest is not None
    stage.travel(latest.challenge_end)
    assert stage.observed().model(1).shape == (DIMENSION,)


def test_a_true_settlement_cannot_be_challenged(stage: Stage, trainers: list[Trainer]) -> None:
    state = stage.settled(*trainers, final=False)
    job = stage.job("challenger")
    with pytest.raises(InvalidInput, match="holds: commitment, range and root"):
        challenge(job, state)
    assert state.settled is not None
    evidence = opening_of_honest_entries(stage, state)
    with pytest.raises(ContractRefused) as refused:
        job.market.challenge_settlement(1, 1, evidence)
    assert refused.value.details["error"] == "Fault_NotShown"
    stage.travel(state.settled.challenge_end)
    job.refresh()
    with pytest.raises(ContractRefused, match="cannot be challenged: it is final"):
        challenge(job, state)


def opening_of_honest_entries(stage: Stage, state: RoundState) -> bytes:
    """Return true evidence of what is no fault: three entries in range."""
    job = stage.observed()
    opened = job.aggregate(state)
    statement, opening = open_chunk(
        job.srs, job.market.round_id(1, 1), opened.entries, opened.blinding, start=128, count=3
    )
    return Evidence(OUT_OF_RANGE, statement.commitment, 128, statement.values, opening).encode()
