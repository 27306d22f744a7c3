"""Import of a real powers-of-tau file, whole and damaged in every section.

power4.ptau was made by snarkjs 0.7.6: ``powersoftau new bn128 4``, then ``contribute`` and ``beacon``.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from eth_hash.auto import keccak

from aggregator.bn254 import P
from aggregator.errors import InvalidSrs, OutOfRange
from market.errors import ConfigError
from market.srs import ceremony
from market.srs.files import load, states, verify
from market.srs.ptau import import_ptau

FILE = Path(__file__).parent / "power4.ptau"
DATA = FILE.read_bytes()
POWERS = 31


def sections(data: bytes) -> dict[int, tuple[int, int]]:
    """Where each section's content begins and ends, found with nothing of the program."""
    found, at = {}, 12
    while at < len(data):
        kind, length = int.from_bytes(data[at : at + 4], "little"), int.from_bytes(data[at + 4 : at + 12], "little")
        found[kind] = (at + 12, at + 12 + length)
        at += 12 + length
    return found


SECTIONS = sections(DATA)
G1, G2 = 64, 128


def canonical(points: bytes) -> list[int]:
    inverse = pow(1 << 256, -1, P)
    return [int.from_bytes(points[at : at + 32], "little") * inverse % P for at in range(0, len(points), 32)]


def joined(words: list[int]) -> bytes:
    return b"".join(word.to_bytes(32, "big") for word in words)


def damaged(tmp_path: Path, data: bytes) -> InvalidSrs:
    source, target = tmp_path / "bad.ptau", tmp_path / "out.srs"
    source.write_bytes(data)
    with pytest.raises(InvalidSrs) as caught:
        import_ptau(source, target)
    assert [path.name for path in tmp_path.iterdir()] == ["bad.ptau"]
    assert caught.value.hint
    assert str(source) in caught.value.message
    assert str(target) not in caught.value.message
    return caught.value


def patched(at: int, content: bytes) -> bytes:
    return DATA[:at] + content + DATA[at + len(content) :]


@pytest.mark.parametrize("size", [None, 9, 17, POWERS])
def test_the_srs_is_the_one_that_an_independent_reader_finds(tmp_path: Path, size: int | None) -> None:
    file = import_ptau(FILE, tmp_path / "out.srs", size=size)
    verify(load(tmp_path / "out.srs"))
    count = size or POWERS
    start = {kind: begin for kind, (begin, _) in SECTIONS.items()}
    powers = canonical(DATA[start[2] : start[2] + count * G1])
    blinding = canonical(DATA[start[4] : start[4] + 3 * G1])
    g2 = canonical(DATA[start[3] + G2 : start[3] + 3 * G2])
    eip197 = [g2[at + half] for at in range(0, 8, 2) for half in (1, 0)]
    digest = hashlib.sha256(hashlib.sha256(joined(powers)).digest()).digest()
    words = keccak(b"gramercy/srs/1") + joined([count]) + digest + joined(powers[2:4] + blinding + eip197)
    assert file.key.digest == keccak(words)
    source = file.header.source
    assert source is not None
    assert (source.power, source.contributions) == (4, 2)
    assert source.blake2b == hashlib.blake2b(DATA).hexdigest()


def test_contributions_may_follow_and_bind_the_source(tmp_path: Path) -> None:
    import_ptau(FILE, tmp_path / "a.srs", size=9)
    file, digest = ceremony.contribute(tmp_path / "a.srs", tmp_path / "b.srs", "alice")
    verify(file)
    assert states(file.header)[-1].digest == digest
    data = file.path.read_bytes()
    length = int.from_bytes(data[8:12], "little")
    document, points = json.loads(data[12 : 12 + length]), data[len(data) - 9 * G1 :]
    for field, value in (
        ("tau", document["contributions"][0]["tau"]),
        ("eta", document["contributions"][0]["eta"]),
        ("blake2b", "0" * 128),
        ("power", 5),
        ("contributions", 3),
    ):
        changed = {**document, "source": {**document["source"], field: value}}
        text = json.dumps(changed, sort_keys=True, separators=(",", ":")).encode()
        head = data[:8] + len(text).to_bytes(4, "little") + text
        head += hashlib.sha256(head).digest()
        forged = tmp_path / "forged.srs"
        forged.write_bytes(head + bytes(-len(head) % 4096) + points)
        with pytest.raises(InvalidSrs, match="does not hold"):
            verify(load(forged))


@pytest.mark.parametrize("size", [-1, 0, 1, POWERS + 1])
def test_sizes_that_the_file_cannot_give_are_refused(tmp_path: Path, size: int) -> None:
    with pytest.raises(OutOfRange, match="31 powers"):
        import_ptau(FILE, tmp_path / "out.srs", size=size)
    assert list(tmp_path.iterdir()) == []


def test_an_existing_file_is_kept(tmp_path: Path) -> None:
    (tmp_path / "out.srs").write_bytes(b"mine")
    with pytest.raises(ConfigError, match="exists"):
        import_ptau(FILE, tmp_path / "out.srs")


@pytest.mark.parametrize(
    ("section", "entries"), [(2, range(POWERS)), (3, (1, 2)), (4, range(3))], ids=["tauG1", "tauG2", "alphaTauG1"]
)
def test_a_damaged_point_is_found(tmp_path: Path, section: int, entries: range | tuple[int, ...]) -> None:
    begin, _ = SECTIONS[section]
    width = G2 if section == 3 else G1
    for entry in entries:
        at = begin + entry * width + (entry * 7) % width
        damaged(tmp_path, patched(at, bytes([DATA[at] ^ 1])))


@pytest.mark.parametrize(("section", "entry"), [(2, 0), (2, 1), (2, 20), (3, 1), (3, 2), (4, 0), (4, 2)])
def test_infinity_and_valid_points_at_the_wrong_place_are_found(tmp_path: Path, section: int, entry: int) -> None:
    begin, _ = SECTIONS[section]
    width = G2 if section == 3 else G1
    at = begin + entry * width
    damaged(tmp_path, patched(at, bytes(width)))
    elsewhere = begin + (entry + 3) * width
    damaged(tmp_path, patched(at, DATA[elsewhere : elsewhere + width]))
    damaged(tmp_path, patched(at, b"\xff" * width))


def test_a_damaged_list_of_contributions_is_found(tmp_path: Path) -> None:
    begin, end = SECTIONS[7]
    for at, content in (
        (begin, (0).to_bytes(4, "little")),
        (begin, (1).to_bytes(4, "little")),
        (begin, (3).to_bytes(4, "little")),
        (begin, b"\xff" * 4),
        (begin + 4 + 1500, (9).to_bytes(4, "little")),
        (end - 1504 - 43, bytes(64)),
    ):
        damaged(tmp_path, patched(at, content))


def test_a_header_for_something_else_is_refused(tmp_path: Path) -> None:
    begin, _ = SECTIONS[1]
    bls = 0x1A0111EA397FE69A4B1BA7B6434BACD764774B84F38512BF6730D2A0F6B0F6241EABFFFEB153FFFFB9FEFFFFFFFFAAAB
    for at, content in (
        (0, b"zkey"),
        (4, (2).to_bytes(4, "little")),
        (8, (6).to_bytes(4, "little")),
        (8, (8).to_bytes(4, "little")),
        (8, (1 << 31).to_bytes(4, "little")),
        (begin, (48).to_bytes(4, "little")),
        (begin + 4, bls.to_bytes(48, "little")[:32]),
        (begin + 36, (5).to_bytes(4, "little")),
        (begin + 36, (1).to_bytes(4, "little")),
        (begin + 36, (1 << 31).to_bytes(4, "little")),
        (begin + 40, (3).to_bytes(4, "little")),
        (begin + 40, (29).to_bytes(4, "little")),
    ):
        damaged(tmp_path, patched(at, content))


@pytest.mark.parametrize("section", range(1, 8))
def test_a_section_missing_doubled_cut_or_of_a_wrong_length_is_refused(tmp_path: Path, section: int) -> None:
    begin, end = SECTIONS[section]
    without = DATA[: begin - 12] + DATA[end:]
    damaged(tmp_path, without[:8] + (6).to_bytes(4, "little") + without[12:])
    doubled = DATA + DATA[begin - 12 : end]
    damaged(tmp_path, doubled[:8] + (8).to_bytes(4, "little") + doubled[12:])
    damaged(tmp_path, DATA[: begin - 5])
    damaged(tmp_path, DATA[: begin + 3])
    damaged(tmp_path, DATA[: end - 1])
    shorter = patched(begin - 8, (end - begin - 2).to_bytes(8, "little"))
    damaged(tmp_path, shorter[: end - 2] + shorter[end:])
    for length in (end - begin + 1, 1 << 63, (1 << 64) - 1):
        damaged(tmp_path, patched(begin - 8, length.to_bytes(8, "little")))


def test_other_files_are_told_apart(tmp_path: Path) -> None:
    for content in (b"", b"pta", b"ptau\1\0\0\0", b"GRMSRS1\0" * 20, DATA + b"x"):
        damaged(tmp_path, content)
