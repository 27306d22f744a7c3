"""The largest settlements fit a transaction: proof, extra rows, full memories and pay for everybody, all at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from web3.contract import Contract

from aggregator.bn254 import GENERATOR, Point, compress
from aggregator.carried import Carried
from aggregator.commitments import Blinding, RoundId, commit
from aggregator.history import RunningSum, SumVector, advance, advance_blinding, advance_vector, encode_sums
from aggregator.products import Layout, pack_products
from aggregator.proofs import GramStatement
from aggregator.proofs.statement import Witness
from aggregator.randomness import field_elements
from aggregator.roster import MAX_ENTRIES
from aggregator.rows import products_of_rows
from aggregator.running import remember
from aggregator.srs import Srs, development_srs
from market.chain.artifacts import RULE_CONTRACTS
from market.domain import REFERENCE_BIT, Phase, Settlement
from tests.contracts.calls import calldata
from tests.contracts.harness import TRANSACTION_GAS_CAP
from tests.contracts.job import Job
from tests.contracts.labels import cid, point
from tests.contracts.scenario import Scene
from tests.unit.proofs.scene import Row
from tests.unit.proofs.scene import Scene as Proven

pytestmark = [pytest.mark.slow, pytest.mark.node]

NODES_TAKE = 1 << 17
"""Bytes of a signed transaction above which most nodes do not hand it on."""
ENVELOPE = 256
"""More than a transaction's other fields and its signature take."""
FOR_A_ZERO = 12
"""Gas by which a byte of calldata that is 0 is cheaper than others (EIP-2028)."""
EXPONENT, DOUBLINGS = -7, 29
"""Scale of the rounds, and the most that running sums can be behind it without starting again."""
BITS, DIMENSION, COIN = 16, 256, 10**18
LIMIT = (1 << (BITS - 1)) - 1


@dataclass(frozen=True)
class Past:
    """What round 1 leaves behind: the aggregate, its blinding, full memories, and the sums behind theirs."""

    aggregate: Row
    blinding: Blinding
    carried: Carried
    sums: Sequence[SumVector]
    secrets: Sequence[Blinding]


@pytest.fixture(scope="module")
def srs() -> Srs:
    return development_srs(DIMENSION + 8)


@pytest.fixture
def lenient(scene: Scene, srs: Srs) -> Contract:
    """Deploy the verifier, behind one that believes the first round."""
    strict = scene.chain.deploy("GramVerifier", srs.key.words())
    return scene.chain.deploy("FirstRoundVerifier", strict.address)


WHOLE = {rule: 48 if rule == "foolsgold" else 64 for rule in RULE_CONTRACTS}
"""The most trainers of a settlement by rule; FoolsGold's running sums make each one three rows."""


@pytest.mark.parametrize(("rule", "n", "f"), [(rule, n, f) for rule, n in WHOLE.items() for f in (0, (3 * n) // 8)])
def test_invariant_21_the_largest_settlement_with_everything_fits_a_transaction(
    scene: Scene, srs: Srs, lenient: Contract, rule: str, n: int, f: int
) -> None:
    job = scene.create(
        verifier=lenient.address, rule=rule, score="shapley-reference", reference=True, floor_bps=5_000, cap_bps=30_000,
        max_trainers=n, min_trainers=2 * f + 3, byzantine=f, bits=BITS, dimension=DIMENSION, scale_exponent=EXPONENT,
        round_budget=COIN, stake_min=COIN, stake_max=2 * COIN, commit_seconds=1_000,
    )  # fmt: skip
    trainers = scene.trainers[:n]
    for i, trainer in enumerate(trainers):
        job.join(trainer, COIN + 123_456_789 * i)
    past = _past(srs, rule, [bytes.fromhex(trainer[2:]) for trainer in trainers])
    _leave_behind(job, srs, past)
    played = _played(job, srs, past)
    call = job.calls.settle(2, _settlement(played), played.prove())
    receipt = scene.chain.send(call, sender=scene.aggregators[0])
    data = calldata(call)
    widest = receipt["gasUsed"] + FOR_A_ZERO * played.statement.gram.count(0)
    print(f"{rule}, {n}, f = {f}: {receipt['gasUsed']:,} gas, {widest:,} without a zero; {len(data):,} bytes")
    assert sum(map(bool, played.outcome.payouts)) >= n - f
    assert widest < TRANSACTION_GAS_CAP
    assert len(data) + ENVELOPE < NODES_TAKE


def _blindings(label: bytes, count: int) -> list[Blinding]:
    drawn = iter(field_elements(bytes(32), label, 3 * count))
    return list(zip(drawn, drawn, drawn, strict=True))


def _updates(seed: int, count: int, *, common: float) -> list[Any]:
    """Return updates that share a direction, the one of median length last: the scale rule looks for it in order."""
    rng = np.random.default_rng(seed)
    shared = common * np.random.default_rng(0).normal(size=DIMENSION)
    rows = [LIMIT / 5 * (shared + rng.normal(size=DIMENSION)) for _ in range(count)]
    order = sorted(range(count), key=lambda i: float(rows[i] @ rows[i]))
    order.append(order.pop((count - 1) // 2))
    return [np.clip(np.rint(rows[i]), -LIMIT, LIMIT).astype(np.int16) for i in order]


def _past(srs: Srs, rule: str, trainers: Sequence[bytes]) -> Past:
    """Return a past of 128 trainers: strangers, and at the end, where they are found last, those who have sums."""
    summed = trainers if rule == "foolsgold" else []
    strangers = [bytes([200]) + i.to_bytes(19, "big") for i in range(MAX_ENTRIES - len(summed))]
    known = [*strangers, *summed]
    memory = remember(b"", known, [1 << 64] * MAX_ENTRIES)
    sums = [row.astype(np.int64) for row in _updates(8, len(summed), common=0)] if summed else []
    secrets = _blindings(b"sums", len(sums))
    points: list[Point] = [GENERATOR] * len(strangers)
    points += [commit(srs, row, secret) for row, secret in zip(sums, secrets, strict=True)]
    history = [RunningSum(who, EXPONENT + DOUBLINGS, 1, value) for who, value in zip(known, points, strict=True)]
    of_rule, of_sums = memory if rule == "marginal-value" else b"", encode_sums(history) if summed else b""
    aggregate = np.random.default_rng(9).integers(-LIMIT << 32, LIMIT << 32, DIMENSION)
    (blinding,) = _blindings(b"aggregate", 1)
    return Past(aggregate, blinding, Carried(of_rule, memory, memory, of_sums), sums, secrets)


def _leave_behind(job: Job, srs: Srs, past: Past) -> None:
    """Play round 1, which is believed."""
    trainers = list(job.state.stakes)
    job.open_and_commit(trainers)
    settlement = Settlement(
        included=(1 << len(trainers)) - 1,
        commitment_ys=tuple(point((job.id, 1, trainer))[1] for trainer in trainers),
        history=(), gram=b"", weights=(1,), scores=(), payouts=(0,) * len(trainers), next_scale_exponent=EXPONENT,
        next_memory_digest=past.carried.digest(),
        aggregate_commitment=compress(commit(srs, past.aggregate, past.blinding)),
        aggregate_root=bytes(32), aggregate_cid=cid("aggregate"), aggregate_bytes=1, witness=Witness(),
    )  # fmt: skip
    job.settle(settlement)
    job.travel_to(Phase.FINAL)


def _played(job: Job, srs: Srs, past: Past) -> Proven:
    """Play round 2 up to its Settling phase; return its rows and its statement."""
    trainers = list(job.state.stakes)
    n = len(trainers)
    updates, (reference,) = _updates(7, n, common=1), _updates(6, 1, common=1)
    blindings = [*_blindings(b"updates", n), *_blindings(b"reference", 1), past.blinding]
    rows: list[Row] = [*updates, reference, past.aggregate]
    points = [commit(srs, row, blinding) for row, blinding in zip(rows, blindings, strict=True)]
    _commit(job, trainers, points)
    addresses = tuple(bytes.fromhex(trainer[2:]) for trainer in trainers)
    if past.sums:
        after = advance(past.carried.history, addresses, points[:n], scale_exponent=EXPONENT)
        for i, change in enumerate(after.steps):
            rows.append(advance_vector(change, past.sums[i], updates[i]))
            blindings.append(advance_blinding(change, past.secrets[i], blindings[i]))
        points += after.commitments
    layout = Layout(n, reference=True, previous=True, history=bool(past.sums))
    statement = GramStatement(
        round_id=RoundId(job.scene.chain.chain_id, bytes.fromhex(job.scene.market.address[2:]), job.id, 2),
        aggregator=bytes.fromhex(job.scene.aggregators[0][2:]),
        rules=job.terms.round_rules,
        scale_exponent=EXPONENT,
        trainers=addresses,
        stakes=tuple(job.state.stakes.values()),
        commitments=tuple(points),
        gram=pack_products(products_of_rows(layout, updates, rows[n:], bits=BITS)),
        reference=True,
        previous=True,
        history=layout.history,
    )
    return Proven(srs, tuple(updates), tuple(rows[n:]), tuple(blindings), statement, past.carried)


def _commit(job: Job, trainers: Sequence[str], points: Sequence[Point]) -> None:
    values = [value or (0, 0) for value in points]
    job.send(job.calls.commit_reference(values[len(trainers)], cid("reference")), job.state.created.owner)
    job.open()
    for trainer, value in zip(trainers, values, strict=False):
        job.send(job.calls.commit(2, value, cid(trainer)), trainer)
    job.travel_to(Phase.SETTLING)


def _settlement(played: Proven) -> Settlement:
    found, points = played.settled(), [value or (0, 0) for value in played.statement.commitments]
    rows = played.statement.updates + 2
    return Settlement(
        included=(1 << played.statement.updates) - 1 | 1 << REFERENCE_BIT,
        commitment_ys=tuple(y for _, y in points[:rows]),
        history=tuple(points[rows:]),
        gram=played.statement.gram,
        weights=found.weights,
        scores=found.scores,
        payouts=found.payouts,
        next_scale_exponent=found.next_scale_exponent,
        next_memory_digest=found.next_memory_digest,
        aggregate_commitment=found.aggregate_commitment,
        aggregate_root=b"\x77" * 32,
        aggregate_cid=cid("aggregate"),
        aggregate_bytes=1 << 20,
        witness=found.witness,
    )
