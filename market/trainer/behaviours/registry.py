"""Behaviours by name."""

from __future__ import annotations

import math

from market.errors import ConfigError
from market.trainer.behaviours.base import Behaviour, Honest
from market.trainer.behaviours.informed import Alie, Copy, Ipm
from market.trainer.behaviours.optimised import MinMax, MinSum
from market.trainer.behaviours.poisoning import Backdoor
from market.trainer.behaviours.solitary import FreeRider, Gaussian, LabelFlip, SignFlip

_REGISTRY: dict[str, type[Honest]] = {
    kind.name: kind
    for kind in (Honest, SignFlip, LabelFlip, Gaussian, FreeRider, Copy, Alie, Ipm, MinMax, MinSum, Backdoor)
}
BEHAVIOURS = tuple(_REGISTRY)


def make_behaviour(spec: str, *, strength: float | None = None) -> Behaviour:
    """Return a behaviour by name, with another strength if wanted: ``sign-flip``, or ``sign-flip:4``.

    Raises
    ------
    ConfigError
        If the name is unknown, or the strength is not a positive number, given twice, or not a part of it.

    """
    name, colon, text = spec.partition(":")
    kind = _REGISTRY.get(name)
    if kind is None:
        raise ConfigError(f"There is no behaviour {name!r}.", hint=f"Choose one of: {', '.join(BEHAVIOURS)}.")
    if colon:
        if strength is not None:
            raise ConfigError(f"The strength of {name} is given twice.")
        strength = _number(name, text)
    if strength is None:
        return kind()
    if "strength" not in getattr(kind, "__dataclass_fields__", {}):
        raise ConfigError(f"The behaviour {name} has no strength.")
    if not (math.isfinite(strength) and strength > 0):
        raise ConfigError(f"The strength of {name} must be a positive number, not {strength}.")
    return kind(strength=strength)  # type: ignore[call-arg]


def _number(name: str, text: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise ConfigError(f"The strength of {name} is not a number: {text!r}.") from error
