"""Nonces of sign-ins: nothing is kept of those that are given out; of those that were used, until they expire."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import threading
from collections import OrderedDict
from dataclasses import dataclass, field

NONCE_SECONDS = 300
_MAX_USED = 20_000
_TIME_DIGITS, _MAC_DIGITS = 10, 32


@dataclass(slots=True)
class Nonces:
    """Gives visitors nonces, and takes each once, in time.

    A visitor's token holds when it was given and an HMAC of that; its nonce is another HMAC of the token. The key is
    this process's own, so nothing that was given before a restart serves after it.
    """

    _key: bytes = field(default_factory=lambda: secrets.token_bytes(32))
    _used: OrderedDict[str, int] = field(default_factory=OrderedDict)
    _floor: int = -1
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def give(self, now: float) -> tuple[str, str]:
        """Return a visitor's token, for its cookie, and the nonce that its message must name."""
        plain = f"{int(now):0{_TIME_DIGITS}d}{secrets.token_hex(16)}"
        visitor = plain + self._mac("visitor", plain)
        return visitor, self._mac("nonce", visitor)

    def take(self, visitor: str | None, now: float) -> str | None:
        """Use a visitor's token up; return its nonce, or None if it is none, too old, or was used."""
        at = self._given_at(visitor or "")
        if visitor is None or at is None or not now - NONCE_SECONDS < at <= now:
            return None
        with self._lock:
            self._forget(now)
            if at <= self._floor or visitor in self._used:
                return None
            self._used[visitor] = at
        return self._mac("nonce", visitor)

    def _forget(self, now: float) -> None:
        """Drop what is too old to be used again; where too much is left, older tokens than that serve no more."""
        while self._used and next(iter(self._used.values())) <= now - NONCE_SECONDS:
            self._used.popitem(last=False)
        while len(self._used) >= _MAX_USED:
            self._floor = max(self._floor, self._used.popitem(last=False)[1])

    def _given_at(self, visitor: str) -> int | None:
        plain, mac = visitor[:-_MAC_DIGITS], visitor[-_MAC_DIGITS:]
        if not hmac.compare_digest(self._mac("visitor", plain).encode(), mac.encode("utf-8", "replace")):
            return None
        return int(plain[:_TIME_DIGITS])

    def _mac(self, purpose: str, text: str) -> str:
        told = f"{purpose}|{text}".encode("utf-8", "replace")
        return hmac.new(self._key, told, hashlib.sha256).hexdigest()[:_MAC_DIGITS]
