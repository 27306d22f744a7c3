"""FoolsGold: trainers whose updates keep pointing the same way, round after round, share one voice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from aggregator.errors import RuleNotApplicable
from aggregator.products import IntMatrix, Products
from aggregator.rules.base import WEIGHT_ONE, Decision
from aggregator.similarity import SIMILARITY_ONE, cosine, length

_LINEAR = SIMILARITY_ONE >> 2
"""Beyond 1/4 from the middle the logit is beyond its clips: ``2 artanh(1/4) > 1/2``."""
_ODD = (13, 11, 9, 7, 5, 3)


@dataclass(frozen=True, slots=True)
class FoolsGold:
    """FoolsGold of Fung, Yoon and Beschastnikh (RAID 2020), Algorithm 1, on the running sums of the updates.

    With ``cs_ij`` the cosine of the sums of trainers i and j, and ``v_i`` the largest ``cs_ij`` over j: *pardoning*
    scales ``cs_ij`` by ``v_i / v_j`` where ``v_j > v_i``; then ``a_i = 1 - max_j cs_ij``, rescaled so that the largest
    is 1, then ``ln(a / (1 - a)) + 1/2``, clipped to 0..1. Weights are that times the stake, normalised.

    Where paper and code disagree. The paper's ``v_i`` may be negative; the authors' code (deep-fg, foolsgold.py) keeps
    the diagonal of its matrix at 0, so that ``v_i >= 0`` and an opposite direction counts as no similarity: the code is
    followed, and negative cosines are 0. The code moves a largest ``a`` of 1 to 0.99 before the logit; the clip at 1
    gives the same, as the logit passes it at ``a = 0.62``. The paper's confidence ``kappa`` is 1, as in the code. Where
    all ``a`` are 0 (everybody is a copy of somebody) the code divides by 0; here nobody is accepted. The paper's
    feature importance is left out, as in most codes: it looks at single coordinates.

    Departures. Similarities are in units of ``2**-32`` (:func:`aggregator.similarity.cosine`); the logarithm is the
    series ``2 (x + x^3/3 + ... + x^13/13)`` at ``x = 2a - 1``, which is within ``2**-30`` wherever it is not clipped
    (``|x| < 0.245``). A trainer whose sum is zero has no direction to compare; codes give it a full voice, here it has
    none. The paper adds the scaled updates up; here the weights are normalised, as for every rule.

    Cost: O(n^2). In a job's first round the sums are the updates.
    """

    id: str = "foolsgold"
    settles: bool = True
    needs_reference: bool = False
    needs_history: bool = True

    def decide(self, products: Products, byzantine: int, stakes: Sequence[int], **_ignored: object) -> Decision:  # noqa: ARG002
        """Weigh n >= 1 updates; ``byzantine`` does not matter, any number of copies is found."""
        masses = [voice * stake for voice, stake in zip(foolsgold_voices(running_sums(products)), stakes, strict=True)]
        total = sum(masses)
        weights = tuple(WEIGHT_ONE * mass // total if total else 0 for mass in masses)
        return Decision(tuple(mass > 0 for mass in masses), weights)

    def hints(self, products: Products, byzantine: int, stakes: Sequence[int], **_ignored: object) -> bytes:  # noqa: ARG002
        """Return nothing: n square roots are cheaper to compute than to check."""
        return b""


def running_sums(products: Products) -> IntMatrix:
    """Return the Gram matrix of the running sums.

    Raises
    ------
    RuleNotApplicable
        If there is none, or no update.

    """
    if products.history is None:
        raise RuleNotApplicable("the rule compares running sums, and there are none")
    if not products.n:
        raise RuleNotApplicable("the rule needs an update")
    return products.history


def foolsgold_voices(sums: IntMatrix) -> list[int]:
    """Return each trainer's voice, 0..1 in units of ``2**-32``, from the Gram matrix of the running sums."""
    n = len(sums)
    lengths = [length(sums[i][i]) for i in range(n)]
    similar = [[cosine(sums[i][j], lengths[i], lengths[j]) if i != j else 0 for j in range(n)] for i in range(n)]
    closest = [max(row) for row in similar]
    apart = [
        SIMILARITY_ONE - max(_pardoned(similar[i][j], closest[i], closest[j]) for j in range(n)) if lengths[i] else 0
        for i in range(n)
    ]
    largest = max(apart)
    return [logit(SIMILARITY_ONE * value // largest) if largest else 0 for value in apart]


def logit(a: int) -> int:
    """Return ``ln(a / (1 - a)) + 1/2``, clipped to 0..1; argument and result in units of ``2**-32``."""
    x = 2 * a - SIMILARITY_ONE
    if x >= _LINEAR:
        return SIMILARITY_ONE
    if x <= -_LINEAR:
        return 0
    square = x * x // SIMILARITY_ONE
    series = 0
    for odd in _ODD:
        series = (series + SIMILARITY_ONE // odd) * square // SIMILARITY_ONE
    magnitude = 2 * abs(x) * (SIMILARITY_ONE + series) // SIMILARITY_ONE
    half = SIMILARITY_ONE // 2
    return half + min(magnitude, half) if x >= 0 else half - min(magnitude, half)


def _pardoned(similarity: int, own: int, other: int) -> int:
    return similarity * own // other if other > own else similarity
