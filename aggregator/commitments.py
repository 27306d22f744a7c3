"""Hiding commitments: one curve point that binds a trainer to one quantised update and reveals nothing about it.

``com(p; h) = sum_k p_k [tau^k]_1 + sum_{k<3} h_k [eta tau^k]_1``: a KZG commitment (Kate, Zaverucha, Goldberg,
ASIACRYPT 2010) to the polynomial whose coefficients are the update's entries, blinded by a random polynomial of three
coefficients over an independent base, as in Marlin (Chiesa et al., EUROCRYPT 2020, appendix B). One random coefficient
hides the commitment; the other two hide what proofs reveal of the blinding. It is additively homomorphic:
``sum w_i com(u_i; h_i) = com(sum w_i u_i; sum w_i h_i)``, which is how a contract computes an aggregate's commitment.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from aggregator.bn254 import Point, R, Vector, kernel, pack_points, vector_from_ints
from aggregator.errors import OutOfRange, WrongShape
from aggregator.fixedpoint import IntVector
from aggregator.randomness import integers
from aggregator.srs import Srs

BLINDING_COEFFICIENTS = 3
BLINDING_BYTES = 32 * BLINDING_COEFFICIENTS
ADDRESS_BYTES = 20
CHECK_BITS = 128

Blinding = tuple[int, int, int]
"""Coefficients of the blinding polynomial, field elements."""


@dataclass(frozen=True, slots=True)
class RoundId:
    """The round a commitment is for; ``market`` is the contract's address, 20 bytes."""

    chain_id: int
    market: bytes
    job_id: int
    number: int

    def words(self) -> bytes:
        """Return chain id, market, job and round as four 32-byte words."""
        return b"".join(
            (uint_word(self.chain_id), address_word(self.market), uint_word(self.job_id), uint_word(self.number))
        )


def commit(
    srs: Srs, entries: IntVector | npt.NDArray[np.int64] | Vector, blinding: Blinding, *, first: int = 0
) -> Point:
    """Return ``com(X^first * entries; blinding)``.

    Parameters
    ----------
    srs
        At least as many powers as there are entries.
    entries
        Signed integers of shape (d,), or field elements of shape (d, 4).
    blinding
        Fresh and uniform for an update; the weighted sum of the updates' for an aggregate.
    first
        Power of X of the first entry.

    Raises
    ------
    WrongShape
        If the reference string is too short.
    OutOfRange
        If a blinding coefficient is not canonical.

    """
    if first + len(entries) > srs.size:
        raise WrongShape(
            f"{first + len(entries)} entries need as many powers; the reference string has {srs.size}",
            hint="use a longer reference string",
        )
    _check_blinding(blinding)
    body = kernel().msm(srs.powers[first : first + len(entries)], entries)
    return linear_combination([body, kernel().msm(srs.blinding, vector_from_ints(blinding))], [1, 1])


def linear_combination(points: Sequence[Point], scalars: Sequence[int]) -> Point:
    """Return ``sum_i scalars_i points_i``; scalars of any size and sign."""
    return kernel().msm(pack_points(list(points)), vector_from_ints(scalars))


def combine_blindings(weights: Sequence[int], blindings: Sequence[Blinding]) -> Blinding:
    """Return ``sum_i w_i h_i``: the blinding of the weighted sum of the updates."""
    if len(weights) != len(blindings):
        raise WrongShape(f"{len(blindings)} blindings but {len(weights)} weights")
    first, second, third = (
        sum(weight * blinding[k] for weight, blinding in zip(weights, blindings, strict=True)) % R
        for k in range(BLINDING_COEFFICIENTS)
    )
    return first, second, third


def check_commitments(
    srs: Srs,
    commitments: Sequence[Point],
    updates: Sequence[IntVector],
    blindings: Sequence[Blinding],
    randomness: bytes,
) -> tuple[int, ...]:
    """Return the indices of the commitments that the given updates and blindings do not open.

    All at once: with random 128-bit ``kappa_i``, ``sum kappa_i C_i = com(sum kappa_i u_i; sum kappa_i h_i)`` holds for
    wrong openings with probability ``2**-128``. When it does not, the culprits are found by halving; the discrepancy of
    a right half is that of the whole less that of the left, so each level costs one commitment for each wrong half.
    Cost: one multi-scalar multiplication of size d, and about ``log2 n`` more for each culprit.

    Parameters
    ----------
    randomness
        32 secret random bytes that no trainer could know when it committed.

    Raises
    ------
    WrongShape
        If the sequences or the updates differ in length.

    """
    if not len(commitments) == len(updates) == len(blindings):
        raise WrongShape(f"{len(commitments)} commitments, {len(updates)} updates, {len(blindings)} blindings")
    if not commitments:
        return ()
    kappas = integers(randomness, b"gramercy/commitments/check/1", len(commitments), bits=CHECK_BITS)

    def discrepancy(indices: Sequence[int]) -> Point:
        weights = [kappas[i] for i in indices]
        combined = kernel().combine([updates[i] for i in indices], weights)
        opened = commit(srs, combined, combine_blindings(weights, [blindings[i] for i in indices]))
        return linear_combination([commitments[i] for i in indices] + [opened], [*weights, -1])

    def culprits(indices: Sequence[int], off_by: Point) -> list[int]:
        if off_by is None:
            return []
        if len(indices) == 1:
            return [indices[0]]
        middle = len(indices) // 2
        left = discrepancy(indices[:middle])
        right = linear_combination([off_by, left], [1, -1])
        return culprits(indices[:middle], left) + culprits(indices[middle:], right)

    everyone = range(len(commitments))
    return tuple(culprits(everyone, discrepancy(everyone)))


def encode_blinding(blinding: Blinding) -> bytes:
    """Return the three coefficients as big-endian 32-byte words."""
    _check_blinding(blinding)
    return b"".join(coefficient.to_bytes(32, "big") for coefficient in blinding)


def decode_blinding(data: bytes) -> Blinding:
    """Return the blinding behind :func:`encode_blinding`'s bytes.

    Raises
    ------
    WrongShape
        If there are not 96 bytes.
    OutOfRange
        If a coefficient is not canonical.

    """
    if len(data) != BLINDING_BYTES:
        raise WrongShape(f"a blinding has {BLINDING_BYTES} bytes, not {len(data)}")
    blinding = (int.from_bytes(data[:32], "big"), int.from_bytes(data[32:64], "big"), int.from_bytes(data[64:], "big"))
    _check_blinding(blinding)
    return blinding


def uint_word(value: int) -> bytes:
    """Return a uint256 as 32 bytes, big-endian.

    Raises
    ------
    OutOfRange
        If it is not one.

    """
    if value < 0 or value.bit_length() > 256:  # noqa: PLR2004
        raise OutOfRange(f"{value} is not a uint256")
    return value.to_bytes(32, "big")


def address_word(address: bytes) -> bytes:
    """Return a 20-byte address, left-padded to 32 bytes."""
    if len(address) != ADDRESS_BYTES:
        raise OutOfRange(f"an address has {ADDRESS_BYTES} bytes, not {len(address)}")
    return address.rjust(32, b"\0")


def _check_blinding(blinding: Blinding) -> None:
    if len(blinding) != BLINDING_COEFFICIENTS or not all(0 <= coefficient < R for coefficient in blinding):
        raise OutOfRange("a blinding is three field elements")
