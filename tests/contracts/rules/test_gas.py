"""What rule and score contracts cost is on record, and does not grow unnoticed."""

from __future__ import annotations

import pytest

from tests.contracts.rules.gas import SIZES, measure, read, settling
from tests.contracts.rules.machines import PyEvm

LIMIT = 6_000_000
"""What deciding or scoring 64 updates may take, so that the whole settlement fits a transaction."""


@pytest.mark.slow
@pytest.mark.parametrize("contract_id", settling())
@pytest.mark.parametrize("n", SIZES)
def test_gas_is_as_recorded(contract_id: str, n: int, machine: PyEvm) -> None:
    found, recorded = measure(machine, contract_id, n), read()[contract_id][str(n)]
    assert found["gas"] == pytest.approx(recorded["gas"], rel=0.01)
    assert found["hint_bytes"] == recorded["hint_bytes"]
    assert found["gas"] < LIMIT


def test_every_rule_and_score_that_settles_is_on_record() -> None:
    recorded = read()
    assert sorted(recorded) == sorted(settling())
    for figures in recorded.values():
        assert [int(n) for n in sorted(figures, key=int)] == list(SIZES)
        assert all(figures[str(n)]["gas"] < LIMIT for n in SIZES)
