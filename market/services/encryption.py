"""An aggregator's X25519 keys: made, kept on disk encrypted under the account's key, and found again by public key."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from eth_account.signers.local import LocalAccount

from market.chain.market import MarketClient
from market.domain import Address
from market.errors import KeystoreError
from market.safe_json import parse_json
from market.services.report import Report, silent

FORMAT = "gramercy/encryption-key/1"
_KEY_BYTES = 32
_NONCE_BYTES = 12
_BOX_BYTES = _KEY_BYTES + 16
_MAX_FILE_BYTES = 4096
_FIRST = 1


@dataclass(frozen=True, slots=True)
class EncryptionKey:
    """One key pair; ``number`` counts the rotations from 1. The private half is no part of its repr."""

    number: int
    public: bytes
    private: X25519PrivateKey = field(repr=False, compare=False)


class EncryptionKeys:
    """The keys of one account, all it ever made: a payload sealed before a rotation still opens after it.

    Each lies in a file of its own (0600), encrypted with a key derived from the account's private key (HKDF-SHA256):
    whoever steals the folder without the account's keystore password reads nothing. A file may be deleted once every
    job is over whose trainers sealed to it.

    Parameters
    ----------
    folder
        Where they lie; made with the first key.
    account
        The aggregator's unlocked account.

    """

    def __init__(self, folder: Path, account: LocalAccount) -> None:
        self.folder = folder
        self.address = Address(account.address)
        derived = HKDF(SHA256(), _KEY_BYTES, salt=None, info=FORMAT.encode()).derive(bytes(account.key))
        self._cipher = ChaCha20Poly1305(derived)

    def generate(self) -> EncryptionKey:
        """Make a new key, durably on disk when this returns.

        Raises
        ------
        KeystoreError
            If the folder cannot be written to, or holds a key that cannot be read.

        """
        private = X25519PrivateKey.generate()
        number = max((key.number for key in self.all()), default=_FIRST - 1) + 1
        key = EncryptionKey(number, private.public_key().public_bytes_raw(), private)
        nonce = secrets.token_bytes(_NONCE_BYTES)
        box = self._cipher.encrypt(nonce, private.private_bytes_raw(), self._associated(number, key.public))
        record = {
            "format": FORMAT,
            "address": self.address,
            "number": number,
            "public": key.public.hex(),
            "nonce": nonce.hex(),
            "private": box.hex(),
        }
        self._write(f"{number:06}-{key.public.hex()[:16]}.json", json.dumps(record, indent=1).encode() + b"\n")
        return key

    def all(self) -> list[EncryptionKey]:
        """Return every key, the newest first.

        Raises
        ------
        KeystoreError
            If a file cannot be read, is malformed, or belongs to another account.

        """
        found = [self._read(path) for path in sorted(self.folder.glob("*.json"))]
        return sorted(found, key=lambda key: (key.number, key.public), reverse=True)

    def find(self, public: bytes) -> EncryptionKey | None:
        """Return the key of a public key, if it is here."""
        return next((key for key in self.all() if key.public == public), None)

    def _associated(self, number: int, public: bytes) -> bytes:
        return f"{FORMAT} {self.address} {number} {public.hex()}".encode()

    def _read(self, path: Path) -> EncryptionKey:
        try:
            with path.open("rb") as file:
                record = parse_json(file.read(_MAX_FILE_BYTES))
            number, public, nonce, box = _parts(record)
        except OSError as error:
            raise KeystoreError(f"{path} cannot be read: {error.strerror}", path=str(path)) from error
        except (ValueError, KeyError, TypeError):
            raise KeystoreError(f"{path} is not an encryption key", path=str(path)) from None
        try:
            secret = self._cipher.decrypt(nonce, box, self._associated(number, public))
        except InvalidTag:
            raise KeystoreError(
                f"{path} does not belong to {self.address}, or was changed",
                hint="keep one --state folder for each account",
                path=str(path),
            ) from None
        private = X25519PrivateKey.from_private_bytes(secret)
        if private.public_key().public_bytes_raw() != public:
            raise KeystoreError(f"{path} holds the key of another public key than it names", path=str(path))
        return EncryptionKey(number, public, private)

    def _write(self, name: str, content: bytes) -> None:
        """Write a file that did not exist, whole or not at all, readable by its owner only."""
        temporary: str | None = None
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            descriptor, temporary = tempfile.mkstemp(prefix=".key-", dir=self.folder)
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.link(temporary, self.folder / name)  # unlike rename, fails where the name is taken
            directory = os.open(self.folder, os.O_RDONLY)
            try:
                os.fsync(directory)
            finally:
                os.close(directory)
        except OSError as error:
            raise KeystoreError(
                f"{self.folder / name} cannot be written: {error.strerror}",
                hint="check the --state folder's permissions, and the space on the disk",
                path=str(self.folder / name),
            ) from error
        finally:
            if temporary is not None:
                with contextlib.suppress(OSError):
                    os.unlink(temporary)


def publish(
    market: MarketClient, keys: EncryptionKeys, *, rotate: bool = False, report: Report = silent
) -> EncryptionKey:
    """Make sure that the account's published key is one of ours, or publish one; return it.

    A key that was made before, but never published, is published before a new one is made; ``rotate`` asks for a new
    one in any case.
    """
    published = market.encryption_key(keys.address)
    current = None if published is None else keys.find(published)
    if current is not None and not rotate:
        return current
    made = keys.all()
    key = keys.generate() if rotate or not made else made[0]
    market.publish_key(key.public)
    report("key-published", {"key": key.public.hex(), "number": key.number})
    return key


def encryption_folder(state_folder: Path, address: Address) -> Path:
    """Return the folder of an aggregator's encryption keys; they serve all its jobs."""
    return state_folder / f"aggregator-{address.lower()}" / "encryption"


def _parts(record: Any) -> tuple[int, bytes, bytes, bytes]:
    number = record["number"]
    public, nonce, box = (bytes.fromhex(record[name]) for name in ("public", "nonce", "private"))
    lengths = (len(public), len(nonce), len(box))
    if record["format"] != FORMAT or type(number) is not int or lengths != (_KEY_BYTES, _NONCE_BYTES, _BOX_BYTES):
        raise ValueError("not of this format")
    return number, public, nonce, box
