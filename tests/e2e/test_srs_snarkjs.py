"""Powers-of-tau files as snarkjs makes them at every step of its ceremony, imported through the command line."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from eth_hash.auto import keccak
from typer.testing import CliRunner

from market.cli.app import app

pytestmark = [pytest.mark.node, pytest.mark.slow]

FOLDER = Path(__file__).parent / "snarkjs"
SECONDS = 300
BEACON = "0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20"


@pytest.fixture(scope="module")
def snarkjs() -> list[str]:
    """The command of snarkjs, installed from its lock file."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed")
    script = FOLDER / "node_modules" / "snarkjs" / "build" / "cli.cjs"
    if not script.is_file():
        subprocess.run(["npm", "ci", "--no-progress"], cwd=FOLDER, check=True, timeout=SECONDS, capture_output=True)
    return [node, str(script)]


@pytest.fixture(scope="module")
def folder(snarkjs: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ceremony of snarkjs, power 8: new, two contributions, a beacon, prepared for phase 2, truncated."""
    chosen = tmp_path_factory.mktemp("ptau")
    for arguments in (
        ["new", "bn128", "8", "new.ptau"],
        ["contribute", "new.ptau", "one.ptau", "--name=one", "-e=text"],
        ["contribute", "one.ptau", "two.ptau", "-e=other"],
        ["beacon", "two.ptau", "beacon.ptau", BEACON, "10", "-n=beacon"],
        ["prepare", "phase2", "beacon.ptau", "final.ptau"],
        ["truncate", "final.ptau"],
        ["new", "bn128", "10", "new10.ptau"],
        ["contribute", "new10.ptau", "one10.ptau", "--name=one", "-e=text"],
        ["new", "bls12-381", "4", "bls.ptau"],
    ):
        subprocess.run(
            [*snarkjs, "powersoftau", *arguments], cwd=chosen, check=True, timeout=SECONDS, capture_output=True
        )
    return chosen


@pytest.fixture(autouse=True)
def surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRAMERCY_CONFIG", os.devnull)
    monkeypatch.chdir(tmp_path)


def import_(source: Path, target: str, *options: str) -> Any:
    done = CliRunner().invoke(app, ["srs", "import", str(source), target, *options, "--json"])
    envelope = json.loads(done.output.splitlines()[-1])
    return envelope["data"] if envelope["ok"] else envelope["error"]


@pytest.mark.parametrize(
    ("name", "power", "contributions"),
    [
        ("one.ptau", 8, 1),
        ("two.ptau", 8, 2),
        ("beacon.ptau", 8, 3),
        ("final.ptau", 8, 3),
        ("final_05.ptau", 5, 3),
        ("one10.ptau", 10, 1),
    ],
)
def test_files_of_every_step_are_imported(folder: Path, name: str, power: int, contributions: int) -> None:
    imported = import_(folder / name, "out.srs")
    assert imported["size"] == 2 ** (power + 1) - 1
    assert (imported["source"]["power"], imported["source"]["contributions"]) == (power, contributions)
    assert imported["source"]["blake2b"] == hashlib.blake2b((folder / name).read_bytes()).hexdigest()


def test_the_srs_is_the_one_that_snarkjs_reads(snarkjs: list[str], folder: Path) -> None:
    """Digest from the points as snarkjs' own libraries read them from the file."""
    arguments = [snarkjs[0], "points.mjs", str(folder / "final.ptau"), "300"]
    done = subprocess.run(arguments, cwd=FOLDER, check=True, timeout=SECONDS, capture_output=True)
    points = json.loads(done.stdout)

    def words(values: list[str]) -> bytes:
        return b"".join(int(value).to_bytes(32, "big") for value in values)

    powers = b"".join(words(point[:2]) for point in points["tauG1"])
    eta = b"".join(words(point[:2]) for point in points["alphaTauG1"])
    g2 = b"".join(words([part for axis in point[:2] for part in reversed(axis)]) for point in points["tauG2"])
    digest = hashlib.sha256(hashlib.sha256(powers).digest()).digest()
    expected = keccak(keccak(b"gramercy/srs/1") + (300).to_bytes(32, "big") + digest + powers[64:128] + eta + g2)
    assert import_(folder / "final.ptau", "out.srs", "--size", "300")["digest"] == expected.hex()


def test_files_that_are_worth_nothing_are_refused(folder: Path) -> None:
    assert "nobody has contributed" in import_(folder / "new.ptau", "a.srs")["message"]
    assert import_(folder / "bls.ptau", "a.srs")["code"] == "invalid-srs"
    assert "power 1" in import_(folder / "final_01.ptau", "a.srs")["message"]
    assert import_(folder / "final.ptau", "a.srs", "--size", "512")["code"] == "out-of-range"
    assert list(Path().iterdir()) == []
