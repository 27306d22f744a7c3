"""SRS files: independent reading, and that no change to any byte or field of one goes unnoticed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from eth_hash.auto import keccak

from aggregator.bn254 import GENERATOR, P, pack_points, unpack_points
from aggregator.errors import InvalidSrs
from aggregator.srs import Srs
from market.errors import ConfigError
from market.srs import ceremony
from market.srs.files import SrsFile, load, states, verify, write
from market.srs.header import MAX_HEADER_BYTES, Header, parse_header

PAGE = 4096
SIZE = 9
Document = dict[str, Any]


def parts(path: Path) -> tuple[Document, bytes]:
    """Take a file apart with nothing of the program: the JSON of its header, and its points."""
    data = path.read_bytes()
    assert data[:8] == b"GRMSRS1\0"
    length = int.from_bytes(data[8:12], "little")
    assert hashlib.sha256(data[: 12 + length]).digest() == data[12 + length : 44 + length]
    offset = (44 + length + PAGE - 1) // PAGE * PAGE
    return json.loads(data[12 : 12 + length]), data[offset:]


def sealed(text: bytes, points: bytes) -> bytes:
    """Put a file together whose checksum holds, whatever its header says."""
    head = b"GRMSRS1\0" + len(text).to_bytes(4, "little") + text
    head += hashlib.sha256(head).digest()
    return head + bytes(-len(head) % PAGE) + points


def forged(path: Path, document: Document, points: bytes) -> Path:
    path.write_bytes(sealed(json.dumps(document, sort_keys=True, separators=(",", ":")).encode(), points))
    return path


def refused(path: Path) -> InvalidSrs:
    with pytest.raises(InvalidSrs) as caught:
        verify(load(path))
    assert caught.value.hint
    assert str(path) in caught.value.message
    return caught.value


def uncompressed(points: bytes) -> bytes:
    inverse = pow(1 << 256, -1, P)
    words = (int.from_bytes(points[at : at + 32], "little") * inverse % P for at in range(0, len(points), 32))
    return b"".join(word.to_bytes(32, "big") for word in words)


def test_a_file_says_what_an_independent_reader_finds(final: Path) -> None:
    document, points = parts(final)
    file = load(final)
    assert len(points) == 64 * SIZE
    digest = hashlib.sha256(hashlib.sha256(uncompressed(points)).digest()).hexdigest()
    assert digest == document["powers_digest"]
    words = keccak(b"gramercy/srs/1") + SIZE.to_bytes(32, "big") + bytes.fromhex(digest) + uncompressed(points)[64:128]
    words += bytes.fromhex("".join([*document["blinding"], document["tau_g2"], document["tau2_g2"]]))
    assert keccak(words).hex() == document["digest"] == file.key.digest.hex()
    assert [record["name"] for record in document["contributions"]] == ["alice", "bob β", "carol"]
    assert unpack_points(file.srs.powers[:1]) == [GENERATOR]


def test_every_file_of_a_ceremony_is_valid_and_the_powers_are_mapped(rounds: list[Path]) -> None:
    for path in rounds[1:]:
        file = load(path)
        verify(file)
        assert not file.srs.powers.flags.writeable
        assert not file.srs.powers.flags.owndata
        assert not file.key.initial
        assert not file.key.development


def test_digests_of_contributions_stay_as_others_follow(rounds: list[Path]) -> None:
    chains = [[state.digest for state in states(load(path).header)] for path in rounds]
    assert [len(chain) for chain in chains] == [1, 2, 3, 4]
    assert all(chains[-1][: len(chain)] == chain for chain in chains)


def test_nobody_may_use_the_file_before_the_first_contribution(rounds: list[Path]) -> None:
    error = refused(rounds[0])
    assert "contribute" in str(error.hint)
    verify(load(rounds[0]), allow_initial=True)


def test_a_change_of_any_byte_of_the_header_is_found(final: Path, tmp_path: Path) -> None:
    data = final.read_bytes()
    offset = len(data) - 64 * SIZE
    changed = tmp_path / "changed.srs"
    for at in [*range(64), *range(64, offset, 31), offset - 1]:
        changed.write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
        with pytest.raises(InvalidSrs) as caught:
            load(changed)
        assert "damaged" in f"{caught.value.message} {caught.value.hint}" or at < 8


def test_a_checksum_alone_tells_damage_from_a_wrong_field(final: Path, tmp_path: Path) -> None:
    data = bytearray(final.read_bytes())
    data[data.index(b'"size":9') + 7] ^= 1
    changed = tmp_path / "changed.srs"
    changed.write_bytes(data)
    assert "the header is damaged" in refused(changed).message


def test_a_change_of_any_point_is_found(final: Path, tmp_path: Path) -> None:
    data = final.read_bytes()
    changed = tmp_path / "changed.srs"
    for at in range(len(data) - 64 * SIZE, len(data), 29):
        changed.write_bytes(data[:at] + bytes([data[at] ^ 16]) + data[at + 1 :])
        refused(changed)


def test_points_exchanged_under_a_digest_that_fits_are_found(final: Path, tmp_path: Path) -> None:
    document, points = parts(final)
    exchanged = points[:256] + points[320:384] + points[256:320] + points[384:]
    document["powers_digest"] = hashlib.sha256(hashlib.sha256(uncompressed(exchanged)).digest()).hexdigest()
    words = [document["powers_digest"], uncompressed(points)[64:128].hex(), *document["blinding"]]
    words += [document["tau_g2"], document["tau2_g2"]]
    head = keccak(b"gramercy/srs/1") + SIZE.to_bytes(32, "big")
    document["digest"] = keccak(head + bytes.fromhex("".join(words))).hex()
    changed = forged(tmp_path / "changed.srs", document, exchanged)
    load(changed)
    assert "one secret" in refused(changed).message


@pytest.mark.parametrize("at", [0, 5, 8, 11, 12, 200, 1500, PAGE - 1, PAGE, PAGE + 1, -64, -1])
def test_a_file_cut_short_is_refused(final: Path, tmp_path: Path, at: int) -> None:
    cut = tmp_path / "cut.srs"
    cut.write_bytes(final.read_bytes()[:at])
    assert refused(cut)


def test_a_longer_file_is_refused(final: Path, tmp_path: Path) -> None:
    longer = tmp_path / "longer.srs"
    longer.write_bytes(final.read_bytes() + bytes(64))
    assert "bytes" in refused(longer).message


def leaves(node: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in items:
        if isinstance(value, dict | list):
            yield from leaves(value, (*path, key))
        else:
            yield (*path, key)


def change(document: Document, path: tuple[Any, ...], changed: Callable[[Any], Any]) -> Document:
    copy: Document = json.loads(json.dumps(document))
    node: Any = copy
    for key in path[:-1]:
        node = node[key]
    node[path[-1]] = changed(node[path[-1]])
    return copy


def other(value: Any) -> Any:
    if value is None:
        return {}
    if isinstance(value, int):
        return value + 1
    if len(value) < 64:
        return value + "x"
    return value[:-1] + ("0" if value[-1] != "0" else "1")


def _empty(_value: Any) -> Any:
    return []


def _huge(_value: Any) -> Any:
    return 10**40


def test_every_field_of_a_header_matters_even_with_a_checksum_that_holds(final: Path, tmp_path: Path) -> None:
    document, points = parts(final)
    paths = list(leaves(document))
    assert len(paths) == 1 + 1 + 2 + 3 + 2 + 2 + 3 * 6
    for number, path in enumerate(paths):
        for wrong in (other, _empty, _huge):
            refused(forged(tmp_path / str(number), change(document, path, wrong), points))


def test_another_origin_or_more_or_fewer_fields_are_refused(final: Path, tmp_path: Path) -> None:
    document, points = parts(final)
    wrong: list[Any] = [
        {**document, "origin": "development"},
        {**document, "origin": "development", "contributions": []},
        {**document, "origin": "ptau"},
        {**document, "extra": 1},
        {**document, "size": True},
        {key: value for key, value in document.items() if key != "contributions"},
        {**document, "contributions": document["contributions"][:2]},
        {**document, "contributions": document["contributions"] * 400},
        [document],
        None,
    ]
    for number, changed in enumerate(wrong):
        refused(forged(tmp_path / str(number), changed, points))


def test_records_replayed_swapped_or_renamed_are_refused(final: Path, tmp_path: Path) -> None:
    document, points = parts(final)
    one, two, three = document["contributions"]
    for number, records in enumerate(
        (
            [two, one, three],
            [one, one, two, three],
            [one, three],
            [{**one, "name": "mallory"}, two, three],
            [one, two, {**three, "tau": two["tau"]}],
        )
    ):
        refused(forged(tmp_path / str(number), {**document, "contributions": records}, points))


def test_headers_that_are_not_canonical_are_refused(final: Path, tmp_path: Path) -> None:
    document, points = parts(final)
    text = json.dumps(document, sort_keys=True, separators=(",", ":"))
    spaced = json.dumps(document, sort_keys=True)
    reverse = json.dumps(dict(sorted(document.items(), reverse=True)), separators=(",", ":"))
    doubled = '{"size":9,' + text[1:]
    plain = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    path = tmp_path / "x.srs"
    for wrong in (spaced, reverse, doubled, plain, text + " ", "{", "[" * 100, '"\\ud800"', "NaN"):
        path.write_bytes(sealed(wrong.encode(), points))
        refused(path)
    path.write_bytes(sealed(b"\xff\xfe", points))
    refused(path)
    path.write_bytes(sealed(text.encode(), points))
    verify(load(path))


def test_a_header_longer_than_allowed_is_refused_before_it_is_read(final: Path, tmp_path: Path) -> None:
    path = tmp_path / "x.srs"
    for length in (0, MAX_HEADER_BYTES + 1, (1 << 32) - 1):
        path.write_bytes(b"GRMSRS1\0" + length.to_bytes(4, "little") + final.read_bytes()[12:])
        assert "not possible" in refused(path).message


def test_what_is_no_srs_file_is_told_so(tmp_path: Path) -> None:
    path = tmp_path / "x.srs"
    for content in (b"", b"ptau", b"x" * 10_000):
        path.write_bytes(content)
        assert "not an SRS file" in refused(path).message


def test_names_that_could_mislead_are_refused_in_headers(final: Path) -> None:
    document, _ = parts(final)
    for name in ("a\u202eb", "a\x1b[1m", " a"):
        records = [{**document["contributions"][0], "name": name}]
        changed = {**document, "contributions": records}
        with pytest.raises(InvalidSrs, match="name"):
            parse_header(json.dumps(changed).encode())


def draft_of(path: Path) -> tuple[Header, Srs]:
    file = load(path)
    return file.header, file.srs


def test_a_file_that_fails_its_check_never_gets_its_name(final: Path, tmp_path: Path) -> None:
    header, srs = draft_of(final)
    powers = np.array(srs.powers)
    powers[4] = pack_points([GENERATOR])[0]

    def check(file: SrsFile) -> None:
        assert [path.name for path in tmp_path.iterdir()] != []
        verify(file)

    with pytest.raises(InvalidSrs, match=str(tmp_path / "new.srs")):
        write(tmp_path / "new.srs", header, [powers], check=check)
    assert list(tmp_path.iterdir()) == []


def test_what_breaks_off_leaves_nothing_and_what_is_there_stays(final: Path, tmp_path: Path) -> None:
    header, srs = draft_of(final)

    def broken() -> Iterator[Any]:
        yield srs.powers[:4]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write(tmp_path / "new.srs", header, broken())
    assert list(tmp_path.iterdir()) == []
    kept = tmp_path / "kept.srs"
    kept.write_bytes(b"mine")
    with pytest.raises(ConfigError, match="exists"):
        write(kept, header, [srs.powers])
    assert kept.read_bytes() == b"mine"
    assert write(kept, header, [srs.powers], replace=True).key.digest == load(final).key.digest
    assert [path.name for path in tmp_path.iterdir()] == ["kept.srs"]


def test_a_name_taken_meanwhile_is_not_overwritten(final: Path, tmp_path: Path) -> None:
    header, srs = draft_of(final)
    path = tmp_path / "new.srs"

    def another_writer(_file: SrsFile) -> None:
        path.write_bytes(b"other")

    with pytest.raises(ConfigError, match="exists"):
        write(path, header, [srs.powers], check=another_writer)
    assert path.read_bytes() == b"other"
    assert [path.name for path in tmp_path.iterdir()] == ["new.srs"]


def test_development_files_are_known_as_such(tmp_path: Path) -> None:
    told: list[tuple[str, int]] = []

    def stages(name: str, points: int) -> Callable[[int], None]:
        return lambda done: told.append((name, done))

    file = ceremony.development(tmp_path / "dev.srs", SIZE, stages=stages)
    verify(file)
    assert told == [("computing powers", SIZE)]
    assert file.key.development
    assert file.header.origin == "development"
    document, points = parts(file.path)
    for origin in ("ceremony", "ptau"):
        refused(forged(tmp_path / origin, {**document, "origin": origin}, points))
