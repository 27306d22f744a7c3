"""The structured reference string (SRS): its digest, the development SRS, and the check of a whole one.

An SRS of size D holds ``[tau^k]_1`` for k < D (the powers; k = 0 is the generator), ``[eta tau^k]_1`` for k < 3 (the
blinding powers), ``[tau]_2`` and ``[tau^2]_2``. Whoever knows ``tau`` or ``eta`` can open a commitment to anything, so
an SRS is worth as much as the ceremony that made it: :mod:`aggregator.ceremony`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np
from eth_hash.auto import keccak

from aggregator.bn254 import (
    G2_GENERATOR,
    GENERATOR,
    G2Point,
    P,
    Point,
    Points,
    R,
    Vector,
    check_point,
    kernel,
    pack_points,
    unpack_points,
)
from aggregator.errors import InvalidPoint, InvalidSrs, OutOfRange, WrongShape
from aggregator.g2 import check_g2, multiply_g2
from aggregator.randomness import random_bytes

SRS_TAG = keccak(b"gramercy/srs/1")
DEVELOPMENT_TAU = int.from_bytes(keccak(b"gramercy/srs/development/tau"), "big") % R
DEVELOPMENT_ETA = int.from_bytes(keccak(b"gramercy/srs/development/eta"), "big") % R
BLINDING_POWERS = 3
MIN_SIZE, MAX_SIZE = 9, 1 << 28
CHUNK = 1 << 16
"""Points handled at once; the digest of the powers is defined over chunks of this size."""
_DIGEST_BYTES = 32
_COEFFICIENT_BYTES = 16

Progress = Callable[[int], None]
"""Called with the number of points dealt with since the last call."""


def no_progress(_points: int) -> None:
    """Tell nobody."""


@dataclass(frozen=True, slots=True)
class VerifyingKey:
    """What a verifier needs of an SRS of ``size`` powers, and the digest that names the SRS.

    Make one with :meth:`of`, which computes the digest. ``blinding`` is ``[eta tau^k]_1`` for k < 3.
    """

    digest: bytes
    size: int
    powers_digest: bytes
    tau: Point
    blinding: tuple[Point, Point, Point]
    tau_g2: G2Point
    tau2_g2: G2Point

    @classmethod
    def of(
        cls,
        size: int,
        powers_digest: bytes,
        tau: Point,
        blinding: tuple[Point, Point, Point],
        tau_g2: G2Point,
        tau2_g2: G2Point,
    ) -> VerifyingKey:
        """Return the key of an SRS.

        Raises
        ------
        InvalidSrs
            If a point is infinity or not on its curve, or the digest is not 32 bytes long.
        OutOfRange
            If ``size`` is not 9 to 2**28.

        """
        words = _words(size, powers_digest, tau, blinding, tau_g2, tau2_g2)
        return cls(_srs_digest(words), size, powers_digest, tau, blinding, tau_g2, tau2_g2)

    @property
    def development(self) -> bool:
        """Whether the secret of this SRS is public, so that anybody can forge: for development chains only."""
        return self.tau == _development_point()

    @property
    def initial(self) -> bool:
        """Whether nobody has contributed to this SRS yet: tau is 1, and anybody can forge."""
        return self.tau == GENERATOR

    def words(self) -> tuple[int, ...]:
        """Return the 18 words that the digest covers after its tag: what the verifier contract is constructed from.

        Size, digest of the powers, ``[tau]_1``, three blinding powers, ``[tau]_2``, ``[tau^2]_2``; points of G2 in the
        order of EIP-197, imaginary part first.
        """
        return _words(self.size, self.powers_digest, self.tau, self.blinding, self.tau_g2, self.tau2_g2)


@dataclass(frozen=True, eq=False)
class Srs:
    """A structured reference string in memory or memory-mapped.

    Parameters
    ----------
    powers
        Shape (D, 8), ``[tau^k]_1``.
    blinding
        Shape (3, 8), ``[eta tau^k]_1``.
    tau_g2, tau2_g2
        ``[tau]_2`` and ``[tau^2]_2``.
    powers_digest
        :func:`powers_digest` of ``powers``; 32 bytes.

    Raises
    ------
    WrongShape
        If an array has another shape or dtype.

    """

    powers: Points
    blinding: Points
    tau_g2: G2Point
    tau2_g2: G2Point
    powers_digest: bytes

    def __post_init__(self) -> None:
        for what, points, rows in (("powers", self.powers, self.size), ("blinding", self.blinding, BLINDING_POWERS)):
            if points.dtype != np.uint64 or points.shape != (rows, 8):
                raise WrongShape(f"{what} of an SRS must be uint64 of shape ({rows}, 8)")
        if not MIN_SIZE <= self.size <= MAX_SIZE:
            raise WrongShape(f"an SRS has {MIN_SIZE} to {MAX_SIZE} powers, not {self.size}")

    @property
    def size(self) -> int:
        """``D``, the number of powers."""
        return len(self.powers)

    @cached_property
    def key(self) -> VerifyingKey:
        """The verifying key, with the digest that names this SRS."""
        eta = unpack_points(np.array(self.blinding))
        tau = unpack_points(np.array(self.powers[1:2]))[0]
        return VerifyingKey.of(self.size, self.powers_digest, tau, (eta[0], eta[1], eta[2]), self.tau_g2, self.tau2_g2)


def powers_digest(powers: Points, progress: Progress = no_progress) -> bytes:
    """Return SHA-256 over the SHA-256 of each chunk of 2**16 uncompressed points (64 bytes, big-endian x then y)."""
    outer = hashlib.sha256()
    for start in range(0, len(powers), CHUNK):
        chunk = powers[start : start + CHUNK]
        outer.update(chunk_digest(chunk))
        progress(len(chunk))
    return outer.digest()


def chunk_digest(chunk: Points) -> bytes:
    """Return SHA-256 of at most 2**16 uncompressed points."""
    return hashlib.sha256(kernel().encode_points(chunk).data).digest()


def development_srs(size: int, progress: Progress = no_progress) -> Srs:
    """Return the SRS of ``size`` powers whose secrets are public: for tests and development chains.

    Raises
    ------
    OutOfRange
        If ``size`` is not 9 to 2**28.

    """
    powers = np.empty((check_size(size), 8), dtype=np.uint64)
    outer = hashlib.sha256()
    for (start, stop), chunk in zip(chunks(size), development_powers(size), strict=True):
        powers[start:stop] = chunk
        outer.update(chunk_digest(chunk))
        progress(stop - start)
    eta = kernel().geometric(DEVELOPMENT_ETA, DEVELOPMENT_TAU, BLINDING_POWERS)
    return Srs(
        powers=powers,
        blinding=kernel().fixed_base(GENERATOR, eta),
        tau_g2=multiply_g2(G2_GENERATOR, DEVELOPMENT_TAU),
        tau2_g2=multiply_g2(G2_GENERATOR, pow(DEVELOPMENT_TAU, 2, R)),
        powers_digest=outer.digest(),
    )


def development_powers(size: int) -> Iterator[Points]:
    """Yield the powers of :func:`development_srs` chunk by chunk."""
    for start, stop in chunks(size):
        scalars = kernel().geometric(pow(DEVELOPMENT_TAU, start, R), DEVELOPMENT_TAU, stop - start)
        yield kernel().fixed_base(GENERATOR, scalars)


def check_srs(srs: Srs, randomness: bytes, progress: Progress = no_progress, *, allow_initial: bool = False) -> None:
    """Check every point of an SRS: that it consists of the powers of one tau and one eta, and of nothing else.

    Each point is canonical, on the curve and not infinity, ``P_0`` is the generator, the digest of the powers is the
    stated one, and for random 128-bit coefficients rho, sigma (small-exponent batching: Bellare, Garay and Rabin 1998)
    ``e(sum rho_k P_{k+1} + sum rho'_k E_{k+1}, [1]_2) = e(sum rho_k P_k + sum rho'_k E_k, [tau]_2)`` and
    ``e([tau]_1, [tau]_2) = e([1]_1, [tau^2]_2)``, joined with sigma into one check of three pairings. A wrong SRS
    passes with probability at most 2**-127. That tau and eta are unknown no check of an SRS can show.

    Parameters
    ----------
    randomness
        32 bytes that whoever made the SRS could not foresee.
    progress
        Called for each chunk of powers.
    allow_initial
        Accept tau = 1, the state before the first contribution.

    Raises
    ------
    InvalidSrs
        If anything of this does not hold.
    WrongShape
        If ``randomness`` is not 32 bytes long.

    """
    try:
        _check_initial(srs, allow_initial)
        if not _pairings_hold(srs, randomness, progress):
            raise InvalidSrs(
                "the points are not the powers of one secret",
                hint="the file is damaged or dishonest: get it again, from another place",
            )
    except InvalidPoint as error:
        raise InvalidSrs(f"a point of the SRS is invalid: {error.message}") from error


def check_size(size: int) -> int:
    """Check a number of powers, and return it.

    Raises
    ------
    OutOfRange
        If it is not 9 to 2**28.

    """
    if not MIN_SIZE <= size <= MAX_SIZE:
        raise OutOfRange(f"an SRS has {MIN_SIZE} to {MAX_SIZE} powers, not {size}")
    return size


def chunks(size: int) -> Iterator[tuple[int, int]]:
    """Yield the bounds of the chunks of an SRS of ``size`` powers."""
    for start in range(0, size, CHUNK):
        yield start, min(start + CHUNK, size)


def _check_initial(srs: Srs, allow_initial: bool) -> None:
    if unpack_points(np.array(srs.powers[:1]))[0] != GENERATOR:
        raise InvalidSrs("the first power is not the generator")
    if srs.key.initial and not allow_initial:
        raise InvalidSrs(
            "nobody has contributed to this SRS: its secret is 1",
            hint="contribute first: `gramercy srs contribute IN OUT --name NAME`",
        )


def _pairings_hold(srs: Srs, randomness: bytes, progress: Progress) -> bool:
    backend = kernel()
    outer = hashlib.sha256()
    upper: list[Point] = []
    lower: list[Point] = []
    for start, stop in chunks(srs.size):
        # one point more than the chunk, so that the step into the next chunk is covered
        window = np.array(srs.powers[start : stop + 1])
        backend.check_points(window)
        outer.update(chunk_digest(window[: stop - start]))
        steps = len(window) - 1
        if steps:
            rho = _coefficients(randomness, start, steps)
            upper.append(backend.msm(window[1:], rho))
            lower.append(backend.msm(window[:-1], rho))
        progress(stop - start)
    if outer.digest() != srs.powers_digest:
        raise InvalidSrs("the digest of the powers is not the stated one", hint="the file is damaged: get it again")
    blinding = np.array(srs.blinding)
    backend.check_points(blinding)
    rho = _coefficients(randomness, srs.size, BLINDING_POWERS)
    upper.append(backend.msm(blinding[1:], rho[:-1]))
    lower.append(backend.msm(blinding[:-1], rho[:-1]))
    # sigma folds the check of [tau^2]_2 into the same product
    lower.append(backend.msm(np.array(srs.powers[1:2]), rho[-1:]))
    square = backend.msm(np.array(srs.powers[:1]), rho[-1:])
    pairs = [(_sum(upper), G2_GENERATOR), (_negated(_sum(lower)), srs.tau_g2), (square, srs.tau2_g2)]
    return backend.pairing_check(pairs)


def _coefficients(randomness: bytes, start: int, count: int) -> Vector:
    stream = random_bytes(randomness, b"gramercy/srs/check" + start.to_bytes(8, "big"), count * _COEFFICIENT_BYTES)
    coefficients: Vector = np.zeros((count, 4), dtype=np.uint64)
    coefficients[:, :2] = np.frombuffer(stream, dtype="<u8").reshape(count, 2)
    return coefficients


def _sum(points: list[Point]) -> Point:
    return kernel().msm(pack_points(points), np.ones(len(points), dtype=np.int8))


def _negated(point: Point) -> Point:
    return None if point is None else (point[0], -point[1] % P)


@cache
def _development_point() -> Point:
    return unpack_points(kernel().fixed_base(GENERATOR, kernel().geometric(DEVELOPMENT_TAU, 1, 1)))[0]


def _words(
    size: int,
    digest: bytes,
    tau: Point,
    blinding: tuple[Point, Point, Point],
    tau_g2: G2Point,
    tau2_g2: G2Point,
) -> tuple[int, ...]:
    check_size(size)
    if len(digest) != _DIGEST_BYTES:
        raise InvalidSrs(f"a digest has {_DIGEST_BYTES} bytes, not {len(digest)}")
    words = [size, int.from_bytes(digest, "big")]
    try:
        for point in (tau, *blinding):
            if point is None:
                raise InvalidSrs("a point of the SRS is infinity")
            check_point(point)
            words.extend(point)
        for (x_real, x_imaginary), (y_real, y_imaginary) in (tau_g2, tau2_g2):
            check_g2(((x_real, x_imaginary), (y_real, y_imaginary)))
            words.extend((x_imaginary, x_real, y_imaginary, y_real))
    except InvalidPoint as error:
        raise InvalidSrs(f"a point of the SRS is invalid: {error.message}") from error
    return tuple(words)


def _srs_digest(words: tuple[int, ...]) -> bytes:
    return bytes(keccak(SRS_TAG + b"".join(word.to_bytes(32, "big") for word in words)))
