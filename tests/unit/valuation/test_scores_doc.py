"""The example of docs/scores.md runs, and tells the label flipper from the others."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

DOC = Path(__file__).parents[3] / "docs" / "scores.md"


def test_the_example_runs() -> None:
    (example,) = re.findall(r"```python\n(.*?)```", DOC.read_text(), flags=re.DOTALL)
    names: dict[str, Any] = {}
    exec(compile(example, str(DOC), "exec"), names)  # noqa: S102 - our own document
    values = names["values"]
    assert values.values[3] < min(values.values[:3])
    assert 2 * 5 <= values.evaluations <= 2 * 16
