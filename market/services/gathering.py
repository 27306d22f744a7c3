"""Gathering: fetches and checks a round's committed payloads, and what a settlement needs beside them."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from aggregator.bn254 import compress, decompress
from aggregator.commitments import Blinding, check_commitments, combine_blindings, commit
from aggregator.errors import GramercyError, InvalidInput, OutOfRange
from aggregator.gram import weighted_sum
from aggregator.randomness import SEED_BYTES
from aggregator.rules import get_rule
from market.domain import REFERENCE_BIT, Address, UpdateCommitted
from market.errors import (
    ContractRefused,
    IntegrityError,
    NotForUs,
    PayloadError,
    StorageError,
    StorageUnavailable,
    UnknownCid,
)
from market.rounds import RoundState
from market.services.encryption import EncryptionKeys
from market.services.history import SumKeeper
from market.services.job import Job
from market.services.report import Report
from market.services.round_inputs import RoundInputs, round_inputs
from market.services.settling import ExtraRows
from market.services.updates import OpenedUpdate, open_update

PATIENCE = 0.5
"""Part of the Settling phase for which content that cannot be had is waited for before its trainer is left out."""
_AWAITED = (UnknownCid, IntegrityError, StorageUnavailable)
"""Not, or not surely, the trainer's fault: missing content may be on its way, wrong bytes a store's."""


@dataclass(frozen=True, slots=True)
class Exclusion:
    """A committed update that could not be opened, or does not open its commitment, and why."""

    commit: UpdateCommitted
    reason: str


@dataclass(frozen=True, slots=True)
class Gathered:
    """A round's payloads after every check; ``awaited`` of the ``excluded`` may still become available.

    ``reference`` is the owner's row; None in a job without one, or where it cannot be used: it is ``excluded`` then.
    ``sealed_away`` of the ``excluded`` are not encrypted to us.
    """

    opened: tuple[OpenedUpdate, ...]
    excluded: tuple[Exclusion, ...]
    awaited: int = 0
    reference: OpenedUpdate | None = None
    sealed_away: int = 0

    @property
    def included(self) -> int:
        """Bit i set: the i-th commitment was opened; the highest bit is the reference's."""
        mask = 0 if self.reference is None else 1 << REFERENCE_BIT
        for update in self.opened:
            mask |= 1 << update.commit.index
        return mask

    @property
    def reasons(self) -> dict[Address, str]:
        """Why each trainer that is left out is."""
        return {exclusion.commit.trainer: exclusion.reason for exclusion in self.excluded}


@dataclass
class Gatherer:
    """Opens what was committed to one job with one aggregator's keys; what was opened is kept for the next call."""

    job: Job
    keys: EncryptionKeys
    report: Report
    # By the whole event: another round, or another chain of blocks, may hold the same commitment.
    _opened: dict[UpdateCommitted, OpenedUpdate] = field(default_factory=dict)
    _wrong: dict[UpdateCommitted, str] = field(default_factory=dict)
    _not_ours: set[UpdateCommitted] = field(default_factory=set)
    _faulty: dict[UpdateCommitted, OpenedUpdate] = field(default_factory=dict)
    _sums: SumKeeper = field(init=False)

    def __post_init__(self) -> None:
        self._sums = SumKeeper(self.job, self._open_update)

    def gather(self, state: RoundState, *, patient: bool = True, deferring: bool = False) -> Gathered:
        """Fetch and check every committed payload; what is wrong with one excludes that one, with the reason.

        The owner's reference row is checked like an update, and left out like one. All commitments are checked at once,
        with fresh randomness. ``deferring``: what is encrypted to others only is waited for like what may still come,
        as they may settle with all of it.

        Raises
        ------
        StorageError
            If content cannot be had and there is time to wait for it, or no payload at all can be fetched.

        """
        wanted = self._wanted(state)
        awaited = self._open_all(state, wanted)
        opened = [self._opened[own] for own in wanted if own in self._opened]
        patient = patient and self.job.now < self._patience_ends(state)
        if awaited and (patient or not any(map(_is_update, opened))):
            raise next(iter(awaited.values()))
        if deferring and patient and not self._not_ours.isdisjoint(wanted):
            raise StorageUnavailable(f"payloads of round {state.number} are encrypted to other aggregators only")
        opened, missing = self._with_past(state, self._matching(opened), patient=patient)
        excluded = [*(Exclusion(own, error.message) for own, error in awaited.items()), *missing]
        excluded += [Exclusion(own, self._wrong[own]) for own in wanted if own in self._wrong]
        for exclusion in excluded:
            self.report(
                "excluded",
                {"round": state.number, "trainer": exclusion.commit.trainer, "reason": exclusion.reason},
            )
        self.report("gathered", {"round": state.number, "opened": len(opened), "excluded": len(excluded)})
        updates = tuple(update for update in opened if update.commit.index != REFERENCE_BIT)
        reference = next((update for update in opened if update.commit.index == REFERENCE_BIT), None)
        sealed_away = sum(1 for own in state.commits if own in self._not_ours)
        return Gathered(updates, tuple(excluded), len(awaited) + len(missing), reference, sealed_away)

    def left_out(self, state: RoundState) -> list[UpdateCommitted]:
        """Return what the settlement on record does not include: the reference row counts, slashed updates do not."""
        mask = 0 if state.settled is None else state.settled.settlement.included
        return [own for own in self._wanted(state) if not mask >> own.index & 1]

    def openable(self, state: RoundState) -> tuple[int, int]:
        """Look at what the settlement on record leaves out: return how much opens, and how much may still come."""
        left_out = self.left_out(state)
        awaited = self._open_all(state, left_out)
        found = self._matching([self._opened[own] for own in left_out if own in self._opened])
        return len(found), len(awaited)

    def faulty(self, state: RoundState) -> tuple[OpenedUpdate, ...]:
        """Return the updates that open their commitments and are out of range, as far as they were opened."""
        return tuple(self._faulty[own] for own in self._wanted(state) if own in self._faulty)

    def inputs(self, state: RoundState) -> RoundInputs:
        """Return what a round's settlement follows from beside the updates."""
        return round_inputs(self.job.state, self.job.market.round_id(self.job.job_id, state.number), state)

    def extra_rows(self, state: RoundState, gathered: Gathered) -> ExtraRows:
        """Return the rows that join the updates in the round's matrix.

        Raises
        ------
        StorageError
            If the previous aggregate is needed and cannot be had.
        InvalidInput
            If it has to be recomputed, and a payload that it was made of cannot be used.

        """
        inputs, before, row = self.inputs(state), self.job.state.settled_before(state.number), gathered.reference
        previous = None
        if before is not None and inputs.previous is not None:
            previous = self._aggregate_of(before)
        compared = gathered.opened if self._compares_sums else ()
        return ExtraRows(
            reference=None if row is None else (row.entries, row.blinding),
            previous=previous,
            history=tuple(self._sums.row(state, inputs.carried, update) for update in compared),
        )

    def recomputed(self, state: RoundState) -> tuple[npt.NDArray[np.int64], Blinding]:
        """Return a settled round's true aggregate and its blinding, from the payloads of the included trainers.

        Raises
        ------
        ContractRefused
            If the round is not settled.
        InvalidInput
            If an included payload cannot be opened with our keys, or does not open its commitment.

        """
        if state.settled is None:
            raise ContractRefused(f"round {state.number} is not settled", error="Market_WrongPhase")
        opened = [self._open_update(state, own) for own in state.included]
        if len(self._matching(opened)) != len(opened):
            raise InvalidInput("an included payload does not match its commitment on chain")
        weights = state.settled.settlement.weights
        aggregate = weighted_sum([update.entries for update in opened], weights)
        return aggregate, combine_blindings(weights, [update.blinding for update in opened])

    def forget(self) -> None:
        """Forget all that was opened, but for what can be challenged while the round lasts."""
        self._opened.clear()
        self._wrong.clear()

    def _aggregate_of(self, before: RoundState) -> tuple[npt.NDArray[np.int64], Blinding]:
        """Return a settled round's aggregate, recomputed where who settled it published none, or a false one."""
        try:
            found = self.job.aggregate(before)
        except (StorageError, PayloadError) as error:
            self.report("recomputing", {"round": before.number, "reason": error.message})
            return self.recomputed(before)
        return found.entries, found.blinding

    def _reference_commit(self, state: RoundState) -> tuple[UpdateCommitted, ...]:
        """Return the owner's reference as a commitment in the place that its bit names; none in a job without one."""
        row, created = state.reference, self.job.state.created
        if row is None:
            return ()
        return (
            UpdateCommitted(
                created.job_id, state.number, created.owner, REFERENCE_BIT, row.commitment, row.cid, row.payload_bytes
            ),
        )

    def _wanted(self, state: RoundState) -> list[UpdateCommitted]:
        """Return what a settlement can include; what was opened of other rounds is forgotten."""
        sound = [own for own in state.commits if own.index not in state.slashed]
        wanted = [*sound, *self._reference_commit(state)]
        self._keep(tuple(wanted))
        return wanted

    def _open_all(self, state: RoundState, wanted: list[UpdateCommitted]) -> dict[UpdateCommitted, StorageError]:
        """Open what was not opened before; return what may still come, with what is in the way."""
        awaited: dict[UpdateCommitted, StorageError] = {}
        for own in wanted:
            if own in self._opened or own in self._wrong:
                continue
            try:
                self._opened[own] = self._open_update(state, own)
            except _AWAITED as error:
                awaited[own] = error
            except OutOfRange as error:
                try:
                    self._keep_fault(state, own)
                except _AWAITED as missing:  # it is fetched once more, which can fail where the first time did not
                    awaited[own] = missing
                else:
                    self._wrong[own] = error.message
            except NotForUs as error:
                self._wrong[own] = error.message
                self._not_ours.add(own)
            except GramercyError as error:
                self._wrong[own] = error.message
        return awaited

    def _keep_fault(self, state: RoundState, own: UpdateCommitted) -> None:
        """Keep an update out of range if it is what was committed: only then can it be challenged."""
        if own.index == REFERENCE_BIT or own in self._faulty:
            return
        found = self._open_update(state, own, ranged=False)
        if compress(commit(self.job.srs, found.entries, found.blinding)) == own.commitment:
            self._faulty[own] = found

    def _open_update(self, state: RoundState, own: UpdateCommitted, *, ranged: bool = True) -> OpenedUpdate:
        return open_update(
            self.job.storage,
            self.job.market.round_id(self.job.job_id, state.number),
            own,
            [key.private for key in self.keys.all()],
            dimension=self.job.state.terms.dimension,
            bits=self.job.state.terms.bits,
            workdir=self.job.workdir,
            ranged=ranged,
        )

    def _matching(self, opened: list[OpenedUpdate]) -> list[OpenedUpdate]:
        """Return the updates that open their commitments; remember the others as wrong."""
        culprits = check_commitments(
            self.job.srs,
            [decompress(update.commit.commitment) for update in opened],
            [update.entries for update in opened],
            [update.blinding for update in opened],
            secrets.token_bytes(SEED_BYTES),
        )
        for place in culprits:
            own = opened[place].commit
            self._wrong[own] = "the payload does not match the commitment on chain"
            self._opened.pop(own, None)
        return [update for place, update in enumerate(opened) if place not in culprits]

    def _with_past(
        self, state: RoundState, opened: list[OpenedUpdate], *, patient: bool
    ) -> tuple[list[OpenedUpdate], list[Exclusion]]:
        """Tell apart the updates whose trainers' running sums are at hand and those for which content is awaited.

        Nothing is left out in jobs whose rule does not compare running sums.
        """
        if not self._compares_sums:
            return opened, []
        carried, waiting = self.inputs(state).carried, patient and self.job.now < self._patience_ends(state)
        found, missing = [], []
        for update in opened:
            try:
                if update.commit.index != REFERENCE_BIT:
                    self._sums.row(state, carried, update)
            except _AWAITED as error:
                if waiting:
                    raise
                missing.append(Exclusion(update.commit, f"an earlier update cannot be had: {error.message}"))
            except (InvalidInput, StorageError) as error:
                self._wrong[update.commit] = f"an earlier update cannot be used: {error.message}"
                self._opened.pop(update.commit, None)
            else:
                found.append(update)
        return found, missing

    @property
    def _compares_sums(self) -> bool:
        return get_rule(self.job.state.terms.rule).needs_history

    def _patience_ends(self, state: RoundState) -> int:
        return state.opened.commit_end + int(PATIENCE * self.job.state.terms.settle_seconds)

    def _keep(self, commits: tuple[UpdateCommitted, ...]) -> None:
        """Forget what was opened of other rounds, or of commitments that a reorganisation took back."""
        for held in (self._opened, self._wrong, self._faulty):
            for stale in held.keys() - set(commits):
                del held[stale]
        self._not_ours &= set(commits)


def _is_update(opened: OpenedUpdate) -> bool:
    """Whether it is a trainer's update, not the owner's reference row."""
    return opened.commit.index != REFERENCE_BIT
