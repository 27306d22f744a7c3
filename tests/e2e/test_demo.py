"""``gramercy demo``: the claims of its figures, its dashboard, and what it leaves behind: files, and no process."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import sqlite3
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from market.services.reference_row import root_count, split_root
from market.trainer.local_round import evaluate_vector
from market.trainer.parameters import ModelSchema, load_model
from market.trainer.task import load_task
from tests.e2e.browser import visit
from tests.e2e.place import CHECKS, check

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
    "dashboard_url",
    "show_command",
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


WAIT_SECONDS = 400.0
ADDRESS = re.compile(r"the dashboard, until Ctrl-C: (http://127\.0\.0\.1:\d+)(/\S+)?\s*$")


def environment() -> dict[str, str]:
    """Return this process's without settings."""
    return {key: value for key, value in os.environ.items() if not key.startswith("GRAMERCY_")}


class Command:
    """A ``gramercy`` command in a session of its own, so that whatever it starts can be counted."""

    def __init__(self, output: Path, *arguments: object) -> None:
        self.output = output
        with output.open("wb") as sink:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "market.cli.app", *map(str, arguments)],
                env=environment(),
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def __enter__(self) -> Self:
        """Return the running command."""
        return self

    def __exit__(self, *_: object) -> None:
        """Kill it with all that it started."""
        if self.left():
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    @property
    def told(self) -> str:
        """What it printed so far."""
        return self.output.read_text(errors="replace")

    def until(self, pattern: str | re.Pattern[str]) -> re.Match[str]:
        """Wait until it printed what matches."""
        deadline = time.monotonic() + WAIT_SECONDS
        while not (found := re.search(pattern, self.told)):
            assert self._process.poll() is None, self.told
            assert time.monotonic() < deadline, self.told
            time.sleep(0.02)
        return found

    def end(self, number: signal.Signals, *, everybody: bool = False) -> int:
        """Send a signal, as a terminal does to ``everybody``; return the exit code."""
        if everybody:
            os.killpg(self._process.pid, number)
        else:
            self._process.send_signal(number)
        return self._process.wait(60)

    def left(self) -> bool:
        """Whether a process of its session is left."""
        self._process.poll()
        try:
            os.killpg(self._process.pid, 0)
        except ProcessLookupError:
            return False
        return True


@dataclass(frozen=True)
class Run:
    """A finished demo whose dashboard is still served."""

    folder: Path
    figures: Path
    told: str
    url: str

    @property
    def job(self) -> str:
        """The path of the job's page."""
        run = json.loads((self.folder / "dashboard" / "run.json").read_text())
        return f"/markets/{run['chain_id']}/{run['market']}/jobs/{run['job']}"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """The default demo, which several tests look at; its end is a test, too."""
    folder = tmp_path_factory.mktemp("demo")
    figures = folder / "out.json"
    with Command(folder / "told", "demo", "--folder", folder / "run", "--json", figures, "--serve") as command:
        live = command.until(r"watch it live at (http://\S+)\n")[1]
        assert httpx.get(f"{live}/api/v1/markets", trust_env=False).status_code == 200  # as soon as it is told
        url = command.until(ADDRESS)[1]
        yield Run(folder / "run", figures, command.told, url)
        assert command.end(signal.SIGTERM) == 0
        assert not command.left()
        assert "Traceback" not in command.told


def demo(folder: Path, *arguments: object, seconds: float = 500) -> subprocess.CompletedProcess[str]:
    """Run the demo as a user would, without a terminal."""
    return subprocess.run(
        [sys.executable, "-m", "market.cli.app", "demo", "--port", "0", "--folder", str(folder), *map(str, arguments)],
        env=environment(),
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
def test_the_demo_shows_what_it_claims(run: Run) -> None:
    folder = run.folder
    assert "Traceback" not in run.told
    result = figures(run.figures, trainers=8, byzantine=2, rounds=5)

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
        assert words in run.told
    assert "NO " not in run.told

    again = demo(folder)
    assert again.returncode == 3
    assert "is not empty" in again.stderr
    assert json.loads((folder / "result.json").read_text())["payouts_wei"] == result["payouts_wei"]


@pytest.mark.slow
def test_the_dashboard_is_told_at_the_start_and_at_the_end(run: Run) -> None:
    result = json.loads(run.figures.read_text())
    lines = run.told.strip().splitlines()
    start = next(place for place, line in enumerate(lines) if line == f"watch it live at {run.url}")
    assert start < next(place for place, line in enumerate(lines) if line.startswith("round 1/5"))
    assert lines[-1].endswith(run.url)
    assert result["dashboard_url"] == run.url
    assert shlex.split(result["show_command"]) == ["gramercy", "demo", "--show", str(run.folder)]
    assert result["show_command"] in lines[-2]

    job = f"{run.url}/api/v1{run.job}"
    rounds = httpx.get(f"{job}/rounds", trust_env=False).json()["items"]
    assert [one["accuracy"] for one in reversed(rounds)] == result["accuracy"]["robust"]
    assert httpx.get(job, trust_env=False).json()["summary"]["name"] == "demo: digits"


@pytest.mark.slow
def test_the_browser_accepts_every_settlement_of_the_demo(browser: Browser, run: Run) -> None:
    with visit(browser, (run.url, rpc_url(run))) as page:
        for number in range(1, 6):
            page.goto(f"{run.url}{run.job}/rounds/{number}")
            check_holds(page)


def rpc_url(run: Run) -> str:
    """Return the address that pages may use to ask the chain."""
    told = httpx.get(f"{run.url}/api/v1/config", trust_env=False).json()
    return str(told["chains"][0]["rpc_url"])


def check_holds(page: Page) -> None:
    """Have the page check its settlement: every check has to hold."""
    made = check(page)
    expect(made.filter(has=page.get_by_text("holds", exact=True))).to_have_count(CHECKS)
    expect(page.get_by_role("status").filter(has_text=f"All {CHECKS} checks hold").first).to_be_visible()


@pytest.mark.slow
def test_a_finished_run_is_opened_again_without_its_chain(browser: Browser, run: Run, tmp_path: Path) -> None:
    folder = kept_copy(run, tmp_path / "kept")
    with Command(tmp_path / "told", "demo", "--show", folder, "--port", "0") as command:
        found = command.until(ADDRESS)
        url, page_path = found[1], found[2]
        assert page_path == run.job
        assert url != run.url
        with visit(browser, (url,)) as page:
            page.goto(url + page_path)
            expect(page.get_by_role("heading", level=1, name="demo: digits")).to_be_visible()
            expect(page.get_by_text("the chain was last reached").first).to_be_visible()
            with page.expect_download() as download:
                page.get_by_role("button", name="Model").click()
            assert download.value.path().read_bytes() == (run.folder / "model.safetensors").read_bytes()
            page.goto(f"{url}{page_path}/rounds/3")
            check_holds(page)
        with httpx.Client(base_url=f"{url}/api/v1{page_path}", trust_env=False) as client:
            assert len(client.get("/files/report").json()["rounds"]) == 5
            assert client.get("/files/manifest").json()["name"] == "demo: digits"
        assert command.end(signal.SIGTERM) == 0
        assert not command.left()


def kept_copy(run: Run, folder: Path) -> Path:
    """Copy a run's folder, as if its chain had been reached an hour ago for the last time."""
    shutil.copytree(run.folder, folder, ignore=shutil.ignore_patterns("index.db*"))
    index = Path("dashboard", "index.db")
    with closing(sqlite3.connect(run.folder / index)) as live, closing(sqlite3.connect(folder / index)) as kept:
        live.backup(kept)
        kept.execute("UPDATE polls SET asked_at = asked_at - 3600")
        kept.commit()
    return folder


_ON_A_TERMINAL = """
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.executable, [sys.executable, "-m", "market.cli.app", *sys.argv[1:]])
"""


@pytest.mark.slow
def test_on_a_terminal_a_finished_demo_serves_until_ctrl_c(tmp_path: Path) -> None:
    options = ("--trainers", 3, "--byzantine", 0, "--rounds", 1, "--no-reference", "--folder", tmp_path / "run")
    person, terminal = os.openpty()
    with closing(os.fdopen(person, "rb+", buffering=0)) as typed:
        process = subprocess.Popen(
            [sys.executable, "-c", _ON_A_TERMINAL, "demo", *map(str, options), "--port", "0"],
            env={**environment(), "TERM": "xterm", "COLUMNS": "200"},
            stdin=terminal,
            stdout=terminal,
            stderr=terminal,
            start_new_session=True,
        )
        os.close(terminal)
        try:
            seen = b""
            while not (found := re.search(rb"until Ctrl-C: (http://127\.0\.0\.1:\d+)\s*$", seen)):
                seen += typed.read(65_536)  # fails when the terminal has no process any more
            assert found[1] in seen[: seen.index(b"Who was paid what")]
            assert httpx.get(found[1].decode() + "/healthz", trust_env=False).status_code == 200
            typed.write(b"\x03")
            assert process.wait(60) == 0
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)


def test_what_is_no_finished_run_is_not_shown(tmp_path: Path) -> None:
    from tests.e2e.stage import run_main

    (tmp_path / "dashboard").mkdir()
    for content in (None, "[]", '{"format": "gramercy/demo/1"}', '{"format": "other"}', "{"):
        if content is not None:
            (tmp_path / "dashboard" / "run.json").write_text(content)
        answer = run_main(["demo", "--show", str(tmp_path)], environment())
        assert answer.code == 3
        assert "holds no finished run" in answer.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("moment", "number", "everybody"),
    [
        ("starting the chain", signal.SIGTERM, True),
        ("the owner publishes", signal.SIGTERM, False),
        ("watch it live", signal.SIGHUP, False),
        ("starting an aggregator", signal.SIGINT, True),
        ("round 1/", signal.SIGTERM, False),
    ],
)
def test_an_interrupted_demo_leaves_no_process(
    tmp_path: Path, moment: str, number: signal.Signals, everybody: bool
) -> None:
    options = ("--trainers", 3, "--byzantine", 0, "--rounds", 3, "--no-reference", "--folder", tmp_path / "run")
    with Command(tmp_path / "told", "demo", *options, "--port", "0") as command:
        command.until(moment)
        assert command.end(number, everybody=everybody) == 130
        assert not command.left()
        assert "Traceback" not in command.told


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
    plain = environment()
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
