"""Gas of verifying a proof on chain, and of a whole settlement, on the embedded chain (py-evm, Prague rules).

A market as in use: native coin, stakes and budget of about one coin in wei, Multi-Krum and Shapley, real commitments
and a real proof. Gas is what the receipt says: transaction base and calldata included.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from eth_account import Account
from eth_account.signers.local import LocalAccount
from eth_hash.auto import keccak
from web3 import Web3

from aggregator.aggregate import aggregate_root
from aggregator.bn254 import Point
from aggregator.commitments import commit
from aggregator.fixedpoint import IntVector
from aggregator.gram import GramMatrix, gram_matrix, pack_gram, weighted_sum
from aggregator.proofs import GramStatement, Statement, prove
from aggregator.srs import Srs
from market.chain.artifacts import load_artifact
from market.chain.deployment import Deployment, deploy
from market.chain.devnet import Devnet
from market.chain.market import MarketClient
from market.chain.market_encoding import encode_gram_statement
from market.chain.rpc import connect, fast_forward, next_block_time
from market.chain.transactions import send
from market.domain import NATIVE_COIN, JobTerms, Settlement
from scripts.benchmarks.inputs import (
    BUDGET,
    SEED,
    Parameters,
    blinding,
    open_srs,
    outcome_of,
    rules,
    similar_update,
    stake,
    whole,
)
from scripts.benchmarks.process import ROOT, Figures, serve
from scripts.benchmarks.terminal import counted

VERIFY_LIMITS = {8: 300_000, 20: 500_000, 32: 850_000}
SETTLE_LIMITS = {32: 3_000_000, 64: 16_777_216}
"""What a release keeps below; 2^24 is the most that a transaction may use (EIP-7825)."""
_CONTRACTS = ROOT / "tests" / "contracts" / "rules" / "gas.json"
_WINDOW_SECONDS = 3_600
_PATIENCE_SECONDS = 600.0
_COIN_WEI = 10**18
_CID = b"\x01\x55\x12\x20" + keccak(b"payload")
_FIRST_SCALE_EXPONENT = -7


@dataclass(frozen=True, slots=True)
class _Round:
    """What a round's trainers made, and its Gram matrix."""

    updates: Sequence[IntVector]
    commitments: tuple[Point, ...]
    gram: GramMatrix


def recorded_contracts() -> list[Figures]:
    """Return the execution gas of each rule's and score's contract, which the tests keep true."""
    recorded: dict[str, dict[str, Figures]] = json.loads(_CONTRACTS.read_text())
    return [
        {"id": name, "n": int(n), **figures}
        for name, sizes in recorded.items()
        for n, figures in sorted(sizes.items(), key=lambda size: int(size[0]))
    ]


def measure(asked: Figures) -> Figures:
    """Play one round of a market and settle it."""
    parameters = Parameters(**asked)
    srs = open_srs(parameters.d)
    made = _make_round(parameters, srs)
    with Devnet() as devnet:
        w3 = connect(devnet.url, expected_chain_id=devnet.chain_id, read_seconds=_PATIENCE_SECONDS)
        owner, aggregator, *trainers = (_account(index) for index in range(parameters.n + 2))
        for account in (owner, aggregator, *trainers):
            devnet.fund(account.address, 1_000 * _COIN_WEI)
        deployment = deploy(w3, owner, srs.key)
        job = _play(w3, deployment, parameters, made, (owner, aggregator, trainers))
        client = MarketClient(w3, deployment.market, aggregator)
        return _settle(client, deployment.verifier, job, parameters, made, trainers, srs)


def _make_round(parameters: Parameters, srs: Srs) -> _Round:
    updates = [similar_update(index, parameters) for index in range(parameters.n)]
    gram = gram_matrix(updates, bits=parameters.bits)
    return _Round(
        updates=updates,
        commitments=tuple(commit(srs, update, blinding(index)) for index, update in enumerate(updates)),
        gram=gram,
    )


def _play(
    w3: Web3,
    deployment: Deployment,
    parameters: Parameters,
    made: _Round,
    actors: tuple[LocalAccount, LocalAccount, Sequence[LocalAccount]],
) -> int:
    """Bring a job to its Settling phase; return its number."""
    owner, aggregator, trainers = actors
    client = MarketClient(w3, deployment.market, owner)
    terms = _terms(parameters, deployment.verifier, next_block_time(w3) + 100 * _WINDOW_SECONDS)
    job, _ = client.create_job(terms, [aggregator.address], _CID)
    own = [MarketClient(w3, deployment.market, trainer) for trainer in trainers]
    for index, trainer in enumerate(counted("joining", own)):
        trainer.join_job(job, stake(index), NATIVE_COIN)
    client.open_round(job)
    for trainer, commitment in counted("committing", list(zip(own, made.commitments, strict=True))):
        trainer.commit_update(job, 1, commitment, _CID, 1)
    fast_forward(w3, _WINDOW_SECONDS)
    return job


def _settle(
    client: MarketClient,
    verifier: str,
    job: int,
    parameters: Parameters,
    made: _Round,
    trainers: Sequence[LocalAccount],
    srs: Srs,
) -> Figures:
    claim = GramStatement(
        round_id=client.round_id(job, 1),
        aggregator=bytes.fromhex((client.account or _account(1)).address[2:]),
        rules=rules(parameters),
        scale_exponent=_FIRST_SCALE_EXPONENT,
        trainers=tuple(bytes.fromhex(trainer.address[2:]) for trainer in trainers),
        stakes=tuple(stake(index) for index in range(parameters.n)),
        commitments=made.commitments,
        gram=pack_gram(made.gram),
    )
    statement = whole(claim, outcome_of(parameters, made.gram, claim.trainers, claim.scale_exponent))
    blindings = [blinding(index) for index in range(parameters.n)]
    proof = prove(srs, claim, made.updates, blindings, seed=SEED)
    contract = client.w3.eth.contract(address=Web3.to_checksum_address(verifier), abi=load_artifact("GramVerifier").abi)
    account = client.account or _account(1)
    argument = contract.functions.verifyGram(encode_gram_statement(claim), proof)
    verified = send(client.w3, account, argument, gas=SETTLE_LIMITS[64])
    settled = client.settle_round(job, 1, _settlement(statement, made), proof)
    return {
        "verify_gas": verified["gasUsed"],
        "settle_gas": settled["gasUsed"],
        "byzantine": claim.rules.byzantine,
        "verify_calldata_bytes": len(bytes.fromhex(argument._encode_transaction_data()[2:])),
        "proof_bytes": len(proof),
    }


def _settlement(statement: Statement, made: _Round) -> Settlement:
    aggregate = weighted_sum(made.updates, statement.weights)
    return Settlement(
        included=(1 << statement.gram.updates) - 1,
        commitment_ys=tuple(0 if point is None else point[1] for point in made.commitments),
        history=(),
        gram=statement.gram.gram,
        weights=statement.weights,
        scores=statement.scores,
        payouts=statement.payouts,
        next_scale_exponent=statement.next_scale_exponent,
        next_memory_digest=statement.next_memory_digest,
        aggregate_commitment=statement.aggregate_commitment,
        aggregate_root=aggregate_root(aggregate),
        aggregate_cid=_CID,
        aggregate_bytes=1,
        witness=statement.witness,
    )


def _terms(parameters: Parameters, verifier: str, deadline: int) -> JobTerms:
    arithmetic = rules(parameters)
    return JobTerms(
        token=NATIVE_COIN,
        verifier=verifier,
        round_budget=BUDGET,
        rounds=1,
        stake_min=_COIN_WEI,
        stake_max=2 * _COIN_WEI,
        aggregator_bond=0,
        challenger_share_bps=0,
        min_trainers=2 * arithmetic.byzantine + 3,
        max_trainers=max(parameters.n, 3),
        byzantine=arithmetic.byzantine,
        dimension=arithmetic.dimension,
        bits=arithmetic.bits,
        headroom_bits=arithmetic.headroom_bits,
        scale_exponent=_FIRST_SCALE_EXPONENT,
        commit_seconds=_WINDOW_SECONDS,
        settle_seconds=_WINDOW_SECONDS,
        challenge_seconds=_WINDOW_SECONDS,
        deadline=deadline,
        rule=arithmetic.rule,
        score=arithmetic.score,
        floor_bps=arithmetic.floor_bps,
        cap_bps=arithmetic.cap_bps,
    )


def _account(index: int) -> LocalAccount:
    account: LocalAccount = Account.from_key(keccak(b"benchmark account %d" % index))
    return account


if __name__ == "__main__":
    serve(measure)
