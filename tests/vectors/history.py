"""The vectors of ``history.json``, for the tests that run them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from aggregator.bn254 import Point, decode_point

HistoryCase = dict[str, Any]


def history_vectors() -> list[HistoryCase]:
    """Return the jobs."""
    cases: list[HistoryCase] = json.loads(Path(__file__).with_name("history.json").read_text())["cases"]
    return cases


def trainers_and_commitments(played: dict[str, Any]) -> tuple[list[bytes], list[Point]]:
    """Return who took part in a round, and what they committed."""
    trainers = [bytes.fromhex(trainer) for trainer in played["trainers"]]
    return trainers, [decode_point(bytes.fromhex(point)) for point in played["commitments"]]
