"""Each attack against its formula, computed here with all updates at once."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch

from aggregator.errors import WrongShape
from market.errors import ConfigError
from market.trainer.behaviours import BEHAVIOURS, Vector, alie_quantile, make_behaviour
from market.trainer.task import Samples

_PEERS = np.random.default_rng(1).normal(size=(6, 40)).astype(np.float32)
_OWN = np.random.default_rng(2).normal(size=40).astype(np.float32)


def _craft(spec: str, *, n: int = 8, f: int = 2, seed: int = 0) -> Vector:
    behaviour = make_behaviour(spec)
    own = _OWN.copy()
    peers: Iterator[Vector] = iter(_PEERS.copy() if behaviour.needs_peers else [])
    crafted = behaviour.craft(own, peers, np.random.default_rng(seed), n=n, f=f)
    assert np.array_equal(own, _OWN)
    assert crafted.dtype == np.float32
    assert crafted.shape == own.shape
    return crafted


@pytest.mark.parametrize("name", BEHAVIOURS)
def test_every_behaviour_goes_by_its_name_and_gives_a_float32_update(name: str) -> None:
    assert make_behaviour(name).name == name
    _craft(name)


def test_the_registry_holds_the_documented_behaviours() -> None:
    assert set(BEHAVIOURS) == {
        "honest", "sign-flip", "label-flip", "gaussian", "free-rider", "copy", "alie", "ipm",
        "min-max", "min-sum", "backdoor",
    }  # fmt: skip


@pytest.mark.parametrize("name", ["honest", "label-flip"])
def test_honest_and_label_flip_submit_what_training_gave(name: str) -> None:
    assert np.array_equal(_craft(name), _OWN)


def test_sign_flip_is_minus_four_times_the_update() -> None:
    assert np.array_equal(_craft("sign-flip"), -4 * _OWN)
    assert np.array_equal(_craft("sign-flip:2.5"), np.float32(-2.5) * _OWN)


def test_free_rider_submits_zeros() -> None:
    assert not _craft("free-rider").any()


def test_gaussian_noise_has_thirty_times_the_root_mean_square_and_mean_zero() -> None:
    own = np.full(200_000, 0.5, dtype=np.float32)
    noise = make_behaviour("gaussian").craft(own, (), np.random.default_rng(3), n=8, f=2)
    assert noise.std() == pytest.approx(15.0, rel=0.01)
    assert abs(noise.mean()) < 0.2
    assert abs(np.corrcoef(noise[:-1], noise[1:])[0, 1]) < 0.01


def test_gaussian_noise_follows_the_generator() -> None:
    assert np.array_equal(_craft("gaussian", seed=4), _craft("gaussian", seed=4))
    assert not np.array_equal(_craft("gaussian", seed=4), _craft("gaussian", seed=5))


def test_copy_takes_the_first_peer_and_may_scale_it() -> None:
    assert np.array_equal(_craft("copy"), _PEERS[0])
    assert np.array_equal(_craft("copy:0.5"), _PEERS[0] / 2)


def test_ipm_is_minus_epsilon_times_the_mean() -> None:
    mean = _PEERS.mean(axis=0, dtype=np.float64)
    np.testing.assert_allclose(_craft("ipm"), -0.1 * mean, rtol=1e-6)
    np.testing.assert_allclose(_craft("ipm:3"), -3 * mean, rtol=1e-6)


def test_alie_shifts_the_mean_by_z_population_deviations() -> None:
    mean, deviation = _PEERS.mean(axis=0, dtype=np.float64), _PEERS.std(axis=0, dtype=np.float64)
    np.testing.assert_allclose(_craft("alie:1.5"), mean - 1.5 * deviation, rtol=1e-5, atol=1e-6)
    z = alie_quantile(25, 11)
    np.testing.assert_allclose(_craft("alie", n=25, f=11), mean - z * deviation, rtol=1e-5, atol=1e-6)


def test_alie_does_not_cancel_when_updates_share_a_large_part() -> None:
    peers = _PEERS + np.float32(1e4)
    crafted = make_behaviour("alie:1").craft(_OWN, iter(peers), np.random.default_rng(0), n=8, f=2)
    wide = peers.astype(np.float64)
    np.testing.assert_allclose(crafted, wide.mean(axis=0) - wide.std(axis=0), rtol=1e-7)


@pytest.mark.parametrize(
    ("n", "f", "z"),
    [
        (50, 24, 1.4261),  # s = 2 supporters of 26 honest: quantile of 24/26
        (10, 4, 0.4307),  # s = 2 of 6: quantile of 2/3
        (10, 2, 0.0),  # s = 4 of 8: the median
        (10, 1, 0.0),  # below the median: not let under 0
        (2, 1, 0.0),
    ],
)
def test_the_alie_quantile_is_that_of_algorithm_3(n: int, f: int, z: float) -> None:
    assert alie_quantile(n, f) == pytest.approx(z, abs=1e-4)


@pytest.mark.parametrize(("n", "f"), [(10, 0), (10, 6), (3, 2)])
def test_alie_outside_its_assumption_is_refused(n: int, f: int) -> None:
    with pytest.raises(ConfigError):
        alie_quantile(n, f)


@pytest.mark.parametrize("name", ["copy", "alie", "ipm", "min-max", "min-sum"])
def test_behaviours_that_need_peers_say_so(name: str) -> None:
    behaviour = make_behaviour(name)
    assert behaviour.needs_peers
    rng = np.random.default_rng(0)
    with pytest.raises(ConfigError, match="needs other trainers"):
        behaviour.craft(_OWN, (), rng, n=8, f=2)
    with pytest.raises(WrongShape):
        behaviour.craft(_OWN, [_OWN[:-1]], rng, n=8, f=2)
    with pytest.raises(WrongShape):
        behaviour.craft(_OWN, [_OWN.astype(np.float64)], rng, n=8, f=2)


def test_only_the_copier_takes_what_is_not_its_own() -> None:
    assert [name for name in BEHAVIOURS if make_behaviour(name).steals] == ["copy"]


def test_label_flip_reverses_labels_and_keeps_features() -> None:
    samples = Samples(torch.rand(4, 2), torch.tensor([0, 3, 9, 5]))
    flipped = make_behaviour("label-flip").prepare_samples(samples, 10)
    assert flipped.labels.tolist() == [9, 6, 0, 4]
    assert torch.equal(flipped.features, samples.features)
    assert samples.labels.tolist() == [0, 3, 9, 5]


@pytest.mark.parametrize("name", [name for name in BEHAVIOURS if name not in ("label-flip", "backdoor")])
def test_other_behaviours_leave_the_samples_alone(name: str) -> None:
    samples = Samples(torch.rand(4, 2), torch.tensor([0, 3, 9, 5]))
    assert make_behaviour(name).prepare_samples(samples, 10) is samples


def test_the_strength_is_given_in_the_name_or_beside_it() -> None:
    assert make_behaviour("sign-flip:2") == make_behaviour("sign-flip", strength=2)


@pytest.mark.parametrize(
    "spec",
    ["", "sign", "sign-flip:", "sign-flip:x", "sign-flip:0", "sign-flip:-4", "sign-flip:inf", "ipm:nan", "honest:1"],
)
def test_unknown_names_and_bad_strengths_are_refused(spec: str) -> None:
    with pytest.raises(ConfigError):
        make_behaviour(spec)


def test_a_strength_given_twice_is_refused() -> None:
    with pytest.raises(ConfigError, match="twice"):
        make_behaviour("ipm:2", strength=3)
