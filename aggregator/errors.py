"""The root of the error tree, and the errors of the core."""

from __future__ import annotations

from typing import Any, ClassVar


class GramercyError(Exception):
    """Anything Gramercy refuses or fails at, told so that a person can act on it.

    Parameters
    ----------
    message
        What happened, in one sentence.
    hint
        The next step for the person who reads it.
    details
        Fields for programs; JSON-serialisable, never a secret.

    Attributes
    ----------
    code
        Stable identifier, used in the JSON envelope.
    exit_code
        Exit status of a command that ends with this error; documented in ``docs/cli.md``.

    """

    code: ClassVar[str] = "error"
    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, hint: str | None = None, **details: Any) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.details = details


class InvalidInput(GramercyError):
    """Data from outside is not what it must be; nothing was done with it."""

    code = "invalid-input"
    exit_code = 3


class NonFiniteUpdate(InvalidInput):
    """An update has a NaN or infinite entry."""

    code = "non-finite-update"


class WrongShape(InvalidInput):
    """An array has another shape or dtype than the job's model."""

    code = "wrong-shape"


class OutOfRange(InvalidInput):
    """A number lies outside the range that the protocol allows."""

    code = "out-of-range"


class RuleNotApplicable(InvalidInput):
    """A rule's assumption on the number of updates does not hold (Multi-Krum: n >= 3)."""

    code = "rule-not-applicable"


class InvalidPoint(InvalidInput):
    """Bytes or limbs are not a canonical point of the curve."""

    code = "invalid-point"


class InvalidSrs(InvalidInput):
    """A structured reference string, or a contribution to one, is not what it must be."""

    code = "invalid-srs"


class InvalidProof(InvalidInput):
    """A proof does not show its statement."""

    code = "invalid-proof"
