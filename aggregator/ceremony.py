"""Contributions to an SRS: how each of many parties multiplies in a secret of its own, and proves that it did.

A contribution with the secrets ``t`` and ``e`` turns ``[tau^k]_1`` into ``t^k [tau^k]_1``, ``[eta tau^k]_1`` into
``e t^k [eta tau^k]_1``, ``[tau]_2`` into ``t [tau]_2`` and ``[tau^2]_2`` into ``t^2 [tau^2]_2``. Its record holds the
new ``[tau]_1`` and ``[eta]_1``, and a Schnorr proof (Schnorr 1991; one challenge for both) that the contributor knows
``t`` to the base of the *old* ``[tau]_1`` and ``e`` to the base of the old ``[eta]_1``. The challenge covers the
contributor's name and the digest of everything before it: size, origin and all earlier records.

Why one honest contributor suffices (Groth, Kohlweiss, Maller, Meiklejohn and Miers 2018; without a random beacon:
Kohlweiss, Maller, Siim and Volkhov 2021). The records chain: ``[tau]_1 = t_1 t_2 ... t_m [base]_1``, and likewise
for eta. :func:`aggregator.srs.check_srs` shows that all other points follow from ``[tau]_1`` and ``[eta]_1``, so a
file whose two points are those of the last record is determined by the records. Take an adversary that makes all
contributions but ``t_j``, the honest one. Each ``t_i`` of its own can be extracted from its proof (in the random
oracle model by forking, each proof alone; in the algebraic group model at once: Fuchsbauer, Plouviez and Seurin
2020), and the honest proof can be simulated. If it knew the final tau, it would know ``t_j``, tau divided by all
the others; but its contributor drew that at random and forgot it.

A rogue contribution, one that sets ``[tau]_1 = [x]_1`` for a known x whatever was there before, would need a proof
of ``x / tau_old``, so of ``tau_old`` itself. A replayed or moved record fails, as its challenge covers what came
before it. The group has prime order, so any point but infinity generates it; no secret can be zero.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from eth_hash.auto import keccak

from aggregator.bn254 import (
    GENERATOR,
    G2Point,
    Point,
    Points,
    R,
    encode_point,
    kernel,
    pack_points,
    vector_from_ints,
)
from aggregator.errors import InvalidSrs
from aggregator.g2 import multiply_g2
from aggregator.randomness import field_elements
from aggregator.srs import BLINDING_POWERS

MAX_NAME_BYTES = 64
MAX_CONTRIBUTIONS = 1000
_STATE_TAG = keccak(b"gramercy/srs/ceremony/1")
_CONTRIBUTION_TAG = keccak(b"gramercy/srs/contribution/1")
_RECORD_TAG = keccak(b"gramercy/srs/record/1")


@dataclass(frozen=True, slots=True)
class State:
    """Where a ceremony stands: ``[tau]_1``, ``[eta]_1``, and the digest of all that led there."""

    tau: Point
    eta: Point
    digest: bytes


@dataclass(frozen=True, slots=True)
class Contribution:
    """Record of one contribution.

    Attributes
    ----------
    name
        Contributor, as it calls itself: 1 to 64 bytes of printable UTF-8.
    tau, eta
        The new ``[tau]_1`` and ``[eta]_1``.
    challenge, tau_response, eta_response
        Proof that the contributor knows both factors.

    """

    name: str
    tau: Point
    eta: Point
    challenge: int
    tau_response: int
    eta_response: int


class Secret:
    """The factors ``t`` and ``e`` of one contribution; never written anywhere.

    Parameters
    ----------
    seed
        32 bytes that nobody else knows, for this contribution only.
    state
        What is contributed to.
    name
        Contributor's name for the record.

    Attributes
    ----------
    contribution
        The record, with its proof. It is made here, once, because a nonce must not meet two challenges.

    Raises
    ------
    InvalidSrs
        If the name is not 1 to 64 bytes of printable UTF-8.

    """

    def __init__(self, seed: bytes, state: State, name: str) -> None:
        check_name(name)
        context = b"gramercy/srs/secret" + state.digest + name.encode()
        drawn = (1 + value % (R - 1) for value in field_elements(seed, context, 4))
        self._tau, self._eta, tau_nonce, eta_nonce = drawn
        tau, eta = _multiple(state.tau, self._tau), _multiple(state.eta, self._eta)
        nonces = _multiple(state.tau, tau_nonce), _multiple(state.eta, eta_nonce)
        challenge = _challenge(state, name, (tau, eta, *nonces))
        self.contribution = Contribution(
            name=name,
            tau=tau,
            eta=eta,
            challenge=challenge,
            tau_response=(tau_nonce + challenge * self._tau) % R,
            eta_response=(eta_nonce + challenge * self._eta) % R,
        )

    def update_powers(self, powers: Points, start: int) -> Points:
        """Return ``t^k P_k`` for the powers k = start, start + 1, ..."""
        return kernel().scale(powers, kernel().geometric(pow(self._tau, start, R), self._tau, len(powers)))

    def update_blinding(self, blinding: Points) -> Points:
        """Return ``e t^k E_k`` for the three blinding powers."""
        return kernel().scale(blinding, kernel().geometric(self._eta, self._tau, BLINDING_POWERS))

    def update_g2(self, tau_g2: G2Point, tau2_g2: G2Point) -> tuple[G2Point, G2Point]:
        """Return ``t [tau]_2`` and ``t^2 [tau^2]_2``."""
        return multiply_g2(tau_g2, self._tau), multiply_g2(tau2_g2, pow(self._tau, 2, R))

    def forget(self) -> None:
        """Drop the secret; Python may still hold copies in freed memory until the process ends."""
        self._tau = self._eta = 0


def initial_state(size: int, origin: bytes, tau: Point = GENERATOR, eta: Point = GENERATOR) -> State:
    """Return the state before the first contribution to an SRS of ``size`` powers.

    ``origin`` says where ``[tau]_1`` and ``[eta]_1`` come from; it enters the digest, as do they.
    """
    words = (_STATE_TAG, size.to_bytes(32, "big"), encode_point(tau), encode_point(eta), keccak(origin))
    return State(tau, eta, bytes(keccak(b"".join(words))))


def follow(state: State, contributions: Iterable[Contribution]) -> list[State]:
    """Verify contributions in order; return the state after each.

    Raises
    ------
    InvalidSrs
        Naming the first contribution (``details["index"]``) that is not one to the state before it.

    """
    states: list[State] = []
    for index, contribution in enumerate(contributions):
        try:
            state = _next(state, contribution)
        except InvalidSrs as error:
            raise InvalidSrs(f"contribution {index + 1}: {error.message}", hint=error.hint, index=index) from None
        states.append(state)
    return states


def check_name(name: str) -> None:
    """Check a contributor's name.

    Raises
    ------
    InvalidSrs
        If it is not 1 to 64 bytes of printable UTF-8 without blanks around it.

    """
    try:
        length = len(name.encode())
    except UnicodeEncodeError:
        length = 0
    if not 0 < length <= MAX_NAME_BYTES or not name.isprintable() or name != name.strip():
        raise InvalidSrs(f"a contributor's name has 1 to {MAX_NAME_BYTES} bytes, printable, no blanks around it")


def _next(state: State, contribution: Contribution) -> State:
    check_name(contribution.name)
    if contribution.tau is None or contribution.eta is None:
        raise InvalidSrs("a point is infinity: the secret would be zero")
    scalars = (contribution.challenge, contribution.tau_response, contribution.eta_response)
    if not all(0 <= scalar < R for scalar in scalars):
        raise InvalidSrs("a scalar of the proof is not in the field")
    tau_nonce = _commitment(state.tau, contribution.tau, contribution.tau_response, contribution.challenge)
    eta_nonce = _commitment(state.eta, contribution.eta, contribution.eta_response, contribution.challenge)
    expected = _challenge(state, contribution.name, (contribution.tau, contribution.eta, tau_nonce, eta_nonce))
    if expected != contribution.challenge:
        raise InvalidSrs(
            f"the proof of {contribution.name!r} does not hold",
            hint="the record was changed, moved or made for another state of the ceremony",
        )
    record = (
        _RECORD_TAG,
        state.digest,
        keccak(contribution.name.encode()),
        encode_point(contribution.tau),
        encode_point(contribution.eta),
        *(scalar.to_bytes(32, "big") for scalar in scalars),
    )
    return State(contribution.tau, contribution.eta, bytes(keccak(b"".join(record))))


def _challenge(state: State, name: str, points: tuple[Point, Point, Point, Point]) -> int:
    words = (_CONTRIBUTION_TAG, state.digest, keccak(name.encode()), *(encode_point(point) for point in points))
    return int.from_bytes(keccak(b"".join(words)), "big") % R


def _commitment(base: Point, public: Point, response: int, challenge: int) -> Point:
    """Return ``response * base - challenge * public``: the nonce's point, if the proof is right."""
    return kernel().msm(pack_points([base, public]), vector_from_ints([response, -challenge]))


def _multiple(point: Point, scalar: int) -> Point:
    return kernel().msm(pack_points([point]), vector_from_ints([scalar]))
