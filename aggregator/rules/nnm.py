"""Nearest-neighbour mixing: replaces each update by the mean of its nearest ones before another rule decides."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from aggregator.products import IntMatrix, Products
from aggregator.rules.base import Decision, Rule
from aggregator.rules.distances import ExactArray, exact_array, magnitude, nearest_first, squared_distances, tolerated
from aggregator.rules.multi_krum import MultiKrum, whole_words

_FLOAT64_EXACT_BITS = 53
_INT64_BITS = 63
_LIMB_BITS = 32


@dataclass(frozen=True, slots=True)
class NearestNeighbourMixing:
    """NNM of Allouah, Farhadkhani, Guerraoui, Gupta, Pinot and Stephan (AISTATS 2023), "Fixing by mixing", algorithm 1.

    Each update is replaced by the mean of the ``k = n - f`` updates nearest to it, itself among them; the ``inner``
    rule decides on the n mixed rows. Equal distances are ordered by position. f is capped as in Multi-Krum.

    No mixed vector is formed. With B the n x n matrix of zeros and ones that says who is mixed into what, the mixed
    rows' inner products are ``B G B^T / k^2``. The inner rule sees them times ``k^2``, as exact integers: all rows are
    scaled by k, the reference, the previous aggregate and the running sums as well. Its weights w' of mixed rows then
    become weights of updates::

        w_j = floor(sum_i w'_i B_ij / k)

    *Accepted* is every update that is part of an accepted mixed row: those are the ones that the aggregate is made of,
    and no other has weight. As every mixed row contains its own update, whatever the inner rule accepts is accepted,
    and n - f updates at the least if the inner rule accepts that many. It does not say that an update is honest: an
    attacker's row is accepted if it mixes into the others, and then it weighs about ``1 / (n k)``, as the method means
    it to. Payouts follow weights and scores.

    (byzfl and byzpy take the n - f nearest including the update, too, but form n x d floats.)

    Hints, with Multi-Krum inside: for each update, the position of the farthest one mixed into it; then Multi-Krum's
    own hints on the mixed rows.

    Attributes
    ----------
    inner
        The rule that decides on the mixed rows.

    """

    inner: Rule

    @property
    def id(self) -> str:
        """Identifier of the composition."""
        return f"nnm+{self.inner.id}"

    @property
    def settles(self) -> bool:
        """Only the composition with Multi-Krum has a contract."""
        return isinstance(self.inner, MultiKrum)

    @property
    def needs_reference(self) -> bool:
        """Whether the inner rule reads the reference row."""
        return self.inner.needs_reference

    @property
    def needs_history(self) -> bool:
        """Whether the inner rule reads the running sums."""
        return self.inner.needs_history

    def decide(
        self,
        products: Products,
        byzantine: int,
        stakes: Sequence[int],
        *,
        trainers: Sequence[bytes] = (),
        memory: bytes = b"",
    ) -> Decision:
        """Decide on n >= 3 updates; a memory is the inner rule's."""
        mixing = _Mixing.of(products, byzantine)
        inner = self.inner.decide(mixing.mixed(products), byzantine, stakes, trainers=trainers, memory=memory)
        return mixing.unmixed(inner)

    def hints(self, products: Products, byzantine: int, stakes: Sequence[int], **_ignored: object) -> bytes:
        """Return the farthest update mixed into each row, and the inner rule's hints; nothing without a contract."""
        if not self.settles:
            return b""
        mixing = _Mixing.of(products, byzantine)
        inner = self.inner.hints(mixing.mixed(products), byzantine, stakes)[: products.n + 1]
        return whole_words([*mixing.farthest, *inner])


@dataclass(frozen=True, slots=True)
class _Mixing:
    """Who is mixed into what: ``selection`` is B as float64 zeros and ones, k ones in each row."""

    selection: npt.NDArray[np.float64]
    size: int
    farthest: list[int]

    @classmethod
    def of(cls, products: Products, byzantine: int) -> _Mixing:
        n = products.n
        others_mixed = n - tolerated(byzantine, n) - 1
        nearest = nearest_first(squared_distances(products.gram))[:, :others_mixed]
        selection = np.eye(n)
        selection[np.arange(n)[:, None], nearest] = 1
        return cls(selection, others_mixed + 1, [int(position) for position in nearest[:, -1]])

    def mixed(self, products: Products) -> Products:
        """Return the products of the mixed rows and the extra rows, all times k^2."""
        n, k = products.n, self.size
        gram = _times(self.selection, _times(self.selection, exact_array(products.gram)).T)
        if products.layout.total == n:
            return Products(products.layout, _rows(gram))
        across = k * _times(self.selection, exact_array([row[n:] for row in products.matrix[:n]])).astype(object)
        extra = k * k * exact_array([row[n:] for row in products.matrix[n:]]).astype(object)
        whole = np.block([[gram.astype(object), across], [across.T, extra]])
        return Products(products.layout, _rows(whole))

    def unmixed(self, decision: Decision) -> Decision:
        """Return the decision on updates behind one on mixed rows."""
        inner_weights = np.array(decision.weights, dtype=np.float64)
        inner_accepted = np.array(decision.accepted, dtype=np.float64)
        # Sums of at most 2**32, exact in float64.
        weights = tuple(int(total) // self.size for total in inner_weights @ self.selection)
        return Decision(tuple(bool(count) for count in inner_accepted @ self.selection), weights, decision.memory)


def _times(selection: npt.NDArray[np.float64], values: ExactArray) -> ExactArray:
    """Return ``selection @ values`` exactly, for a selection of zeros and ones."""
    if values.dtype == object:
        product: ExactArray = selection.astype(np.int64).astype(object) @ values
        return product
    bound = len(values) * magnitude(values)
    if bound < 1 << _FLOAT64_EXACT_BITS:
        return (selection @ values.astype(np.float64)).astype(np.int64)
    high, low = values >> _LIMB_BITS, values & ((1 << _LIMB_BITS) - 1)
    high, low = (_times(selection, limb) for limb in (high, low))
    if bound >= 1 << _INT64_BITS:
        high, low = high.astype(object), low.astype(object)
    return high * (1 << _LIMB_BITS) + low


def _rows(matrix: ExactArray) -> IntMatrix:
    return tuple(map(tuple, matrix.tolist()))
