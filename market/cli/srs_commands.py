"""``gramercy srs``: structured reference strings, and the ceremonies that make them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from market.cli.command import command
from market.cli.options import shorten
from market.cli.session import Session

if TYPE_CHECKING:
    from market.srs.files import SrsFile

app = typer.Typer(name="srs", help="Structured reference strings: ceremonies, import, checks.", no_args_is_help=True)

_MAX_ENTROPY_BYTES = 1 << 20

SrsPath = Annotated[Path, typer.Argument(exists=True, dir_okay=False, metavar="FILE", help="SRS file.")]
NewPath = Annotated[Path, typer.Argument(metavar="OUT", help="File to write; must not exist.")]
Size = Annotated[
    int, typer.Option(help="Number of powers: at least the model's number of parameters plus 8.", show_default=False)
]


@command(app, "new")
def new(session: Session, path: NewPath, size: Size) -> dict[str, Any]:
    """Begin a ceremony: write an SRS that nobody has contributed to yet."""
    from market.srs import ceremony

    with session.stages() as stages:
        file = ceremony.new(path, size, stages=stages)
    session.say(f"{path}: {size} powers, no contributions; next: gramercy srs contribute {path} OUT --name NAME")
    return _described(file)


@command(app, "contribute")
def contribute(
    session: Session,
    source: Annotated[Path, typer.Argument(exists=True, dir_okay=False, metavar="IN", help="SRS so far.")],
    target: NewPath,
    name: Annotated[str, typer.Option(help="Your name in the record, for everybody to read.", show_default=False)],
    entropy_file: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="Mix this file (first MiB) into the system's randomness."),
    ] = None,
) -> dict[str, Any]:
    """Add your secret to an SRS; it is never stored, and one honest contributor makes the SRS safe."""
    from market.srs import ceremony

    entropy = _entropy(session, entropy_file)
    with session.stages() as stages:
        file, digest = ceremony.contribute(source, target, name, entropy=entropy, stages=stages)
    session.say(f"contribution {len(file.header.contributions)} ({name}): {digest.hex()}")
    session.say("Publish this line where others can find it, and pass the file on.")
    return {**_described(file), "contribution": digest.hex()}


@command(app, "verify")
def verify(
    session: Session,
    path: SrsPath,
    contribution: Annotated[
        list[str] | None, typer.Option(help="Digest that a contributor published: it must be there. May be repeated.")
    ] = None,
) -> dict[str, Any]:
    """Verify every contribution and every point; refuses an SRS that nobody has contributed to."""
    from market.srs import files

    file = files.load(path)
    _require(file, contribution or [])
    with session.stages() as stages:
        files.verify(file, stages=stages)
    _show(session, file)
    session.say("valid" if not file.key.development else "valid, but its secret is public: for development chains only")
    return {**_described(file), "valid": True}


@command(app, "import")
def import_(
    session: Session,
    source: Annotated[Path, typer.Argument(exists=True, dir_okay=False, metavar="PTAU", help="Powers-of-tau file.")],
    target: NewPath,
    size: Annotated[int | None, typer.Option(help="Number of powers to take; default: all.")] = None,
) -> dict[str, Any]:
    """Make an SRS from a .ptau file for BN254 (bn128), as snarkjs writes them; every point is checked."""
    from market.srs import ptau

    with session.stages() as stages:
        file = ptau.import_ptau(source, target, size=size, stages=stages)
    _show(session, file)
    session.say("Compare the BLAKE2b with the one that the file's publisher gives, and check the ceremony's own proofs")
    session.say(f"with: snarkjs powersoftau verify {source}")
    return _described(file)


@command(app, "development")
def development(session: Session, path: NewPath, size: Size) -> dict[str, Any]:
    """Write the SRS whose secret is public: for tests and development chains only."""
    from market.srs import ceremony

    with session.stages() as stages:
        file = ceremony.development(path, size, stages=stages)
    session.say(f"{path}: {size} powers; anybody can forge with this SRS: for development chains only")
    return _described(file)


@command(app, "show")
def show(session: Session, path: SrsPath) -> dict[str, Any]:
    """Show what an SRS file says of itself, without verifying its points."""
    from market.srs import files

    file = files.load(path)
    _show(session, file)
    return _described(file)


@command(app, "store")
def store(session: Session, path: SrsPath) -> dict[str, Any]:
    """Verify an SRS and keep a copy where other commands find it by its digest."""
    from market.srs import cache

    with session.stages() as stages:
        file = cache.store(path, stages=stages)
    session.say(f"{file.key.digest.hex()}  {file.path}")
    return _described(file)


def _require(file: SrsFile, wanted: list[str]) -> None:
    from aggregator.errors import InvalidSrs

    found = {digest for _, digest in _contributions(file)}
    for text in wanted:
        if text.strip().lower().removeprefix("0x") not in found:
            raise InvalidSrs(
                f"{file.path} has no contribution {shorten(text)}",
                hint="`gramercy srs show` lists them; without it, this file does not rest on that contributor's secret",
            )


def _entropy(session: Session, path: Path | None) -> bytes:
    if path is not None:
        with path.open("rb") as file:
            return file.read(_MAX_ENTROPY_BYTES)
    if not session.interactive:
        return b""
    text = typer.prompt("Type some random text, or nothing", default="", show_default=False, hide_input=True)
    return str(text).encode("utf-8", "surrogateescape")


def _described(file: SrsFile) -> dict[str, Any]:
    header = file.header
    return {
        "path": str(file.path),
        "digest": header.digest,
        "size": header.size,
        "bytes": file.path.stat().st_size,
        "powers_digest": header.powers_digest,
        "origin": header.origin,
        "source": header.source and header.source.model_dump(),
        "initial": file.key.initial,
        "development": file.key.development,
        "contributions": [{"name": name, "digest": digest} for name, digest in _contributions(file)],
    }


def _contributions(file: SrsFile) -> list[tuple[str, str]]:
    from market.srs import files

    if file.header.origin == "development":
        return []
    states = files.states(file.header)[1:]
    names = [record.name for record in file.header.contributions]
    return [(name, state.digest.hex()) for name, state in zip(names, states, strict=True)]


def _show(session: Session, file: SrsFile) -> None:
    header = file.header
    session.say(f"digest   {header.digest}")
    session.say(f"powers   {header.size}")
    session.say(f"origin   {header.origin}{': tau = 1, anybody can forge' if file.key.initial else ''}")
    if header.source is not None:
        session.say(f"         power {header.source.power}, {header.source.contributions} contributions before")
        session.say(f"BLAKE2b  {header.source.blake2b}")
    if header.contributions:
        rows = [[number, *row] for number, row in enumerate(_contributions(file), 1)]
        session.table("Contributions", ["", "name", "digest"], rows)
