"""An aggregator's encryption keys: durable, private, found again after every rotation."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest
from eth_account import Account
from eth_account.signers.local import LocalAccount

from market.errors import KeystoreError
from market.services.encryption import EncryptionKeys, encryption_folder

ACCOUNT: LocalAccount = Account.from_key(b"\x11" * 32)
OTHER: LocalAccount = Account.from_key(b"\x22" * 32)


@pytest.fixture
def keys(tmp_path: Path) -> EncryptionKeys:
    return EncryptionKeys(encryption_folder(tmp_path, ACCOUNT.address), ACCOUNT)


def only_file(keys: EncryptionKeys) -> Path:
    (path,) = keys.folder.iterdir()
    return path


def test_there_is_no_key_before_the_first(keys: EncryptionKeys) -> None:
    assert keys.all() == []
    assert keys.find(b"\1" * 32) is None
    assert not keys.folder.exists()


def test_every_key_is_found_again_the_newest_first(keys: EncryptionKeys) -> None:
    made = [keys.generate() for _ in range(3)]
    reopened = EncryptionKeys(keys.folder, ACCOUNT)
    assert reopened.all() == made[::-1]
    assert [key.number for key in made] == [1, 2, 3]
    for key in made:
        found = reopened.find(key.public)
        assert found is not None
        assert found.private.private_bytes_raw() == key.private.private_bytes_raw()
        assert found.private.public_key().public_bytes_raw() == key.public
    assert len({key.public for key in made}) == 3


def test_a_key_is_private_on_disk_and_in_words(keys: EncryptionKeys) -> None:
    key = keys.generate()
    path = only_file(keys)
    secret = key.private.private_bytes_raw()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(keys.folder.stat().st_mode) == 0o700
    for told in (path.read_text(), repr(key), str(key)):
        assert secret.hex() not in told
        assert str(secret) not in told


def test_a_stolen_folder_opens_with_the_account_alone(keys: EncryptionKeys) -> None:
    keys.generate()
    with pytest.raises(KeystoreError, match="does not belong to") as refused:
        EncryptionKeys(keys.folder, OTHER).all()
    assert refused.value.hint is not None


@pytest.mark.parametrize("name", ["number", "public", "nonce", "private"])
def test_a_changed_file_is_refused(keys: EncryptionKeys, name: str) -> None:
    keys.generate()
    path = only_file(keys)
    record = json.loads(path.read_text())
    value = record[name]
    record[name] = value + 1 if isinstance(value, int) else ("0" if value[0] != "0" else "1") + value[1:]
    path.write_text(json.dumps(record))
    with pytest.raises(KeystoreError, match=str(path)):
        keys.all()


@pytest.mark.parametrize(
    "content",
    [b"", b"{}", b"[]", b"[" * 100_000, b'{"format": "gramercy/encryption-key/1"}', b"\xff", b"null"],
)
def test_other_files_are_refused_by_name(keys: EncryptionKeys, content: bytes) -> None:
    keys.generate()
    path = keys.folder / "000002-x.json"
    path.write_bytes(content)
    with pytest.raises(KeystoreError, match=r"000002-x\.json is not an encryption key"):
        keys.all()
    path.unlink()
    assert len(keys.all()) == 1


@pytest.mark.parametrize(
    ("name", "value"),
    [("format", "other"), ("number", True), ("number", "1"), ("public", "00"), ("private", ""), ("nonce", 5)],
)
def test_malformed_fields_are_refused(keys: EncryptionKeys, name: str, value: object) -> None:
    keys.generate()
    path = only_file(keys)
    path.write_text(json.dumps({**json.loads(path.read_text()), name: value}))
    with pytest.raises(KeystoreError, match="is not an encryption key"):
        keys.all()


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(KeystoreError, match="cannot be written"):
        EncryptionKeys(tmp_path / "file" / "keys", ACCOUNT).generate()


def test_nothing_else_is_left_in_the_folder(keys: EncryptionKeys) -> None:
    keys.generate()
    keys.generate()
    assert sorted(path.suffix for path in keys.folder.iterdir()) == [".json", ".json"]
