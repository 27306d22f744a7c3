"""Challenges to be sent by somebody else, from a browser for instance: made and tried here, written as a small file."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from market.chain.market import ALL_ABIS
from market.chain.transactions import refusals
from market.domain import Address
from market.rounds import RoundState
from market.services.challenge import (
    Evidence,
    challengeable_settlement,
    find_evidence,
    require_challengeable_update,
    update_evidence,
)
from market.services.job import Job
from market.services.updates import OpenedUpdate

SCHEMA = "gramercy/challenge/1"


@dataclass(frozen=True, slots=True)
class ChallengeFile:
    """A challenge that the market would accept now, with all that its call takes; nothing in it is secret.

    Whoever has it can send it, and only the first valid challenge is rewarded.

    Attributes
    ----------
    kind
        Of a round's settlement, or of one of its updates.
    accused
        Who is at fault: the aggregator, or the update's trainer.
    update
        Which update of the round; None for a settlement.
    commitment
        Of what is false, as it is on record: a settlement that another one replaced has another.
    evidence
        As the contract takes it, see `Evidence`.
    """

    chain_id: int
    market: Address
    job: int
    round: int
    kind: Literal["settlement", "update"]
    accused: Address
    update: int | None
    commitment: str
    evidence: str
    schema: str = SCHEMA

    def fields(self) -> dict[str, Any]:
        """Return the file's fields, the schema first."""
        told = asdict(self)
        return {"schema": told.pop("schema"), **told}


def settlement_file(job: Job, state: RoundState, true_aggregate: Path | None = None) -> tuple[ChallengeFile, Evidence]:
    """Return a challenge of a round's settlement, tried on the market; needs no key and sends nothing.

    Raises
    ------
    ContractRefused
        If the round cannot be challenged now, or the market would refuse the evidence.
    InvalidInput
        If the files show no fault, or none of them opens the commitment.
    StorageError
        If the published file is needed and cannot be had.

    """
    settled = challengeable_settlement(job, state)
    evidence = find_evidence(job, settled, true_aggregate)
    with refusals(ALL_ABIS):
        challenge = job.market.contract.functions.challengeSettlement(job.job_id, state.number, evidence.encode())
        challenge.call(block_identifier="pending")
    commitment = settled.settlement.aggregate_commitment
    return _file(job, state, "settlement", settled.aggregator, None, commitment, evidence), evidence


def update_file(job: Job, state: RoundState, opened: OpenedUpdate) -> tuple[ChallengeFile, Evidence]:
    """Return a challenge of a committed update, tried on the market; sends nothing.

    Raises
    ------
    ContractRefused
        If the update cannot be challenged now, or the market would refuse the evidence.
    InvalidInput
        If it is in range, or does not open its commitment.

    """
    own = opened.commit
    require_challengeable_update(job, state, own.index)
    evidence = update_evidence(job, opened)
    with refusals(ALL_ABIS):
        challenge = job.market.contract.functions.challengeUpdate(
            job.job_id, state.number, own.index, evidence.encode()
        )
        challenge.call(block_identifier="pending")
    return _file(job, state, "update", own.trainer, own.index, own.commitment, evidence), evidence


def _file(
    job: Job,
    state: RoundState,
    kind: Literal["settlement", "update"],
    accused: Address,
    update: int | None,
    commitment: bytes,
    evidence: Evidence,
) -> ChallengeFile:
    return ChallengeFile(
        chain_id=job.market.chain_id,
        market=Address(job.market.address),
        job=job.job_id,
        round=state.number,
        kind=kind,
        accused=accused,
        update=update,
        commitment="0x" + commitment.hex(),
        evidence="0x" + evidence.encode().hex(),
    )
