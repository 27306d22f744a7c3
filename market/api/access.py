"""Cookies of sign-ins, and who may do what: private paths need a session, effects the page's own token as well."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request, Response
from fastapi.security import APIKeyCookie, APIKeyHeader

from market.api.errors import CrossOrigin, NotSignedIn
from market.api.origin import own_origin, require_same_origin
from market.api.settings import LOOPBACK
from market.api.signing_in import Session

CSRF_HEADER = "X-CSRF-Token"
_HTTP_PORT = 80


@dataclass(frozen=True, slots=True)
class CookieName:
    """A cookie; over TLS it is bound to this very host by its name (RFC 6265bis, 4.1.3).

    On loopback, cookies are the same for all ports: its name tells servers on one machine apart.
    """

    name: str

    def name_for(self, request: Request) -> str:
        """Return the cookie's name."""
        return f"__Host-{self.name}" if is_secure(request) else f"{self.name}-{request.url.port or _HTTP_PORT}"


SESSION, VISITOR = CookieName("gramercy"), CookieName("gramercy-visitor")
_cookie = APIKeyCookie(
    name=SESSION.name,
    auto_error=False,
    description="Set by /auth/verify; `__Host-` before it by TLS, the port behind it on loopback",
)
_header = APIKeyHeader(name=CSRF_HEADER, auto_error=False, description="`csrf` of /me; for requests with effects")


def is_secure(request: Request) -> bool:
    """Whether cookies must only travel by TLS: everywhere but on loopback."""
    return not own_origin(request).startswith("http://") or request.url.hostname not in LOOPBACK


def set_cookie(request: Request, response: Response, cookie: CookieName, value: str, seconds: int) -> None:
    """Set a cookie that no script reads and no other site's page sends."""
    response.headers["Cache-Control"] = "no-store"
    response.set_cookie(
        cookie.name_for(request), value, seconds, httponly=True, samesite="strict", secure=is_secure(request)
    )


def clear_cookie(request: Request, response: Response, cookie: CookieName) -> None:
    """Take a cookie away."""
    response.delete_cookie(cookie.name_for(request), httponly=True, samesite="strict", secure=is_secure(request))


async def _described(
    _session: Annotated[str | None, Depends(_cookie)], _csrf: Annotated[str | None, Depends(_header)]
) -> None:
    """Name cookie and header in the API's description."""


def signed_in(request: Request, response: Response, _schemes: Annotated[None, Depends(_described)]) -> Session:
    """Return the session of a request; one with effects must also come from the own page.

    Raises
    ------
    NotSignedIn
        If there is none.
    CrossOrigin
        If it has effects, and another page's origin or not the session's token.

    """
    found: Session | None = request.app.state.sign_ins.session(request.cookies.get(SESSION.name_for(request)))
    if found is None:
        raise NotSignedIn("nobody is signed in", hint="sign in with your wallet")
    response.headers["Cache-Control"] = "no-store"
    if request.method != "GET":
        require_effects(request, found)
    return found


def require_effects(request: Request, session: Session) -> None:
    """Refuse a request with effects that the session's own page did not send."""
    require_same_origin(request)
    given = request.headers.get(CSRF_HEADER, "")
    if not secrets.compare_digest(given.encode("utf-8", "replace"), session.csrf.encode()):
        raise CrossOrigin(f"the header {CSRF_HEADER} is not the session's", hint="read /api/v1/me again")


SignedIn = Annotated[Session, Depends(signed_in)]
