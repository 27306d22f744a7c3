"""Where a request comes from: requests with effects, and streams, are served to this server's own pages only."""

from __future__ import annotations

from fastapi import Request

from market.api.errors import CrossOrigin

_OWN = ("same-origin", "none")


def own_origin(request: Request) -> str:
    """Return the address browsers know this server by."""
    configured: str = request.app.state.settings.origin
    return configured.rstrip("/") or f"{request.url.scheme}://{request.headers.get('host', '')}"


def require_same_origin(request: Request) -> None:
    """Refuse what another site's page sends.

    Browsers set Origin on whatever has effects and Sec-Fetch-Site on everything; programs that are no browsers set
    neither, and carry nobody's cookies.

    Raises
    ------
    CrossOrigin
        If either header names another site.

    """
    origin = request.headers.get("origin")
    if origin is not None and origin != own_origin(request):
        raise CrossOrigin("the request comes from another site's page")
    if request.headers.get("sec-fetch-site", "same-origin") not in _OWN:
        raise CrossOrigin("the request comes from another site's page")
