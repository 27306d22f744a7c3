"""createJob: what a job may promise, and that its whole escrow is taken at once."""

from __future__ import annotations

from typing import Any

import pytest

from market.chain.market_encoding import decode_terms, encode_terms
from market.domain import NATIVE_COIN, JobCreated, Phase
from tests.contracts.calls import escrow_value
from tests.contracts.harness import Reverted, refused
from tests.contracts.labels import cid
from tests.contracts.scenario import Scene

DAY = 86_400
INVALID: list[tuple[str, dict[str, Any]]] = [
    ("rule", {"rule": "median"}),
    ("rule", {"score": "accuracy"}),
    ("roundBudget", {"round_budget": 0}),
    ("rounds", {"rounds": 0}),
    ("stakeMin", {"stake_min": 0}),
    ("stakeMax", {"stake_max": 9}),
    ("challengerShareBps", {"challenger_share_bps": 10_001}),
    ("challengerShareBps", {"challenger_share_bps": 65_535}),
    ("challengeSeconds", {"aggregator_bond": 1, "challenge_seconds": 0}),
    ("maxTrainers", {"max_trainers": 65}),
    ("minTrainers", {"min_trainers": 9}),
    ("byzantine", {"min_trainers": 4}),
    ("byzantine", {"min_trainers": 2, "byzantine": 0}),
    ("byzantine", {"byzantine": 65_535}),
    ("bits", {"bits": 3, "headroom_bits": 0}),
    ("bits", {"bits": 17}),
    ("headroomBits", {"headroom_bits": 6}),
    ("headroomBits", {"headroom_bits": 255}),
    ("dimension", {"dimension": 0}),
    ("dimension", {"dimension": 1 << 47}),
    ("dimension", {"dimension": (1 << 64) - 1, "bits": 16}),
    ("scaleExponent", {"scale_exponent": 65}),
    ("scaleExponent", {"scale_exponent": -65}),
    ("commitSeconds", {"commit_seconds": 0}),
    ("commitSeconds", {"commit_seconds": 30 * DAY + 1}),
    ("settleSeconds", {"settle_seconds": 0}),
    ("settleSeconds", {"settle_seconds": 30 * DAY + 1}),
    ("challengeSeconds", {"challenge_seconds": 30 * DAY + 1}),
    ("deadline", {"deadline": 0}),
]
AT_THE_EDGE: list[dict[str, Any]] = [
    {"round_budget": 1, "rounds": 1},
    {"stake_min": 1, "stake_max": 1},
    {"stake_max": (1 << 128) - 1},
    {"min_trainers": 3, "max_trainers": 3, "byzantine": 0},
    {"min_trainers": 64, "max_trainers": 64, "byzantine": 30},
    {"bits": 4, "headroom_bits": 1},
    {"bits": 16, "headroom_bits": 13},
    {"dimension": (1 << 47) - 1},
    {"dimension": (1 << 31) - 1, "bits": 16},
    {"dimension": 1},
    {"scale_exponent": 64},
    {"scale_exponent": -64},
    {"commit_seconds": 1, "settle_seconds": 1, "challenge_seconds": 0},
    {"commit_seconds": 30 * DAY, "settle_seconds": 30 * DAY, "challenge_seconds": 30 * DAY},
    {"rule": "mean"},
    {"aggregator_bond": (1 << 128) - 1, "challenger_share_bps": 10_000},
    {"aggregator_bond": 1, "challenge_seconds": 1},
]


@pytest.mark.parametrize("native", [True, False], ids=["coin", "token"])
def test_a_created_job_is_recorded_funded_and_announced(scene: Scene, native: bool) -> None:
    token = NATIVE_COIN if native else scene.chain.deploy("StandardToken").address
    terms = scene.terms(token=token)
    scene.fund(token, scene.owner, terms.escrow)
    (event,) = scene.send(scene.create_call(terms), scene.owner, escrow_value(terms))

    assert event == JobCreated(1, scene.owner, terms, scene.aggregators, cid("manifest"))
    view = scene.market.functions
    assert scene.chain.call(view.jobCount()) == 1
    assert decode_terms(scene.chain.call(view.terms(1))) == terms
    assert scene.chain.call(view.job(1)) == (scene.owner, False, 0, 0, 0, terms.escrow)
    assert scene.balance(token, scene.market.address) == terms.escrow == 2 * terms.round_budget
    for account in scene.aggregators:
        assert scene.chain.call(view.isAggregator(1, account))
    assert not scene.chain.call(view.isAggregator(1, scene.owner))
    assert not scene.chain.call(view.isAggregator(2, scene.aggregators[0]))


def test_jobs_are_numbered_from_one(scene: Scene) -> None:
    assert [scene.create().id, scene.create().id, scene.create().id] == [1, 2, 3]


@pytest.mark.parametrize(("field", "changes"), INVALID, ids=str)
def test_unsound_terms_are_refused(scene: Scene, field: str, changes: dict[str, Any]) -> None:
    terms = scene.terms(**changes)
    with refused("Market_InvalidTerms", field=field):
        scene.attempt(scene.create_call(terms), scene.owner, terms.escrow)


@pytest.mark.parametrize("changes", AT_THE_EDGE, ids=str)
def test_terms_at_their_bounds_are_accepted(scene: Scene, changes: dict[str, Any]) -> None:
    terms = scene.terms(**changes)
    assert scene.attempt(scene.create_call(terms), scene.owner, terms.escrow) == 1


def test_the_deadline_lies_ahead_and_within_ten_years(scene: Scene) -> None:
    for seconds, sound in ((0, False), (1, True), (3650 * DAY, True), (3650 * DAY + 1, False)):
        terms = scene.terms(deadline=scene.chain.now + seconds)
        call = scene.create_call(terms)
        if sound:
            assert scene.attempt(call, scene.owner, terms.escrow) == 1
            continue
        with refused("Market_InvalidTerms", field="deadline"):
            scene.attempt(call, scene.owner, terms.escrow)


@pytest.mark.parametrize("field", ["token", "verifier"])
def test_token_and_verifier_must_be_contracts(scene: Scene, field: str) -> None:
    terms = scene.terms(**{field: scene.outsider})
    with refused("Market_InvalidTerms", field=field):
        scene.attempt(scene.create_call(terms), scene.owner)


def test_a_verifier_that_is_no_verifier_is_refused(scene: Scene) -> None:
    terms = scene.terms(verifier=scene.market.address)
    with pytest.raises(Reverted):
        scene.attempt(scene.create_call(terms), scene.owner, terms.escrow)


def test_one_to_eight_aggregators_none_of_them_zero(scene: Scene) -> None:
    accounts = list(scene.chain.accounts)
    for chosen in ([], accounts[:9], [accounts[0], NATIVE_COIN]):
        with refused("Market_InvalidTerms", field="aggregators"):
            scene.attempt(scene.create_call(scene.terms(), chosen), scene.owner, scene.terms().escrow)
    job = scene.create(aggregators=accounts[:8])
    assert all(scene.chain.call(scene.market.functions.isAggregator(job.id, account)) for account in accounts[:8])


@pytest.mark.parametrize(
    "bad",
    [
        b"",
        cid(1)[:-1],
        cid(1) + b"\0",
        b"\x00" + cid(1)[1:],
        b"\x01\x71" + cid(1)[2:],
        b"\x01\x55\x1b" + cid(1)[3:],
        b"\x01\x55\x12\x21" + cid(1)[4:],
    ],
    ids=["empty", "short", "long", "version", "codec", "hash", "digest length"],
)
def test_the_manifest_needs_a_cid(scene: Scene, bad: bytes) -> None:
    terms = scene.terms()
    with refused("Cids_Invalid", cid=bad):
        scene.attempt(
            scene.market.functions.createJob(encode_terms(terms), list(scene.aggregators), bad, b""),
            scene.owner,
            terms.escrow,
        )


def test_a_dag_pb_cid_is_accepted(scene: Scene) -> None:
    terms, tree = scene.terms(), b"\x01\x70" + cid(1)[2:]
    call = scene.market.functions.createJob(encode_terms(terms), list(scene.aggregators), tree, b"")
    (event,) = scene.send(call, scene.owner, terms.escrow)
    assert isinstance(event, JobCreated)
    assert event.manifest_cid == tree


def test_exactly_the_escrow_is_taken_in_coins(scene: Scene) -> None:
    terms = scene.terms()
    for value in (0, terms.escrow - 1, terms.escrow + 1):
        with refused("Assets_WrongValue", value=value, expected=terms.escrow):
            scene.attempt(scene.create_call(terms), scene.owner, value)


def test_no_coins_come_along_with_tokens(scene: Scene) -> None:
    token = scene.chain.deploy("StandardToken").address
    terms = scene.terms(token=token)
    scene.fund(token, scene.owner, terms.escrow)
    with refused("Assets_WrongValue", value=1, expected=0):
        scene.attempt(scene.create_call(terms), scene.owner, 1)


def test_without_an_allowance_no_job(scene: Scene) -> None:
    token = scene.chain.deploy("StandardToken").address
    terms = scene.terms(token=token)
    scene.fund(token, scene.owner, terms.escrow - 1)
    with refused("ERC20InsufficientAllowance", allowance=terms.escrow - 1, needed=terms.escrow):
        scene.attempt(scene.create_call(terms), scene.owner)


def test_the_largest_escrow_does_not_overflow(scene: Scene) -> None:
    token = scene.chain.deploy("StandardToken").address
    job = scene.create(token=token, round_budget=(1 << 128) - 1, rounds=(1 << 32) - 1)
    assert job.state.escrow == ((1 << 128) - 1) * ((1 << 32) - 1)
    scene.check()


def test_terms_hold_what_the_event_says_after_another_job_is_created(scene: Scene) -> None:
    first, second = scene.create(), scene.create(round_budget=5, rounds=7, rule="mean")
    view = scene.market.functions
    assert decode_terms(scene.chain.call(view.terms(first.id))) == first.terms
    assert decode_terms(scene.chain.call(view.terms(second.id))) == second.terms


@pytest.mark.parametrize("job_id", [0, 2, 1 << 255])
def test_every_function_refuses_an_unknown_job(scene: Scene, job_id: int) -> None:
    words = (bytes(32), bytes(32), bytes(32))
    settlement: tuple[Any, ...] = (0, [], [], b"", [], [], [], 0, *words, cid(1), 0, (b"", b"", b"", b""))
    scene.create()
    one, call = scene.outsider, scene.market.functions
    for function in (
        call.joinJob(job_id, 10, b""),
        call.leaveJob(job_id, one),
        call.nameAggregator(job_id, one),
        call.commitReference(job_id, (1, 2), cid(1), 1),
        call.openRound(job_id),
        call.commitUpdate(job_id, 1, (1, 2), cid(1), 1),
        call.settleRound(job_id, 1, settlement, b""),
        call.releaseBond(job_id, 1),
        call.challengeSettlement(job_id, 1, b""),
        call.challengeUpdate(job_id, 1, 0, b""),
        call.claim(job_id, [1], one),
        call.extendJob(job_id, 2, 10**9, 1 << 40, b""),
        call.stopJob(job_id),
        call.closeJob(job_id),
        call.terms(job_id),
        call.job(job_id),
        call.round(job_id, 1),
        call.committed(job_id, 1),
        call.payoutOf(job_id, 1, one),
    ):
        with refused("Market_UnknownJob", jobId=job_id):
            scene.attempt(function, one)
    assert scene.chain.call(call.phase(job_id, 1)) == Phase.NONE
    assert not scene.chain.call(call.isAggregator(job_id, scene.aggregators[0]))
