"""What a demo is asked for, and who takes part in it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from market.errors import ConfigError
from market.services.owner import Split, choose_split

COMMIT_SECONDS = 3600
SETTLE_SECONDS = 3600
CHALLENGE_SECONDS = 24 * 3600
LIFETIME_SECONDS = 365 * 86400
ROUND_BUDGET_WEI = 10**18
STAKE_WEI = 10**17
BOND_WEI = 10**18
SEED_STRIDE = 1000
MIN_TRAINERS = 3


@dataclass(frozen=True, slots=True)
class DemoPlan:
    """Options of ``gramercy demo``.

    Attributes
    ----------
    trainers, byzantine
        Trainers in all, and how many of them attack.
    attack
        Behaviour of the attackers; several, separated by commas, are dealt out in turn.
    rule, score, reference
        As an owner chooses them; what is None follows as in :func:`market.services.owner.choose_split`.
    chain
        ``embedded``, ``anvil``, or the RPC URL of a development chain.
    storage
        ``local``, ``ipfs`` (a js-ipfs daemon started here), or a storage URL.
    alpha
        Dirichlet alpha of the data split: smaller is more uneven.
    program
        How the demo was called, for telling how it is called again.

    """

    folder: Path
    trainers: int = 8
    byzantine: int = 2
    attack: str = "sign-flip"
    rounds: int = 5
    task: str = "digits"
    rule: str | None = None
    score: str | None = None
    reference: bool | None = None
    chain: str = "embedded"
    storage: str = "local"
    alpha: float = 1.0
    seed: int = 0
    program: str = "gramercy demo"

    def __post_init__(self) -> None:
        if not 0 <= self.byzantine < self.trainers:
            raise ConfigError("there must be more trainers than Byzantine ones")
        if self.trainers < max(2 * self.byzantine + 3, MIN_TRAINERS):
            raise ConfigError(
                f"{self.byzantine} Byzantine trainers need at least {2 * self.byzantine + 3} trainers in all",
                hint="raise --trainers or lower --byzantine",
            )

    @property
    def split(self) -> Split:
        """How updates are weighed and pay is divided; InvalidInput where that cannot be."""
        return choose_split(self.rule, self.score, reference=self.reference)

    @property
    def attacks(self) -> list[str]:
        """Behaviour of each attacker."""
        names = [name.strip() for name in self.attack.split(",") if name.strip()] or ["sign-flip"]
        return [names[place % len(names)] for place in range(self.byzantine)]

    @property
    def behaviours(self) -> list[str]:
        """Behaviour of each trainer: honest ones first."""
        return ["honest"] * (self.trainers - self.byzantine) + self.attacks

    def trainer_seed(self, place: int) -> int:
        """Return the training seed of the trainer at ``place`` (from 0)."""
        return self.seed * SEED_STRIDE + place
