"""What is private to who is signed in: drafts of jobs, and hooks."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Request

from market.api.access import SignedIn
from market.api.drafts import DraftStore
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
    return Drafts(items=_drafts(request).all(session.account))


@router.post("/me/drafts", response_model=Draft, status_code=201)
def add_draft(request: Request, session: SignedIn, given: DraftGiven) -> Draft:
    """Keep a draft; an account has 50 at most."""
    return _drafts(request).add(session.account, given)


@router.get("/me/drafts/{id}", response_model=Draft)
def draft(request: Request, session: SignedIn, id: Id) -> Draft:
    """One draft."""
    return _drafts(request).one(session.account, id)


@router.put("/me/drafts/{id}", response_model=Draft)
def replace_draft(request: Request, session: SignedIn, id: Id, given: DraftGiven) -> Draft:
    """Write a draft anew."""
    return _drafts(request).replace(session.account, id, given)


@router.delete("/me/drafts/{id}", status_code=204)
def remove_draft(request: Request, session: SignedIn, id: Id) -> None:
    """Delete a draft."""
    _drafts(request).remove(session.account, id)


@router.get("/me/hooks", response_model=Hooks)
def hooks(request: Request, session: SignedIn) -> Hooks:
    """Own hooks."""
    return Hooks(items=_hooks(request).all(session.account))


@router.post("/me/hooks", response_model=NewHook, status_code=201)
def add_hook(request: Request, session: SignedIn, given: HookGiven) -> NewHook:
    """Be told of events; the target is sent a code, and has to be confirmed by it."""
    market = request.app.state.reader.market(given.chain_id, given.market)
    return _hooks(request).add(session.account, given, since=market.head.block)


@router.delete("/me/hooks/{id}", status_code=204)
def remove_hook(request: Request, session: SignedIn, id: Id) -> None:
    """Delete a hook."""
    _hooks(request).remove(session.account, id)


@router.post("/me/hooks/{id}/confirm", response_model=Hook)
def confirm_hook(request: Request, session: SignedIn, id: Id, given: Confirmation) -> Hook:
    """Confirm a hook by the code that its target was sent; a wrong code deletes the hook."""
    return _hooks(request).confirm(session.account, id, given.code)


@router.post("/me/hooks/{id}/test", response_model=Queued, status_code=202)
def try_hook(request: Request, session: SignedIn, id: Id) -> Queued:
    """Send a test message."""
    _hooks(request).try_out(session.account, id)
    return Queued()
