"""Rounds to compare Python with Solidity on: inner products of rows, and matrices that merely pass the checks.

Every case passes the checks of GramMatrix.decode, which are all that a rule's contract may rely on. ``random_case``
draws from all kinds; ``dearest`` gives the rounds whose gas is recorded.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from aggregator.products import IntMatrix, Layout, Products
from aggregator.roster import MAX_ENTRIES
from aggregator.running import LARGEST, remember

Rows = list[list[int]]
UINT128_MAX = 2**128 - 1
UPDATE_SQUARE_MAX = 2**61 - 1
"""Bound on an update's square: ``d 2**(2b-2)`` with ``d 2**(2b) < 2**63``."""
EXTRA_SQUARE_MAX = 2**126
_ONE = 10**18


@dataclass(frozen=True, slots=True)
class Case:
    """A round as a rule sees it."""

    products: Products
    byzantine: int
    stakes: tuple[int, ...]
    trainers: tuple[bytes, ...]
    dimension: int = 1_000
    memory: bytes = b""

    @property
    def n(self) -> int:
        return self.products.n


def random_case(rng: random.Random, n: int, *, reference: bool = False, history: bool = False) -> Case:
    """Draw a round of n updates; rows that the rule needs are there, other extra rows in one of four cases."""
    layout = Layout(n, reference or rng.random() < 0.25, rng.random() < 0.25, history or rng.random() < 0.1)
    kind = rng.choice(_KINDS)
    return Case(
        products=Products(layout, kind(rng, layout)),
        byzantine=rng.choice([0, 1, max(n - 3, 0) // 2, n, 65535, rng.randint(0, n)]),
        stakes=random_stakes(rng, n),
        trainers=trainers(n),
        memory=random_memory(rng, trainers(n)),
    )


def random_cases(seed: int, count: int, sizes: Sequence[int], **rows: bool) -> Iterator[Case]:
    """Draw ``count`` rounds, each of one of ``sizes`` updates."""
    rng = random.Random(seed)
    for _ in range(count):
        yield random_case(rng, rng.choice(sizes), **rows)


def small_size(rng: random.Random) -> int:
    """Return 1 to 64, mostly small: small rounds are where ties and edges are, and are fast."""
    return rng.choice([*range(1, 9), *range(3, 9), rng.randint(3, 12)]) if rng.random() < 0.97 else rng.randint(9, 64)


def trainers(n: int) -> tuple[bytes, ...]:
    return tuple((0xABC0000 + 7919 * (i + 1)).to_bytes(20, "big") for i in range(n))


def random_memory(rng: random.Random, present: Sequence[bytes]) -> bytes:
    """Draw what a job remembers of some of these trainers and of absent ones; rules without memory ignore it."""
    if rng.random() < 0.3:
        return b""
    known = [trainer for trainer in present if rng.random() < 0.7]
    known += [rng.randbytes(20) for _ in range(rng.choice([0, 1, 5, MAX_ENTRIES]))]
    rng.shuffle(known)
    values = [rng.choice([0, 1, -1, LARGEST, -LARGEST, rng.randint(-(2**64), 2**64)]) for _ in known]
    return remember(b"", known[:MAX_ENTRIES], values[:MAX_ENTRIES])


def random_stakes(rng: random.Random, n: int) -> tuple[int, ...]:
    if rng.random() < 0.4:
        return (_ONE,) * n
    return tuple(rng.choice([1, _ONE, UINT128_MAX, rng.randint(1, 10**21)]) for _ in range(n))


# -- kinds of matrices ------------------------------------------------------------------------------------------------


def of_rows(rng: random.Random, layout: Layout) -> IntMatrix:
    """True inner products of rows with few distinct entries, copies, opposites and zero rows: full of ties."""
    columns = rng.randint(1, 4)
    share = rng.choice([1, rng.randint(1, 1000), UPDATE_SQUARE_MAX // (columns << 12)])
    limit = rng.choice([1, 3, 63])
    updates = _rows(rng, layout.updates, columns, limit)
    rows = list(updates)
    if layout.reference:
        rows += _rows(rng, 1, columns, limit)
    if layout.previous:
        factor = rng.choice([1, 1 << 16, 1 << 30])
        rows += [[factor * entry for entry in row] for row in _rows(rng, 1, columns, limit)]
    if layout.history:
        rows += [
            [entry + rng.choice([0, 0, 1, 5]) * other for entry, other in zip(row, rng.choice(updates), strict=True)]
            for row in updates
        ]
    return _inner_products(rows, share)


def of_nearly_equal_rows(rng: random.Random, layout: Layout) -> IntMatrix:
    """True inner products of rows that differ in the last units only: close calls."""
    base = [rng.randint(-(2**13), 2**13) for _ in range(3)]
    rows = [[entry + rng.choice([0, 0, 0, 1, -1]) for entry in base] for _ in range(layout.total)]
    return _inner_products(rows, 1)


def of_clusters(rng: random.Random, layout: Layout) -> IntMatrix:
    """True inner products of two groups far apart, as honest trainers and colluders make."""
    columns = rng.randint(2, 6)
    centres = _rows(rng, 2, columns, 2**20)
    rows = [[entry + rng.randint(-50, 50) for entry in rng.choice(centres)] for _ in range(layout.total)]
    return _inner_products(rows, 1)


def of_nothing(rng: random.Random, layout: Layout) -> IntMatrix:
    """A matrix at the limits of what the checks let through, of no rows in general: not positive semidefinite."""
    n, total = layout.updates, layout.total
    bound = rng.choice([UPDATE_SQUARE_MAX, 100, rng.randint(1, UPDATE_SQUARE_MAX)])
    matrix = [[0] * total for _ in range(total)]
    for i in range(n):
        matrix[i][i] = rng.choice([0, bound, rng.randint(0, bound)])
        for j in range(i):
            largest = (matrix[i][i] + matrix[j][j]) // 2
            matrix[i][j] = matrix[j][i] = _between(rng, largest)
    for e in range(n, total):
        matrix[e][e] = rng.choice([0, bound, EXTRA_SQUARE_MAX, rng.randint(0, EXTRA_SQUARE_MAX)])
        for j in range(e):
            matrix[e][j] = matrix[j][e] = _between(rng, math.isqrt(matrix[e][e] * matrix[j][j]))
    return tuple(map(tuple, matrix))


def of_equal_rows(rng: random.Random, layout: Layout) -> IntMatrix:
    """All rows equal, perhaps zero, or opposite to the rest."""
    square = rng.choice([0, 1, UPDATE_SQUARE_MAX, rng.randint(0, UPDATE_SQUARE_MAX)])
    signs = [1] * layout.total
    if rng.random() < 0.5:
        signs = [rng.choice([1, -1]) for _ in signs]
    return tuple(tuple(a * b * square for b in signs) for a in signs)


_KINDS: tuple[Callable[[random.Random, Layout], IntMatrix], ...] = (
    of_rows,
    of_rows,
    of_nearly_equal_rows,
    of_clusters,
    of_nothing,
    of_nothing,
    of_equal_rows,
)


def _rows(rng: random.Random, count: int, columns: int, limit: int) -> Rows:
    rows = [[rng.randint(-limit, limit) for _ in range(columns)] for _ in range(count)]
    for i in range(count):
        if rng.random() < 0.3:
            factor = rng.choice([1, 1, -1, 0])
            rows[i] = [factor * entry for entry in rows[rng.randrange(count)]]
    return rows


def _inner_products(rows: Rows, share: int) -> IntMatrix:
    return tuple(tuple(share * sum(map(int.__mul__, u, v)) for v in rows) for u in rows)


def _between(rng: random.Random, largest: int) -> int:
    return rng.choice([-largest, 0, largest, rng.randint(-largest, largest)])


# -- rounds whose gas is recorded -------------------------------------------------------------------------------------


def dearest(n: int, *, reference: bool = False, history: bool = False) -> Iterator[Case]:
    """Give rounds of n updates at the largest f: distances ascending, descending, in no order, and all extra rows."""
    rng = random.Random(n)
    dimension = 40
    for positions in (list(range(1, n + 1)), list(range(n, 0, -1)), [rng.randint(0, 10_000) for _ in range(n)]):
        yield _dearest_case([[position] * dimension for position in positions], n, reference, history)
    noise = [[rng.randint(-(2**15), 2**15) for _ in range(dimension)] for _ in range(n)]
    yield _dearest_case(noise, n, reference, history)


def _dearest_case(updates: Rows, n: int, reference: bool, history: bool) -> Case:
    columns = list(zip(*updates, strict=True))
    rows = list(updates)
    if reference:
        rows.append([sum(column) // n for column in columns])
    if history:
        rows += [[3 * entry + other for entry, other in zip(row, updates[0], strict=True)] for row in updates]
    products = Products(Layout(n, reference, False, history), _inner_products(rows, 10**4))
    return Case(products, max(n - 3, 0) // 2, tuple(_ONE + 10**15 * i for i in range(n)), trainers(n))
