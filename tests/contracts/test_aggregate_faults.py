"""verifyFault: true evidence against a false aggregate or update is accepted; a true one cannot be overturned."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from web3 import Web3
from web3.contract import Contract

from aggregator.aggregate import aggregate_root, entry_bound, leaf_entries, leaf_path
from aggregator.bn254 import P, R, compress
from aggregator.commitments import RoundId, commit
from aggregator.proofs import open_chunk
from aggregator.srs import development_srs
from market.services.challenge import FILE_MISMATCH, OUT_OF_RANGE, Evidence
from tests.contracts.harness import Chain, Reverted, refused

Entries = npt.NDArray[np.int64]

SRS = development_srs(600)
D, BITS, WEIGHT_SUM = 300, 8, 2**32
BOUND = entry_bound(WEIGHT_SUM, BITS)
BLINDING = (5, R - 7, 11)
GAS = 542_000
"""The most gas that a transaction with an opening of 128 entries and their leaf may use, calldata included."""


@pytest.fixture(scope="module")
def gram_verifier(session_chain: Chain) -> Contract:
    return session_chain.deploy("GramVerifier", SRS.key.words())


@pytest.fixture
def place(chain: Chain) -> RoundId:
    return RoundId(chain.chain_id, b"\x22" * 20, 9, 4)


def true_entries() -> Entries:
    return np.arange(-150, 150, dtype=np.int64) * 10**9


def claim(place: RoundId, committed: Entries, published: Entries) -> dict[str, Any]:
    """Return AggregateClaim: what a settlement recorded."""
    return {
        "chainId": place.chain_id,
        "market": Web3.to_checksum_address(place.market),
        "jobId": place.job_id,
        "round": place.number,
        "dimension": D,
        "bits": BITS,
        "weightSum": WEIGHT_SUM,
        "aggregateCommitment": compress(commit(SRS, committed, BLINDING)),
        "aggregateRoot": aggregate_root(published),
    }


def opened(place: RoundId, committed: Entries, start: int, count: int, kind: int = OUT_OF_RANGE) -> Evidence:
    statement, proof = open_chunk(SRS, place, committed, BLINDING, start=start, count=count)
    return Evidence(kind, statement.commitment, start, statement.values, proof)


def mismatch(place: RoundId, committed: Entries, published: Entries, leaf: int) -> Evidence:
    evidence = opened(place, committed, 128 * leaf, min(128, D - 128 * leaf), FILE_MISMATCH)
    # a file longer than d has its further entries in the last leaf
    return replace(evidence, leaf=leaf_entries(published, leaf), path=leaf_path(published, leaf))


def with_entry(index: int, value: int, length: int = D) -> Entries:
    entries = np.zeros(length, dtype=np.int64)
    entries[:D] = true_entries()
    entries[index] = value
    return entries


# -- entries out of range ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("index", "value"),
    [(0, BOUND + 1), (7, -BOUND - 1), (D - 1, 2**62), pytest.param(D, 1, id="beyond the end"), (D + 40, -BOUND)],
)
def test_an_entry_out_of_range_is_shown(
    index: int, value: int, chain: Chain, gram_verifier: Contract, place: RoundId
) -> None:
    false = with_entry(index, value, D + 50)
    evidence = opened(place, false, max(0, index - 3), 5)
    chain.call(gram_verifier.functions.verifyFault(claim(place, false, true_entries()), evidence.encode()))


@pytest.mark.parametrize("start", [0, 150, D - 2, D + 1, 595])
def test_a_true_aggregate_has_none(start: int, chain: Chain, gram_verifier: Contract, place: RoundId) -> None:
    true = with_entry(0, BOUND)
    true[D - 1] = -BOUND
    evidence = opened(place, true, start, 5)
    with refused("Fault_NotShown"):
        chain.call(gram_verifier.functions.verifyFault(claim(place, true, true), evidence.encode()))


UPDATE_BOUND = 2 ** (BITS - 1) - 1


def update_claim(place: RoundId, update: Entries) -> dict[str, Any]:
    """Return AggregateClaim as the market puts it for a committed update: weight 1, and no file."""
    return claim(place, update, update) | {"weightSum": 1, "aggregateRoot": bytes(32)}


def an_update(index: int = 0, value: int = UPDATE_BOUND, length: int = D) -> Entries:
    update = np.zeros(length, dtype=np.int64)
    update[:D] = np.arange(D) % (2 * UPDATE_BOUND + 1) - UPDATE_BOUND
    update[index] = value
    return update


@pytest.mark.parametrize(
    ("index", "value"),
    [(0, UPDATE_BOUND + 1), (7, -UPDATE_BOUND - 1), (D - 1, 2**62), pytest.param(D, 1, id="beyond the end")],
)
def test_an_update_out_of_range_is_shown(
    index: int, value: int, chain: Chain, gram_verifier: Contract, place: RoundId
) -> None:
    false = an_update(index, value, D + 50)
    evidence = opened(place, false, max(0, index - 3), 5)
    chain.call(gram_verifier.functions.verifyFault(update_claim(place, false), evidence.encode()))


@pytest.mark.parametrize("start", [0, 150, D - 2, D + 1, 595])
def test_an_update_in_range_has_no_fault(start: int, chain: Chain, gram_verifier: Contract, place: RoundId) -> None:
    """Nor has it a file to differ from: none has the root zero."""
    true = an_update()
    function = gram_verifier.functions.verifyFault
    with refused("Fault_NotShown"):
        chain.call(function(update_claim(place, true), opened(place, true, start, 5).encode()))
    if start % 128 == 0:
        with pytest.raises(Reverted):
            chain.call(function(update_claim(place, true), mismatch(place, true, an_update(1, 5), 0).encode()))


def test_values_that_the_commitment_does_not_have_are_no_evidence(
    chain: Chain, gram_verifier: Contract, place: RoundId
) -> None:
    true = true_entries()
    honest = opened(place, true, 0, 5)
    lies = {
        "Opening_WrongProof": [
            replace(honest, values=(R - 2**63, *honest.values[1:])),
            replace(honest, start=D - 3),
        ],
        "Opening_OutOfRange": [
            replace(honest, start=R - 1),
            replace(honest, start=2**256 - 1),
            replace(honest, start=596),
        ],
        "Opening_InvalidValue": [replace(honest, values=(honest.values[0] + R, *honest.values[1:]))],
        "Opening_WrongLength": [replace(honest, values=(2**200,), opening=honest.opening[:-1])],
    }
    for error, evidence in ((error, one) for error, ones in lies.items() for one in ones):
        with refused(error):
            chain.call(gram_verifier.functions.verifyFault(claim(place, true, true), evidence.encode()))


def test_at_most_a_leaf_is_opened_at_once(chain: Chain, gram_verifier: Contract, place: RoundId) -> None:
    honest = opened(place, true_entries(), 0, 5)
    for values in ((), (BOUND + 1,) * 129):
        with refused("Opening_WrongLength" if values else "Fault_NotShown"):
            evidence = replace(honest, values=values)
            chain.call(
                gram_verifier.functions.verifyFault(claim(place, true_entries(), true_entries()), evidence.encode())
            )


def test_evidence_is_of_this_commitment_and_round(chain: Chain, gram_verifier: Contract, place: RoundId) -> None:
    false = with_entry(0, BOUND + 1)
    evidence = opened(place, false, 0, 2)
    recorded = claim(place, false, false)
    other = claim(place, true_entries(), true_entries())
    with refused("Fault_WrongCommitment", recorded=other["aggregateCommitment"]):
        chain.call(gram_verifier.functions.verifyFault(other, evidence.encode()))
    assert evidence.commitment is not None
    x, y = evidence.commitment
    negated = replace(evidence, commitment=(x, P - y))
    with refused("Fault_WrongCommitment"):
        chain.call(gram_verifier.functions.verifyFault(recorded, negated.encode()))
    for change in ({"jobId": 10}, {"round": 5}, {"market": Web3.to_checksum_address(b"\x23" * 20)}):
        with refused("Opening_WrongProof"):
            chain.call(gram_verifier.functions.verifyFault(recorded | change, evidence.encode()))
    with refused("Gram_WrongChain", posted=1, expected=chain.chain_id):
        chain.call(gram_verifier.functions.verifyFault(recorded | {"chainId": 1}, evidence.encode()))


def test_a_word_that_is_no_point_has_no_evidence(chain: Chain, gram_verifier: Contract, place: RoundId) -> None:
    """compress() of coordinates off the curve could be any word."""
    recorded = claim(place, true_entries(), true_entries())
    word = int.from_bytes(recorded["aggregateCommitment"], "big")
    x, flag = word & ((1 << 254) - 1), word >> 254
    evidence = replace(opened(place, true_entries(), 0, 2), values=(BOUND + 1, 0))
    with refused("Opening_InvalidPoint", message="commitment"):
        false = Evidence(OUT_OF_RANGE, None, 0, evidence.values, evidence.opening)
        encoded = bytearray(false.encode())
        at = 32 + 32  # after the offset and the kind
        encoded[at : at + 64] = x.to_bytes(32, "big") + (1 if flag == 2 else P - 1).to_bytes(32, "big")
        chain.call(gram_verifier.functions.verifyFault(recorded, bytes(encoded)))


# -- files that are not what was committed ----------------------------------------------------------------------------


@pytest.mark.parametrize(("index", "leaf"), [(0, 0), (127, 0), (128, 1), (D - 1, 2)])
def test_a_file_that_differs_is_shown(
    index: int, leaf: int, chain: Chain, gram_verifier: Contract, place: RoundId
) -> None:
    published = with_entry(index, -1)
    evidence = mismatch(place, true_entries(), published, leaf)
    chain.call(gram_verifier.functions.verifyFault(claim(place, true_entries(), published), evidence.encode()))


def test_a_file_with_more_entries_is_shown(chain: Chain, gram_verifier: Contract, place: RoundId) -> None:
    published = with_entry(D + 5, 1, D + 10)
    evidence = mismatch(place, true_entries(), published, 2)
    chain.call(gram_verifier.functions.verifyFault(claim(place, true_entries(), published), evidence.encode()))


@pytest.mark.parametrize("leaf", [0, 1, 2])
def test_the_true_file_cannot_be_overturned(leaf: int, chain: Chain, gram_verifier: Contract, place: RoundId) -> None:
    true = true_entries()
    with refused("Fault_NotShown"):
        evidence = mismatch(place, true, true, leaf)
        chain.call(gram_verifier.functions.verifyFault(claim(place, true, true), evidence.encode()))


def test_leaves_are_those_of_the_recorded_root(chain: Chain, gram_verifier: Contract, place: RoundId) -> None:
    true = true_entries()
    recorded = claim(place, true, true)
    honest = mismatch(place, true, true, 1)
    second = opened(place, true, 128, 127, FILE_MISMATCH)
    cases: list[tuple[str, Evidence]] = [
        ("Tree_WrongRoot", replace(honest, leaf=(honest.leaf[0] + 1, *honest.leaf[1:]))),
        ("Tree_WrongRoot", replace(honest, path=(honest.path[1], honest.path[0]))),
        ("Tree_WrongRoot", replace(honest, leaf=leaf_entries(true, 0))),
        ("Tree_WrongPathLength", replace(honest, path=honest.path[:1])),
        ("Tree_WrongPathLength", replace(honest, path=(*honest.path, bytes(32)))),
        ("Tree_WrongLeafLength", replace(honest, leaf=honest.leaf[:127])),
        ("Tree_WrongLeafLength", replace(honest, leaf=(*honest.leaf, 0))),
        ("Fault_WrongStart", replace(honest, start=129)),
        ("Fault_WrongStart", replace(honest, start=384)),
        ("Fault_WrongLength", replace(honest, values=second.values, opening=second.opening)),
        ("Fault_WrongLength", replace(honest, kind=OUT_OF_RANGE)),
        ("Fault_WrongLength", replace(honest, kind=OUT_OF_RANGE, leaf=())),
        ("Fault_UnknownKind", replace(honest, kind=0)),
        ("Fault_UnknownKind", replace(honest, kind=3)),
    ]
    for error, evidence in cases:
        with refused(error):
            chain.call(gram_verifier.functions.verifyFault(recorded, evidence.encode()))


def test_another_leaf_of_the_file_cannot_pass_for_an_opened_one(
    chain: Chain, gram_verifier: Contract, place: RoundId
) -> None:
    """The leaf's place in the file is the chunk's place in the vector."""
    true = true_entries()
    evidence = replace(mismatch(place, true, true, 0), leaf=leaf_entries(true, 1), path=leaf_path(true, 1))
    with refused("Tree_WrongRoot"):
        chain.call(gram_verifier.functions.verifyFault(claim(place, true, true), evidence.encode()))


def test_a_file_of_one_leaf_has_no_path(chain: Chain, gram_verifier: Contract, place: RoundId) -> None:
    true = np.arange(3, dtype=np.int64)
    recorded = claim(place, true, true + 1) | {"dimension": 3}
    evidence = replace(opened(place, true, 0, 3, FILE_MISMATCH), leaf=leaf_entries(true + 1, 0))
    chain.call(gram_verifier.functions.verifyFault(recorded, evidence.encode()))


@pytest.mark.parametrize("evidence", [b"", b"\0" * 32, b"\xff" * 640, bytes(1000)])
def test_garbage_is_refused(evidence: bytes, chain: Chain, gram_verifier: Contract, place: RoundId) -> None:
    recorded = claim(place, true_entries(), true_entries())
    with pytest.raises(Reverted):
        chain.call(gram_verifier.functions.verifyFault(recorded, evidence))


def test_gas_of_the_dearest_evidence(chain: Chain, gram_verifier: Contract, place: RoundId) -> None:
    published = with_entry(127, -1)
    evidence = mismatch(place, true_entries(), published, 0).encode()
    function = gram_verifier.functions.verifyFault(claim(place, true_entries(), published), evidence)
    assert GAS * 0.95 < int(chain.send(function)["gasUsed"]) < GAS
