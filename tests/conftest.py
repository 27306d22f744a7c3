"""Fixtures that several test trees use."""

from __future__ import annotations

import os
import platform
import signal
import sysconfig
import threading
from pathlib import Path
from shutil import which

import pytest
from hypothesis import settings

from aggregator.bn254 import Kernel
from aggregator.bn254.selection import NAMES, load
from aggregator.errors import InvalidInput

# Local services are not behind a proxy; requests looks through the environment for one, request by request.
_DIRECT = ",".join(filter(None, (os.environ.get("no_proxy") or os.environ.get("NO_PROXY"), "127.0.0.1,localhost")))
os.environ |= {"no_proxy": _DIRECT, "NO_PROXY": _DIRECT}


# Jobs in the background of a script ignore it, and all that they start would.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN and threading.current_thread() is threading.main_thread():
    signal.signal(signal.SIGINT, signal.default_int_handler)


# How long an example takes says how busy the machine is.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


@pytest.fixture(scope="session", params=NAMES)
def any_kernel(request: pytest.FixtureRequest) -> Kernel:
    """Return each implementation of the kernel in turn; one that could be here but is not is a failure."""
    name: str = request.param
    try:
        return load(name)
    except InvalidInput as error:
        if _could_be_here(name):
            pytest.fail(f"{error.message}; see .venv/build.log")
        pytest.skip(error.message)


def _could_be_here(name: str) -> bool:
    if name == "portable":
        return (platform.system(), platform.machine()) == ("Linux", "x86_64")
    headers = Path(sysconfig.get_path("include")) / "Python.h"
    return headers.is_file() and any(map(which, ("c++", "g++", "clang++")))
