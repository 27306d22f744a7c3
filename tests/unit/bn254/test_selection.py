"""Which kernel a process uses, and what it says about it."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator

import pytest

from aggregator.bn254 import kernel
from aggregator.bn254.selection import VARIABLE, load
from aggregator.errors import InvalidInput

NATIVE, MCL = "aggregator.bn254.native", "mclbn256"


@pytest.fixture(autouse=True)
def _fresh_choice(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.delenv(VARIABLE, raising=False)
    for cached in (kernel, load):
        cached.cache_clear()
    yield
    for cached in (kernel, load):
        cached.cache_clear()


def hide(monkeypatch: pytest.MonkeyPatch, *modules: str) -> None:
    for module in modules:
        monkeypatch.setitem(sys.modules, module, None)


@pytest.mark.parametrize(("hidden", "name"), [([NATIVE], "portable"), ([NATIVE, MCL], "reference")])
def test_next_best_kernel_serves_and_says_so_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, hidden: list[str], name: str
) -> None:
    pytest.importorskip(MCL)
    hide(monkeypatch, *hidden)
    with caplog.at_level(logging.WARNING):
        assert kernel().name == name
        assert kernel() is kernel()
    assert len(caplog.records) == 1
    assert name in caplog.text
    assert "install a C++17 compiler and reinstall" in caplog.text


def test_native_kernel_is_silent(caplog: pytest.LogCaptureFixture) -> None:
    pytest.importorskip("aggregator.bn254._native")
    assert kernel().name == "native"
    assert not caplog.records


@pytest.mark.parametrize("name", ["portable", "reference"])
def test_variable_decides(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, name: str) -> None:
    pytest.importorskip(MCL)
    monkeypatch.setenv(VARIABLE, name)
    assert kernel().name == name
    assert not caplog.records


def test_unknown_kernel_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "cuda")
    with pytest.raises(InvalidInput, match="cuda") as caught:
        kernel()
    assert "native, portable, reference" in str(caught.value.hint)


def test_kernel_that_is_asked_for_but_missing_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    hide(monkeypatch, NATIVE)
    monkeypatch.setenv(VARIABLE, "native")
    with pytest.raises(InvalidInput, match="native"):
        kernel()
