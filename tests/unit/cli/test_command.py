"""How commands answer: the envelope, exit codes, and errors of every kind, none of them a traceback."""

from __future__ import annotations

import ast
import errno
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer

import market.errors
from aggregator.errors import GramercyError
from market.cli import app as application
from market.cli.command import execute
from market.cli.session import Session
from market.config import load_settings
from market.errors import ConfigError, ContractRefused

EXIT_CODES = {
    "error": 1,
    "internal": 1,
    "role-failed": 1,
    "usage": 2,
    "invalid-input": 3,
    "non-finite-update": 3,
    "wrong-shape": 3,
    "out-of-range": 3,
    "rule-not-applicable": 3,
    "invalid-point": 3,
    "invalid-srs": 3,
    "invalid-proof": 3,
    "config": 3,
    "not-found": 3,
    "payload": 3,
    "not-for-us": 3,
    "no-recipient": 3,
    "task": 3,
    "dataset-unavailable": 3,
    "chain": 4,
    "chain-unreachable": 4,
    "node-refused": 4,
    "wrong-chain": 4,
    "forbidden-transition": 4,
    "transaction-failed": 4,
    "contract-refused": 5,
    "audit-failed": 5,
    "storage": 6,
    "invalid-cid": 6,
    "unknown-cid": 6,
    "integrity": 6,
    "size-exceeded": 6,
    "storage-unavailable": 6,
    "keystore": 7,
    "wrong-password": 7,
    "insufficient-funds": 8,
}
DOCUMENT = Path(__file__).parents[3] / "docs" / "cli.md"


def tree(kind: type[GramercyError] = GramercyError) -> list[type[GramercyError]]:
    """Return an error class and all below it; not what only the dashboard's server answers, of whatever is loaded."""
    below = (child for child in kind.__subclasses__() if not child.__module__.startswith("market.api."))
    return [kind, *(leaf for child in below for leaf in tree(child))]


def run(function: Callable[..., dict[str, Any] | None], *, as_json: bool = True) -> int:
    common = {"config": Path(os.devnull), "as_json": as_json}
    return execute(function, "group name", common, {})


def raising(error: BaseException) -> Callable[[Session], dict[str, Any]]:
    def function(session: Session) -> dict[str, Any]:
        raise error

    return function


def test_every_error_has_a_code_of_its_own_and_the_exit_code_of_the_table() -> None:
    kinds = [kind for kind in tree() if kind.__module__ in ("aggregator.errors", "market.errors")]
    assert {kind.code: kind.exit_code for kind in kinds} == EXIT_CODES
    assert len(kinds) == len(EXIT_CODES)
    assert all(kind.__doc__ for kind in kinds)


def test_the_documented_table_is_true() -> None:
    rows = [line.strip("| \n").split("|") for line in DOCUMENT.read_text().splitlines() if line.startswith("| ")]
    documented = {
        code: int(row[0]) for row in rows if row[0].strip().isdigit() for code in _quoted(row[-1]) if len(row) == 3
    }
    assert documented
    assert documented == {code: EXIT_CODES[code] for code in documented}
    assert {int(row[0]) for row in rows if row[0].strip().isdigit()} == {0, *EXIT_CODES.values(), 130}


def _quoted(text: str) -> list[str]:
    return text.split("`")[1::2]


@pytest.mark.parametrize("kind", [kind for kind in tree() if kind.__module__.endswith("errors")], ids=lambda k: k.code)
def test_an_error_becomes_its_envelope_and_its_exit_code(
    kind: type[GramercyError], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(raising(kind("what happened", hint="what next", n=1))) == EXIT_CODES[kind.code]
    told = capsys.readouterr()
    assert json.loads(told.out) == {
        "schema": "gramercy/1",
        "command": "group name",
        "ok": False,
        "error": {"code": kind.code, "message": "what happened", "hint": "what next", "details": {"n": 1}},
    }
    assert told.err == ""
    assert run(raising(kind("what happened", hint="what next")), as_json=False) == EXIT_CODES[kind.code]
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err == "error: what happened\n  what next\n"


def test_success_is_the_last_line_after_the_events(capsys: pytest.CaptureFixture[str]) -> None:
    def function(session: Session) -> dict[str, Any]:
        session.report("began", {"round": 1})
        session.say("words")
        session.table("title", ["a"], [[1]])
        return {"n": 10**30}

    assert run(function) == 0
    event, envelope = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert event.pop("time") > 0
    assert event == {"schema": "gramercy/1", "event": "began", "round": 1}
    assert envelope == {"schema": "gramercy/1", "command": "group name", "ok": True, "data": {"n": 10**30}}

    assert run(function, as_json=False) == 0
    told = capsys.readouterr().out
    assert [word for word in ("began", "round 1", "words", "title") if word not in told] == []
    assert "{" not in told


def test_a_defect_is_told_as_one_and_the_traceback_only_when_asked_for(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GRAMERCY_DEBUG", raising=False)
    assert run(raising(ZeroDivisionError("by zero"))) == 1
    error = json.loads(capsys.readouterr().out)["error"]
    assert (error["code"], error["message"]) == ("internal", "ZeroDivisionError: by zero")
    assert "GRAMERCY_DEBUG" in error["hint"]
    monkeypatch.setenv("GRAMERCY_DEBUG", "1")
    with pytest.raises(ZeroDivisionError):
        run(raising(ZeroDivisionError("by zero")))


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (FileNotFoundError(errno.ENOENT, "No such file or directory", "/a/b"), "/a/b: No such file or directory"),
        (PermissionError(errno.EACCES, "Permission denied", "/a"), "/a: Permission denied"),
        (OSError(errno.ENOSPC, "No space left on device"), "No space left on device"),
        (OSError("odd"), "odd"),
    ],
)
def test_files_that_cannot_be_used_are_no_defect(
    error: OSError, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(raising(error)) == 3
    told = json.loads(capsys.readouterr().out)["error"]
    assert (told["code"], told["message"]) == ("config", words)


def test_settings_that_cannot_be_read_are_told_in_the_same_form(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    common = {"config": tmp_path / "none", "as_json": True}
    assert execute(lambda session: {}, "group name", common, {}) == 3
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "config"


def test_an_interruption_has_its_own_exit_code() -> None:
    assert run(raising(KeyboardInterrupt())) == 130


def test_what_was_opened_is_closed_whatever_happens() -> None:
    closed: list[str] = []

    def function(session: Session) -> dict[str, Any]:
        session._opened.append(lambda: closed.append("store"))
        raise ConfigError("no")

    run(function)
    assert closed == ["store"]


def test_details_that_json_does_not_know_are_written_as_text(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(raising(ContractRefused("no", path=Path("/x"), data=b"\1"))) == 5
    assert json.loads(capsys.readouterr().out)["error"]["details"] == {"path": "/x", "data": "b'\\x01'"}


@pytest.mark.parametrize(
    "text", ["[profile.x] and [/bold]", "[red]no[/red]", "\x1b[2Jgone\x07", "[link=x]y", ":smile:"]
)
def test_text_is_shown_as_it_is_and_commands_nothing(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    def function(session: Session) -> dict[str, Any]:
        session.say(text)
        session.report("event", {"reason": text})
        session.table("title", ["column"], [[text]])
        raise ConfigError(text, hint=text)

    assert run(function, as_json=False) == 3
    told = capsys.readouterr()
    shown = text.replace("\x1b", "\ufffd").replace("\x07", "\ufffd")
    assert told.out.count(shown) == 3
    assert told.err.count(shown) == 2
    assert "\x1b" not in told.out + told.err


def session(*, as_json: bool = False, yes: bool = False) -> Session:
    return Session(load_settings({}, config=Path(os.devnull), environment={}), "name", json=as_json, yes=yes)


def test_money_moves_without_a_question_only_with_yes(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def no(question: str) -> bool:
        asked.append(question)
        return False

    monkeypatch.setattr(typer, "confirm", no)
    with pytest.raises(ConfigError, match="needs a confirmation"):
        session().confirm("Pay?")
    session(yes=True).confirm("Pay?")
    assert asked == []

    class Terminal:
        def isatty(self) -> bool:
            return True

        def write(self, text: str) -> int:
            return len(text)

        def flush(self) -> None: ...

    monkeypatch.setattr(sys, "stdin", Terminal())
    monkeypatch.setattr(sys, "stdout", Terminal())
    with pytest.raises(ConfigError, match="nothing was done"):
        session().confirm("Pay?")
    assert asked == ["Pay?"]
    with pytest.raises(ConfigError, match="needs a confirmation"):
        session(as_json=True).confirm("Pay?")
    assert asked == ["Pay?"]


def commands() -> list[tuple[str, Any]]:
    """Return every command with its path."""

    def below(entry: Any, path: str) -> list[tuple[str, Any]]:
        if not hasattr(entry, "commands"):
            return [(path, entry)]
        return [found for name, inner in entry.commands.items() for found in below(inner, f"{path} {name}".strip())]

    return below(typer.main.get_command(application.app), "")


def test_every_command_takes_the_common_options_and_says_what_it_does() -> None:
    for path, command in commands():
        options = {option for parameter in command.params for option in parameter.opts}
        assert {"--json", "--yes", "--rpc-url", "--market", "--keystore", "--profile", "--config"} <= options, path
        assert command.help, path
    assert len(commands()) > 20


def test_help_needs_none_of_the_heavy_libraries() -> None:
    code = (
        "import sys, market.cli.app; "
        "print([name for name in ('torch', 'web3', 'numpy', 'matplotlib', 'eth_account') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ast.literal_eval(done.stdout) == []


def test_errors_of_the_shell_are_documented_where_they_are_defined() -> None:
    assert "Exit codes" in (market.errors.__doc__ or "")
