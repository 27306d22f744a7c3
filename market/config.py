"""Settings of a role: command-line options over environment variables over a TOML profile over defaults."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import platformdirs

from market.errors import ConfigError

CONFIG_VARIABLE = "GRAMERCY_CONFIG"
PROFILE_VARIABLE = "GRAMERCY_PROFILE"
DEFAULT_RPC_URL = "http://127.0.0.1:8545"


@dataclass(frozen=True, slots=True)
class Settings:
    """Where a role's chain, market, storage, key and memory are.

    Attributes
    ----------
    rpc_url
        JSON-RPC address of the chain.
    chain_id
        Expected chain id; None accepts the chain as it is.
    market
        Address of the Market contract.
    storage
        Storage URL, see :func:`market.storage.base.open_storage`.
    keystore, password_file
        The role's key (keystore v3) and the file that holds its password.
    state
        Folder for the role's journal and fetched files.
    first_block
        Where to begin reading events: no later than the market's deployment; the address book tells it.
    address_book
        File that names chain id, market and first block where they are not set, see :mod:`market.address_book`.

    """

    rpc_url: str
    chain_id: int | None
    market: str | None
    storage: str
    keystore: Path | None
    password_file: Path | None
    state: Path
    first_block: int = 0
    address_book: Path | None = None

    def require_market(self) -> str:
        """Return the market's address.

        Raises
        ------
        ConfigError
            If none is set.

        """
        if self.market is None:
            raise ConfigError(
                "no market address is set",
                hint="pass --address-book FILE or --market ADDRESS, or set GRAMERCY_MARKET; "
                "`gramercy devnet start` prints the address of a local one",
            )
        return self.market


def default_config_path() -> Path:
    """Return ``~/.config/gramercy/config.toml`` or what the platform uses instead."""
    return Path(platformdirs.user_config_dir("gramercy")) / "config.toml"


def npm_project(name: str) -> Path:
    """Return the folder of a pinned npm project (``anvil``, ``ipfs``, ``mnist``): its package.json and lockfile.

    ``GRAMERCY_SERVICES`` names the folder that holds them; otherwise the installed package or the repository does.
    """
    if chosen := os.environ.get("GRAMERCY_SERVICES"):
        return Path(chosen) / name
    packaged = Path(__file__).parent / "npm" / name
    return packaged if packaged.is_dir() else Path(__file__).parents[1] / "scripts" / "services" / name


def load_settings(
    options: Mapping[str, Any],
    *,
    profile: str | None = None,
    config: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> Settings:
    """Return the settings in force.

    Parameters
    ----------
    options
        Command-line options by the field names of :class:`Settings`; None counts as absent.
    profile
        Table ``[profile.NAME]`` of the configuration file; default: ``GRAMERCY_PROFILE``, else ``default``.
    config
        Configuration file; default: ``GRAMERCY_CONFIG``, else the user's.
    environment
        Environment variables ``GRAMERCY_RPC_URL``, ``GRAMERCY_CHAIN_ID`` and so on; default: the process's.

    Raises
    ------
    ConfigError
        If the file or a value is malformed, or a profile that was asked for does not exist.

    """
    variables = os.environ if environment is None else environment
    table = _read_profile(
        config or _path(variables.get(CONFIG_VARIABLE) or None),
        profile or variables.get(PROFILE_VARIABLE) or None,
    )

    def setting(name: str, default: Any = None) -> Any:
        for source in (options.get(name), variables.get(f"GRAMERCY_{name.upper()}"), table.get(name)):
            if source not in (None, ""):
                return source
        return default

    # Absolute, as the default store lies in it and names its directory in a URL.
    state = Path(setting("state", platformdirs.user_data_dir("gramercy"))).expanduser().absolute()
    return Settings(
        rpc_url=str(setting("rpc_url", DEFAULT_RPC_URL)),
        chain_id=_number("the chain id", setting("chain_id")),
        market=setting("market"),
        storage=str(setting("storage", f"local:{state / 'blocks'}")),
        keystore=_path(setting("keystore")),
        password_file=_path(setting("password_file")),
        state=state,
        first_block=_number("the first block", setting("first_block")) or 0,
        address_book=_path(setting("address_book")),
    )


def _read_profile(config: Path | None, profile: str | None) -> dict[str, Any]:
    path = config or default_config_path()
    if path == Path(os.devnull):  # no configuration, whatever the user's home holds
        return {}
    if not path.is_file():
        if config is not None or profile is not None:
            raise ConfigError(f"there is no configuration file {path}", hint="drop the option, or write the file")
        return {}
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not TOML: {error}") from None
    tables = document.get("profile", {})
    name = profile or "default"
    found = sorted(tables) if isinstance(tables, dict) else []
    if profile is not None and name not in found:
        raise ConfigError(f"{path} has no [profile.{name}]", hint=f"profiles there: {', '.join(found) or 'none'}")
    table = tables.get(name, {}) if isinstance(tables, dict) else None
    if not isinstance(table, dict):
        raise ConfigError(f"{path}: settings belong into tables such as [profile.{name}]")
    return _checked(table, f"{path}: [profile.{name}]")


def _checked(table: dict[str, Any], where: str) -> dict[str, Any]:
    unknown = sorted(set(table) - set(Settings.__dataclass_fields__))
    if unknown:
        raise ConfigError(f"{where} has unknown keys: {', '.join(unknown)}")
    for key, value in table.items():
        if not isinstance(value, str) and key != "chain_id":
            raise ConfigError(f"{where}: {key} must be a string, not {value!r}")
    return table


def _number(what: str, value: Any) -> int | None:
    if value is None:
        return None
    try:
        return int(str(value), 0)
    except ValueError:
        raise ConfigError(f"{what} must be a number, not {value!r}") from None


def _path(value: Any) -> Path | None:
    return None if value is None else Path(value).expanduser()
