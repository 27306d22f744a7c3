"""Leave-one-out by training anew without each trainer: what a trainer's data were worth, and what that costs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from aggregator.errors import OutOfRange
from market.trainer.behaviours import Behaviour, Vector
from market.trainer.local_round import compute_update, estimated_peers
from market.trainer.parameters import ModelSchema, flatten
from market.trainer.randomness import derive_seed
from market.trainer.task import Samples, Task
from market.valuation.methods import Progress, Valuation
from market.valuation.rounds import Measure, RoundRecord, RoundUtility

_INITIAL = 0


@dataclass(frozen=True, slots=True)
class Federation:
    """Who trains on what, and for how long: all that a federated run follows from.

    Attributes
    ----------
    samples, behaviours
        One of each for every trainer.
    seed
        Of the initial model, and of everything random in the trainers.
    identities
        A trainer's randomness is that of its identity: the same for two trainers with equal samples makes one a copy of
        the other. By default each its own.

    """

    task: Task
    samples: tuple[Samples, ...]
    behaviours: tuple[Behaviour, ...]
    rounds: int
    seed: int
    identities: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if self.identities and len(self.identities) != len(self.samples):
            raise OutOfRange(f"{len(self.identities)} identities of {len(self.samples)} trainers")
        if len(self.samples) != len(self.behaviours) or not self.samples or self.rounds < 1:
            raise OutOfRange(
                f"{len(self.samples)} trainers' samples, {len(self.behaviours)} behaviours and {self.rounds} rounds"
            )

    @property
    def n(self) -> int:
        """Number of trainers."""
        return len(self.samples)

    def initial_model(self) -> Vector:
        """Return the model (d,) that the first round starts from."""
        return flatten(self.task.init_model(derive_seed(self.seed, _INITIAL)))

    def train(self, members: Sequence[int], *, progress: Progress | None = None) -> tuple[RoundRecord, ...]:
        """Run all rounds with ``members`` alone, the mean of whose updates is the step; return the rounds.

        A trainer's randomness is its own, whoever takes part: runs with and without a trainer differ by it alone.
        """
        schema = ModelSchema.of(self.task.init_model(0))
        current = self.initial_model()
        records = []
        for index in range(self.rounds):
            updates = []
            for trainer in members:
                updates.append(self._update(schema, current, trainer, index, len(members)))
                if progress:
                    progress(1)
            record = RoundRecord(current, tuple(updates), (1.0,) * len(updates))
            records.append(record)
            current = record.model_of(frozenset(range(len(updates))))
        return tuple(records)

    def _update(self, schema: ModelSchema, current: Vector, trainer: int, index: int, n: int) -> Vector:
        identity = self.identities[trainer] if self.identities else trainer
        behaviour, own = self.behaviours[trainer], derive_seed(self.seed, 1 + identity)
        samples = self.samples[trainer]
        peers = (
            estimated_peers(self.task, schema, current, samples, seed=own, round_index=index)
            if behaviour.needs_peers
            else ()
        )
        return compute_update(
            self.task, schema, current, samples, behaviour, seed=own, round_index=index, peers=peers, n=n
        ).update


@dataclass(frozen=True, slots=True)
class RetrainedValues:
    """Leave-one-out by retraining on both measures, and each repetition's values (repeats, n).

    ``evaluations`` counts evaluated models; each of them took a whole federated run.
    """

    accuracy: Valuation
    loss: Valuation
    each_accuracy: tuple[tuple[float, ...], ...]
    each_loss: tuple[tuple[float, ...], ...]


def leave_one_out_by_retraining(
    federation: Federation, samples: Samples, *, repeats: int = 1, progress: Progress | None = None
) -> RetrainedValues:
    """Return how much better the final model is with each trainer than trained without it, on average over seeds.

    Repetition k trains from another initial model with other randomness. Accuracy, and loss with its sign turned, so
    that a higher value is better in both.

    Parameters
    ----------
    samples
        What final models are measured on.
    repeats
        Runs with each set of trainers; each takes n + 1 federated runs.
    progress
        Called with the number of updates computed since the last call, ``repeats * rounds * n * n`` in all.

    """
    if repeats < 1 or federation.n < 2:  # noqa: PLR2004 - somebody must be left
        raise OutOfRange(f"{repeats} repeats with {federation.n} trainers")
    rows = [
        _one_repeat(replace(federation, seed=derive_seed(federation.seed, repeat)), samples, progress)
        for repeat in range(repeats)
    ]
    runs = repeats * (federation.n + 1)
    accuracy, loss = ([row[measure] for row in rows] for measure in (0, 1))
    return RetrainedValues(
        Valuation(tuple(np.mean(accuracy, axis=0).tolist()), runs),
        Valuation(tuple(np.mean(loss, axis=0).tolist()), runs),
        tuple(accuracy),
        tuple(loss),
    )


def _one_repeat(
    federation: Federation, samples: Samples, progress: Progress | None
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    everybody = list(range(federation.n))
    with_all = _final(federation, everybody, samples, progress)
    without = [
        _final(federation, [other for other in everybody if other != trainer], samples, progress)
        for trainer in everybody
    ]
    accuracy, loss = (tuple(with_all[m] - row[m] for row in without) for m in (0, 1))
    return accuracy, loss


def _final(
    federation: Federation, members: list[int], samples: Samples, progress: Progress | None
) -> tuple[float, float]:
    last = federation.train(members, progress=progress)[-1]
    everybody = frozenset(range(len(members)))
    measures: tuple[Measure, Measure] = ("accuracy", "loss")
    accuracy, loss = (RoundUtility(federation.task, last, samples, measure=m)(everybody) for m in measures)
    return accuracy, loss
