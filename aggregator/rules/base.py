"""What a rule is: from a round's inner products and stakes to integer weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from aggregator.products import Products

WEIGHT_ONE = 1 << 32
"""Weights are integers in units of ``2**-32``."""


@dataclass(frozen=True, slots=True)
class Decision:
    """A rule's outcome, one element for each update.

    ``weights`` are in units of ``2**-32``, not negative, and their sum is at most 1; it is below 1 by rounding, or
    because the rule shortens updates. An update that is not ``accepted`` has weight 0. ``memory`` is what the rule
    remembers for the job's next round; empty for rules without memory.
    """

    accepted: tuple[bool, ...]
    weights: tuple[int, ...]
    memory: bytes = b""


class Rule(Protocol):
    """A robust aggregation rule of the Gram family: outputs ``sum_i w_i u_i``, and ``w`` follows from the products."""

    @property
    def id(self) -> str:
        """Identifier on chain: at most 31 ASCII characters."""
        ...

    @property
    def settles(self) -> bool:
        """Whether a contract checks this rule. Others serve comparison, and no job can name them."""
        ...

    @property
    def needs_reference(self) -> bool:
        """Whether the rule reads the reference row."""
        ...

    @property
    def needs_history(self) -> bool:
        """Whether the rule reads the running sums."""
        ...

    def decide(
        self,
        products: Products,
        byzantine: int,
        stakes: Sequence[int],
        *,
        trainers: Sequence[bytes] = (),
        memory: bytes = b"",
    ) -> Decision:
        """Decide on n updates.

        Parameters
        ----------
        products
            Inner products of the n updates and of the extra rows.
        byzantine
            ``f``, the number of Byzantine trainers that the job tolerates.
        stakes
            n positive integers.
        trainers
            The n trainers' addresses of 20 bytes, which tell a rule with memory who is who; others ignore them.
        memory
            What the rule returned in the job's previous round; empty at first.

        Raises
        ------
        RuleNotApplicable
            If n is too small for the rule, or a row is missing that it needs.

        """
        ...

    def hints(
        self,
        products: Products,
        byzantine: int,
        stakes: Sequence[int],
        *,
        trainers: Sequence[bytes] = (),
        memory: bytes = b"",
    ) -> bytes:
        """Return what the rule's contract wants beside the products, so that it checks instead of computing.

        Whole 32-byte words; empty where nothing is wanted. Wrong hints are refused, they never change an outcome.
        Arguments and errors as for :meth:`decide`.
        """
        ...


def stake_weights(accepted: Sequence[bool], stakes: Sequence[int]) -> tuple[int, ...]:
    """Return ``w_i = floor(2**32 * stake_i / sum of accepted stakes)``, 0 where not accepted."""
    total = sum(stake for stake, ok in zip(stakes, accepted, strict=True) if ok)
    return tuple(WEIGHT_ONE * stake // total if ok else 0 for stake, ok in zip(stakes, accepted, strict=True))
