"""Contributions to an SRS: the algebra of an update, and that no record can be changed, moved, replayed or made up."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest
from eth_hash.auto import keccak
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from py_ecc import optimized_bn128 as bn

from aggregator import ceremony, g2, srs
from aggregator.bn254 import G2_GENERATOR, GENERATOR, Point, R, pack_points, selection, unpack_points
from aggregator.ceremony import Contribution, Secret, State, follow, initial_state
from aggregator.errors import InvalidPoint, InvalidSrs
from aggregator.srs import Srs, check_srs, powers_digest

SIZE = 12
START = initial_state(SIZE, b"ceremony")


def initial_srs() -> Srs:
    ones = pack_points([GENERATOR] * SIZE)
    return Srs(ones, ones[:3], G2_GENERATOR, G2_GENERATOR, powers_digest(ones))


def updated(old: Srs, secret: Secret) -> Srs:
    halves = [secret.update_powers(old.powers[at : at + 4], at) for at in range(0, SIZE, 4)]
    powers = np.concatenate(halves)
    tau_g2, tau2_g2 = secret.update_g2(old.tau_g2, old.tau2_g2)
    return Srs(powers, secret.update_blinding(old.blinding), tau_g2, tau2_g2, powers_digest(powers))


def chain(*names: str) -> tuple[list[Contribution], list[State]]:
    contributions: list[Contribution] = []
    states = [START]
    for index, name in enumerate(names):
        contributions.append(Secret(bytes([index]) * 32, states[-1], name).contribution)
        states += follow(states[-1], contributions[-1:])
    return contributions, states


def multiple(scalar: int) -> Point:
    x, y = bn.normalize(bn.multiply(bn.G1, scalar % R))[:2]
    return int(x), int(y)


@pytest.fixture
def reference(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (ceremony, srs):
        monkeypatch.setattr(module, "kernel", lambda: selection.load("reference"))


@pytest.mark.usefixtures("reference")
@settings(max_examples=2, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seeds=st.lists(st.binary(min_size=32, max_size=32), min_size=1, max_size=2))
def test_updates_multiply_the_secrets(seeds: list[bytes]) -> None:
    current, state, tau, eta = initial_srs(), START, 1, 1
    for seed in seeds:
        secret = Secret(seed, state, "somebody")
        tau, eta = tau * secret._tau % R, eta * secret._eta % R
        current = updated(current, secret)
        (state,) = follow(state, [secret.contribution])
    assert unpack_points(current.powers) == [multiple(pow(tau, k, R)) for k in range(SIZE)]
    assert unpack_points(current.blinding) == [multiple(eta * pow(tau, k, R)) for k in range(3)]
    assert current.tau_g2 == g2.multiply_g2(G2_GENERATOR, tau)
    assert current.tau2_g2 == g2.multiply_g2(G2_GENERATOR, tau * tau % R)
    assert (state.tau, state.eta) == (current.key.tau, current.key.blinding[0])


def test_an_updated_srs_passes_the_check_of_every_point() -> None:
    current, state = initial_srs(), START
    for name in ("alice", "bob"):
        secret = Secret(name.encode().ljust(32), state, name)
        current = updated(current, secret)
        (state,) = follow(state, [secret.contribution])
        check_srs(current, bytes(32))
    assert not current.key.initial


def test_the_initial_srs_is_refused_unless_it_is_expected() -> None:
    with pytest.raises(InvalidSrs, match="nobody has contributed"):
        check_srs(initial_srs(), bytes(32))
    check_srs(initial_srs(), bytes(32), allow_initial=True)


def test_an_honest_chain_is_followed() -> None:
    contributions, states = chain("alice", "bob", "carol")
    assert follow(START, contributions) == states[1:]
    assert len({state.digest for state in states}) == 4


FIELDS: dict[str, Callable[[Contribution], object]] = {
    "name": lambda c: c.name + "x",
    "tau": lambda c: multiple(1234),
    "eta": lambda c: multiple(1234),
    "challenge": lambda c: (c.challenge + 1) % R,
    "tau_response": lambda c: (c.tau_response + 1) % R,
    "eta_response": lambda c: (c.eta_response + 1) % R,
}


@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize("position", [0, 2])
def test_a_changed_field_is_found_where_it_is(field: str, position: int) -> None:
    contributions, _ = chain("alice", "bob", "carol")
    changed: dict[str, object] = {field: FIELDS[field](contributions[position])}
    contributions[position] = dataclasses.replace(contributions[position], **changed)  # type: ignore[arg-type]
    with pytest.raises(InvalidSrs, match=f"contribution {position + 1}.*does not hold") as caught:
        follow(START, contributions)
    assert caught.value.details["index"] == position


def test_records_cannot_be_replayed_swapped_or_left_out() -> None:
    (alice, bob, carol), _ = chain("alice", "bob", "carol")
    for wrong in ([alice, alice], [bob, alice, carol], [bob, carol], [alice, carol], [alice, bob, carol, carol]):
        with pytest.raises(InvalidSrs, match="does not hold"):
            follow(START, wrong)


def test_records_hold_for_one_size_and_one_origin() -> None:
    (alice,), _ = chain("alice")
    for other in (
        initial_state(SIZE + 1, b"ceremony"),
        initial_state(SIZE, b"ptau"),
        initial_state(SIZE, b"ceremony", multiple(5), GENERATOR),
        initial_state(SIZE, b"ceremony", GENERATOR, multiple(5)),
    ):
        with pytest.raises(InvalidSrs, match="does not hold"):
            follow(other, [alice])


def test_a_contribution_that_resets_tau_is_refused() -> None:
    _, states = chain("alice")
    # a valid proof for the generator as base, bound to the right state and name: only the base is wrong
    pretended = State(GENERATOR, GENERATOR, states[-1].digest)
    rogue = Secret(bytes(32), pretended, "mallory").contribution
    assert follow(pretended, [rogue])
    with pytest.raises(InvalidSrs, match="does not hold"):
        follow(states[-1], [rogue])


@pytest.mark.parametrize("half", ["tau", "eta"])
def test_resetting_one_of_the_two_is_refused_too(half: str) -> None:
    _, states = chain("alice")
    pretended = dataclasses.replace(states[-1], **{half: GENERATOR})  # type: ignore[arg-type]
    rogue = Secret(bytes(32), pretended, "mallory").contribution
    with pytest.raises(InvalidSrs, match="does not hold"):
        follow(states[-1], [rogue])


def test_one_record_does_not_prove_what_another_one_did() -> None:
    """Both proofs of a record share a challenge: the eta of one record cannot go with the tau of another."""
    one = Secret(b"1" * 32, START, "alice").contribution
    two = Secret(b"2" * 32, START, "alice").contribution
    mixed = dataclasses.replace(one, eta=two.eta, eta_response=two.eta_response)
    with pytest.raises(InvalidSrs, match="does not hold"):
        follow(START, [mixed])


def test_values_outside_the_field_or_the_curve_are_refused() -> None:
    (alice,), _ = chain("alice")
    for field in ("challenge", "tau_response", "eta_response"):
        shifted: dict[str, int] = {field: getattr(alice, field) + R}
        with pytest.raises(InvalidSrs, match="not in the field"):
            follow(START, [dataclasses.replace(alice, **shifted)])  # type: ignore[arg-type]
    for field in ("tau", "eta"):
        infinite: dict[str, None] = {field: None}
        with pytest.raises(InvalidSrs, match="infinity"):
            follow(START, [dataclasses.replace(alice, **infinite)])  # type: ignore[arg-type]
        off: dict[str, tuple[int, int]] = {field: (1, 1)}
        with pytest.raises(InvalidPoint):
            follow(START, [dataclasses.replace(alice, **off)])  # type: ignore[arg-type]


def test_a_proof_is_the_schnorr_proof_that_the_documentation_says() -> None:
    """Recomputed from its definition with py_ecc: nonce points, then the challenge over all that it must cover."""
    (alice,), states = chain("alice")
    assert alice.tau is not None
    assert alice.eta is not None
    nonces = []
    for public, response in ((alice.tau, alice.tau_response), (alice.eta, alice.eta_response)):
        point = (bn.FQ(public[0]), bn.FQ(public[1]), bn.FQ(1))
        nonce = bn.add(bn.multiply(bn.G1, response), bn.neg(bn.multiply(point, alice.challenge)))
        nonces.append(tuple(int(value) for value in bn.normalize(nonce)[:2]))
    points = b"".join(value.to_bytes(32, "big") for point in (alice.tau, alice.eta, *nonces) for value in point)
    generator = (1).to_bytes(32, "big") + (2).to_bytes(32, "big")
    start = keccak(keccak(b"gramercy/srs/ceremony/1") + SIZE.to_bytes(32, "big") + generator * 2 + keccak(b"ceremony"))
    assert start == START.digest
    challenge = keccak(keccak(b"gramercy/srs/contribution/1") + start + keccak(b"alice") + points)
    assert int.from_bytes(challenge, "big") % R == alice.challenge
    record = points[:128] + b"".join(
        value.to_bytes(32, "big") for value in (alice.challenge, alice.tau_response, alice.eta_response)
    )
    assert states[1].digest == keccak(keccak(b"gramercy/srs/record/1") + start + keccak(b"alice") + record)


def test_secrets_differ_by_seed_state_and_name() -> None:
    drawn = [
        Secret(b"1" * 32, START, "alice"),
        Secret(b"2" * 32, START, "alice"),
        Secret(b"1" * 32, START, "bob"),
        Secret(b"1" * 32, initial_state(SIZE, b"other"), "alice"),
    ]
    assert len({secret.contribution.tau for secret in drawn}) == len(drawn)
    assert drawn[0].contribution == Secret(b"1" * 32, START, "alice").contribution
    drawn[0].forget()
    assert (drawn[0]._tau, drawn[0]._eta) == (0, 0)


@pytest.mark.parametrize("name", ["", " a", "a ", "a\nb", "a\x1b[31m", "x" * 65, "ä" * 33, "\ud800", "a\u202eb"])
def test_names_that_could_mislead_are_refused(name: str) -> None:
    with pytest.raises(InvalidSrs, match="name"):
        Secret(bytes(32), START, name)
    (alice,), _ = chain("alice")
    with pytest.raises(InvalidSrs, match="name"):
        follow(START, [dataclasses.replace(alice, name=name)])
