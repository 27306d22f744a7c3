"""One small ceremony of three contributors, shared by the tests of files."""

from __future__ import annotations

from pathlib import Path

import pytest

from market.srs import ceremony

SIZE = 9


@pytest.fixture(scope="session")
def rounds(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The files of a ceremony after 0, 1, 2 and 3 contributions; not to be written to."""
    folder = tmp_path_factory.mktemp("ceremony")
    paths = [folder / f"{number}.srs" for number in range(4)]
    ceremony.new(paths[0], SIZE)
    for number, name in enumerate(("alice", "bob β", "carol")):
        ceremony.contribute(paths[number], paths[number + 1], name)
    return paths


@pytest.fixture(scope="session")
def final(rounds: list[Path]) -> Path:
    """The last file of the ceremony."""
    return rounds[-1]
