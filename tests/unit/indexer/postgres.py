"""A PostgreSQL server of a test session's own, as the unprivileged user that it asks for; stopped by its process id."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg

_DEBIAN = Path("/usr/lib/postgresql")
_START_SECONDS = 60.0


def find_server() -> Path | None:
    """Return the folder of PostgreSQL's programs: Debian's, or what is on the path."""
    places = sorted(_DEBIAN.glob("*/bin"), reverse=True)
    found = shutil.which("postgres")
    places += [Path(found).parent] if found else []
    return next((place for place in places if (place / "initdb").exists()), None)


@contextlib.contextmanager
def running_server(programs: Path) -> Iterator[str]:
    """Run a server on a free port of this machine; yield the address of its first database, without a driver."""
    owner = _unprivileged()
    with tempfile.TemporaryDirectory(prefix="gramercy-postgres-") as made, socket.socket() as probe:
        folder = Path(made)
        if owner is not None:
            os.chown(folder, owner.pw_uid, owner.pw_gid)
        user = None if owner is None else owner.pw_uid
        data = folder / "data"
        initialise = [
            str(programs / "initdb"),
            "-D",
            str(data),
            "-U",
            "index",
            "-A",
            "trust",
            "-E",
            "UTF8",
            "--no-sync",
        ]
        subprocess.run([*initialise, "--locale=C"], user=user, check=True, capture_output=True, cwd=folder)
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        probe.close()
        settings = ("listen_addresses=127.0.0.1", f"port={port}", f"unix_socket_directories={folder}", "fsync=off")
        arguments = [str(programs / "postgres"), "-D", str(data), *(part for one in settings for part in ("-c", one))]
        with (folder / "log").open("wb") as log:
            server = subprocess.Popen(arguments, user=user, cwd=folder, stdout=log, stderr=log)
        address = f"postgresql://index@127.0.0.1:{port}"
        try:
            _await(server, f"{address}/postgres", folder / "log")
            yield address
        finally:
            server.send_signal(signal.SIGQUIT)  # "immediate": nothing here is to be kept
            with contextlib.suppress(subprocess.TimeoutExpired):
                server.wait(20)
            if server.poll() is None:
                server.kill()
                server.wait()


def _unprivileged() -> pwd.struct_passwd | None:
    """Return the user to run as, if this one is root, as whom PostgreSQL refuses to run."""
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name: entry for entry in pwd.getpwall()}
    return names.get("postgres") or names["nobody"]


def _await(server: subprocess.Popen[bytes], address: str, log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while True:
        try:
            psycopg.connect(address).close()
        except psycopg.OperationalError:
            if server.poll() is not None or time.monotonic() > deadline:
                raise AssertionError("PostgreSQL does not start: " + log.read_text()) from None
        else:
            return
