"""The forge tests, quick profile; and the trees that say what is tested."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.forge.coverage import Counts, read_report
from tests.forge.forge import FOLDER, run_forge
from tests.forge.trees import MalformedTree, expected_tests, found_tests

TREES = sorted((FOLDER / "test").glob("*.tree"))


@pytest.mark.node
@pytest.mark.slow
def test_every_forge_test_passes() -> None:
    done = run_forge(["test"])
    assert done.returncode == 0, done.stdout
    assert "0 failed, 0 skipped" in done.stdout, done.stdout


@pytest.mark.parametrize("tree", TREES, ids=lambda path: path.stem)
def test_every_branch_of_a_tree_is_a_test_and_every_test_a_branch(tree: Path) -> None:
    source = tree.with_suffix(".t.sol").read_text()
    assert f"contract {tree.read_text().splitlines()[0]}Test " in source
    assert sorted(found_tests(source)) == sorted(expected_tests(tree.read_text()))


def test_a_tree_names_its_tests() -> None:
    tree = (
        "Door\n├── when it is locked\n│   └── it stays\n└── given a key\n    ├── when it fits\n    │   ├── it opens\n"
    )
    tree += "    │   └── it rings\n    └── when it does not fit\n        └── it stays\n"
    assert expected_tests(tree) == [
        "test_WhenItIsLocked",
        "test_GivenAKey_WhenItFits",
        "test_GivenAKey_WhenItDoesNotFit",
    ]
    with pytest.raises(MalformedTree):
        expected_tests("Door\n    └── hangs\n")
    with pytest.raises(MalformedTree):
        expected_tests("Door\nno branch\n")


def test_coverage_counts_the_market_and_nothing_else() -> None:
    report = "\n".join(
        [
            *("SF:contracts/market/Books.sol", "DA:3,5", "DA:4,0", "BRDA:4,0,0,-", "BRDA:4,0,1,2", "end_of_record"),
            *("SF:tests/forge/support/Scene.sol", "DA:1,0", "end_of_record"),
        ]
    )
    assert dict(read_report(report)) == {"contracts/market/Books.sol": Counts(2, 1, 2, 1)}
    assert Counts(2, 1, 4, 3).line_share == 0.5
    assert Counts().branch_share == 1.0
