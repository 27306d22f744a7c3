"""Statements as calldata: what GramVerifier is called with, and back to what the Python verifier takes.

A call is ``verify`` with a whole settlement, or ``verifyGram`` with its Gram statement alone.
"""

from __future__ import annotations

import json
from functools import cache
from typing import Any, Literal

from eth_abi.abi import decode, encode
from eth_abi.exceptions import DecodingError
from eth_hash.auto import keccak
from web3 import Web3

from aggregator.bn254 import decode_point
from aggregator.commitments import RoundId, uint_word
from aggregator.errors import GramercyError, InvalidInput
from aggregator.proofs import GramStatement, Statement, verify, verify_gram
from aggregator.proofs.statement import Witness, id_word
from aggregator.settlement import RoundRules
from aggregator.srs import VerifyingKey
from scripts import compile_contracts

Parameter = dict[str, Any]
"""A parameter of an ABI: name, type, components."""
Call = Literal["verify", "verifyGram"]


@cache
def statement_parameter(call: Call) -> Parameter:
    """Return the statement that a call takes, as the ABI describes it."""
    abi = json.loads((compile_contracts.ARTIFACTS / "GramVerifier.json").read_text())["abi"]
    (function,) = [entry for entry in abi if entry.get("name") == call]
    parameter: Parameter = function["inputs"][0]
    return parameter


def selector(call: Call) -> bytes:
    """Return a call's first four bytes."""
    return bytes(keccak(f"{call}({type_of(statement_parameter(call))},bytes)".encode())[:4])


def type_of(parameter: Parameter) -> str:
    """Return a parameter's type in the form that eth_abi reads."""
    kind: str = parameter["type"]
    if not kind.startswith("tuple"):
        return kind
    return "(" + ",".join(type_of(part) for part in parameter["components"]) + ")" + kind.removeprefix("tuple")


def encode_call(call: Call, values: Any, proof: bytes) -> bytes:
    """Return the arguments of a call, without its selector."""
    return encode([type_of(statement_parameter(call)), "bytes"], [values, proof])


def values_of(call: Call, statement: Statement) -> Any:
    """Return what a call takes of a settlement, as nested tuples and lists, each leaf as eth_abi takes it."""
    gram = gram_values(statement.gram)
    if call == "verifyGram":
        return gram
    lists = [list(part) for part in (statement.weights, statement.scores, statement.payouts)]
    witness = statement.witness
    return (
        *(gram, *lists, statement.aggregate_commitment, statement.next_scale_exponent),
        *(statement.gram.rules.reference, statement.memory_digest, statement.next_memory_digest),
        (witness.carried, witness.rule_hints, witness.score_hints, witness.floor_hints),
    )


def python_accepts(key: VerifyingKey, call: Call, arguments: bytes) -> bool:
    """Return whether the Python verifier accepts calldata; only a refusal that it names counts as one."""
    try:
        values, proof = _decode(call, arguments)
        if call == "verify":
            verify(key, _statement(values), proof)
        else:
            verify_gram(key, _gram_statement(values), proof)
    except GramercyError:
        return False
    return True


def _decode(call: Call, arguments: bytes) -> tuple[Any, bytes]:
    try:
        values, proof = decode([type_of(statement_parameter(call)), "bytes"], arguments)
    except (DecodingError, OverflowError) as error:  # the latter from lengths beyond 2**63
        raise InvalidInput(f"not the arguments of {call}: {error}") from error
    return values, proof


def gram_values(gram: GramStatement) -> Any:
    """Return IProofVerifier.GramStatement."""
    place, rules = gram.round_id, gram.rules
    return (
        *(place.chain_id, Web3.to_checksum_address(place.market), place.job_id, place.number),
        Web3.to_checksum_address(gram.aggregator),
        *(id_word(rules.rule), id_word(rules.score), rules.byzantine, rules.dimension),
        *(rules.bits, rules.headroom_bits, gram.scale_exponent, rules.budget),
        *(rules.floor_bps, rules.cap_bps, gram.reference, gram.previous, gram.history),
        [Web3.to_checksum_address(trainer) for trainer in gram.trainers],
        list(gram.stakes),
        [point or (0, 0) for point in gram.commitments],
        gram.gram,
    )


def _statement(values: Any) -> Statement:
    (gram, weights, scores, payouts, aggregate_commitment, next_scale_exponent, reference, before, after, witness) = (
        values
    )
    return Statement(
        gram=_gram_statement(gram, reference=reference),
        weights=tuple(weights),
        scores=tuple(scores),
        payouts=tuple(payouts),
        aggregate_commitment=aggregate_commitment,
        next_scale_exponent=next_scale_exponent,
        memory_digest=before,
        next_memory_digest=after,
        witness=Witness(*witness),
    )


def _gram_statement(values: Any, *, reference: bool = False) -> GramStatement:
    """Return the statement; that its job has a reference, the statement itself does not say."""
    (chain_id, market, job_id, number, aggregator, rule, score, byzantine, dimension, bits) = values[:10]
    headroom_bits, scale_exponent, budget, floor_bps, cap_bps, has_reference, previous, history = values[10:18]
    trainers, stakes, commitments, gram = values[18:]
    return GramStatement(
        round_id=RoundId(chain_id, bytes.fromhex(market[2:]), job_id, number),
        aggregator=bytes.fromhex(aggregator[2:]),
        rules=RoundRules(
            *(_name(rule), _name(score), byzantine, dimension, bits, headroom_bits, budget),
            reference=reference,
            floor_bps=floor_bps,
            cap_bps=cap_bps,
        ),
        scale_exponent=scale_exponent,
        trainers=tuple(bytes.fromhex(trainer[2:]) for trainer in trainers),
        stakes=tuple(stakes),
        commitments=tuple(decode_point(uint_word(x) + uint_word(y)) for x, y in commitments),
        gram=gram,
        reference=has_reference,
        previous=previous,
        history=history,
    )


def _name(word: bytes) -> str:
    try:
        name = word.rstrip(b"\0").decode("ascii")
    except UnicodeDecodeError:
        raise InvalidInput("an id is not ASCII") from None
    if id_word(name) != word:
        raise InvalidInput("an id has zeros inside")
    return name
