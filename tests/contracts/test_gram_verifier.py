"""GramVerifier: accepts what the prover proves, names what it refuses, is built for one sound reference string."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from web3.contract import Contract

from aggregator.bn254 import GENERATOR, P, R
from aggregator.history import MAX_TRAINERS_WITH_SUMS
from aggregator.proofs import Statement
from aggregator.srs import VerifyingKey, development_srs
from market.chain.anvil import Anvil
from market.chain.artifacts import RULE_CONTRACTS, SCORE_CONTRACTS
from market.chain.rpc import connect
from tests.contracts.harness import REGISTRY, Chain, Reverted, artifact, decode_refusal, refused
from tests.contracts.proven import Proven, proven, proven_with_all
from tests.contracts.statements import with_gram, word
from tests.contracts.wire import encode_call, selector, values_of

N, D = 3, 5
GAS = {8: 300_000, 20: 500_000, 32: 850_000}
"""The most gas that a transaction to verifyGram may use, by the number of updates."""
RECORDED = {8: 299_300, 20: 427_400, 32: 575_900}
"""What it uses, to within two per cent."""


@pytest.fixture(scope="session")
def gram_verifier(session_chain: Chain) -> Contract:
    return session_chain.deploy("GramVerifier", development_srs(80).key.words())


@pytest.fixture
def honest(chain: Chain) -> Proven:
    return proven(N, D, chain.chain_id)


def claim_of(statement: Statement) -> dict[str, Any]:
    """Return a statement by the names of its fields."""
    (verify,) = [entry for entry in artifact("GramVerifier")["abi"] if entry.get("name") == "verify"]
    names = [part["name"] for part in verify["inputs"][0]["components"]]
    inner = [part["name"] for part in verify["inputs"][0]["components"][0]["components"]]
    values = values_of("verify", statement)
    claim = dict(zip(names, values, strict=True))
    return claim | {"gram": dict(zip(inner, values[0], strict=True))}


# -- honest proofs ----------------------------------------------------------------------------------------------------


def test_an_honest_settlement_is_accepted(chain: Chain, gram_verifier: Contract, honest: Proven) -> None:
    chain.call(gram_verifier.functions.verify(claim_of(honest.statement), honest.proof))


def test_an_honest_settlement_is_accepted_where_nothing_is_shared_with_the_prover() -> None:
    """On py-evm's own curve arithmetic, not on the kernel that made the proof."""
    chain = Chain(own_curve=True)
    verifier, made = chain.deploy("GramVerifier", development_srs(80).key.words()), proven(N, D, chain.chain_id)
    chain.call(verifier.functions.verify(claim_of(made.statement), made.proof))


@pytest.mark.slow
@pytest.mark.parametrize(("n", "d"), [(4, 72), (8, 5), (20, 40)])
def test_larger_settlements_are_accepted(n: int, d: int, chain: Chain, gram_verifier: Contract) -> None:
    larger = proven(n, d, chain.chain_id)
    chain.call(gram_verifier.functions.verify(claim_of(larger.statement), larger.proof))


def test_a_settlement_is_of_this_chain_and_the_argument_alone_of_any(chain: Chain, gram_verifier: Contract) -> None:
    foreign = proven(N, D, 1)
    with refused("Gram_WrongChain", posted=1, expected=chain.chain_id):
        chain.call(gram_verifier.functions.verify(claim_of(foreign.statement), foreign.proof))
    chain.call(gram_verifier.functions.verifyGram(claim_of(foreign.statement)["gram"], foreign.proof))


def test_jobs_are_supported_up_to_the_room_in_the_reference_string(chain: Chain, gram_verifier: Contract) -> None:
    def supported(rule: str, score: str, dimension: int, *, reference: bool = False, trainers: int = 64) -> bool:
        ask = gram_verifier.functions.supportsJob
        return bool(chain.call(ask(word(rule), word(score), dimension, reference, trainers)))

    assert supported("multi-krum", "shapley", 72)
    assert supported("mean", "shapley", 1)
    assert not supported("mean", "shapley", 73)
    assert not supported("mean", "shapley", 2**64 - 1)
    assert not supported("median", "shapley", 1)
    assert not supported("mean", "harsanyi", 1)
    assert supported("fltrust", "shapley", 72, reference=True)
    assert not supported("fltrust", "shapley", 72)
    assert supported("mean", "shapley-reference", 72, reference=True)
    assert not supported("mean", "shapley-reference", 72)
    assert supported("foolsgold", "shapley", 72, trainers=MAX_TRAINERS_WITH_SUMS)
    assert not supported("foolsgold", "shapley", 72, trainers=MAX_TRAINERS_WITH_SUMS + 1)


# -- rules and scores -------------------------------------------------------------------------------------------------


def test_a_verifier_lists_what_it_asks(chain: Chain, gram_verifier: Contract) -> None:
    view = gram_verifier.functions
    for ids, contract_of, table, addresses in (
        (view.rules(), view.ruleOf, RULE_CONTRACTS, REGISTRY[0]),
        (view.scores(), view.scoreOf, SCORE_CONTRACTS, REGISTRY[1]),
    ):
        assert [bytes(one) for one in chain.call(ids)] == [word(name) for name in table]
        assert [chain.call(contract_of(word(name))) for name in table] == addresses
        assert int(chain.call(contract_of(word("none"))), 16) == 0


def test_no_two_rules_or_scores_have_one_id(chain: Chain) -> None:
    words = development_srs(16).key.words()
    rules, scores = REGISTRY
    with refused("Registry_DuplicateId", id=next(iter(RULE_CONTRACTS))):
        create(chain, words, [*rules, rules[0]], scores)
    with refused("Registry_DuplicateId", id=next(iter(SCORE_CONTRACTS))):
        create(chain, words, rules, [*scores, scores[0]])


def test_no_verifier_without_the_floors_score(chain: Chain) -> None:
    rules, scores = REGISTRY
    others = [address for name, address in zip(SCORE_CONTRACTS, scores, strict=True) if name != "alignment"]
    with refused("Registry_UnknownScore", score="alignment"):
        create(chain, development_srs(16).key.words(), rules, others)


def create(chain: Chain, *arguments: Any) -> None:
    code = artifact("GramVerifier")
    factory = chain.w3.eth.contract(abi=code["abi"], bytecode=code["bytecode"])
    chain.send(factory.constructor(*arguments))


@pytest.mark.slow
def test_a_settlement_with_every_extra_row_is_accepted(chain: Chain, gram_verifier: Contract) -> None:
    whole = proven_with_all(N, D, chain.chain_id)
    chain.call(gram_verifier.functions.verify(claim_of(whole.statement), whole.proof))


@pytest.mark.slow
def test_a_false_product_of_an_extra_row_is_refused_by_the_pairing(chain: Chain, gram_verifier: Contract) -> None:
    whole = proven_with_all(N, D, chain.chain_id)
    gram = claim_of(whole.statement)["gram"]
    for end in range(len(gram["gram"]), 4 * N * (N + 1), -16):
        entry = int.from_bytes(gram["gram"][end - 16 : end], "big", signed=True) + 1
        changed = gram["gram"][: end - 16] + entry.to_bytes(16, "big", signed=True) + gram["gram"][end:]
        with refused("Gram_WrongProof"):
            chain.call(gram_verifier.functions.verifyGram(gram | {"gram": changed}, whole.proof))


def test_an_extra_row_may_be_infinity_and_an_update_not(chain: Chain, gram_verifier: Contract) -> None:
    """Infinity as an extra row is another statement, which this proof does not show; it is no malformed one."""
    whole = proven_with_all(N, D, chain.chain_id)
    gram = claim_of(whole.statement)["gram"]
    for place, error in ((0, "Gram_InvalidCommitment"), (N, "Gram_WrongProof"), (2 * N + 1, "Gram_WrongProof")):
        points = [*gram["commitments"][:place], (0, 0), *gram["commitments"][place + 1 :]]
        with refused(error):
            chain.call(gram_verifier.functions.verifyGram(gram | {"commitments": points}, whole.proof))


# -- gas --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [8, *(pytest.param(n, marks=pytest.mark.slow) for n in (20, 32))])
def test_gas_of_a_verification(n: int, chain: Chain, gram_verifier: Contract) -> None:
    sent = proven(n, 72, chain.chain_id)
    function = gram_verifier.functions.verifyGram(claim_of(sent.statement)["gram"], sent.proof)
    used = int(chain.send(function)["gasUsed"])
    assert used <= GAS[n]
    assert used == pytest.approx(RECORDED[n], rel=0.02)


def test_gas_does_not_depend_on_the_dimension(chain: Chain, gram_verifier: Contract) -> None:
    """But for calldata, which has longer integers where updates are longer."""
    used = []
    for d in (1, 70):
        sent = proven(N, d, chain.chain_id)
        values = values_of("verifyGram", sent.statement)
        data = encode_call("verifyGram", values, sent.proof)
        receipt = chain.send(gram_verifier.functions.verifyGram(values, sent.proof))
        used.append(int(receipt["gasUsed"]) - sum(16 if byte else 4 for byte in data))
    assert abs(used[0] - used[1]) <= 200


# -- refusals by name -------------------------------------------------------------------------------------------------


def test_lists_of_unequal_length_are_refused(chain: Chain, gram_verifier: Contract, honest: Proven) -> None:
    gram = claim_of(honest.statement)["gram"]
    for field, length in (("trainers", N), ("stakes", N - 1)):
        changed = gram | {field: gram[field][:-1]}
        with refused("Gram_WrongLength", field="stakes", length=length, expected=2 * N - 1 - length):
            chain.call(gram_verifier.functions.verifyGram(changed, honest.proof))
    with refused("Gram_WrongLength", field="commitments", length=N - 1, expected=N):
        fewer = gram["commitments"][:-1]
        chain.call(gram_verifier.functions.verifyGram(gram | {"commitments": fewer}, honest.proof))
    for flag, rows in (("hasReference", 1), ("previous", 1), ("history", N)):
        with refused("Gram_WrongLength", field="commitments", length=N, expected=N + rows):
            chain.call(gram_verifier.functions.verifyGram(gram | {flag: True}, honest.proof))
    with refused("Gram_WrongLength", field="gram", length=49, expected=48):
        chain.call(gram_verifier.functions.verifyGram(gram | {"gram": gram["gram"] + b"\0"}, honest.proof))
    with refused("Gram_WrongLength", field="proof", length=383, expected=384):
        chain.call(gram_verifier.functions.verifyGram(gram, honest.proof[:-1]))
    with refused("Gram_NoUpdates"):
        empty = {"trainers": [], "stakes": [], "commitments": [], "gram": b""}
        chain.call(gram_verifier.functions.verifyGram(gram | empty, honest.proof))


def test_updates_that_leave_no_room_for_the_mask_are_refused(
    chain: Chain, gram_verifier: Contract, honest: Proven
) -> None:
    gram = claim_of(honest.statement)["gram"] | {"dimension": 73}
    with refused("Gram_DimensionTooLarge", dimension=73, powers=80):
        chain.call(gram_verifier.functions.verifyGram(gram, honest.proof))


@pytest.mark.parametrize("word", [2, 5, 6, 7, 8, 9])
def test_scalars_have_one_encoding(word: int, chain: Chain, gram_verifier: Contract, honest: Proven) -> None:
    at = 32 * word
    scalar = int.from_bytes(honest.proof[at : at + 32], "big") + R
    proof = honest.proof[:at] + scalar.to_bytes(32, "big") + honest.proof[at + 32 :]
    with refused("Gram_InvalidScalar"):
        chain.call(gram_verifier.functions.verifyGram(claim_of(honest.statement)["gram"], proof))


@pytest.mark.parametrize(("message", "word"), [("mask", 0), ("correlation", 3), ("quotient", 10)])
def test_points_of_a_proof_are_canonical_and_finite(
    message: str, word: int, chain: Chain, gram_verifier: Contract, honest: Proven
) -> None:
    at = 32 * word
    x, y = (int.from_bytes(honest.proof[k : k + 32], "big") for k in (at, at + 32))
    for point in ((0, 0), (x + P, y), (x, y + P), (x, y ^ 1), (0, y), (x, 0)):
        words = b"".join(coordinate.to_bytes(32, "big") for coordinate in point)
        proof = honest.proof[:at] + words + honest.proof[at + 64 :]
        with refused("Gram_InvalidPoint", message=message):
            chain.call(gram_verifier.functions.verifyGram(claim_of(honest.statement)["gram"], proof))


@pytest.mark.parametrize("index", range(N))
def test_commitments_are_canonical_and_finite(
    index: int, chain: Chain, gram_verifier: Contract, honest: Proven
) -> None:
    gram = claim_of(honest.statement)["gram"]
    x, y = gram["commitments"][index]
    for point in ((0, 0), (x + P, y), (x, y + P), (x, y ^ 1)):
        changed = [*gram["commitments"][:index], point, *gram["commitments"][index + 1 :]]
        with refused("Gram_InvalidCommitment"):
            chain.call(gram_verifier.functions.verifyGram(gram | {"commitments": changed}, honest.proof))


def test_words_too_large_for_their_type_are_refused(chain: Chain, gram_verifier: Contract, honest: Proven) -> None:
    """Solidity checks what it reads by name; what is hashed as it lies is checked all the same."""
    arguments = encode_call("verifyGram", values_of("verifyGram", honest.statement), honest.proof)
    gram = arguments[64:]
    widths = {1: 160, 3: 32, 4: 160, 7: 16, 8: 64, 9: 8, 10: 8, 12: 128, 13: 16, 14: 16, 15: 1, 16: 1, 17: 1}
    widths |= {23: 160, 25: 160, 27: 128, 29: 128}  # after the lists' four places: trainers and stakes
    for place, width in widths.items():
        for bit in (width, 255):
            at = 32 * place + 31 - bit // 8
            changed = gram[:at] + bytes([gram[at] ^ 1 << bit % 8]) + gram[at + 1 :]
            with pytest.raises(Reverted) as refusal:
                _call_raw(chain, gram_verifier, selector("verifyGram") + arguments[:64] + changed)
            assert decode_refusal(refusal.value).name in {"Gram_DirtyWord", ""}, (place, bit)
    at = 32 * 11  # the scale exponent, negative: its upper bits are ones
    assert gram[at : at + 30] == b"\xff" * 30
    with refused("Gram_DirtyWord"):
        data = selector("verifyGram") + arguments[:64] + gram[:at] + b"\x7f" + gram[at + 1 :]
        _call_raw(chain, gram_verifier, data)


def test_another_aggregate_is_refused(chain: Chain, gram_verifier: Contract, honest: Proven) -> None:
    claim = claim_of(honest.statement)
    word = claim["aggregateCommitment"]
    negated = bytes([word[0] ^ 0x40]) + word[1:]
    with refused("Gram_WrongAggregate", posted=negated, expected=word):
        chain.call(gram_verifier.functions.verify(claim | {"aggregateCommitment": negated}, honest.proof))


def test_figures_of_another_matrix_are_refused_before_the_proof_is_looked_at(
    chain: Chain, gram_verifier: Contract, honest: Proven
) -> None:
    claim = claim_of(honest.statement)
    payouts = [claim["payouts"][0] + 1, *claim["payouts"][1:]]
    with refused("Settling_WrongPayout", index=0):
        chain.call(gram_verifier.functions.verify(claim | {"payouts": payouts}, b""))
    with refused("Registry_UnknownRule", rule="median"):
        chain.call(gram_verifier.functions.verify(with_gram(claim, rule=word("median")), honest.proof))


def test_a_wrong_proof_is_refused_by_the_pairing(chain: Chain, gram_verifier: Contract, honest: Proven) -> None:
    at = 8 * 32
    scalar = (int.from_bytes(honest.proof[at : at + 32], "big") + 1) % R
    proof = honest.proof[:at] + scalar.to_bytes(32, "big") + honest.proof[at + 32 :]
    with refused("Gram_WrongProof"):
        chain.call(gram_verifier.functions.verifyGram(claim_of(honest.statement)["gram"], proof))


def _call_raw(chain: Chain, contract: Contract, data: bytes) -> None:
    """Call with calldata of any form."""
    chain.w3.eth.call({"from": chain.accounts[0], "to": contract.address, "data": data, "gas": 10**7})


# -- the reference string ---------------------------------------------------------------------------------------------


def test_the_digest_is_that_of_the_core(chain: Chain, gram_verifier: Contract) -> None:
    key = development_srs(80).key
    assert chain.call(gram_verifier.functions.srsDigest()) == key.digest
    assert chain.call(gram_verifier.functions.srsSize()) == key.size


def _changed(key: VerifyingKey, **words: int) -> list[int]:
    changed = list(key.words())
    for name, value in words.items():
        changed[int(name[1:])] = value
    return changed


def _strings() -> Iterator[Any]:
    key = development_srs(16).key
    words = key.words()
    yield pytest.param(_changed(key, w0=8), "Srs_WrongSize", id="no room for one entry")
    yield pytest.param(_changed(key, w0=2**28 + 1), "Srs_WrongSize", id="more powers than anybody reads")
    yield pytest.param(_changed(key, w2=GENERATOR[0], w3=GENERATOR[1]), "Srs_Initial", id="tau = 1")
    for at in (2, 4, 6, 8):
        x, y = words[at], words[at + 1]
        for what, point in (("infinity", (0, 0)), ("off the curve", (x, y ^ 1)), ("not canonical", (x + P, y))):
            changed = _changed(key, **{f"w{at}": point[0], f"w{at + 1}": point[1]})
            yield pytest.param(changed, "Srs_InvalidPoint", id=f"point at word {at}: {what}")
        negated = _changed(key, **{f"w{at + 1}": P - y})
        yield pytest.param(negated, "Srs_Inconsistent", id=f"point at word {at}: negated", marks=pytest.mark.slow)
    for at in (10, 14):
        other = list(words)
        other[at : at + 4] = words[24 - at : 28 - at]
        yield pytest.param(other, "Srs_Inconsistent", id=f"G2 point at word {at}: the other", marks=pytest.mark.slow)
        off = _changed(key, **{f"w{at + 3}": words[at + 3] ^ 1})
        yield pytest.param(off, "Bn254_PrecompileFailed", id=f"G2 point at word {at}: off", marks=pytest.mark.slow)


@pytest.mark.parametrize(("words", "error"), list(_strings()))
def test_an_unsound_reference_string_is_refused(words: list[int], error: str, chain: Chain) -> None:
    with refused(error):
        chain.deploy("GramVerifier", words)


@pytest.mark.node
def test_the_development_string_is_refused_where_anything_is_at_stake() -> None:
    code = artifact("GramVerifier")
    words = development_srs(16).key.words()
    with Anvil(chain_id=1) as anvil:
        w3 = connect(anvil.url, expected_chain_id=1)
        creation = w3.eth.contract(abi=code["abi"], bytecode=code["bytecode"]).constructor(words, [], [])
        answer = w3.provider.make_request("eth_call", [{"data": creation.data_in_transaction}, "latest"])  # type: ignore[arg-type]
    error = bytes.fromhex(str(answer["error"]["data"])[2:])
    refusal = decode_refusal(Reverted(error, "creation"))
    assert (refusal.name, refusal.fields) == ("Srs_Development", {"chainId": 1})
