"""How a function becomes a command: common options, the session, errors and exit codes."""

from __future__ import annotations

import functools
import inspect
import os
import sys
import typing
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from aggregator.errors import GramercyError
from market.cli.session import Session
from market.config import load_settings
from market.errors import ConfigError, InternalError, UsageError

INTERRUPTED = 130
_PANEL = "Common options"

RpcUrl = Annotated[str | None, typer.Option(help="JSON-RPC address of the chain.", rich_help_panel=_PANEL)]
ChainId = Annotated[str | None, typer.Option(help="Refuse any other chain id.", rich_help_panel=_PANEL)]
Market = Annotated[str | None, typer.Option(help="Address of the Market contract.", rich_help_panel=_PANEL)]
AddressBookFile = Annotated[
    Path | None,
    typer.Option("--address-book", help="Take market and chain id from this file.", rich_help_panel=_PANEL),
]
StorageUrl = Annotated[
    str | None,
    typer.Option("--storage", help="local:/DIR, kubo:URL or ipfshttpclient:MULTIADDR.", rich_help_panel=_PANEL),
]
Keystore = Annotated[Path | None, typer.Option(help="Key file (keystore v3).", rich_help_panel=_PANEL)]
PasswordFile = Annotated[Path | None, typer.Option(help="File with the key's password.", rich_help_panel=_PANEL)]
State = Annotated[Path | None, typer.Option(help="Folder for journal and cache.", rich_help_panel=_PANEL)]
Profile = Annotated[str | None, typer.Option(help="Profile in the configuration file.", rich_help_panel=_PANEL)]
Config = Annotated[Path | None, typer.Option(help="Configuration file.", rich_help_panel=_PANEL)]
Json = Annotated[bool, typer.Option("--json", help="Answer in JSON.", rich_help_panel=_PANEL)]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.", rich_help_panel=_PANEL)]

_SETTINGS: dict[str, Any] = {
    "rpc_url": RpcUrl,
    "chain_id": ChainId,
    "market": Market,
    "address_book": AddressBookFile,
    "storage": StorageUrl,
    "keystore": Keystore,
    "password_file": PasswordFile,
    "state": State,
}
_COMMON: dict[str, tuple[Any, Any]] = {
    **{name: (kind, None) for name, kind in _SETTINGS.items()},
    "profile": (Profile, None),
    "config": (Config, None),
    "as_json": (Json, False),
    "yes": (Yes, False),
}

Function = Callable[..., dict[str, Any] | None]


def command(
    app: typer.Typer, name: str, *, group: str = "", without: frozenset[str] = frozenset()
) -> Callable[[Function], Function]:
    """Register ``function(session, ...) -> data`` as a command with the common options.

    ``group`` is the path of the group where it is not a group of the top level; ``without`` names common options that
    the command replaces by its own. The returned dictionary becomes ``data``
    of the JSON envelope. A :class:`GramercyError` becomes a message and its exit code; Ctrl-C exits with 130.
    """

    def register(function: Function) -> Function:
        hints = typing.get_type_hints(function, include_extras=True)
        own = [
            parameter.replace(annotation=hints[parameter.name], kind=inspect.Parameter.KEYWORD_ONLY)
            for parameter in list(inspect.signature(function).parameters.values())[1:]
        ]
        common = [
            inspect.Parameter(key, inspect.Parameter.KEYWORD_ONLY, annotation=kind, default=default)
            for key, (kind, default) in _COMMON.items()
            if key not in without
        ]

        @functools.wraps(function)
        def run(**values: Any) -> None:
            path = f"{group or app.info.name or ''} {name}".strip()
            given = {key: values.pop(key) for key in list(values) if key in _COMMON}
            sys.exit(execute(function, path, given, values))

        run.__signature__ = inspect.Signature([*own, *common])  # type: ignore[attr-defined]
        run.__annotations__ = {parameter.name: parameter.annotation for parameter in [*own, *common]}
        app.command(name)(run)
        return function

    return register


def execute(function: Function, name: str, common: dict[str, Any], values: dict[str, Any]) -> int:
    """Run a command's function in a session; return the exit code."""
    session: Session | None = None
    as_json = bool(common.get("as_json"))
    try:
        settings = load_settings(
            {key: common.get(key) for key in _SETTINGS}, profile=common.get("profile"), config=common.get("config")
        )
        session = Session(settings, name, json=as_json, yes=bool(common.get("yes")))
        session.finish(function(session, **values) or {})
    except GramercyError as error:
        return _failed(session, name, as_json, error)
    except (KeyboardInterrupt, typer.Abort):
        return INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        return _failed(session, name, as_json, _file_error(error))
    except Exception as error:
        if os.environ.get("GRAMERCY_DEBUG"):
            raise
        told = InternalError(
            f"{type(error).__name__}: {error}",
            hint="this is a defect in gramercy; set GRAMERCY_DEBUG=1 for the traceback and report it",
        )
        return _failed(session, name, as_json, told)
    finally:
        if session is not None:
            session.close()
    return 0


def refuse_usage(name: str, message: str, path: str) -> int:
    """Tell a program that it called a command wrongly; return the exit code."""
    return _failed(None, name, True, UsageError(" ".join(message.split()), hint=f"see `{path} --help`"))


def _failed(session: Session | None, name: str, as_json: bool, error: GramercyError) -> int:
    """Tell an error, also when the settings themselves could not be read."""
    teller = session or Session(load_settings({}, environment={}, config=Path(os.devnull)), name, json=as_json)
    teller.fail(error)
    return error.exit_code


def _file_error(error: OSError) -> ConfigError:
    where = f"{error.filename}: " if error.filename else ""
    return ConfigError(
        f"{where}{error.strerror or error}",
        hint="check that the path exists, its permissions, and the space on the disk",
    )
