"""RFFL's reputation: a trainer's similarity to the aggregate, remembered from round to round."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isqrt

from aggregator.errors import InvalidInput, WrongShape
from aggregator.products import Products
from aggregator.residuals import without_previous
from aggregator.roster import ADDRESS_BYTES, MAX_ENTRIES, successors
from aggregator.scores.base import Scored, weighted_sums
from aggregator.similarity import SIMILARITY_ONE

KEPT, OF = 19, 20
"""alpha = 0.95, the paper's: the share of a reputation that a round leaves as it was."""
_VALUE_BYTES = 8
_ENTRY_BYTES = ADDRESS_BYTES + _VALUE_BYTES

Entry = tuple[bytes, int]
"""A trainer's address and its reputation, 0..1 in units of ``2**-32``."""


@dataclass(frozen=True, slots=True)
class Reputation:
    """RFFL of Xu and Lyu ("A Reputation Mechanism Is All You Need", 2020), Algorithm 1.

    With ``phi_i`` the cosine of update i and the aggregate, negative ones 0: ``r_i <- 0.95 r_i + 0.05 phi_i``. The
    score is ``w_i min(r_i, phi_i)``. Similarities and reputations are in units of ``2**-32`` and rounded down.

    Memory: 28 bytes for each trainer that took part, its address and its reputation as a big-endian uint64; this
    round's trainers first, in the order of their commitments, then the absent ones as they were. Those beyond 128 are
    dropped, which are the longest absent. So nobody gets rid of a reputation by staying away; a new address costs a
    stake, and starts with the mean reputation, weighted by the rule's weights, of those it meets, or with ``phi_i``
    where it meets nobody that is known. A round whose aggregate is zero teaches nothing, and the memory stays.

    Departures. The paper rewards by the reputation alone: a trainer with a good past would be paid for an update of
    zeros. The smaller of past and present is paid instead, and the rule's weight, which is proportional to stake, makes
    splitting an identity neutral. The paper's reputations are normalised to sum 1 in each round, so that one rises when
    others leave; here they are absolute, and payouts are normalised. The paper removes who falls below
    ``beta = 1 / (3 n)`` for good; here its pay falls with it. The paper weighs updates by reputation; here the rule
    does.
    """

    id: str = "reputation"
    settles: bool = True
    needs_reference: bool = False

    def score(
        self,
        products: Products,
        weights: Sequence[int],
        *,
        trainers: Sequence[bytes],
        memory: bytes,
        dimension: int = 1,  # noqa: ARG002
        byzantine: int = 0,  # noqa: ARG002
    ) -> Scored:
        """Score n updates, and remember.

        Raises
        ------
        WrongShape
            If there is not one weight and one trainer for each update.
        InvalidInput
            If the memory is not one that this score returned.

        """
        if not len(weights) == len(trainers) == products.n:
            raise WrongShape(f"{len(weights)} weights and {len(trainers)} trainers for {products.n} updates")
        before = decode_reputations(memory)
        known, absent = successors([address for address, _ in before], trainers)
        similar = similarities_to_aggregate(products, weights)
        if similar is None:
            return Scored((0,) * products.n, memory)
        past = _with_newcomers([None if place is None else before[place][1] for place in known], similar, weights)
        after = [(KEPT * old + new) // OF for old, new in zip(past, similar, strict=True)]
        scores = tuple(
            weight * min(reputation, now) for weight, reputation, now in zip(weights, after, similar, strict=True)
        )
        entries = [*zip(trainers, after, strict=True), *(before[place] for place in absent)]
        return Scored(scores, encode_reputations(entries))

    def hints(
        self,
        products: Products,  # noqa: ARG002
        weights: Sequence[int],  # noqa: ARG002
        *,
        trainers: Sequence[bytes],  # noqa: ARG002
        memory: bytes,  # noqa: ARG002
        dimension: int = 1,  # noqa: ARG002
        byzantine: int = 0,  # noqa: ARG002
    ) -> bytes:
        """Return nothing."""
        return b""


def similarities_to_aggregate(products: Products, weights: Sequence[int]) -> list[int] | None:
    """Return ``phi_i``, the positive part of the cosine of update i and ``sum_j w_j u_j``; None where that is zero.

    As in the score "cosine", the previous aggregate is projected out of both first, so that a replay is similar to
    nothing: ``floor(2^32 (G' w)_i / isqrt(g'_ii w^T G' w))``, 0 where it is negative, at most ``2^32``.
    """
    gram = without_previous(products).gram
    sums = weighted_sums(gram, weights)
    square = sum(weight * value for weight, value in zip(weights, sums, strict=True))
    if square <= 0:
        return None
    return [
        min(SIMILARITY_ONE, SIMILARITY_ONE * value // isqrt(gram[i][i] * square)) if value > 0 < gram[i][i] else 0
        for i, value in enumerate(sums)
    ]


def encode_reputations(entries: Sequence[Entry]) -> bytes:
    """Return the memory of these entries, most recent first; entries beyond 128 are dropped."""
    return b"".join(address + reputation.to_bytes(_VALUE_BYTES, "big") for address, reputation in entries[:MAX_ENTRIES])


def decode_reputations(memory: bytes) -> list[Entry]:
    """Return the entries behind a memory.

    Raises
    ------
    InvalidInput
        If the length is no multiple of 28 or above 128 entries, or a reputation above 1.

    """
    if len(memory) % _ENTRY_BYTES or len(memory) > MAX_ENTRIES * _ENTRY_BYTES:
        raise InvalidInput(f"{len(memory)} bytes are not a memory of reputations")
    entries = []
    for start in range(0, len(memory), _ENTRY_BYTES):
        middle, end = start + ADDRESS_BYTES, start + _ENTRY_BYTES
        entries.append((memory[start:middle], int.from_bytes(memory[middle:end], "big")))
    if any(reputation > SIMILARITY_ONE for _, reputation in entries):
        raise InvalidInput("a reputation is above 1")
    return entries


def _with_newcomers(past: list[int | None], similar: Sequence[int], weights: Sequence[int]) -> list[int]:
    """Give the unknown the weighted mean of the known, or, where nobody counts, what they show now."""
    counted = [(weight, old) for weight, old in zip(weights, past, strict=True) if old is not None]
    total = sum(weight for weight, _ in counted)
    if total == 0:
        return [now if old is None else old for old, now in zip(past, similar, strict=True)]
    mean = sum(weight * old for weight, old in counted) // total
    return [mean if old is None else old for old in past]
