"""What private paths take and give."""

from __future__ import annotations

import json
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue

from market.api.parameters import MAX_INTEGER, address_of
from market.indexer.views import Address, View


def _printable(text: str) -> str:
    if not text.isprintable():
        raise ValueError("control characters are not allowed")
    return text


def _encodable(body: dict[str, JsonValue]) -> dict[str, JsonValue]:
    """Refuse what has no JSON in UTF-8: halves of surrogate pairs, infinities."""
    json.dumps(body, ensure_ascii=False, allow_nan=False).encode()
    return body


Name = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_printable)]
AnyAddress = Annotated[str, Field(pattern="^0x[0-9a-fA-F]{40}$"), AfterValidator(address_of)]


class Given(BaseModel):
    """A request's body: nothing but its fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Nonce(View):
    """What a sign-in message must name; it serves once, in this browser."""

    nonce: str
    seconds: int = Field(description="How long it serves")


class SignedMessage(Given):
    """A Sign-In with Ethereum message (EIP-4361) and its signature."""

    message: Annotated[str, Field(max_length=4096)]
    signature: Annotated[str, Field(pattern="^0x([0-9a-fA-F]{2}){1,4096}$")]


class Me(View):
    """Who is signed in."""

    address: Address
    chain_id: int
    csrf: str = Field(description="To be repeated as X-CSRF-Token by requests with effects")
    expires: int = Field(description="Unix seconds, wall clock")


class DraftGiven(Given):
    """A draft of a job, as the wizard keeps it: 32 KiB of JSON at most."""

    name: Name
    body: Annotated[dict[str, JsonValue], AfterValidator(_encodable)]


class Draft(View):
    """A draft of a job."""

    id: str
    name: str
    changed: int = Field(description="Unix seconds, wall clock")
    body: dict[str, JsonValue]


class Drafts(View):
    """All drafts of an account, newest first."""

    items: tuple[Draft, ...]


class HookKind(StrEnum):
    """How somebody is told."""

    WEBHOOK = "webhook"
    EMAIL = "email"


EventName = Annotated[str, Field(pattern="^[A-Za-z]{1,32}$", examples=["RoundSettled"])]


class HookGiven(Given):
    """Whom to tell of what: events of a market, of one job, or about one account."""

    kind: HookKind
    target: Annotated[str, Field(min_length=3, max_length=2000), AfterValidator(_printable)] = Field(
        description="URL of a webhook, or an e-mail address"
    )
    chain_id: Annotated[int, Field(ge=1, le=MAX_INTEGER)]
    market: AnyAddress
    job_id: Annotated[int, Field(ge=1, le=MAX_INTEGER)] | None = None
    about: AnyAddress | None = Field(default=None, description="Only events of this account")
    events: Annotated[tuple[EventName, ...], Field(max_length=40)] = Field(
        default=(), description="Names of events; none means all"
    )


class Hook(View):
    """A hook and how it does."""

    id: str
    kind: HookKind
    target: str
    chain_id: int
    market: Address
    job_id: int | None
    about: Address | None
    events: tuple[str, ...]
    active: bool = Field(description="False until the target is confirmed, and after the receiver said 410 (a failure)")
    created: int = Field(description="Unix seconds, wall clock")
    delivered: int | None = Field(description="When it was last told of something")
    failure: str | None = Field(description="Why the last attempt failed, if it did")
    waiting: int = Field(description="Messages that are on their way, or that will be tried again")
    next_attempt: int | None = Field(description="When the next of them is due: Unix seconds, wall clock")


class NewHook(View):
    """A hook that was made, with the secret that its messages are signed with: shown this once."""

    hook: Hook
    secret: str = Field(description="Standard Webhooks: whsec_ and base64; empty for e-mail")


class Hooks(View):
    """All hooks of an account."""

    items: tuple[Hook, ...]


class Confirmation(Given):
    """The code that a hook's target was sent."""

    code: Annotated[str, Field(pattern="^[0-9a-f]{32}$")]


class Queued(View):
    """A message was queued."""

    queued: Literal[True] = True
