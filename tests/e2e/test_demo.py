"""``gramercy demo``: the claims of its figures, and the files it leaves behind."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from market.services.reference_row import root_count, split_root
from market.trainer.local_round import evaluate_vector
from market.trainer.parameters import ModelSchema, load_model
from market.trainer.task import load_task

KEYS = {
    "accuracy",
    "payouts_wei",
    "roles",
    "gas",
    "contract_balance_wei",
    "wall_seconds",
    "setup_seconds",
    "baseline_seconds",
    "refund_wei",
    "escrow_wei",
    "python_and_solidity_payouts_identical",
    "proofs",
    "audit_holds",
    "run_folder",
}
KINDS = {
    "deploy",
    "createJob",
    "publishKey",
    "deposit",
    "releaseBond",
    "joinJob",
    "openRound",
    "commitReference",
    "commitUpdate",
    "settleRound",
    "claim",
    "leaveJob",
    "closeJob",
    "withdraw",
}


def demo(folder: Path, *arguments: object, seconds: float = 500) -> subprocess.CompletedProcess[str]:
    """Run the demo as a user would, without a terminal."""
    plain = {key: value for key, value in os.environ.items() if not key.startswith("GRAMERCY_")}
    return subprocess.run(
        [sys.executable, "-m", "market.cli.app", "demo", "--folder", str(folder), *map(str, arguments)],
        env=plain,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=seconds,
    )


def figures(path: Path, *, trainers: int, byzantine: int, rounds: int) -> dict[str, Any]:
    """Read a run's figures and check what must hold for every run."""
    result: dict[str, Any] = json.loads(path.read_text())
    assert result.keys() >= KEYS
    assert result["contract_balance_wei"] == 0
    assert result["escrow_wei"] == rounds * 10**18
    assert sum(result["payouts_wei"].values()) + result["refund_wei"] == result["escrow_wei"]
    assert result["python_and_solidity_payouts_identical"] is True
    assert result["audit_holds"] is True
    assert [proof["round"] for proof in result["proofs"]] == list(range(1, rounds + 1))
    for proof in result["proofs"]:
        assert proof["proof_bytes"] == 384
        assert 0 < proof["prove_seconds"] < 60
        assert 200_000 < proof["verify_gas"] < proof["settle_gas"] < 1_500_000
    assert {name: len(values) for name, values in result["accuracy"].items()} == dict.fromkeys(
        ("attack_free", "robust", "undefended"), rounds
    )
    assert len(result["payouts_wei"]) == trainers
    roles = Counter(result["roles"].values())
    assert roles["honest"] == trainers - byzantine
    assert roles["owner"] == roles["aggregator"] == 1
    assert result["gas"]["joinJob"]["count"] == result["gas"]["leaveJob"]["count"] == trainers
    assert result["gas"]["commitUpdate"]["count"] == trainers * rounds
    assert result["gas"]["settleRound"]["count"] == rounds
    return result


def pay(result: dict[str, Any]) -> tuple[list[int], list[int]]:
    """Return the honest trainers' pay and the attackers'."""
    honest = [amount for who, amount in result["payouts_wei"].items() if result["roles"][who] == "honest"]
    attackers = [amount for who, amount in result["payouts_wei"].items() if result["roles"][who] != "honest"]
    return honest, attackers


def files(folder: Path, result: dict[str, Any]) -> None:
    """Check the files of a run folder against its figures."""
    assert json.loads((folder / "result.json").read_text()).keys() == result.keys()

    transactions = [json.loads(line) for line in (folder / "transactions.jsonl").read_text().splitlines()]
    kinds = Counter(transaction["kind"] for transaction in transactions)
    assert kinds.keys() - {"transfer"} == KINDS
    assert {kind: entry["count"] for kind, entry in result["gas"].items()} == dict(kinds)
    assert sum(transaction["gas"] for transaction in transactions) == sum(
        entry["total"] for entry in result["gas"].values()
    )
    assert {transaction["status"] for transaction in transactions} == {1}
    assert [transaction["block"] for transaction in transactions] == sorted(
        transaction["block"] for transaction in transactions
    )
    assert len({transaction["hash"] for transaction in transactions}) == len(transactions)
    assert sum(t["value_wei"] for t in transactions if t["kind"] == "createJob") == result["escrow_wei"]
    assert {t["sender"] for t in transactions if t["kind"] == "claim"} == {
        who for who, amount in result["payouts_wei"].items() if amount
    }

    page = (folder / "report.html").read_text()
    assert page.count("<svg") == 3
    assert "<script" not in page
    assert "http" not in page.replace("http://www.w3.org", "").replace("https://www.w3.org", "").replace(
        "http://purl.org", ""
    ).replace("http://creativecommons.org", "").replace("https://matplotlib.org", "")
    for address in result["payouts_wei"]:
        assert address in page


def model_accuracy(folder: Path) -> float:
    """Return the accuracy of the model that a run left behind."""
    task = load_task("digits")
    schema = ModelSchema.of(task.init_model(0))
    vector = load_model(folder / "model.safetensors", schema)
    held_out = task.load_data().validation
    _, rest = split_root(held_out, root_count(len(held_out)), 0)  # the owner trains its reference rows on the others
    return evaluate_vector(task, schema, vector, rest).accuracy


@pytest.mark.slow
def test_the_demo_shows_what_it_claims(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    done = demo(folder, "--json", tmp_path / "out.json")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    result = figures(tmp_path / "out.json", trainers=8, byzantine=2, rounds=5)

    last = {name: values[-1] for name, values in result["accuracy"].items()}
    assert abs(last["robust"] - last["attack_free"]) <= 0.02
    assert last["robust"] - last["undefended"] >= 0.2
    honest, attackers = pay(result)
    assert all(amount <= statistics.median(honest) / 100 for amount in attackers)
    assert min(honest) > 0
    assert model_accuracy(folder) == last["robust"]
    files(folder, result)
    assert {proof["updates"] for proof in result["proofs"]} == {8}
    for words in (
        "every settlement holds when checked",
        "the contract holds exactly zero",
        "payouts and refund add up",
        "Who was paid what",
        "rejected: ",
    ):
        assert words in done.stdout
    assert "NO " not in done.stdout

    again = demo(folder)
    assert again.returncode == 3
    assert "is not empty" in again.stderr
    assert json.loads((folder / "result.json").read_text())["payouts_wei"] == result["payouts_wei"]


@pytest.mark.slow
def test_free_riders_and_noise_earn_nothing_either(tmp_path: Path) -> None:
    done = demo(tmp_path / "run", "--attack", "free-rider,gaussian", "--rounds", 2, "--json", tmp_path / "out.json")
    assert done.returncode == 0, done.stdout + done.stderr
    result = figures(tmp_path / "out.json", trainers=8, byzantine=2, rounds=2)
    assert sorted(set(result["roles"].values())) == ["aggregator", "free-rider", "gaussian", "honest", "owner"]
    honest, attackers = pay(result)
    assert all(amount <= statistics.median(honest) / 100 for amount in attackers)
    files(tmp_path / "run", result)


@pytest.mark.slow
def test_copiers_are_left_out_of_every_round(tmp_path: Path) -> None:
    options = ("--attack", "copy", "--trainers", 5, "--byzantine", 1, "--rounds", 2)
    done = demo(tmp_path / "run", *options, "--json", tmp_path / "out.json")
    assert done.returncode == 0, done.stdout + done.stderr
    result = figures(tmp_path / "out.json", trainers=5, byzantine=1, rounds=2)
    honest, copiers = pay(result)
    assert copiers == [0]
    assert min(honest) > 0
    assert {proof["updates"] for proof in result["proofs"]} == {4}
    assert "left out: the sealed payload was changed, or sealed for another commitment" in done.stdout


@pytest.mark.slow
@pytest.mark.node
def test_the_demo_runs_on_anvil_and_ipfs(tmp_path: Path) -> None:
    options = ("--chain", "anvil", "--storage", "ipfs", "--trainers", 5, "--byzantine", 1, "--rounds", 2)
    done = demo(tmp_path / "run", *options, "--json", tmp_path / "out.json")
    assert done.returncode == 0, done.stdout + done.stderr
    result = figures(tmp_path / "out.json", trainers=5, byzantine=1, rounds=2)
    files(tmp_path / "run", result)
    assert model_accuracy(tmp_path / "run") == result["accuracy"]["robust"][-1]


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (["--trainers", "6", "--byzantine", "2"], 3, "need at least 7 trainers"),
        (["--byzantine", "8"], 3, "more trainers than Byzantine ones"),
        (["--attack", "kindness"], 3, "There is no behaviour 'kindness'"),
        (["--rule", "median"], 3, "there is no rule 'median'"),
        (["--task", "chess"], 3, "There is no task 'chess'"),
        (["--chain", "http://127.0.0.1:1"], 4, "cannot be reached"),
        (["--rounds", "0"], 2, "--rounds"),
    ],
)
def test_what_cannot_be_shown_is_refused_before_anything_starts(
    tmp_path: Path, options: list[str], code: int, words: str
) -> None:
    from tests.e2e.stage import run_main

    folder = tmp_path / "run"
    plain = {key: value for key, value in os.environ.items() if not key.startswith("GRAMERCY_")}
    answer = run_main(["demo", "--folder", str(folder), *options], plain)
    assert answer.code == code
    assert words in " ".join(answer.stderr.split())
    assert "Traceback" not in answer.stderr
    assert not folder.exists() or not list(folder.iterdir())
    for path in (tmp_path / "full" / "file", tmp_path / "file"):
        path.parent.mkdir(exist_ok=True)
        path.write_text("")
    for taken in (tmp_path / "full", tmp_path / "file"):
        assert run_main(["demo", "--folder", str(taken)], plain).code == 3
