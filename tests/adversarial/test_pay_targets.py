"""Pay targets of the attack table, on real training with exact settlements: what must earn nothing earns nothing."""

from __future__ import annotations

from dataclasses import replace
from statistics import fmean

import numpy as np
import pytest

from market.trainer.behaviours import LabelFlip, Vector
from tests.adversarial.simulated_job import BUDGET, Craft, Job, Trainer, View, paid

HONEST = tuple(Trainer(share) for share in range(10))
FREE_RIDES: dict[str, Craft] = {
    "zero": lambda view: np.zeros_like(view.own),
    "noise": lambda view: view.noise(),
    "loud noise": lambda view: view.noise(3),
    "faint noise": lambda view: view.noise(0.1),
    "replay": lambda view: view.previous,
    "replay at full length": lambda view: view.replay(),
    "replay and noise": lambda view: 0.7 * view.replay() + view.noise(0.7),
    "replay and little noise": lambda view: 0.95 * view.replay() + view.noise(0.3),
}
SPLITS = {"identically distributed": None, "Dirichlet 1.0": 1.0, "Dirichlet 0.3": 0.3}


def job(*others: Trainer, alpha: float | None = None, rounds: int = 5) -> Job:
    return Job((*HONEST, *others), shares=12, alpha=alpha, rounds=rounds)


def share_of_honest(totals: list[int]) -> list[float]:
    """Return what each trainer beyond the ten honest ones got, relative to their mean."""
    return [total / fmean(totals[:10]) for total in totals[10:]]


def assert_unpaid(rides: tuple[str, ...], alpha: float | None) -> None:
    """Each of these free riders, all at once among ten honest trainers, earns at most 1 % of an honest one."""
    riders = (Trainer(10 + place % 2, FREE_RIDES[ride]) for place, ride in enumerate(rides))
    totals = paid(job(*riders, alpha=alpha).play())
    shares = dict(zip(rides, share_of_honest(totals), strict=True))
    assert max(shares.values()) <= 0.01, shares
    assert sum(totals[:10]) > 0.9 * 5 * BUDGET, "what they do not get, the others do"


def test_free_riders_earn_nothing() -> None:
    assert_unpaid(("zero", "noise", "replay", "replay and noise"), None)


@pytest.mark.slow
@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("rides", [tuple(FREE_RIDES)[:4], tuple(FREE_RIDES)[4:]], ids=["noises", "replays"])
def test_free_riders_earn_nothing_whatever_the_data(rides: tuple[str, ...], split: str) -> None:
    assert_unpaid(rides, SPLITS[split])


@pytest.mark.slow
@pytest.mark.parametrize("split", SPLITS)
def test_splitting_an_identity_does_not_pay(split: str) -> None:
    """One trainer's update and stake under k = 2 to 10 identities: together at most 1.05 of what it earns as one."""
    alone = paid(replace(job(alpha=SPLITS[split]), shares=10).play())[0]
    for k in (2, 5, 10):
        parts = tuple(Trainer(0, stake=10**18 // k, seed=0) for _ in range(k))
        split_job = Job((*parts, *(Trainer(share, seed=share) for share in range(1, 10))), 10, SPLITS[split], rounds=5)
        assert sum(paid(split_job.play())[:k]) <= 1.05 * alone, k


@pytest.mark.slow
@pytest.mark.parametrize("k", [2, 10])
def test_splitting_and_training_anew_with_the_same_data_does_not_pay(k: int) -> None:
    alone = paid(replace(job(), shares=10).play())[0]
    parts = tuple(Trainer(0, stake=10**18 // k, seed=100 + i) for i in range(k))
    split_job = Job((*parts, *(Trainer(share, seed=share) for share in range(1, 10))), 10, rounds=5)
    assert sum(paid(split_job.play())[:k]) <= 1.05 * alone


def random_direction(view: View) -> Vector:
    return view.noise()


def opposite(view: View) -> Vector:
    return -view.own


@pytest.mark.parametrize("rule", ["mean", "marginal-value"])
@pytest.mark.parametrize("hostile", [random_direction, opposite])
def test_a_hostile_reference_takes_no_floor_from_honest_trainers(hostile: Craft, rule: str) -> None:
    """Whatever the owner's row, the floor is divided among those who train; nothing goes to who does not."""
    plain = replace(job(Trainer(10, FREE_RIDES["zero"]), rounds=3), rule=rule)
    fair, totals = paid(plain.play()), paid(replace(plain, reference=hostile).play())
    assert sum(totals[:10]) >= 0.999 * 3 * BUDGET // 2
    assert min(totals[:10]) > 0.3 * min(fair[:10])
    assert totals[10] == 0


def private_direction(view: View) -> Vector:
    """Return a direction that colluders agree on, new in each round, and noise: where agreement of others pays most."""
    common = np.random.default_rng([77, view.round_index]).standard_normal(view.own.shape)
    common *= 0.78 * np.linalg.norm(view.own) / np.linalg.norm(common)
    return (common + view.noise(0.62)).astype(np.float32)


def seasoned(share: float) -> Craft:
    """Return the same with a part of the last aggregate, which agrees with everybody and with the reference."""

    def craft(view: View) -> Vector:
        last = view.replay()
        rest = np.float32((1 - share * share) ** 0.5) if last.any() else np.float32(1)
        return np.float32(share) * last + rest * private_direction(view)

    return craft


@pytest.mark.slow
@pytest.mark.parametrize("rule", ["mean", "marginal-value"])
@pytest.mark.parametrize("alpha", [None, 0.3])
@pytest.mark.parametrize(("k", "share"), [(2, 0.1), (3, 0.0), (4, 0.2)])
def test_colluders_who_agree_with_each_other_earn_nothing(k: int, share: float, alpha: float | None, rule: str) -> None:
    """Up to f trainers who never train, but agree with each other, get at most 1 % of all pay."""
    colluders = (Trainer(10 + place % 2, seasoned(share)) for place in range(k))
    totals = paid(replace(job(*colluders, alpha=alpha, rounds=12), rule=rule, byzantine=k).play())
    assert sum(totals[10:]) <= 0.01 * sum(totals)


@pytest.mark.slow
@pytest.mark.parametrize("f", [1, 2, 3, 4])
@pytest.mark.parametrize("attack", [opposite, private_direction])
def test_an_owner_with_f_trainers_of_its_own_takes_no_floor(attack: Craft, f: int) -> None:
    """Of 2f + 3 trainers, f work against the others, and the owner's row says that they are right."""
    honest = tuple(Trainer(share) for share in range(f + 3))
    hostile = (
        attack if attack is opposite else lambda view: private_direction(replace(view, rng=np.random.default_rng(5)))
    )
    colluding = Job((*honest, *(Trainer(10 + i % 2, attack) for i in range(f))), shares=12, rounds=8)
    totals = paid(replace(colluding, rule="marginal-value", byzantine=f, reference=hostile).play())
    assert sum(totals[: f + 3]) >= 0.98 * 8 * BUDGET // 2
    assert min(totals[: f + 3]) > 0.4 * fmean(totals[: f + 3])


@pytest.mark.slow
@pytest.mark.parametrize("factor", [3.0, 10.0])
def test_a_longer_update_is_not_paid_by_its_length(factor: float) -> None:
    shares = share_of_honest(paid(job(Trainer(10, lambda view: view.own * np.float32(factor))).play()))
    assert shares[0] <= 3


TURNS: dict[str, Craft] = {
    "zero": FREE_RIDES["zero"],
    "sign flip": lambda view: -view.own,
    "noise": FREE_RIDES["noise"],
}


@pytest.mark.slow
@pytest.mark.parametrize("turn", TURNS)
def test_who_stops_training_stops_being_paid(turn: str) -> None:
    """Three honest rounds, then none: past merit is not paid for rounds without any."""
    later = TURNS[turn]
    outcomes = job(Trainer(10, lambda view: view.own if view.round_index < 3 else later(view)), rounds=6).play()
    assert share_of_honest(paid(outcomes[:3]))[0] > 0.5
    assert share_of_honest(paid(outcomes[3:]))[0] <= 0.01


@pytest.mark.slow
@pytest.mark.parametrize("split", SPLITS)
def test_flipped_labels_and_signs_earn_little(split: str) -> None:
    flippers = (Trainer(10, behaviour=LabelFlip()), Trainer(11, lambda view: -view.own))
    label_flip, sign_flip = share_of_honest(paid(job(*flippers, alpha=SPLITS[split]).play()))
    assert label_flip <= 0.1
    assert sign_flip <= 0.01


@pytest.mark.slow
def test_honest_trainers_share_fairly() -> None:
    totals = paid(replace(job(), shares=10).play())
    assert min(totals) > 0.7 * fmean(totals)
    assert max(totals) < 1.3 * fmean(totals)
