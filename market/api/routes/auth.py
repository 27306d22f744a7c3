"""Signing in with an Ethereum account, and out."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from market.api.access import SESSION, VISITOR, SignedIn, clear_cookie, set_cookie
from market.api.nonces import NONCE_SECONDS
from market.api.origin import own_origin, require_same_origin
from market.api.private_views import Me, Nonce, SignedMessage
from market.api.signing_in import SESSION_SECONDS, Session

router = APIRouter(tags=["auth"])


@router.post("/auth/nonce", response_model=Nonce)
def begin(request: Request, response: Response) -> Nonce:
    """Begin a sign-in: the nonce that the message must name."""
    require_same_origin(request)
    visitor, nonce = request.app.state.sign_ins.begin()
    set_cookie(request, response, VISITOR, visitor, NONCE_SECONDS)
    return Nonce(nonce=nonce, seconds=NONCE_SECONDS)


@router.post("/auth/verify", response_model=Me)
def verify(request: Request, response: Response, signed: SignedMessage) -> Me:
    """Complete a sign-in by a signed EIP-4361 message; this server asks for no other signature and moves no money."""
    require_same_origin(request)
    state = request.app.state
    token, session = state.sign_ins.complete(
        request.cookies.get(VISITOR.name_for(request)),
        signed.message,
        bytes.fromhex(signed.signature[2:]),
        origin=own_origin(request),
        chain_ids=frozenset(one.chain_id for one in state.reader.markets()),
        before=request.cookies.get(SESSION.name_for(request)),
    )
    clear_cookie(request, response, VISITOR)
    set_cookie(request, response, SESSION, token, SESSION_SECONDS)
    return me_of(session)


@router.post("/auth/logout", status_code=204)
def logout(request: Request, response: Response, session: SignedIn, everywhere: bool = False) -> None:
    """End the session, or with `everywhere` all of the account's, in other browsers as well."""
    if everywhere:
        request.app.state.sign_ins.end_all(session.account)
    else:
        request.app.state.sign_ins.end(request.cookies.get(SESSION.name_for(request), ""))
    clear_cookie(request, response, SESSION)


@router.get("/me", response_model=Me, tags=["me"])
def me(session: SignedIn) -> Me:
    """Who is signed in; 401 if nobody is."""
    return me_of(session)


def me_of(session: Session) -> Me:
    """Return a session as it is shown to its owner."""
    return Me(address=session.address, chain_id=session.chain_id, csrf=session.csrf, expires=int(session.expires))
