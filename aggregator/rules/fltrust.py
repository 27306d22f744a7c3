"""FLTrust: trusts an update as far as its direction agrees with the owner's reference row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from aggregator.errors import RuleNotApplicable
from aggregator.products import ExtraRow, Products
from aggregator.rules.base import Decision
from aggregator.rules.centred_clipping import CentredClipping
from aggregator.rules.weighing import LENGTH_BITS, length_of, normalised, words


@dataclass(frozen=True, slots=True)
class FlTrust:
    """FLTrust of Cao, Fang, Liu and Gong (NDSS 2021), algorithm 2.

    An update's trust score is ``max(cos(u_i, r), 0)`` with the reference row r. Updates are brought to r's norm and
    averaged by trust. In exact integers, with ``L(x) = floor(2**32 sqrt(x))`` and b_i = <u_i, r>, ::

        m_i = stake_i * floor(2**64 b_i / L(G_ii))                  where b_i > 0, else 0
        v_i = floor(2**32 m_i / sum m)
        w_i = v_i, shortened to floor(v_i L(<r, r>) / L(G_ii))      where G_ii > <r, r>

    (``m_i`` is the trust score times stake_i * |r| * 2**32: the factor |r| is common and drops out.)

    Departures.

    - *Updates shorter than r are not lengthened.* The paper scales every update to |r|; a short one would get a weight
      above 1, which the proof's ranges do not hold, and lengthening gives a trainer that sent almost nothing the same
      say as one that trained. The aggregate is at most as long as r, as in the paper.
    - *Prior*: trust is multiplied by stake, so that an identity that splits changes nothing but rounding.
    - The reference counts for direction and length alone, as in the paper; it has no weight in the aggregate.

    - *Without a reference row* (the owner's was unusable), or with one of zeros, nothing can be trusted by it, and the
      round still has to be settled: centred clipping (:mod:`aggregator.rules.centred_clipping`) decides.

    An update without trust is not accepted. Cost: O(n); only squares and products with r are read.
    """

    id: str = "fltrust"
    settles: bool = True
    needs_reference: bool = True
    needs_history: bool = False

    def decide(self, products: Products, byzantine: int, stakes: Sequence[int], **_ignored: object) -> Decision:
        """Weigh n >= 1 updates."""
        reference = _reference(products, stakes)
        if reference is None:
            return CentredClipping().decide(products, byzantine, stakes)
        lengths = _lengths(products, reference)
        own = length_of(reference.square)
        masses = [
            stake * ((product << 2 * LENGTH_BITS) // length) if length else 0
            for stake, product, length in zip(stakes, reference.products, lengths, strict=True)
        ]
        weights = tuple(
            share * own // length if share and products.matrix[i][i] > reference.square else share
            for i, (share, length) in enumerate(zip(normalised(masses), lengths, strict=True))
        )
        return Decision(tuple(mass > 0 for mass in masses), weights)

    def hints(self, products: Products, byzantine: int, stakes: Sequence[int], **_ignored: object) -> bytes:
        """Return the root of r's square, and those of the updates with a positive product; without r, clipping's."""
        reference = _reference(products, stakes)
        if reference is None:
            return CentredClipping().hints(products, byzantine, stakes)
        lengths = _lengths(products, reference)
        return words((length_of(reference.square), *(length for length in lengths if length)))


def _lengths(products: Products, reference: ExtraRow) -> list[int]:
    """Return the lengths of updates that point the reference's way, 0 for others. (Such an update is not zero.)"""
    return [length_of(products.matrix[i][i]) if product > 0 else 0 for i, product in enumerate(reference.products)]


def _reference(products: Products, stakes: Sequence[int]) -> ExtraRow | None:
    """Return the reference row, None if it is zero."""
    if not stakes:
        raise RuleNotApplicable("FLTrust needs an update")
    reference = products.reference
    return reference if reference is not None and reference.square > 0 else None
