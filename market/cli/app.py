"""The ``gramercy`` command: its groups."""

from __future__ import annotations

import sys

import typer
from typer.exceptions import TyperException

from market.cli import (
    aggregator_commands,
    chain_commands,
    dashboard_command,
    data_commands,
    demo_command,
    deploy_command,
    job_commands,
    owner_commands,
    relay_commands,
    srs_commands,
    storage_commands,
    trainer_commands,
    wallet_commands,
)
from market.cli.command import refuse_usage

HELP = "A marketplace for collaborative model training: escrowed rewards, robust aggregation, pay by contribution."

app = typer.Typer(name="gramercy", help=HELP, no_args_is_help=True, pretty_exceptions_enable=False)
for group in (
    chain_commands.devnet,
    owner_commands.app,
    trainer_commands.app,
    aggregator_commands.app,
    job_commands.app,
    storage_commands.app,
    wallet_commands.app,
    srs_commands.app,
    data_commands.app,
):
    app.add_typer(group)
deploy_command.add_deploy(app)
demo_command.add_demo(app)
relay_commands.add_relay(app)
dashboard_command.add_dashboard(app)


def main() -> None:
    """Run the command line; who asked for JSON gets an envelope for a wrong usage, too."""
    if "--json" not in sys.argv:
        app(prog_name="gramercy")
    try:
        sys.exit(app(prog_name="gramercy", standalone_mode=False))
    except TyperException as error:
        context = getattr(error, "ctx", None)
        path = context.command_path if context else "gramercy"
        sys.exit(refuse_usage(path.removeprefix("gramercy").strip(), error.format_message(), path))


if __name__ == "__main__":
    main()
