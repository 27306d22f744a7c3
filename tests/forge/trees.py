"""Branching-tree specifications: from the lines of a .tree file to the names of the tests that keep it."""

from __future__ import annotations

import re
from collections.abc import Iterator

_LINE = re.compile(r"^((?:│   |    )*)(?:├── |└── )(.+)$")
_TEST = re.compile(r"^\s*function (test\w*)\(", re.MULTILINE)
_INDENT = 4


class MalformedTree(ValueError):
    """A line that is no branch of a tree, or one that hangs in the air."""


def expected_tests(tree: str) -> list[str]:
    """Return the names of a tree's tests: ``test_`` and the conditions above each leaf, in camel case.

    Branches begin with "when" or "given" and are conditions; all others are what has to happen under them, and several
    of one branch make one test. The first line names the contract.

    Raises
    ------
    MalformedTree
        If a line is no branch, or is deeper than the one above it by more than one step.

    """
    names: list[str] = []
    for path in _leaves(tree):
        name = "_".join(["test", *(_camel(condition) for condition in path)])
        if name not in names:
            names.append(name)
    return names


def found_tests(source: str) -> list[str]:
    """Return the names of the tests in a Solidity file, fuzz tests among them."""
    return [name for name in _TEST.findall(source) if not name.startswith("testFuzz_")]


def _leaves(tree: str) -> Iterator[tuple[str, ...]]:
    path: list[str] = []
    for line in tree.splitlines()[1:]:
        if not line.strip():
            continue
        match = _LINE.match(line)
        if match is None or len(match[1]) // _INDENT > len(path):
            raise MalformedTree(line)
        del path[len(match[1]) // _INDENT :]
        text = match[2]
        if text.split()[0] in {"when", "given"}:
            path.append(text)
        else:
            yield tuple(path)


def _camel(condition: str) -> str:
    return "".join(word[0].upper() + word[1:] for word in re.findall(r"\w+", condition))
