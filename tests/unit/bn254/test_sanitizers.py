"""The C++ kernel's own test, built with sanitizers; and its fuzz target where the compiler has libFuzzer."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from shutil import which

import pytest

KERNEL = Path(__file__).parents[3] / "aggregator" / "kernel"
COMPILERS = [name for name in ("g++", "clang++") if which(name)]
TOOLS = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
FUZZ_RUNS = 20_000

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not COMPILERS, reason="needs a C++ compiler")]


def run(*command: str | Path) -> None:
    done = subprocess.run(
        [*map(str, command)],
        env={**os.environ, "PATH": TOOLS},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode:
        pytest.fail(f"{command[0]} ended with {done.returncode}:\n{done.stdout[-4000:]}")


def build(folder: Path, compiler: str, target: str, *options: str) -> Path:
    run(
        "cmake",
        "-S",
        KERNEL,
        "-B",
        folder,
        f"-DPython_EXECUTABLE={sys.executable}",
        f"-DCMAKE_CXX_COMPILER={compiler}",
        "-DGRAMERCY_SANITIZE=address;undefined",
        *options,
    )
    run("cmake", "--build", folder, "--target", target)
    return folder / target


@pytest.mark.parametrize("compiler", COMPILERS)
def test_selftest_under_sanitizers(tmp_path: Path, compiler: str) -> None:
    run(build(tmp_path, compiler, "selftest", "-DGRAMERCY_SELFTEST=ON"))


@pytest.mark.skipif("clang++" not in COMPILERS, reason="libFuzzer comes with Clang")
def test_fuzz_target_finds_nothing_in_a_bounded_number_of_runs(tmp_path: Path) -> None:
    program = build(tmp_path, "clang++", "fuzz_kernel", "-DGRAMERCY_FUZZ=ON")
    run(program, f"-runs={FUZZ_RUNS}", "-max_total_time=120", "-seed=254", f"-artifact_prefix={tmp_path}/")
