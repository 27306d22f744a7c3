"""Known answers: right by another implementation; and a chain that gives one of them otherwise gets nothing sent."""

from __future__ import annotations

from typing import Any

import pytest
from eth_account.signers.local import LocalAccount
from eth_keys.datatypes import Signature
from eth_utils.crypto import keccak
from py_ecc.optimized_bn128 import FQ12, G1, G2, b, is_on_curve, multiply, neg, normalize, pairing
from web3 import Web3

from aggregator.srs import development_srs
from market.chain.deployment import deploy, preview
from market.chain.known_answers import CODE_LIMIT, KnownAnswer, check_chain, known_answers
from market.errors import WrongChain
from tests.unit.chain.interception import Request, intercept, refusal, result

KNOWN = known_answers(31337)


def _named(text: str) -> KnownAnswer:
    return next(known for known in KNOWN if text in known.name)


def _words(*values: int) -> bytes:
    return b"".join(int(value).to_bytes(32, "big") for value in values)


def test_the_answers_are_those_of_another_implementation() -> None:
    assert _named("ecAdd").answer == _words(*normalize(multiply(G1, 2)))
    assert _named("ecMul").answer == _words(*normalize(multiply(G1, 9)))
    point, negated = _named("ecPairing (").data[:64], _named("ecPairing (").data[192:256]
    assert (point, negated) == (_words(*normalize(G1)), _words(*normalize(neg(G1))))
    assert is_on_curve(G1, b)
    g2 = [coordinate.coeffs for coordinate in normalize(G2)]
    assert _named("ecPairing (").data[64:192] == _words(g2[0][1], g2[0][0], g2[1][1], g2[1][0])


@pytest.mark.slow
def test_the_pairings_are_those_of_another_implementation() -> None:
    assert pairing(G2, G1) * pairing(G2, neg(G1)) == FQ12.one()
    assert pairing(G2, G1) * pairing(G2, G1) != FQ12.one()


def test_the_signature_is_one() -> None:
    signed = _named("ecRecover")
    digest, v, r, s = (int.from_bytes(signed.data[at : at + 32], "big") for at in range(0, 128, 32))
    assert digest == int.from_bytes(keccak(b"gramercy"), "big")
    key = Signature(vrs=(v - 27, r, s)).recover_public_key_from_msg_hash(digest.to_bytes(32, "big"))
    assert signed.answer == key.to_canonical_address().rjust(32, b"\0")


def test_development_chains_answer_everything(w3: Web3) -> None:
    assert check_chain(w3) == [known.name for known in KNOWN]


@pytest.mark.parametrize(
    ("place", "way"),
    [*((place, "another answer") for place in range(len(KNOWN))), (4, "no answer"), (7, "no answer"), (7, "a refusal")],
)
def test_a_chain_that_answers_otherwise_is_refused_before_anything_is_sent(
    place: int, way: str, w3: Web3, account: LocalAccount
) -> None:
    wrong = KNOWN[place]
    to = None if wrong.to is None else f"0x{wrong.to:040x}"

    def answer(ask: Request, method: str, params: Any) -> Any:
        assert method != "eth_sendRawTransaction"
        if method != "eth_call" or params[0]["data"] != "0x" + wrong.data.hex() or params[0].get("to") != to:
            return ask(method, params)
        changed = wrong.answer[:-1] + bytes([wrong.answer[-1] ^ 1])
        answers = {"another answer": result("0x" + changed.hex()), "no answer": result("0x")}
        return answers.get(way, refusal("invalid opcode"))

    intercept(w3, answer)
    with pytest.raises(WrongChain, match="cannot run on this chain") as failure:
        deploy(w3, account, development_srs(32).key)
    assert failure.value.details["missing"] == wrong.name
    assert "nothing was sent" in str(failure.value.hint)


def test_a_chain_without_base_fees_is_refused(w3: Web3) -> None:
    def answer(ask: Request, method: str, params: Any) -> Any:
        found = ask(method, params)
        if method == "eth_getBlockByNumber":
            found["result"] = {key: value for key, value in found["result"].items() if key != "baseFeePerGas"}
        return found

    intercept(w3, answer)
    with pytest.raises(WrongChain, match="EIP-1559"):
        check_chain(w3)


def test_the_chain_id_that_contracts_see_is_the_one_that_is_told() -> None:
    assert known_answers(5)[9].answer == _words(5)
    assert known_answers(5)[9].name == _named("CHAINID").name


def test_everything_fits_the_limits_of_ethereum(w3: Web3) -> None:
    found = preview(w3, development_srs(32).key)
    for contract in found.plan.contracts:
        assert len(contract.artifact.deployed_bytecode) // 2 - 1 <= CODE_LIMIT
        assert len(contract.creation) <= 49_152  # EIP-3860
        assert contract.estimated_gas < 16_777_216  # EIP-7825


def test_a_preview_needs_no_coins_and_sends_nothing(w3: Web3) -> None:
    block = w3.eth.block_number
    assert preview(w3, development_srs(32).key).estimated_gas > 0
    assert w3.eth.block_number == block
