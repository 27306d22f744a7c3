"""The audit: everything that a job's settlements claim, checked again from chain and storage alone.

Nobody is trusted, no aggregator is asked: the statements and proofs that the market logged are compared with what its
other events say and verified again, whoever sent the settlements; aggregates are fetched by their CIDs. Each check is
one line of the result.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from aggregator.aggregate import aggregate_root, check_aggregate
from aggregator.bn254 import compress, decompress
from aggregator.commitments import commit
from aggregator.errors import GramercyError, InvalidInput, InvalidProof
from aggregator.proofs import Statement, verify_gram
from aggregator.proofs.verifier import aggregate_commitment
from aggregator.settlement import Outcome
from aggregator.srs import Srs
from market.chain.settlements import RecordedSettlement, market_is_known, recorded_settlement
from market.errors import AuditFailed, ChainError, StorageUnavailable, UnknownCid
from market.rounds import RoundState
from market.services.job import Job
from market.services.publishing import why_withheld
from market.services.round_inputs import RoundInputs, round_inputs
from market.services.updates import OpenedAggregate, fetch_aggregate

JOB_CHECKS = ("market", "manifest", "verifier")
ROUND_CHECKS = (
    "commitments",
    "statement",
    "proof",
    "rule",
    "scores",
    "payouts",
    "scale",
    "aggregate commitment",
    "aggregate file",
    "range",
    "root",
)
_FILE_CHECKS = ("aggregate file", "range", "root")
Progress = Callable[[], None]
"""Called after each check."""


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was checked; ``round`` is None for what concerns the whole job.

    What is ``pending`` holds as far as can be told: it cannot be checked before the aggregate has to be published.
    """

    round: int | None
    name: str
    holds: bool
    words: str
    pending: bool = False


@dataclass(frozen=True, slots=True)
class Audit:
    """What an audit found."""

    job_id: int
    checks: tuple[Check, ...]

    @property
    def failures(self) -> tuple[Check, ...]:
        """What does not hold."""
        return tuple(check for check in self.checks if not check.holds)

    @property
    def pending(self) -> tuple[Check, ...]:
        """What cannot be checked yet."""
        return tuple(check for check in self.checks if check.pending)

    def require(self) -> None:
        """Raise unless everything holds.

        Raises
        ------
        AuditFailed
            Naming every check that failed.

        """
        if not self.failures:
            return
        named = [f"round {one.round}: {one.name}" if one.round else one.name for one in self.failures]
        raise AuditFailed(
            f"job {self.job_id} does not hold: {'; '.join(named)}",
            hint="within its challenge window a round with a false aggregate is voided by `gramercy job challenge`",
            failures=[{"round": one.round, "check": one.name, "words": one.words} for one in self.failures],
        )


def count_checks(job: Job) -> int:
    """Return how many checks an audit of a job makes."""
    return len(JOB_CHECKS) + len(ROUND_CHECKS) * len(job.state.settled_rounds)


def audit(job: Job, progress: Progress = lambda: None) -> Audit:
    """Check every settled round of a job; rounds that were overturned paid nothing and are passed over.

    Raises
    ------
    ChainError
        If the chain cannot be read.

    """
    found: list[Check] = []

    def tell(check: Check) -> None:
        found.append(check)
        progress()

    for check in _job_checks(job):
        tell(check)
    srs = job.srs if all(check.holds for check in found) else None
    for state in job.state.settled_rounds:
        for check in _RoundAudit(job, state, srs).checks():
            tell(check)
    return Audit(job.job_id, tuple(found))


def inputs_of(job: Job, state: RoundState) -> RoundInputs:
    """Return what the chain says of a round, for rebuilding its statement; errors as for :func:`round_inputs`."""
    return round_inputs(job.state, job.market.round_id(job.job_id, state.number), state)


def _job_checks(job: Job) -> Iterator[Check]:
    def market() -> str:
        if not market_is_known(job.market):
            raise ChainError("the contract is not the Market of this version of gramercy")
        return "the published contract"

    def manifest() -> str:
        return f"{job.manifest.dimension} entries in {len(job.manifest.tensors)} tensors"

    def verifier() -> str:
        key = job.srs.key
        kind = ", its secrets public: for development only" if key.development else ""
        return f"the published contract, reference string {key.digest.hex()[:16]} of {key.size} powers{kind}"

    for name, check in zip(JOB_CHECKS, (market, manifest, verifier), strict=True):
        yield _checked(None, name, check)


class _RoundAudit:
    """The checks of one settled round. What several need is made once; when it cannot be made, each of them fails."""

    def __init__(self, job: Job, state: RoundState, srs: Srs | None) -> None:
        if state.settled is None:
            raise AuditFailed(f"round {state.number} is not settled")
        self._job, self._state, self._srs = job, state, srs
        self._settled = state.settled
        self._posted = state.settled.settlement

    def checks(self) -> Iterator[Check]:
        """Make every check, in the order of `ROUND_CHECKS`."""
        methods = (
            self._commitments,
            self._recorded_statement,
            self._proof,
            self._rule,
            self._scores,
            self._payouts,
            self._scale,
            self._aggregate_commitment,
            self._file,
            self._range,
            self._root,
        )
        for name, method in zip(ROUND_CHECKS, methods, strict=True):
            if name in _FILE_CHECKS and self._withheld is not None:
                yield Check(self._state.number, name, True, f"not checked: {self._withheld}", pending=True)
            else:
                yield _checked(self._state.number, name, method)

    def _commitments(self) -> str:
        words = [commit.commitment for commit in self._state.commits]
        if any(decompress(word) is None for word in words):
            raise InvalidInput("a commitment is the point at infinity")
        if len(set(words)) != len(words):
            raise InvalidInput("a commitment occurs twice")
        return f"{len(words)} points, {len(self._state.included)} of them included"

    def _recorded_statement(self) -> str:
        recorded = self._recorded
        if (recorded.aggregator, recorded.settlement) != (self._settled.aggregator, self._posted):
            raise ChainError("the chain tells two settlements of this round")
        if recorded.statement != self._statement:
            raise ChainError("what was verified is not what the job's other events give")
        return f"0x{recorded.transaction.hex()} by {recorded.aggregator}"

    def _proof(self) -> str:
        if self._srs is None:
            raise InvalidProof("without a verifier that can be trusted, a proof shows nothing")
        statement, proof = self._statement.gram, self._settled.proof
        verify_gram(self._srs.key, statement, proof)
        return f"{len(proof)} bytes show the inner products of {statement.layout.total} rows"

    def _rule(self) -> str:
        _require_equal("weights", self._posted.weights, self._outcome.weights)
        accepted = sum(self._outcome.accepted)
        return f"{self._inputs.terms.rule} accepts {accepted} of {len(self._posted.weights)}"

    def _scores(self) -> str:
        _require_equal("scores", self._posted.scores, self._outcome.scores)
        return self._inputs.terms.score

    def _payouts(self) -> str:
        _require_equal("payouts", self._posted.payouts, self._outcome.payouts)
        _require_equal("sum", (self._settled.paid,), (sum(self._posted.payouts),))
        return f"{self._settled.paid} of {self._inputs.terms.round_budget}"

    def _scale(self) -> str:
        _require_equal("scale", (self._posted.next_scale_exponent,), (self._outcome.next_scale_exponent,))
        return f"2^{self._posted.next_scale_exponent} follows 2^{self._inputs.scale_exponent}"

    def _aggregate_commitment(self) -> str:
        if aggregate_commitment(self._statement.gram, self._posted.weights) != self._posted.aggregate_commitment:
            raise InvalidInput("the recorded aggregate commitment is not the weighted sum of the updates'")
        return f"{self._posted.aggregate_commitment.hex()} = sum w_i C_i"

    def _file(self) -> str:
        if self._srs is None:
            raise InvalidInput("the reference string is not known")
        opened = self._opened
        if compress(commit(self._srs, opened.entries, opened.blinding)) != self._posted.aggregate_commitment:
            raise InvalidInput("the published aggregate does not open its commitment")
        return f"{self._posted.aggregate_bytes} bytes open the commitment"

    def _range(self) -> str:
        terms, weight_sum = self._inputs.terms, sum(self._posted.weights)
        check_aggregate(self._opened.entries, dimension=terms.dimension, weight_sum=weight_sum, bits=terms.bits)
        return "every entry is one that updates in range add up to"

    def _root(self) -> str:
        if aggregate_root(self._opened.entries) != self._posted.aggregate_root:
            raise InvalidInput("the recorded root is that of another file")
        return self._posted.aggregate_root.hex()

    @cached_property
    def _inputs(self) -> RoundInputs:
        return inputs_of(self._job, self._state)

    @cached_property
    def _statement(self) -> Statement:
        return self._inputs.statement(self._state.included, self._posted, self._settled.aggregator)

    @cached_property
    def _recorded(self) -> RecordedSettlement:
        return recorded_settlement(self._job.market, self._job.job_id, self._state.number)

    @cached_property
    def _outcome(self) -> Outcome:
        return self._inputs.posted_outcome(self._state.included, self._posted)

    @cached_property
    def _withheld(self) -> str | None:
        """Why the aggregate is rightly not to be had yet; None if it is, or should be."""
        reason = why_withheld(self._job.state.terms, self._state, self._job.now)
        if reason is None:
            return None
        try:
            self._opened  # noqa: B018 - cached for the checks
        except (UnknownCid, StorageUnavailable):
            return reason
        except GramercyError:
            return None  # it is there, and spoilt: each check says so
        return None

    @cached_property
    def _opened(self) -> OpenedAggregate:
        return fetch_aggregate(
            self._job.storage, self._settled, dimension=self._inputs.terms.dimension, workdir=self._job.workdir
        )


def _require_equal(what: str, posted: Sequence[int], expected: Sequence[int]) -> None:
    if tuple(posted) != tuple(expected):
        place = next((i for i, pair in enumerate(zip(posted, expected, strict=False)) if pair[0] != pair[1]), None)
        where = "" if place is None else f": {posted[place]} at place {place}, expected {expected[place]}"
        raise InvalidInput(f"the posted {what} do not follow from the Gram matrix{where}")


def _checked(number: int | None, name: str, check: Callable[[], str]) -> Check:
    try:
        return Check(number, name, True, check())
    except GramercyError as error:
        return Check(number, name, False, error.message)
