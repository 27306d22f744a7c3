"""Write cases.json: terms that the contract's own tests refuse and accept, deposits by market.rounds, and a sign-in.

``--check`` compares the committed file with what the Python core makes.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import replace
from itertools import product
from pathlib import Path
from types import SimpleNamespace
from typing import Any

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT))

from market.domain import Address, JobTerms  # noqa: E402
from market.rounds import JobState  # noqa: E402
from market.storage.cid import Cid  # noqa: E402
from tests.contracts.scenario import TERMS  # noqa: E402
from tests.contracts.test_market_create import AT_THE_EDGE, INVALID  # noqa: E402

PATH = Path(__file__).with_name("cases.json")
NOW = 1_700_000_000
COIN = 10**18
_VERIFIER: Address = "0x2B5AD5c4795c026514f8317c7a215E218DcCD6cF"


def cases() -> dict[str, Any]:
    """Return all cases; amounts are decimal text."""
    sound = replace(TERMS, verifier=_VERIFIER, deadline=NOW + 10_000)
    return {
        "now": NOW,
        "refused": [
            {"field": field, "terms": _chain(replace(sound, **changes))}
            for field, changes in INVALID
            if not {"rule", "score"} & changes.keys()  # known to the verifier, not to TermsCheck
        ],
        "accepted": [_chain(replace(sound, **changes)) for changes in AT_THE_EDGE],
        "deposits": [
            _deposit(sound, used, more, budget)
            for used, more, budget in product((0, 1, 2), (0, 1, 7), (COIN, COIN + 1, 3 * COIN))
        ],
        "cids": [
            {"text": str(cid), "bytes": "0x" + cid.to_bytes().hex()}
            for cid in (Cid.parse(f"b{'afkrei' if raw else 'afybei'}{'abcdefgh' * 6}{last}") for raw, last in _CIDS)
        ],
    }


_CIDS = ((True, "abce"), (False, "yzwe"))


def _deposit(terms: JobTerms, used: int, more: int, budget: int) -> dict[str, Any]:
    state: Any = SimpleNamespace(terms=replace(terms, round_budget=COIN, rounds=3), used_by=lambda _now: used)
    paid = JobState.extension_deposit(state, 3 + more, budget, NOW)
    return {"used": used, "rounds": 3 + more, "roundBudget": str(budget), "deposit": str(paid)}


def _chain(terms: JobTerms) -> dict[str, Any]:
    return {
        "token": terms.token,
        "verifier": terms.verifier,
        "roundBudget": str(terms.round_budget),
        "rounds": terms.rounds,
        "stakeMin": str(terms.stake_min),
        "stakeMax": str(terms.stake_max),
        "aggregatorBond": str(terms.aggregator_bond),
        "challengerShareBps": terms.challenger_share_bps,
        "minTrainers": terms.min_trainers,
        "maxTrainers": terms.max_trainers,
        "byzantine": terms.byzantine,
        "dimension": terms.dimension,
        "bits": terms.bits,
        "headroomBits": terms.headroom_bits,
        "scaleExponent": terms.scale_exponent,
        "commitSeconds": terms.commit_seconds,
        "settleSeconds": terms.settle_seconds,
        "challengeSeconds": terms.challenge_seconds,
        "deadline": terms.deadline,
        "refundVoid": terms.refund_void,
        "rule": terms.rule,
        "score": terms.score,
        "hasReference": terms.reference,
        "floorBps": terms.floor_bps,
        "capBps": terms.cap_bps,
    }


def main() -> int:
    """Write or check; return an exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    text = json.dumps(cases(), indent=1) + "\n"
    if parser.parse_args().check:
        return 0 if PATH.read_text() == text else 1
    PATH.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
