"""Every way to tamper with a settlement and its proof that follows from the ABI: no field, no word can be forgotten.

Cases are calldata, so that the Python verifier and the contract judge the same bytes. Each differs from the honest call
in what it says, not merely in how it is encoded, and has to be refused alone, by either verifier.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from aggregator.bn254 import GENERATOR, P, R
from aggregator.products import Layout, Products, pack_products, unpack_products
from aggregator.proofs import Statement
from tests.contracts.wire import Call, Parameter, encode_call, statement_parameter, values_of

WORD = 32
FLIPPED_BITS = (0, 128, 255)

HINTS = ("witness.ruleHints", "witness.scoreHints", "witness.floorHints")
"""Not a part of what a settlement claims: whatever they are, a contract accepts what is right, or nothing."""

Path = tuple[int, ...]


@dataclass(frozen=True)
class ProofLayout:
    """The words of a proof by name; which of them are scalars, and at which a point begins."""

    words: tuple[str, ...]
    scalars: tuple[int, ...]
    points: tuple[int, ...]


GRAM_PROOF = ProofLayout(
    ("C_m.x", "C_m.y", "mu", "S.x", "S.y", "a(z)", "a(1/z)", "s(z)", "h(z)", "h(1/z)", "W.x", "W.y"),
    scalars=(2, 5, 6, 7, 8, 9),
    points=(0, 3, 10),
)
OPENING = ProofLayout(
    ("S+.x", "S+.y", "S-.x", "S-.y", "U(z)", "s+(z)", "H(z)", "W1.x", "W1.y", "W2.x", "W2.y"),
    scalars=(4, 5, 6),
    points=(0, 2, 7, 9),
)


@dataclass(frozen=True)
class Case:
    """One tampered call: what was done to it, and its arguments."""

    name: str
    arguments: bytes


def cases(
    call: Call, statement: Statement, proof: bytes, *, others: Sequence[tuple[Statement, bytes]] = ()
) -> list[Case]:
    """Return all cases; parts of ``others``, honest settlements of other rounds, are put into this one's place."""
    values = values_of(call, statement)
    honest = encode_call(call, values, proof)
    statements = [*statement_changes(statement_parameter(call), values), *_consistent(call, values)]
    statements += [(f"of other round {at}", values_of(call, other)) for at, (other, _) in enumerate(others)]
    foreign = [(f"of other round {at}", other) for at, (_, other) in enumerate(others)]
    found = [Case(f"statement {name}", encode_call(call, changed, proof)) for name, changed in statements]
    found += [
        Case(f"proof {name}", encode_call(call, values, changed))
        for name, changed in [*proofs(proof, GRAM_PROOF), *foreign]
    ]
    found += list(_words(honest, unclaimed(call, values, proof)))
    unique = {case.arguments: case for case in reversed(found)}
    unique.pop(honest, None)
    return list(reversed(unique.values()))


# -- the statement, leaf by leaf --------------------------------------------------------------------------------------


def statement_changes(statement: Parameter, values: Any) -> Iterator[tuple[str, Any]]:
    """Yield values with one leaf, list or point changed, with what was done."""
    for path, parameter, name in leaves(statement, values):
        if name in HINTS:
            continue
        for what, changed in _changes(parameter, _at(values, path)):
            yield f"{name}: {what}", _put(values, path, changed)


def leaves(parameter: Parameter, value: Any, path: Path = (), name: str = "") -> Iterator[tuple[Path, Parameter, str]]:
    """Yield every field, list and list element of a value by its type, tuples excepted but for points."""
    kind = parameter["type"]
    if kind.endswith("[]"):
        yield path, parameter, name
        element = {**parameter, "type": kind[:-2]}
        for i, part in enumerate(value):
            yield from leaves(element, part, (*path, i), f"{name}[{i}]")
    elif kind == "tuple":
        if _is_point(parameter):
            yield path, parameter, name
        for i, (component, part) in enumerate(zip(parameter["components"], value, strict=True)):
            yield from leaves(component, part, (*path, i), f"{name}.{component['name']}".lstrip("."))
    else:
        yield path, parameter, name


def _changes(parameter: Parameter, value: Any) -> Iterator[tuple[str, Any]]:
    kind = parameter["type"]
    if kind.endswith("[]"):
        yield from _list_changes(value)
    elif kind == "tuple":
        yield from _point_changes(value)
    elif kind == "address":
        number = int(value, 16)
        for what, changed in (("low bit", number ^ 1), ("high bit", number ^ (1 << 159)), ("zero", 0)):
            yield what, f"0x{changed:040x}"
    elif kind == "bool":
        yield "flipped", not value
    elif kind == "bytes":
        yield from _bytes_changes(value)
    elif kind.startswith("bytes"):
        yield "low bit", value[:-1] + bytes([value[-1] ^ 1])
        yield "high bit", bytes([value[0] ^ 0x80]) + value[1:]
        yield "zero", bytes(len(value))
    else:
        yield from _number_changes(kind, value)


def _number_changes(kind: str, value: int) -> Iterator[tuple[str, int]]:
    signed = kind.startswith("int")
    bits = int(kind.removeprefix("u").removeprefix("int"))
    yield "low bit", value ^ 1
    word = (value % (1 << bits)) ^ (1 << (bits - 1))
    yield "high bit", word - (1 << bits) if signed and word >> (bits - 1) else word
    yield "zero", 0
    limit = (1 << (bits - signed)) - 1
    yield "one more", value + 1 if value < limit else value - 1


def _list_changes(value: Sequence[Any]) -> Iterator[tuple[str, list[Any]]]:
    whole = list(value)
    yield "empty", []
    yield "last dropped", whole[:-1]
    yield "first dropped", whole[1:]
    yield "last repeated", [*whole, whole[-1]]
    yield "reversed", whole[::-1]
    for i, j in combinations(range(len(whole)), 2):
        swapped = list(whole)
        swapped[i], swapped[j] = swapped[j], swapped[i]
        yield f"{i} and {j} swapped", swapped


def _point_changes(point: tuple[int, int]) -> Iterator[tuple[str, tuple[int, int]]]:
    x, y = point
    yield "infinity", (0, 0)
    yield "negated", (x, P - y)
    yield "x + p", (x + P, y)
    yield "y + p", (x, y + P)
    yield "off the curve", (x, (y + 1) % P)
    yield "coordinates swapped", (y, x)
    yield "another point", GENERATOR


def _bytes_changes(data: bytes) -> Iterator[tuple[str, bytes]]:
    entries = [data[at : at + 8] for at in range(0, len(data), 8)]
    for k, entry in enumerate(entries):
        number, size = int.from_bytes(entry, "big", signed=True), len(entry)
        for what, changed in (("+ 1", number + 1), ("- 1", number - 1), ("negated", -number)):
            parts = [*entries[:k], changed.to_bytes(size + 1, "big", signed=True)[1:], *entries[k + 1 :]]
            yield f"word {k} {what}", b"".join(parts)
    yield "empty", b""
    yield "truncated", data[:-8]
    yield "one byte short", data[:-1]
    yield "extended", data + bytes(8)
    yield "reversed", b"".join(entries[::-1])
    yield "rotated", b"".join([*entries[1:], *entries[:1]])


def _consistent(call: Call, values: Any) -> Iterator[tuple[str, Any]]:
    """A trainer dropped, added or moved in every list and in the products at once, so that no length is wrong."""
    gram, outcome = (values[0], values[1:]) if call == "verify" else (values, None)
    n = len(gram[TRAINERS])
    orders = [("trainer dropped", list(range(n - 1))), ("trainer added", [*range(n), n - 1])]
    orders += [("trainers moved", [*range(1, n), 0]), ("first two exchanged", [1, 0, *range(2, n)])]
    changes = [(name, _reordered(gram, order)) for name, order in orders]
    changes += [(f"{ROWS[place]} left out", _without(gram, place)) for place in (0, 1, 2) if gram[FLAGS + place]]
    for name, changed in changes:
        order = dict(orders).get(name, list(range(n)))
        if outcome is None:
            yield name, changed
        else:
            yield name, (changed, *[[part[i] for i in order] for part in outcome[:3]], *outcome[3:])


FLAGS, TRAINERS = 15, 18
"""Places of hasReference and of the trainers in a Gram statement."""
ROWS = ("reference", "previous aggregate", "running sums")


def _reordered(gram: Any, order: Sequence[int]) -> Any:
    *head, trainers, stakes, commitments, packed = gram
    n, flags = len(trainers), gram[FLAGS:TRAINERS]
    products = unpack_products(packed, Layout(n, *flags))
    singles = list(range(n, n + flags[0] + flags[1]))
    sums = [singles[-1] + 1 + i if singles else n + i for i in order] if flags[2] else []
    rows = [*order, *singles, *sums]
    lists = [[trainers[i] for i in order], [stakes[i] for i in order], [commitments[i] for i in rows]]
    return (*head, *lists, _selected(products, Layout(len(order), *flags), rows))


def _without(gram: Any, place: int) -> Any:
    """One kind of extra row left out, and the flag that says so."""
    *head, trainers, stakes, commitments, packed = gram
    n, flags = len(trainers), list(gram[FLAGS:TRAINERS])
    products = unpack_products(packed, Layout(n, *flags))
    first = n + sum(flags[:place])
    left = range(first, first + (n if place == 2 else 1))
    rows = [row for row in range(products.layout.total) if row not in left]
    head[FLAGS + place] = flags[place] = False
    return (*head, trainers, stakes, [commitments[i] for i in rows], _selected(products, Layout(n, *flags), rows))


def _selected(products: Products, layout: Layout, rows: Sequence[int]) -> bytes:
    return pack_products(Products(layout, tuple(tuple(products.matrix[i][j] for j in rows) for i in rows)))


def _at(values: Any, path: Path) -> Any:
    for step in path:
        values = values[step]
    return values


def _put(values: Any, path: Path, changed: Any) -> Any:
    if not path:
        return changed
    parts = list(values)
    parts[path[0]] = _put(parts[path[0]], path[1:], changed)
    return tuple(parts) if isinstance(values, tuple) else parts


def _is_point(parameter: Parameter) -> bool:
    return [part["name"] for part in parameter["components"]] == ["x", "y"]


# -- the proof, word by word ------------------------------------------------------------------------------------------


def proofs(proof: bytes, layout: ProofLayout) -> Iterator[tuple[str, bytes]]:
    """Yield tampered proofs with what was done to them."""
    words = [int.from_bytes(proof[at : at + WORD], "big") for at in range(0, len(proof), WORD)]
    for k, word in enumerate(words):
        name = layout.words[k]
        for bit in FLIPPED_BITS:
            yield f"{name}: bit {bit}", _with(words, {k: word ^ (1 << bit)})
        yield f"{name}: zero", _with(words, {k: 0})
        yield f"{name}: all ones", _with(words, {k: (1 << 256) - 1})
    for k in layout.scalars:
        yield f"{layout.words[k]}: + r", _with(words, {k: words[k] + R})
        yield f"{layout.words[k]}: + 1", _with(words, {k: (words[k] + 1) % R})
        yield f"{layout.words[k]}: negated", _with(words, {k: -words[k] % R})
        yield f"{layout.words[k]}: r", _with(words, {k: R})
    for k in layout.points:
        for what, (x, y) in _point_changes((words[k], words[k + 1])):
            yield f"{layout.words[k]}: {what}", _with(words, {k: x, k + 1: y})
    for i, j in combinations(layout.points, 2):
        exchanged = {i: words[j], i + 1: words[j + 1], j: words[i], j + 1: words[i + 1]}
        yield f"{layout.words[i]} and {layout.words[j]} exchanged", _with(words, exchanged)
    for i, j in combinations(layout.scalars, 2):
        yield f"{layout.words[i]} and {layout.words[j]} exchanged", _with(words, {i: words[j], j: words[i]})
    for what, changed in (
        ("empty", b""),
        ("one byte short", proof[:-1]),
        ("one word short", proof[:-WORD]),
        ("one byte more", proof + b"\0"),
        ("one word more", proof + bytes(WORD)),
        ("twice", proof + proof),
        ("zeros", bytes(len(proof))),
    ):
        yield what, changed


def _with(words: Sequence[int], changes: dict[int, int]) -> bytes:
    return b"".join(changes.get(k, word).to_bytes(WORD, "big") for k, word in enumerate(words))


# -- the calldata, word by word ---------------------------------------------------------------------------------------


def _words(honest: bytes, padding: set[int]) -> Iterator[Case]:
    """Every word of the encoding, offsets and lengths and the bits beyond a type's width included."""
    for at in range(0, len(honest), WORD):
        word = int.from_bytes(honest[at : at + WORD], "big")
        for bit in FLIPPED_BITS:
            if at + WORD - 1 - bit // 8 in padding:
                continue
            changed = (word ^ (1 << bit)).to_bytes(WORD, "big")
            yield Case(f"calldata word {at // WORD}: bit {bit}", honest[:at] + changed + honest[at + WORD :])
    yield Case("no calldata", b"")
    yield Case("half of the calldata", honest[: len(honest) // 2])
    yield Case("last word cut off", honest[:-WORD])


def unclaimed(call: Call, values: Any, proof: bytes) -> set[int]:
    """Return where nothing lies that a settlement claims: what fills byte strings up to a word, and the hints.

    A reader of calldata does not look at the former. The latter are at the end of the statement, before the proof; the
    words that say where they begin are the last of the witness's four. Where an empty string lies says nothing either.
    """
    gram = values[0] if call == "verify" else values
    filled: Any = (*gram[:-1], gram[-1] + b"\xff" * (-len(gram[-1]) % WORD))
    if call == "verify":
        carried, *hints = values[-1]
        filled = (filled, *values[1:-1], (carried + b"\xff" * (-len(carried) % WORD), *hints))
    honest = encode_call(call, values, proof)
    pairs = enumerate(zip(honest, encode_call(call, filled, proof), strict=True))
    found = {at for at, pair in pairs if pair == (0, 0xFF)}
    if call == "verify":
        end = len(honest) - WORD - _padded(proof)
        start = end - sum(WORD + _padded(hint) for hint in hints)
        last_offset = start - WORD - _padded(carried)
        first_offset = last_offset - (3 if carried else 4) * WORD
        found |= {*range(start, end), *range(first_offset, last_offset)}
    return found


def _padded(data: bytes) -> int:
    return -(-len(data) // WORD) * WORD
