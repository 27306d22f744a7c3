"""The programs printed in docs/bring-your-own-model.md run, and do what the text says."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from market.trainer.behaviours import make_behaviour
from market.trainer.local_round import compute_update, evaluate_vector
from market.trainer.parameters import ModelSchema, flatten
from market.trainer.task import load_task

_ROOT = Path(__file__).resolve().parents[3]
_DOC = _ROOT / "docs" / "bring-your-own-model.md"


@pytest.fixture(scope="module")
def programs() -> list[str]:
    return re.findall(r"```python\n(.*?)```", _DOC.read_text(encoding="utf-8"), re.DOTALL)


@pytest.mark.slow
def test_the_wine_task_and_its_trial_run_as_printed(programs: list[str], tmp_path: Path) -> None:
    (tmp_path / "wine_task.py").write_text(programs[0])
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", programs[1]],
        cwd=tmp_path,
        env={
            "PYTHONPATH": str(_ROOT),
            "PATH": "",
            "HOME": str(tmp_path),
            "PYTHONDONTWRITEBYTECODE": "1",
            "OMP_NUM_THREADS": "1",
        },
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    accuracies = [float(match) for match in re.findall(r"accuracy=([0-9.]+)", done.stdout)]
    assert len(accuracies) == 5
    assert accuracies[-1] >= 0.9


def test_the_wine_task_is_as_short_as_promised(programs: list[str]) -> None:
    assert len([line for line in programs[0].splitlines() if line.strip()]) <= 35


@pytest.mark.slow
def test_the_task_with_its_own_training_learns(programs: list[str], tmp_path: Path) -> None:
    (tmp_path / "adam_task.py").write_text(programs[2])
    task = load_task(str(tmp_path / "adam_task.py"))
    data = task.load_data()
    schema, vector = ModelSchema.of(task.init_model(0)), flatten(task.init_model(0))
    result = compute_update(task, schema, vector, data.train, make_behaviour("honest"), seed=0, round_index=0)
    assert evaluate_vector(task, schema, vector + result.update, data.validation).accuracy > 0.8


def test_every_program_of_the_page_is_tested(programs: list[str]) -> None:
    assert len(programs) == 3
