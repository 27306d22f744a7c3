"""The default rule of jobs with a reference row: accepts whose updates have been of marginal value over the rounds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isqrt
from operator import mul

from aggregator.errors import RuleNotApplicable, WrongShape
from aggregator.products import ExtraRow, Products
from aggregator.residuals import truncated_quotient
from aggregator.rules.base import Decision
from aggregator.rules.weighing import LENGTH_BITS, clip_factors, clipped_shares, length_of, lower_median, words
from aggregator.running import recall, remember, saturated

KEPT, OF = 49, 50
"""The share of a running value that a round leaves as it was: 0.98."""
NOW = 4
"""How many times a round counts in its own decision."""
VALUE_BITS = 64
"""Running values are in units of ``2**-64``."""


@dataclass(frozen=True, slots=True)
class MarginalValue:
    """Accepts updates whose trainers' running marginal value is positive; clips them to their median norm.

    An update's marginal value has two parts: how far it points where r, the owner's reference row, points; and,
    against it, how far it piles up with what all others bring, beyond what the others do. They are the two terms of
    what an update adds to the quadratic utility ``<r, u> - |u|**2`` of the aggregate u. Comparing updates with each
    other alone cannot tell attackers from unusual honest trainers; the sign of this can. Updates that cancel r (sign
    or label flips, IPM) lose by the first part, colluders that pile up in one direction (ALIE) by the second; honest
    trainers with classes of their own agree with r and cancel each other. Honest trainers with like data pile up,
    too: so the (f + 1)-th largest pile counts for nothing, and at most f trainers are held to it. One round's sign is
    noisy, so the running mean over rounds decides, with this round counted four times: what an update does now weighs
    more than what its trainer did in any other round. In exact integers, with b the stakes' shares of all n, M the
    stake-weighted lower median of all squared norms, ``L(x) = floor(2**32 sqrt(x))``, and quotients rounded toward
    zero, ::

        c_i = 2**32 where G_ii <= M, else floor(sqrt(2**64 M / G_ii));    q_i = floor(b_i c_i / 2**32)
        s_i = sum of q_j G_ij over j other than i
        t_i = 2**32 (2**64 <r, u_i> / L(<r, r>)) / L(G_ii)                (cosine, in units of 2**-32)
        p_i = (2**64 s_i / L(M)) / L(G_ii)                                (pile, in units of 2**-32)
        x_i = t_i - 2 max(0, p_i - max(0, P)),  P the (f + 1)-th largest p_i
        y_i = 2**64 x_i / floor(sqrt(sum of x_j**2))                      (no round moves a value by more than 1)
        v_i = 49 e_i + 4 y_i                                              (decides now, with e_i as it was)
        e_i = (49 e_i + y_i) / 50                                         (is remembered)

    t_i and p_i are 0 for a zero update, and p_i where M = 0; f is capped at ``(n - 1) // 2``.
    Accepted are updates with ``v_i > 0``. Where there is none, as when r says nothing that late in a job, those with
    the n - f largest v_i are, equal ones in the order of positions: the model never freezes. Zero updates are neither
    counted nor accepted in either case. Weights are the stakes' shares among the accepted, each update cut to their
    median norm: times c_i with M', the median of the accepted, in place of M; attackers with short updates would make
    all short.

    Only r's direction counts: how far the owner trained it says nothing. *Without a reference row* (the owner's was
    unusable), or with one of zeros, the running values stay as they are, and decide. Where none is positive, as in a
    job's first rounds, all updates are accepted, zeros among them: centred clipping.

    Memory: the running values e, 0 at first (:mod:`aggregator.running`). Nobody gets rid of a value by staying away; a
    new address needs a stake. Cost: O(n^2), no iterations.
    """

    id: str = "marginal-value"
    settles: bool = True
    needs_reference: bool = True
    needs_history: bool = False

    def decide(
        self,
        products: Products,
        byzantine: int,
        stakes: Sequence[int],
        *,
        trainers: Sequence[bytes] = (),
        memory: bytes = b"",
    ) -> Decision:
        """Decide on n >= 1 updates, and remember.

        Raises
        ------
        RuleNotApplicable
            If there is no update.
        WrongShape
            If there is not one stake and one trainer for each update.
        InvalidInput
            If the memory is not one that this rule returned.

        """
        judged = _judge(products, byzantine, stakes, trainers, memory)
        clips = clip_factors(judged.squares, judged.median)
        return Decision(judged.accepted, clipped_shares(judged.accepted, stakes, clips), judged.memory)

    def hints(
        self,
        products: Products,
        byzantine: int,
        stakes: Sequence[int],
        *,
        trainers: Sequence[bytes] = (),
        memory: bytes = b"",
    ) -> bytes:
        """Return M', the last accepted if no v is positive, else 0; with a row r, P in two's complement, and M."""
        judged = _judge(products, byzantine, stakes, trainers, memory)
        return words((judged.median, judged.last, *judged.pile_hints))


@dataclass(frozen=True, slots=True)
class _Judgement:
    """Who is accepted; ``median`` is M'.

    ``last`` is the position of the (n - f)-th largest v where that decides, else 0; ``pile_hints`` are P, modulo 2^256,
    and M, none without a reference row.
    """

    squares: list[int]
    accepted: tuple[bool, ...]
    median: int
    last: int
    pile_hints: tuple[int, ...]
    memory: bytes


def _judge(
    products: Products, byzantine: int, stakes: Sequence[int], trainers: Sequence[bytes], memory: bytes
) -> _Judgement:
    squares = _squares(products, stakes, trainers)
    values, pile_hints = recall(memory, trainers), tuple[int, ...]()
    reference = _direction(products)
    if reference is not None:
        median = lower_median(squares, stakes)
        piles = _piles(products, stakes, clip_factors(squares, median), median)
        held = _largest_held(piles, byzantine)
        pile_hints = (held % (1 << 256), median)
        now = [
            agreement - 2 * max(0, pile - max(0, held))
            for agreement, pile in zip(_agreements(products, reference), piles, strict=True)
        ]
        moves = _normalised(now)
        kept = [saturated(truncated_quotient(KEPT * old + new, OF)) for old, new in zip(values, moves, strict=True)]
        memory = remember(memory, trainers, kept)
        values = [KEPT * old + NOW * new for old, new in zip(values, moves, strict=True)]
    accepted, last = tuple(value > 0 and square > 0 for value, square in zip(values, squares, strict=True)), 0
    if not any(accepted) and reference is None:
        accepted = (True,) * products.n
    elif not any(accepted):
        foremost = _foremost(values, squares, byzantine)
        accepted, last = tuple(i in foremost for i in range(products.n)), foremost[-1] if foremost else 0
    return _Judgement(
        squares=squares,
        accepted=accepted,
        median=lower_median(*_of(accepted, squares, stakes)),
        last=last,
        pile_hints=pile_hints,
        memory=memory,
    )


def _of(chosen: Sequence[bool], *lists: Sequence[int]) -> list[list[int]]:
    """Return what the lists have in the chosen places."""
    return [[value for value, ok in zip(values, chosen, strict=True) if ok] for values in lists]


def _direction(products: Products) -> ExtraRow | None:
    """Return the reference row, None if it is zero."""
    reference = products.reference
    return reference if reference is not None and reference.square > 0 else None


def _agreements(products: Products, reference: ExtraRow) -> list[int]:
    """Return ``t_i``."""
    length = length_of(reference.square)
    return [
        _per_length(truncated_quotient(product << 2 * LENGTH_BITS, length) << LENGTH_BITS, products.matrix[i][i])
        for i, product in enumerate(reference.products)
    ]


def _piles(products: Products, stakes: Sequence[int], clips: Sequence[int], median: int) -> list[int]:
    """Return ``p_i``; ``median`` is M."""
    if median == 0:
        return [0] * products.n
    shares = clipped_shares([True] * products.n, stakes, clips)
    radius, piles = length_of(median), []
    for i, row in enumerate(products.gram):
        others = sum(map(mul, row, shares)) - shares[i] * row[i]
        piles.append(_per_length(truncated_quotient(others << 2 * LENGTH_BITS, radius), row[i]))
    return piles


def _largest_held(piles: Sequence[int], byzantine: int) -> int:
    """Return P."""
    return sorted(piles, reverse=True)[_capped(byzantine, len(piles))]


def _capped(byzantine: int, n: int) -> int:
    return min(byzantine, (n - 1) // 2)


def _per_length(value: int, square: int) -> int:
    return truncated_quotient(value, length_of(square)) if square else 0


def _normalised(values: Sequence[int]) -> list[int]:
    """Return ``y_i``."""
    norm = isqrt(sum(value * value for value in values))
    return [truncated_quotient(value << VALUE_BITS, norm) if norm else 0 for value in values]


def _foremost(values: Sequence[int], squares: Sequence[int], byzantine: int) -> list[int]:
    """Return the updates with the n - f largest values among those that are not zero, the largest first."""
    n = len(values)
    ranking = sorted((i for i in range(n) if squares[i] > 0), key=lambda i: (-values[i], i))
    return ranking[: n - _capped(byzantine, n)]


def _squares(products: Products, stakes: Sequence[int], trainers: Sequence[bytes]) -> list[int]:
    """Return the squared norms of the updates, after checking that there are some."""
    if not stakes:
        raise RuleNotApplicable("the rule needs an update")
    if not len(stakes) == len(trainers) == products.n:
        raise WrongShape(f"{len(stakes)} stakes and {len(trainers)} trainers for {products.n} updates")
    return [products.matrix[i][i] for i in range(products.n)]
