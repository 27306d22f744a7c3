"""Which kernel a process uses: the native one where it was built, else the portable one, else the reference."""

from __future__ import annotations

import logging
import os
from functools import cache

from aggregator.bn254.kernel import Kernel
from aggregator.errors import InvalidInput

VARIABLE = "GRAMERCY_KERNEL"
NAMES = ("native", "portable", "reference")

_log = logging.getLogger(__name__)


@cache
def kernel() -> Kernel:
    """Return the kernel of this process, chosen at the first call.

    The environment variable GRAMERCY_KERNEL (``native``, ``portable`` or ``reference``) decides; without it the fastest
    that is installed does. Anything but the native one is logged once, as a warning that says how to get it.

    Raises
    ------
    InvalidInput
        If GRAMERCY_KERNEL names no kernel, or one that is not installed here.

    """
    wanted = os.environ.get(VARIABLE, "")
    if wanted:
        return load(wanted)
    for name in NAMES[:-1]:
        try:
            chosen = _import(name)
        except ImportError as error:
            _log.debug("kernel %s: %s", name, error)
            continue
        break
    else:
        chosen = _import(NAMES[-1])
    if chosen.name != NAMES[0]:
        _log.warning(
            "the native curve kernel was not built; using the slower %s one (%s): "
            "install a C++17 compiler and reinstall gramercy",
            chosen.name,
            chosen.description,
        )
    return chosen


@cache
def load(name: str) -> Kernel:
    """Return the kernel of that name.

    Raises
    ------
    InvalidInput
        If there is no kernel of that name, or it is not installed here.

    """
    if name not in NAMES:
        raise InvalidInput(f"there is no kernel {name!r}", hint=f"set {VARIABLE} to one of {', '.join(NAMES)}")
    try:
        return _import(name)
    except ImportError as error:
        raise InvalidInput(
            f"the {name} kernel is not installed here: {error}",
            hint=f"unset {VARIABLE}, or install a C++17 compiler and reinstall gramercy",
        ) from error


def _import(name: str) -> Kernel:
    if name == "native":
        from aggregator.bn254.native import NativeKernel

        return NativeKernel()
    if name == "portable":
        from aggregator.bn254.portable import PortableKernel

        return PortableKernel()
    from aggregator.bn254.reference import ReferenceKernel

    return ReferenceKernel()
