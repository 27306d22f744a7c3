"""Challenges: evidence that a recorded aggregate is false or an update out of range, built, checked, and sent."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from eth_abi.abi import encode

from aggregator.aggregate import LEAF_ENTRIES, aggregate_root, entry_bound, leaf_entries, leaf_path
from aggregator.bn254 import Point, compress
from aggregator.commitments import commit
from aggregator.errors import InvalidInput
from aggregator.proofs import open_chunk, verify_opening
from aggregator.srs import Srs
from market import rounds
from market.domain import Address, RoundSettled, SettlementOverturned, TrainerSlashed
from market.errors import ContractRefused, StorageError, UnknownCid
from market.rounds import RoundState
from market.services.balances import withdraw
from market.services.job import Job
from market.services.publishing import why_withheld
from market.services.report import Report, silent
from market.services.updates import OpenedAggregate, OpenedUpdate, fetch_aggregate, read_aggregate

OUT_OF_RANGE, FILE_MISMATCH = 1, 2
_EVIDENCE = "(uint8,(uint256,uint256),uint256,uint256[],bytes,int64[],bytes32[])"


@dataclass(frozen=True, slots=True)
class Evidence:
    """What shows that an aggregate is false, or an update out of range, as the verifier takes it."""

    kind: int
    commitment: Point
    start: int
    values: tuple[int, ...]
    opening: bytes
    leaf: tuple[int, ...] = ()
    path: tuple[bytes, ...] = ()
    words: str = ""

    def encode(self) -> bytes:
        """Return ``abi.encode(Evidence)``."""
        fields = (
            self.kind,
            self.commitment or (0, 0),
            self.start,
            list(self.values),
            self.opening,
            list(self.leaf),
            list(self.path),
        )
        return encode([_EVIDENCE], [fields])


@dataclass(frozen=True, slots=True)
class Challenged:
    """A settlement that was overturned, or a trainer that was slashed, and the challenger's reward."""

    evidence: Evidence
    reward: int
    gas: int


def challenge(job: Job, state: RoundState, true_aggregate: Path | None = None, report: Report = silent) -> Challenged:
    """Prove a settled round's aggregate false, so that the round becomes void; the reward is free balance then.

    Parameters
    ----------
    true_aggregate
        A file of the aggregate that the recorded commitment is of, where the published file is of another; whoever
        can open the round's payloads can make it (``gramercy aggregator recompute``).

    Raises
    ------
    ContractRefused
        If the round cannot be challenged now, or the market refuses.
    InvalidInput
        If the files show no fault, or none of them opens the commitment.

    """
    evidence = find_evidence(job, challengeable_settlement(job, state), true_aggregate)
    report("evidence", {"round": state.number, "fault": evidence.words, "bytes": len(evidence.encode())})
    receipt = job.market.challenge_settlement(job.job_id, state.number, evidence.encode())
    job.refresh()
    events = job.market.decode_logs(receipt["logs"])
    reward = next(event.reward for event in events if isinstance(event, SettlementOverturned))
    return Challenged(evidence, reward, int(receipt["gasUsed"]))


def challenge_update(job: Job, state: RoundState, opened: OpenedUpdate, report: Report = silent) -> Challenged:
    """Prove a committed update out of range, so that its trainer is slashed; the reward is free balance then.

    Parameters
    ----------
    opened
        The update with its blinding, which open the commitment: whoever the payload is sealed to has them.

    Raises
    ------
    ContractRefused
        If the update cannot be challenged now, or the market refuses.
    InvalidInput
        If it is in range, or does not open its commitment.

    """
    index = opened.commit.index
    require_challengeable_update(job, state, index)
    evidence = update_evidence(job, opened)
    report("evidence", {"round": state.number, "fault": evidence.words, "bytes": len(evidence.encode())})
    receipt = job.market.challenge_update(job.job_id, state.number, index, evidence.encode())
    job.refresh()
    events = job.market.decode_logs(receipt["logs"])
    slashed = next(event for event in events if isinstance(event, TrainerSlashed))
    report(
        "trainer-slashed",
        {
            "round": state.number,
            "trainer": slashed.trainer,
            "fault": evidence.words,
            "stake_wei": slashed.stake,
            "reward_wei": slashed.reward,
        },
    )
    return Challenged(evidence, slashed.reward, int(receipt["gasUsed"]))


def challengeable_settlement(job: Job, state: RoundState) -> RoundSettled:
    """Return a round's settlement on record.

    Raises
    ------
    ContractRefused
        If it cannot be challenged now.

    """
    if state.settled is None or rounds.refusal_to_challenge(job.state, state.number, job.now) is not None:
        raise ContractRefused(
            f"round {state.number} cannot be challenged: it is {state.phase(job.now).name.lower()}",
            hint="only a settled round within its challenge window can be",
            error="Market_WrongPhase",
        )
    return state.settled


def require_challengeable_update(job: Job, state: RoundState, index: int) -> None:
    """Raise ContractRefused if the ``index``-th update of a round cannot be challenged now."""
    refusal = rounds.refusal_to_challenge_update(job.state, state.number, index, job.now)
    if refusal is not None:
        raise ContractRefused(
            f"update {index} of round {state.number} cannot be challenged ({refusal})",
            hint="an update can be until its round is final, and once",
            error=refusal,
        )


def withdraw_reward(job: Job, reward: int, report: Report = silent) -> int:
    """Have a reward paid out of the account's free balance; return the amount."""
    if not reward or job.market.account is None:
        return 0
    return withdraw(job.market, job.state.terms.token, reward, Address(job.market.account.address), report)


def update_evidence(job: Job, opened: OpenedUpdate) -> Evidence:
    """Return evidence that a committed update is out of range, checked as the verifier will.

    Raises
    ------
    InvalidInput
        If it is in range, or does not open its commitment.

    """
    own = opened.commit
    if compress(commit(job.srs, opened.entries, opened.blinding)) != own.commitment:
        raise InvalidInput(f"the payload of update {own.index} does not open its commitment")
    evidence = _out_of_range(job, own.number, opened, weight_sum=1)
    if evidence is None:
        raise InvalidInput(
            f"update {own.index} of round {own.number} is in range", hint="there is nothing to challenge"
        )
    return evidence


def find_evidence(job: Job, settled: RoundSettled, true_aggregate: Path | None = None) -> Evidence:
    """Return evidence that a recorded aggregate is false, checked as the verifier will.

    Raises
    ------
    InvalidInput
        If the files show no fault, or none of them opens the commitment.
    StorageError
        If the published file is needed and cannot be had; it may have to be published only later in the window.

    """
    dimension = job.state.terms.dimension
    published: OpenedAggregate | None = None
    unavailable: StorageError | None = None
    try:
        published = fetch_aggregate(job.storage, settled, dimension=dimension, workdir=job.workdir)
    except StorageError as error:
        unavailable = error
    given = None if true_aggregate is None else read_aggregate(true_aggregate, dimension=dimension, workdir=job.workdir)
    recorded = settled.settlement.aggregate_commitment
    opener = next((one for one in (given, published) if one is not None and _opens(job.srs, one, recorded)), None)
    if opener is None:
        if unavailable is not None and given is None:
            raise _unavailable(job, settled, unavailable)
        raise InvalidInput(
            f"no file at hand opens the aggregate commitment of round {settled.number}",
            hint="pass --aggregate FILE with the true aggregate; an aggregator of the job makes it with "
            "`gramercy aggregator recompute`",
        )
    weight_sum = sum(settled.settlement.weights)
    return _out_of_range(job, settled.number, opener, weight_sum=weight_sum) or _mismatch(
        job, settled, opener, published
    )


def _unavailable(job: Job, settled: RoundSettled, error: StorageError) -> StorageError:
    """Return why a published file cannot be had: also because it does not have to be published yet."""
    state = job.require_round(settled.number)
    reason = why_withheld(job.state.terms, state, job.now) if state.settled == settled else None
    if reason is None:
        return error
    return UnknownCid(reason, hint="challenge it in the second half of the window, or pass --aggregate FILE")


def _opens(srs: Srs, opened: OpenedAggregate, recorded: bytes) -> bool:
    return compress(commit(srs, opened.entries, opened.blinding)) == recorded


def _out_of_range(job: Job, number: int, opener: OpenedAggregate | OpenedUpdate, *, weight_sum: int) -> Evidence | None:
    bound = entry_bound(weight_sum, job.state.terms.bits)
    outside = np.flatnonzero((opener.entries > bound) | (opener.entries < -bound))
    if not len(outside):
        return None
    place = int(outside[0])
    words = f"entry {place} is {int(opener.entries[place])}, beyond the bound {bound}"
    return _opened(job, number, opener, place, 1, OUT_OF_RANGE, words=words)


def _mismatch(job: Job, settled: RoundSettled, opener: OpenedAggregate, published: OpenedAggregate | None) -> Evidence:
    root = settled.settlement.aggregate_root
    if aggregate_root(opener.entries) == root:
        raise InvalidInput(
            f"the aggregate of round {settled.number} holds: commitment, range and root",
            hint="there is nothing to challenge",
        )
    if published is None or aggregate_root(published.entries) != root:
        raise InvalidInput(
            f"the recorded root of round {settled.number} is that of no file at hand",
            hint="the evidence needs the file that the root was made of",
        )
    leaf = int(np.flatnonzero(published.entries != opener.entries)[0]) // LEAF_ENTRIES
    start = leaf * LEAF_ENTRIES
    count = min(LEAF_ENTRIES, len(opener.entries) - start)
    return _opened(
        job,
        settled.number,
        opener,
        start,
        count,
        FILE_MISMATCH,
        leaf=leaf_entries(published.entries, leaf),
        path=leaf_path(published.entries, leaf),
        words=f"the published file differs from the committed aggregate from entry {start} on",
    )


def _opened(
    job: Job,
    number: int,
    opener: OpenedAggregate | OpenedUpdate,
    start: int,
    count: int,
    kind: int,
    *,
    leaf: tuple[int, ...] = (),
    path: tuple[bytes, ...] = (),
    words: str,
) -> Evidence:
    round_id = job.market.round_id(job.job_id, number)
    statement, opening = open_chunk(job.srs, round_id, opener.entries, opener.blinding, start=start, count=count)
    verify_opening(job.srs.key, statement, opening)
    return Evidence(kind, statement.commitment, start, statement.values, opening, leaf, path, words)
