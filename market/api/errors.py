"""What the API refuses, beyond the errors of the layers below; each has its HTTP status."""

from __future__ import annotations

from typing import Any, ClassVar

from aggregator.errors import GramercyError


class ApiError(GramercyError):
    """A request is refused; ``headers`` are sent with the answer."""

    status: ClassVar[int] = 400

    def __init__(
        self, message: str, *, hint: str | None = None, headers: dict[str, str] | None = None, **details: Any
    ) -> None:
        super().__init__(message, hint=hint, **details)
        self.headers = headers or {}


class BadHost(ApiError):
    """The Host header names none of the hosts that this server answers for (DNS rebinding)."""

    code = "bad-host"
    status = 421


class BodyTooLarge(ApiError):
    """A request's body is longer than any that is expected."""

    code = "body-too-large"
    status = 413


class NotSignedIn(ApiError):
    """The path holds private data, and nobody is signed in."""

    code = "not-signed-in"
    status = 401


class SignInRefused(ApiError):
    """A Sign-In with Ethereum message or its signature is not acceptable."""

    code = "sign-in-refused"
    status = 401


class CrossOrigin(ApiError):
    """A request that changes something comes from another site, or lacks the token that shows it does not."""

    code = "cross-origin"
    status = 403


class TooMany(ApiError):
    """An account has as many entries as it may have, or asks too often."""

    code = "too-many"
    status = 429


class TooLarge(ApiError):
    """What is asked for takes more memory or storage than this server gives to one request."""

    code = "too-large"
    status = 422


class Unavailable(ApiError):
    """What is asked for cannot be had now, though it may exist: storage or the chain does not answer."""

    code = "unavailable"
    status = 503
