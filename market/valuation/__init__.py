"""What trainers' updates are worth on measured accuracy: off chain, for comparison and audit. It never moves money."""

from market.valuation.methods import (
    Coalition,
    CountedUtility,
    Utility,
    Valuation,
    exact_shapley,
    guided_truncated_shapley,
    leave_one_out,
    truncated_monte_carlo,
)
from market.valuation.retraining import Federation, leave_one_out_by_retraining
from market.valuation.rounds import RoundRecord, RoundUtility, over_rounds

LABEL = "measured, not proven: never moves money"

__all__ = [
    "LABEL",
    "Coalition",
    "CountedUtility",
    "Federation",
    "RoundRecord",
    "RoundUtility",
    "Utility",
    "Valuation",
    "exact_shapley",
    "guided_truncated_shapley",
    "leave_one_out",
    "leave_one_out_by_retraining",
    "over_rounds",
    "truncated_monte_carlo",
]
