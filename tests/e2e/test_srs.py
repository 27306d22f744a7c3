"""``gramercy srs`` as people and programs use it: a ceremony from start to end, refusals, and a killed process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from market.cli.app import app
from market.cli.session import Session
from market.srs import ceremony
from market.srs.files import load, verify

PTAU = Path(__file__).parents[1] / "unit" / "srs" / "power4.ptau"
SECONDS = 120


@pytest.fixture(autouse=True)
def surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRAMERCY_SRS", str(tmp_path / "cache"))
    monkeypatch.setenv("GRAMERCY_CONFIG", os.devnull)
    monkeypatch.chdir(tmp_path)


def run(*arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["srs", *arguments])
    return done.exit_code, done.output


def answer(*arguments: str, code: int = 0) -> Any:
    status, output = run(*arguments, "--json")
    envelope = json.loads(output.splitlines()[-1])
    assert status == code, output
    assert envelope["command"] == f"srs {arguments[0]}"
    assert envelope["ok"] == (code == 0)
    return envelope["data"] if code == 0 else envelope["error"]


def test_a_ceremony_from_start_to_end() -> None:
    begun = answer("new", "0.srs", "--size", "9")
    assert (begun["initial"], begun["contributions"]) == (True, [])
    Path("dice").write_bytes(b"4 1 6 6 3")
    one = answer("contribute", "0.srs", "1.srs", "--name", "alice")
    two = answer("contribute", "1.srs", "2.srs", "--name", "bob", "--entropy-file", "dice")
    verified = answer(
        "verify", "2.srs", "--contribution", one["contribution"], "--contribution", "0X" + two["contribution"]
    )
    assert verified["valid"] is True
    assert verified["contributions"] == [
        {"name": "alice", "digest": one["contribution"]},
        {"name": "bob", "digest": two["contribution"]},
    ]
    assert (verified["initial"], verified["development"], verified["origin"]) == (False, False, "ceremony")
    assert verified["bytes"] == Path("2.srs").stat().st_size
    shown = answer("show", "2.srs")
    assert shown == {key: value for key, value in verified.items() if key != "valid"}
    stored = answer("store", "2.srs")
    assert stored["digest"] == verified["digest"] == two["digest"]
    assert Path(stored["path"]).read_bytes() == Path("2.srs").read_bytes()

    error = answer("verify", "1.srs", "--contribution", two["contribution"], code=3)
    assert error["code"] == "invalid-srs"
    assert "no contribution" in error["message"]


def test_words_for_people_name_the_next_step() -> None:
    assert "gramercy srs contribute" in run("new", "0.srs", "--size", "9")[1]
    status, told = run("contribute", "0.srs", "1.srs", "--name", "alice")
    assert status == 0
    digest = answer("show", "1.srs")["contributions"][0]["digest"]
    assert f"contribution 1 (alice): {digest}" in told
    assert "alice" in run("show", "1.srs")[1]
    assert run("verify", "1.srs")[1].endswith("valid\n")
    assert "anybody can forge" in run("show", "0.srs")[1]
    run("development", "d.srs", "--size", "9")
    assert "development chains only" in run("verify", "d.srs")[1]


def test_import_and_further_contributions() -> None:
    imported = answer("import", str(PTAU), "p.srs", "--size", "20")
    assert imported["source"]["power"] == 4
    assert imported["size"] == 20
    assert imported["source"]["blake2b"] in run("show", "p.srs")[1]
    answer("contribute", "p.srs", "q.srs", "--name", "alice")
    assert answer("verify", "q.srs")["origin"] == "ptau"
    assert "snarkjs powersoftau verify" in run("import", str(PTAU), "r.srs")[1]


def test_what_cannot_be_is_refused_with_a_next_step() -> None:
    answer("new", "0.srs", "--size", "9")
    answer("development", "d.srs", "--size", "9")
    cut = Path("0.srs").read_bytes()[:-1]
    Path("cut.srs").write_bytes(cut)
    for code, arguments in (
        ("invalid-srs", ("verify", "0.srs")),
        ("invalid-srs", ("store", "0.srs")),
        ("invalid-srs", ("verify", "cut.srs")),
        ("invalid-srs", ("show", str(PTAU))),
        ("invalid-srs", ("import", "0.srs", "x.srs")),
        ("invalid-srs", ("contribute", "d.srs", "x.srs", "--name", "alice")),
        ("out-of-range", ("import", str(PTAU), "x.srs", "--size", "32")),
        ("config", ("new", "0.srs", "--size", "9")),
        ("config", ("new", "missing/0.srs", "--size", "9")),
    ):
        error = answer(*arguments, code=3)
        assert error["code"] == code, arguments
        assert error["hint"], arguments
    assert not Path("x.srs").exists()


def test_a_killed_contribution_damages_nothing(tmp_path: Path) -> None:
    answer("new", "0.srs", "--size", "9")
    answer("contribute", "0.srs", "1.srs", "--name", "alice")
    before = Path("1.srs").read_bytes()
    # the process stops itself at the worst moment: points are written, the header is not
    script = (
        "import os, signal, sys; from pathlib import Path; from market.srs import ceremony\n"
        "real = ceremony.Secret.update_powers\n"
        "def update(self, powers, start):\n"
        "    assert list(Path().glob('.2.srs.*.part'))\n"
        "    real(self, powers, start)\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
        "ceremony.Secret.update_powers = update\n"
        "ceremony.contribute(Path('1.srs'), Path('2.srs'), 'bob')"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        timeout=SECONDS,
        check=False,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
    )
    assert done.returncode == -9, done.stderr
    assert Path("1.srs").read_bytes() == before
    assert not Path("2.srs").exists()
    answer("contribute", "1.srs", "2.srs", "--name", "bob")
    verify(load(Path("2.srs")))


def test_a_person_may_type_randomness_and_watches_bars(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[bytes] = []
    real = ceremony.contribute

    def contribute(*arguments: Any, entropy: bytes, **options: Any) -> Any:
        seen.append(entropy)
        return real(*arguments, entropy=entropy, **options)

    monkeypatch.setattr(ceremony, "contribute", contribute)
    monkeypatch.setattr(Session, "interactive", True)
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert run("new", "0.srs", "--size", "9")[0] == 0
    for typed, entropy in (("keys\n", b"keys"), ("\n", b"")):
        target = f"{len(seen) + 1}.srs"
        done = CliRunner().invoke(app, ["srs", "contribute", "0.srs", target, "--name", "alice"], input=typed)
        assert done.exit_code == 0
        assert seen[-1] == entropy
        assert "keys" not in done.output
        assert "contributing" in done.output


@pytest.mark.slow
def test_a_contribution_killed_from_outside_is_begun_again(tmp_path: Path) -> None:
    answer("new", "0.srs", "--size", "70000")
    before = Path("0.srs").read_bytes()
    command = [sys.executable, "-m", "market.cli.app", "srs", "contribute", "0.srs", "1.srs", "--name", "alice"]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        deadline = time.monotonic() + SECONDS
        while not list(tmp_path.glob(".1.srs.*.part")):
            assert process.poll() is None
            assert time.monotonic() < deadline
        process.kill()
    assert process.returncode == -9
    assert not Path("1.srs").exists()
    assert Path("0.srs").read_bytes() == before
    answer("contribute", "0.srs", "1.srs", "--name", "alice")
    assert answer("verify", "1.srs")["size"] == 70000
