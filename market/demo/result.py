"""What a run of the demo showed, for people and for programs."""

from __future__ import annotations

import json
import shlex
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from market.demo.ledger import Transaction
from market.demo.plan import ROUND_BUDGET_WEI, DemoPlan


@dataclass(frozen=True, slots=True)
class ProofFigures:
    """What the proof of one round was and cost.

    ``verify_gas`` is the node's estimate for a transaction that verifies the proof alone: what it uses, and some 2,400
    that have to be there because a call hands on at most 63/64 of its gas.
    """

    round: int
    updates: int
    proof_bytes: int
    prove_seconds: float
    verify_gas: int
    settle_gas: int


@dataclass(frozen=True, slots=True)
class DemoResult:
    """What a run showed; see :meth:`to_json` for the keys."""

    plan: DemoPlan
    accuracy: dict[str, list[float]]
    payouts_wei: dict[str, int]
    roles: dict[str, str]
    names: dict[str, str]
    refund_wei: int
    gas: dict[str, dict[str, int]]
    contract_balance_wei: int
    payouts_match: bool
    wall_seconds: float
    baseline_seconds: float
    transactions: list[Transaction]
    proofs: list[ProofFigures]
    audit_holds: bool
    dashboard_url: str

    def to_json(self, setup_seconds: float) -> dict[str, Any]:
        """Return the document that ``--json FILE`` writes."""
        return {
            "accuracy": self.accuracy,
            "payouts_wei": self.payouts_wei,
            "roles": self.roles,
            "gas": self.gas,
            "contract_balance_wei": self.contract_balance_wei,
            "wall_seconds": round(self.wall_seconds, 2),
            "setup_seconds": round(setup_seconds, 2),
            "baseline_seconds": round(self.baseline_seconds, 2),
            "refund_wei": self.refund_wei,
            "escrow_wei": ROUND_BUDGET_WEI * self.plan.rounds,
            "python_and_solidity_payouts_identical": self.payouts_match,
            "proofs": [asdict(proof) for proof in self.proofs],
            "audit_holds": self.audit_holds,
            "run_folder": str(self.plan.folder),
            "dashboard_url": self.dashboard_url,
            "show_command": self.show_command,
        }

    @property
    def show_command(self) -> str:
        """The command that opens the finished run's dashboard again."""
        return f"{self.plan.program} --show {shlex.quote(str(self.plan.folder))}"


def write_result(result: DemoResult, path: Path, *, setup_seconds: float) -> None:
    """Write the result document."""
    path.write_text(json.dumps(result.to_json(setup_seconds), indent=2) + "\n")
