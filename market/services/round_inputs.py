"""What the chain says of a round that is to be settled or checked: terms, stakes, extra rows, what the job carries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from aggregator import settlement as core
from aggregator.bn254 import Point, decompress
from aggregator.carried import EMPTY, Carried
from aggregator.commitments import RoundId
from aggregator.errors import InvalidInput
from aggregator.history import Advanced, advance
from aggregator.products import Layout, Products, unpack_products
from aggregator.proofs import GramStatement, Statement
from aggregator.settlement import Outcome
from market.domain import Address, JobTerms, Settlement, UpdateCommitted
from market.rounds import JobState, RoundState


@dataclass(frozen=True, slots=True)
class RoundInputs:
    """What the chain says of a round: the same for whoever settles or checks it.

    Attributes
    ----------
    terms
        The job's, with the budget that the round has: the owner may have raised it since.
    reference
        Commitment to the owner's reference row, compressed; None in a job without one.
    previous
        Commitment to the latest settled aggregate, compressed; None where there is none, or it is zero throughout.
    carried
        What the job remembers of earlier rounds.

    """

    round_id: RoundId
    terms: JobTerms
    scale_exponent: int
    stakes: Mapping[Address, int]
    reference: bytes | None = None
    previous: bytes | None = None
    carried: Carried = EMPTY

    def layout(self, updates: int, *, reference: bool, history: bool) -> Layout:
        """Return which rows a settlement of so many updates has; ``reference`` is whether that row is usable."""
        return Layout(updates, reference, self.previous is not None, history)

    def gram_statement(
        self,
        commits: Sequence[UpdateCommitted],
        gram: bytes,
        aggregator: Address,
        *,
        reference: bool,
        history: Sequence[Point] = (),
    ) -> GramStatement:
        """Return the statement of the Gram argument about the included commitments and the extra rows, for who settles.

        Raises
        ------
        InvalidPoint
            If a recorded commitment is not a compressed point.
        InvalidInput
            If there is to be a reference row that the round does not have.

        """
        words = [commit.commitment for commit in commits]
        if reference:
            if self.reference is None:
                raise InvalidInput("the round has no reference row")
            words.append(self.reference)
        words += [] if self.previous is None else [self.previous]
        return GramStatement(
            round_id=self.round_id,
            aggregator=_bytes(aggregator),
            rules=self.terms.round_rules,
            scale_exponent=self.scale_exponent,
            trainers=_addresses(commits),
            stakes=tuple(self.stakes[commit.trainer] for commit in commits),
            commitments=(*map(decompress, words), *history),
            gram=gram,
            reference=reference,
            previous=self.previous is not None,
            history=bool(history),
        )

    def statement(self, commits: Sequence[UpdateCommitted], posted: Settlement, aggregator: Address) -> Statement:
        """Return the whole statement of a posted settlement; errors as for :meth:`gram_statement`."""
        history = tuple((x, y) if (x, y) != (0, 0) else None for x, y in posted.history)
        return Statement(
            gram=self.gram_statement(commits, posted.gram, aggregator, reference=posted.reference, history=history),
            weights=posted.weights,
            scores=posted.scores,
            payouts=posted.payouts,
            aggregate_commitment=posted.aggregate_commitment,
            next_scale_exponent=posted.next_scale_exponent,
            memory_digest=self.carried.digest(),
            next_memory_digest=posted.next_memory_digest,
            witness=posted.witness,
        )

    def outcome(self, commits: Sequence[UpdateCommitted], products: Products) -> Outcome:
        """Return what follows from the inner products; errors as for :func:`aggregator.settlement.settle`."""
        return core.settle(
            self.terms.round_rules,
            products,
            [self.stakes[commit.trainer] for commit in commits],
            scale_exponent=self.scale_exponent,
            trainers=_addresses(commits),
            memory=self.carried,
        )

    def advanced(self, commits: Sequence[UpdateCommitted]) -> Advanced:
        """Return the running sums after this round."""
        return advance(
            self.carried.history,
            _addresses(commits),
            [decompress(commit.commitment) for commit in commits],
            scale_exponent=self.scale_exponent,
        )

    def posted_outcome(self, commits: Sequence[UpdateCommitted], posted: Settlement) -> Outcome:
        """Return what follows from a settlement's own matrix, with all that its job carries on."""
        layout = self.layout(len(commits), reference=posted.reference, history=bool(posted.history))
        outcome = self.outcome(commits, unpack_products(posted.gram, layout))
        if not posted.history:
            return outcome
        return replace(outcome, memory=replace(outcome.memory, history=self.advanced(commits).carried))


def round_inputs(job: JobState, round_id: RoundId, target: RoundState) -> RoundInputs:
    """Return what the chain says of a round; what the job carries into it follows from the settlement before.

    Raises
    ------
    InvalidInput
        If that settlement's figures are not what its matrix gives: the job's verifier is not to be trusted then.

    """
    before = job.settled_before(target.number)
    carried = EMPTY
    if before is not None and before.settled is not None:
        posted = before.settled.settlement
        if any(posted.next_memory_digest):
            earlier = replace(round_id, number=before.number)
            given = replace(_without_carried(job, earlier, before), carried=Carried.decode(posted.witness.carried))
            carried = given.posted_outcome(before.included, posted).memory
        if carried.digest() != posted.next_memory_digest:
            raise InvalidInput(f"what round {before.number} hands on is not what its settlement gives")
    return replace(_without_carried(job, round_id, target), carried=carried)


def _without_carried(job: JobState, round_id: RoundId, target: RoundState) -> RoundInputs:
    before = job.settled_before(target.number)
    word = None if before is None or before.settled is None else before.settled.settlement.aggregate_commitment
    return RoundInputs(
        round_id=round_id,
        terms=replace(job.terms, round_budget=target.budget),
        scale_exponent=target.opened.scale_exponent,
        stakes=job.stakes if target.settled is None else target.stakes,
        reference=None if target.reference is None else target.reference.commitment,
        previous=None if word is None or decompress(word) is None else word,
    )


def _addresses(commits: Sequence[UpdateCommitted]) -> tuple[bytes, ...]:
    return tuple(_bytes(commit.trainer) for commit in commits)


def _bytes(address: Address) -> bytes:
    return bytes.fromhex(address[2:])
