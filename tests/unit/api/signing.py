"""Signing in as a wallet does."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
from eth_account import Account
from eth_account.messages import encode_defunct
from eth_account.signers.local import LocalAccount

from tests.unit.api.fake_reader import CHAIN

WALLET: LocalAccount = Account.from_key("0x" + "11" * 32)
OTHER: LocalAccount = Account.from_key("0x" + "22" * 32)


def message(origin: str, nonce: str, /, **changes: Any) -> str:
    """Return a sign-in message for a page, changed as a test wants it."""
    now = datetime.now(UTC)
    fields: dict[str, Any] = {
        "domain": origin.partition("://")[2],
        "address": WALLET.address,
        "statement": "Sign in to keep drafts.",
        "uri": origin,
        "chain_id": CHAIN,
        "nonce": nonce,
        "issued": time(now),
        "expires": time(now + timedelta(minutes=5)),
        "tail": "",
        **changes,
    }
    statement = f"{fields['statement']}\n" if fields["statement"] else ""
    return (
        f"{fields['domain']} wants you to sign in with your Ethereum account:\n{fields['address']}\n\n{statement}\n"
        f"URI: {fields['uri']}\nVersion: 1\nChain ID: {fields['chain_id']}\nNonce: {fields['nonce']}\n"
        f"Issued At: {fields['issued']}\nExpiration Time: {fields['expires']}{fields['tail']}"
    )


def time(at: datetime) -> str:
    """Return a time as such messages write it."""
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def sign(text: str, account: LocalAccount = WALLET) -> str:
    """Return an account's signature of a text (EIP-191)."""
    return "0x" + bytes(account.sign_message(encode_defunct(text=text)).signature).hex()


def origin_of(client: httpx.Client) -> str:
    """Return the origin of the pages that a client's server serves."""
    return str(client.base_url).rstrip("/")


def nonce_of(client: httpx.Client) -> str:
    """Begin a sign-in."""
    return str(client.post("/api/v1/auth/nonce").json()["nonce"])


def verify(client: httpx.Client, text: str, signature: str | None = None, **headers: str) -> httpx.Response:
    """Complete a sign-in."""
    given = {"message": text, "signature": signature or sign(text)}
    return client.post("/api/v1/auth/verify", json=given, headers=headers)


def signed_in(client: httpx.Client, account: LocalAccount = WALLET) -> dict[str, str]:
    """Sign in; return the headers that requests with effects need."""
    text = message(origin_of(client), nonce_of(client), address=account.address)
    answer = verify(client, text, sign(text, account))
    assert answer.status_code == 200, answer.text
    return {"X-CSRF-Token": answer.json()["csrf"], "Origin": origin_of(client)}
