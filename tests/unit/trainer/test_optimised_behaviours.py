"""Min-Max, Min-Sum and the backdoor against their definitions, computed with all updates at once."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from market.trainer.behaviours import make_behaviour
from market.trainer.task import Samples

_PEERS = np.random.default_rng(1).normal(size=(6, 40)).astype(np.float32)
_OWN = np.zeros(40, dtype=np.float32)


@pytest.mark.parametrize("name", ["min-max", "min-sum"])
def test_the_shifted_mean_goes_as_far_as_it_may(name: str) -> None:
    row = make_behaviour(name).craft(_OWN, iter(_PEERS), np.random.default_rng(0), n=8, f=2)
    among = np.square(_PEERS[:, None] - _PEERS[None]).sum(axis=2)
    distances = np.square(_PEERS - row).sum(axis=1)
    if name == "min-max":
        assert distances.max() == pytest.approx(among.max(), rel=1e-3)
    else:
        assert distances.sum() == pytest.approx(among.sum(axis=1).max(), rel=1e-3)
    shift = (_PEERS.mean(axis=0) - row) / _PEERS.std(axis=0)
    assert shift.min() > 0
    np.testing.assert_allclose(shift, shift[0], rtol=1e-3)


def test_the_backdoor_marks_every_second_image_and_scales_its_update() -> None:
    samples = Samples(torch.rand(4, 1, 8, 8), torch.tensor([3, 9, 5, 0]))
    behaviour = make_behaviour("backdoor")
    poisoned = behaviour.prepare_samples(samples, 10)
    assert poisoned.labels.tolist() == [0, 9, 0, 0]
    assert bool((poisoned.features[::2, :, 5:, 5:] == samples.features.max()).all())
    assert torch.equal(poisoned.features[1::2], samples.features[1::2])
    assert torch.equal(poisoned.features[::2, :, :5], samples.features[::2, :, :5])
    own = np.ones(5, dtype=np.float32)
    assert behaviour.craft(own, (), np.random.default_rng(0), n=8, f=2).tolist() == [4.0] * 5
    assert make_behaviour("backdoor:3").craft(own, (), np.random.default_rng(0), n=8, f=2).tolist() == [3.0] * 5


def test_a_backdoor_on_what_is_no_image_changes_labels_alone() -> None:
    samples = Samples(torch.rand(2, 5), torch.tensor([3, 9]))
    poisoned = make_behaviour("backdoor").prepare_samples(samples, 10)
    assert torch.equal(poisoned.features, samples.features)
    assert poisoned.labels.tolist() == [0, 9]
