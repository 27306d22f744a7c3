"""The shared vectors as typed objects, for every test that runs them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from aggregator.bn254 import decode_point
from aggregator.carried import Carried
from aggregator.commitments import RoundId
from aggregator.fixedpoint import Float32Vector, Quantiser
from aggregator.products import Layout, Products, unpack_products
from aggregator.proofs import GramStatement, OpeningStatement
from aggregator.settlement import Outcome, RoundRules

VECTORS = Path(__file__).resolve().parent


@dataclass(frozen=True)
class SettlementCase:
    """One round: what a settlement is computed from, and its outcome; ``carried`` is what the job brings into it."""

    name: str
    rules: RoundRules
    products: Products
    trainers: tuple[bytes, ...]
    stakes: tuple[int, ...]
    scale_exponent: int
    carried: Carried
    outcome: Outcome


@dataclass(frozen=True)
class ProofCase:
    """A Gram statement, its transcript's message and challenges, and its proof."""

    name: str
    statement: GramStatement
    message: bytes
    lambdas: tuple[int, ...]
    z: int
    gamma: int
    proof: bytes


@dataclass(frozen=True)
class OpeningCase:
    """An opening's statement, its transcript's message and challenges, and its proof."""

    name: str
    statement: OpeningStatement
    message: bytes
    challenges: tuple[int, int, int, int]
    """rho, z, gamma, delta."""
    proof: bytes


@cache
def settlement_cases() -> tuple[SettlementCase, ...]:
    """Return the cases of ``settlement.json``."""
    return tuple(_settlement_case(case) for case in load("settlement.json")["cases"])


@cache
def proof_cases() -> tuple[ProofCase, ...]:
    """Return the cases of ``proofs.json``."""
    return tuple(_proof_case(case) for case in load("proofs.json")["cases"])


@cache
def opening_cases() -> tuple[OpeningCase, ...]:
    """Return the cases of ``openings.json``."""
    return tuple(_opening_case(case) for case in load("openings.json")["cases"])


@cache
def load(name: str) -> dict[str, Any]:
    """Return a file of vectors as it is."""
    content: dict[str, Any] = json.loads((VECTORS / name).read_text())
    return content


def quantiser_of(case: dict[str, Any]) -> Quantiser:
    """Return the quantiser that a case of ``quantiser.json`` describes."""
    return Quantiser(case["bits"], case["scale_exponent"], tuple(case["lengths"]), tuple(case["offsets"]))


def floats(words: list[str]) -> Float32Vector:
    """Return float32 numbers from their big-endian bits in hexadecimal."""
    return np.frombuffer(bytes.fromhex("".join(words)), dtype=">f4").astype(np.float32)


def integers(words: list[str]) -> npt.NDArray[np.int64]:
    """Return int64 numbers from decimal strings."""
    return np.array([int(word) for word in words], dtype=np.int64)


def _settlement_case(case: dict[str, Any]) -> SettlementCase:
    outcome = Outcome(
        accepted=tuple(case["accepted"]),
        weights=tuple(case["weights"]),
        scores=tuple(int(score) for score in case["scores"]),
        payouts=tuple(int(payout) for payout in case["payouts"]),
        next_scale_exponent=case["next_scale_exponent"],
        memory=Carried.decode(bytes.fromhex(case["next_carried"])),
        rule_hints=bytes.fromhex(case["rule_hints"]),
        score_hints=bytes.fromhex(case["score_hints"]),
        floor_hints=bytes.fromhex(case["floor_hints"]),
    )
    stakes = tuple(int(stake) for stake in case["stakes"])
    layout = Layout(len(stakes), case["reference"], case["previous"], case["history"])
    return SettlementCase(
        name=case["name"],
        rules=_rules(case),
        products=unpack_products(bytes.fromhex(case["gram"]), layout),
        trainers=tuple(bytes.fromhex(trainer) for trainer in case["trainers"]),
        stakes=stakes,
        scale_exponent=case["scale_exponent"],
        carried=Carried.decode(bytes.fromhex(case["carried"])),
        outcome=outcome,
    )


def _rules(case: dict[str, Any]) -> RoundRules:
    return RoundRules(
        rule=case["rule"],
        score=case["score"],
        byzantine=case["byzantine"],
        dimension=int(case["dimension"]),
        bits=case["bits"],
        headroom_bits=case["headroom_bits"],
        budget=int(case["budget"]),
        reference=case["job_reference"],
        floor_bps=case["floor_bps"],
        cap_bps=case["cap_bps"],
    )


def _proof_case(case: dict[str, Any]) -> ProofCase:
    statement = GramStatement(
        round_id=_round_id(case),
        aggregator=bytes.fromhex(case["aggregator"]),
        rules=_rules(case),
        scale_exponent=case["scale_exponent"],
        trainers=tuple(bytes.fromhex(trainer) for trainer in case["trainers"]),
        stakes=tuple(int(stake) for stake in case["stakes"]),
        commitments=tuple(decode_point(bytes.fromhex(point)) for point in case["commitments"]),
        gram=bytes.fromhex(case["gram"]),
        reference=case["reference"],
        previous=case["previous"],
        history=case["history"],
    )
    return ProofCase(
        name=case["name"],
        statement=statement,
        message=bytes.fromhex(case["message"]),
        lambdas=tuple(int(factor) for factor in case["lambdas"]),
        z=int(case["z"]),
        gamma=int(case["gamma"]),
        proof=bytes.fromhex(case["proof"]),
    )


def _opening_case(case: dict[str, Any]) -> OpeningCase:
    statement = OpeningStatement(
        round_id=_round_id(case),
        commitment=decode_point(bytes.fromhex(case["commitment"])),
        start=case["start"],
        values=tuple(int(value) for value in case["values"]),
    )
    return OpeningCase(
        name=case["name"],
        statement=statement,
        message=bytes.fromhex(case["message"]),
        challenges=(int(case["rho"]), int(case["z"]), int(case["gamma"]), int(case["delta"])),
        proof=bytes.fromhex(case["proof"]),
    )


def _round_id(case: dict[str, Any]) -> RoundId:
    return RoundId(int(case["chain_id"]), bytes.fromhex(case["market"]), int(case["job_id"]), case["round"])
