"""What is private to who is signed in: drafts of jobs, and hooks."""

from __future__ import annotations

import smtplib
from typing import Annotated

from fastapi import APIRouter, Path, Request

from market.api.access import SignedIn
from market.api.drafts import DraftStore
from market.api.errors import Unavailable
from market.api.hooks import HookStore
from market.api.private_views import (
    Confirmation,
    Draft,
    DraftGiven,
    Drafts,
    Hook,
    HookGiven,
    Hooks,
    NewHook,
    Queued,
)

router = APIRouter(tags=["me"])
Id = Annotated[str, Path(pattern="^[0-9a-f]{32}$")]


def _drafts(request: Request) -> DraftStore:
    store: DraftStore = request.app.state.drafts
    return store


def _hooks(request: Request) -> HookStore:
    store: HookStore = request.app.state.hooks
    return store


@router.get("/me/drafts", response_model=Drafts)
def drafts(request: Request, session: SignedIn) -> Drafts:
    """Own drafts of jobs."""
    return Drafts(items=_drafts(request).all(session.address))


@router.post("/me/drafts", response_model=Draft, status_code=201)
def add_draft(request: Request, session: SignedIn, given: DraftGiven) -> Draft:
    """Keep a draft; an account has 50 at most."""
    return _drafts(request).add(session.address, given)


@router.get("/me/drafts/{id}", response_model=Draft)
def draft(request: Request, session: SignedIn, id: Id) -> Draft:
    """One draft."""
    return _drafts(request).one(session.address, id)


@router.put("/me/drafts/{id}", response_model=Draft)
def replace_draft(request: Request, session: SignedIn, id: Id, given: DraftGiven) -> Draft:
    """Write a draft anew."""
    return _drafts(request).replace(session.address, id, given)


@router.delete("/me/drafts/{id}", status_code=204)
def remove_draft(request: Request, session: SignedIn, id: Id) -> None:
    """Delete a draft."""
    _drafts(request).remove(session.address, id)


@router.get("/me/hooks", response_model=Hooks)
def hooks(request: Request, session: SignedIn) -> Hooks:
    """Own hooks."""
    return Hooks(items=_hooks(request).all(session.address))


@router.post("/me/hooks", response_model=NewHook, status_code=201)
def add_hook(request: Request, session: SignedIn, given: HookGiven) -> NewHook:
    """Be told of events; an e-mail address has to be confirmed by the code that it is sent."""
    market = request.app.state.reader.market(given.chain_id, given.market)
    try:
        return _hooks(request).add(session.address, given, since=market.head.block)
    except (OSError, smtplib.SMTPException):
        raise Unavailable("the confirmation mail could not be sent", hint="try again later") from None


@router.delete("/me/hooks/{id}", status_code=204)
def remove_hook(request: Request, session: SignedIn, id: Id) -> None:
    """Delete a hook."""
    _hooks(request).remove(session.address, id)


@router.post("/me/hooks/{id}/confirm", response_model=Hook)
def confirm_hook(request: Request, session: SignedIn, id: Id, given: Confirmation) -> Hook:
    """Confirm an e-mail address; a wrong code deletes the hook."""
    return _hooks(request).confirm(session.address, id, given.code)


@router.post("/me/hooks/{id}/test", response_model=Queued, status_code=202)
def try_hook(request: Request, session: SignedIn, id: Id) -> Queued:
    """Send a test message."""
    _hooks(request).try_out(session.address, id)
    return Queued()
