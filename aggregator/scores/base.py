"""What a score is: from a round's inner products and weights to one integer for each trainer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from aggregator.errors import WrongShape
from aggregator.products import Products

WEIGHT_ONE = 1 << 32
"""Weights are integers in units of ``2**-32``."""


@dataclass(frozen=True, slots=True)
class Scored:
    """A score's outcome.

    Attributes
    ----------
    scores
        One integer for each update, of magnitude below ``2**200``.
    memory
        What the score remembers for the job's next round; empty for scores without memory.

    """

    scores: tuple[int, ...]
    memory: bytes = b""


class Score(Protocol):
    """A contribution score of the Gram family. Exact: a contract repeats it bit for bit."""

    @property
    def id(self) -> str:
        """Identifier on chain: at most 31 ASCII characters."""
        ...

    @property
    def settles(self) -> bool:
        """Whether a contract checks this score. Others serve comparison, and no job can name them."""
        ...

    @property
    def needs_reference(self) -> bool:
        """Whether the score reads the reference row."""
        ...

    def score(
        self,
        products: Products,
        weights: Sequence[int],
        *,
        trainers: Sequence[bytes],
        memory: bytes,
        dimension: int,
        byzantine: int = 0,
    ) -> Scored:
        """Score n updates.

        Parameters
        ----------
        products
            Inner products of the n updates and of the extra rows.
        weights
            n integers in units of ``2**-32``, none negative, of sum at most ``2**32``.
        trainers
            The n trainers' addresses of 20 bytes, which tell a score with memory who is who.
        memory
            What the score returned in the job's previous round; empty at first.
        dimension
            d, the number of entries of an update.
        byzantine
            ``f``, the number of Byzantine trainers that the job tolerates.

        Raises
        ------
        WrongShape
            If there is not one weight for each update.
        RuleNotApplicable
            If a row is missing that the score needs.

        """
        ...

    def hints(
        self,
        products: Products,
        weights: Sequence[int],
        *,
        trainers: Sequence[bytes],
        memory: bytes,
        dimension: int,
        byzantine: int = 0,
    ) -> bytes:
        """Return what the score's contract wants beside the products, so that it checks instead of computing.

        Whole 32-byte words; empty where nothing is wanted. Wrong hints are refused, they never change an outcome.
        Arguments and errors as for :meth:`score`.
        """
        ...


@dataclass(frozen=True, slots=True)
class Formula:
    """A score that follows from products and weights alone: no memory.

    Attributes
    ----------
    compute
        The formula.

    """

    id: str
    compute: Callable[[Products, Sequence[int]], tuple[int, ...]]
    needs_reference: bool = False
    settles: bool = True

    def score(
        self,
        products: Products,
        weights: Sequence[int],
        *,
        trainers: Sequence[bytes] = (),  # noqa: ARG002
        memory: bytes = b"",  # noqa: ARG002
        dimension: int = 1,  # noqa: ARG002
        byzantine: int = 0,  # noqa: ARG002
    ) -> Scored:
        """Evaluate the formula; :class:`Score` tells what is raised."""
        check_shape(products, weights)
        return Scored(self.compute(products, weights))

    def hints(
        self,
        products: Products,  # noqa: ARG002
        weights: Sequence[int],  # noqa: ARG002
        *,
        trainers: Sequence[bytes] = (),  # noqa: ARG002
        memory: bytes = b"",  # noqa: ARG002
        dimension: int = 1,  # noqa: ARG002
        byzantine: int = 0,  # noqa: ARG002
    ) -> bytes:
        """Return nothing: the contract computes all there is."""
        return b""


def check_shape(products: Products, weights: Sequence[int], trainers: Sequence[bytes] | None = None) -> None:
    """Check that there is one weight, and one trainer where they count, for each update.

    Raises
    ------
    WrongShape
        If not.

    """
    if len(weights) != products.n:
        raise WrongShape(f"{len(weights)} weights for {products.n} updates")
    if trainers is not None and len(trainers) != products.n:
        raise WrongShape(f"{len(trainers)} trainers for {products.n} updates")


def weighted_sums(rows: Sequence[Sequence[int]], weights: Sequence[int]) -> list[int]:
    """Return ``G w``: inner products of each row with the weighted sum of the updates, in units of ``2**-32``."""
    return [sum(value * weight for value, weight in zip(row, weights, strict=True)) for row in rows]
