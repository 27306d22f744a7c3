"""Messages of webhooks, signed as Standard Webhooks (standardwebhooks.com) has it: HMAC-SHA256 over id, time, body."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets

from market.api.outbound import Outbound

_SECRET_BYTES = 32
_PREFIX = "whsec_"


def new_secret() -> str:
    """Return a secret to sign with, as it is shown to who makes a webhook."""
    return _PREFIX + base64.b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()


def signature(secret: str, message: str, at: str, body: bytes) -> str:
    """Return the value of `webhook-signature`."""
    key = base64.b64decode(secret.removeprefix(_PREFIX))
    signed = b".".join([message.encode(), at.encode(), body])
    return "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()


def post(outbound: Outbound, url: str, secret: str, message: str, body: bytes, now: float) -> int:
    """Post a message; return the answer's status. Errors as for :meth:`market.api.outbound.Outbound.post`."""
    at = str(int(now))
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "gramercy",
        "webhook-id": message,
        "webhook-timestamp": at,
        "webhook-signature": signature(secret, message, at, body),
    }
    return outbound.post(url, body, headers)
