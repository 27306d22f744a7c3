"""The user's SRS files by digest, and a note for each file that it was verified, so that this happens once.

``GRAMERCY_SRS`` names the folder; otherwise it lies in the user's cache. Whoever can write there can make this user
accept a false SRS, as could whoever can change the program.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import platformdirs

from aggregator.errors import InvalidSrs, OutOfRange
from aggregator.srs import check_size
from market.safe_json import parse_json
from market.srs import ceremony
from market.srs.files import SrsFile, Stages, load, no_stages, verify

FOLDER_VARIABLE = "GRAMERCY_SRS"
_DIGEST_BYTES = 32
_MAX_NOTE_BYTES = 4096


def folder() -> Path:
    """Return the folder of SRS files."""
    chosen = os.environ.get(FOLDER_VARIABLE)
    return Path(chosen).expanduser() if chosen else platformdirs.user_cache_path("gramercy") / "srs"


def srs_path(digest: bytes) -> Path:
    """Return where the SRS of this digest (32 bytes) lies, if it is there.

    Raises
    ------
    OutOfRange
        If ``digest`` is not 32 bytes long.

    """
    if len(digest) != _DIGEST_BYTES:
        raise OutOfRange(f"a digest has {_DIGEST_BYTES} bytes, not {len(digest)}")
    return folder() / f"{digest.hex()}.srs"


def find(digest: bytes, *, stages: Stages = no_stages) -> SrsFile | None:
    """Return the verified SRS of this digest, or None if the folder does not hold it.

    Raises
    ------
    InvalidSrs
        If the file there is another SRS, or is damaged.

    """
    path = srs_path(digest)
    return open_verified(path, digest=digest, stages=stages) if path.exists() else None


def store(path: Path, *, digest: bytes | None = None, stages: Stages = no_stages) -> SrsFile:
    """Verify an SRS file and copy it into the folder under its digest, unless it is there already.

    Parameters
    ----------
    digest
        The digest that it must have, if it is known.

    Raises
    ------
    InvalidSrs
        If the file is not valid, has another digest, or nobody has contributed to it.

    """
    given = load(path)
    _check_digest(given, digest)
    target = srs_path(given.key.digest)
    with _locked():
        if target.exists():
            with contextlib.suppress(InvalidSrs):  # a damaged file is replaced
                return open_verified(target, digest=given.key.digest, stages=stages)
        temporary = target.with_suffix(".part")
        try:
            shutil.copyfile(path, temporary)
            # the copy is what will be used, so it is what gets verified
            open_verified(temporary, digest=given.key.digest, stages=stages, remember=False)
            temporary.replace(target)
        finally:
            temporary.unlink(missing_ok=True)
        _remember(target, given.key.digest)
    return load(target)


def open_verified(
    path: Path, *, digest: bytes | None = None, stages: Stages = no_stages, remember: bool = True
) -> SrsFile:
    """Open an SRS file anywhere; verify it in full unless this very file was verified before.

    A file counts as the same while its path, inode, length and time of change are.

    Raises
    ------
    InvalidSrs
        If it is not valid, has another digest than ``digest``, or nobody has contributed to it.
    OSError
        If it cannot be read.

    """
    identity = _identity(path)
    file = load(path)
    _check_digest(file, digest)
    if _remembered(path) != {**identity, "digest": file.header.digest}:
        verify(file, stages=stages)
        if remember and _identity(path) == identity:
            _remember(path, file.key.digest)
    return file


def development(size: int, *, stages: Stages = no_stages) -> SrsFile:
    """Return the development SRS of ``size`` powers, computed when it is asked for first.

    Raises
    ------
    OutOfRange
        If ``size`` is not 9 to 2**28.

    """
    path = folder() / f"development-{check_size(size)}.srs"
    with _locked():
        if path.exists():
            with contextlib.suppress(InvalidSrs):  # a damaged file is made again
                file = open_verified(path, stages=stages)
                if file.key.development and file.size == size:
                    return file
        file = ceremony.development(path, size, stages=stages, replace=True)
        _remember(path, file.key.digest)
    return file


def _check_digest(file: SrsFile, digest: bytes | None) -> None:
    if digest is not None and file.key.digest != digest:
        raise InvalidSrs(
            f"{file.path} is the SRS {file.key.digest.hex()}, not {digest.hex()}",
            hint="use the file that the job's verifier was deployed with",
        )


def _identity(path: Path) -> dict[str, Any]:
    found = path.resolve()
    status = found.stat()
    return {
        "path": str(found),
        "inode": status.st_ino,
        "bytes": status.st_size,
        "modified_ns": status.st_mtime_ns,
        "changed_ns": status.st_ctime_ns,
    }


def _note(path: Path) -> Path:
    name = hashlib.sha256(os.fsencode(path.resolve())).hexdigest()
    return folder() / "verified" / f"{name[:32]}.json"


def _remembered(path: Path) -> dict[str, Any] | None:
    try:
        with _note(path).open("rb") as file:
            note = parse_json(file.read(_MAX_NOTE_BYTES))
    except (OSError, ValueError):
        return None
    return note if isinstance(note, dict) else None


def _remember(path: Path, digest: bytes) -> None:
    note = _note(path)
    with contextlib.suppress(OSError):  # where nothing can be noted, the file is verified again
        note.parent.mkdir(parents=True, exist_ok=True)
        temporary = note.with_suffix(f".{os.getpid()}")
        temporary.write_text(json.dumps({**_identity(path), "digest": digest.hex()}), encoding="utf-8")
        temporary.replace(note)


@contextlib.contextmanager
def _locked() -> Iterator[None]:
    """Let one process at a time write files; its end releases the lock."""
    folder().mkdir(parents=True, exist_ok=True)
    with (folder() / "lock").open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
