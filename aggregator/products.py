"""Inner products of all rows that a round's proof is about: its updates, and the extra rows of rules and scores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from aggregator.errors import OutOfRange, WrongShape

IntMatrix = tuple[tuple[int, ...], ...]
"""Exact Python integers: sums and products of entries may exceed an int64."""

UPDATE_ENTRY_BYTES = 8
EXTRA_ENTRY_BYTES = 16
MAX_EXTRA_SQUARE = 1 << 126
"""Bound on an extra row's square: so that the product of two squares fits a word of the chain."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Which rows a matrix has, in this order: ``updates`` (n), then the extra rows that are there.

    Attributes
    ----------
    updates
        ``n`` included updates, in the order of their commitments.
    reference
        The owner's reference row: an update trained on data of its own, committed before the round opened.
    previous
        The aggregate of the latest settled round, ``sum_i w_i u_i`` in units of ``2**-32`` of that round's entries.
    history
        n running sums, one for each included update and with it: what its trainer has submitted in all rounds.

    """

    updates: int
    reference: bool = False
    previous: bool = False
    history: bool = False

    @property
    def extras(self) -> int:
        """Number of extra rows."""
        return self.reference + self.previous + (self.updates if self.history else 0)

    @property
    def total(self) -> int:
        """Number of rows."""
        return self.updates + self.extras

    @property
    def packed_bytes(self) -> int:
        """Length of :func:`pack_products`' bytes."""
        n, total = self.updates, self.total
        inner = n * (n + 1) // 2
        return UPDATE_ENTRY_BYTES * inner + EXTRA_ENTRY_BYTES * (total * (total + 1) // 2 - inner)


@dataclass(frozen=True, slots=True)
class ExtraRow:
    """An extra row's inner ``products`` with the n updates, and its own ``square``."""

    products: tuple[int, ...]
    square: int


@dataclass(frozen=True, slots=True)
class Products:
    """All inner products: ``matrix`` is symmetric, of shape (layout.total, layout.total).

    Raises
    ------
    WrongShape
        If the matrix is not square of the layout's size, or not symmetric.

    """

    layout: Layout
    matrix: IntMatrix

    def __post_init__(self) -> None:
        total = self.layout.total
        if len(self.matrix) != total or any(len(row) != total for row in self.matrix):
            raise WrongShape(f"the inner products of {total} rows are a {total} x {total} matrix")
        if any(self.matrix[i][j] != self.matrix[j][i] for i in range(total) for j in range(i)):
            raise WrongShape("inner products are symmetric")

    @classmethod
    def of_updates(cls, gram: Sequence[Sequence[int]]) -> Products:
        """Return the products of updates alone; ``gram`` is anything of shape (n, n), for instance an int64 array."""
        return cls(Layout(len(gram)), tuple(tuple(int(value) for value in row) for row in gram))

    @property
    def n(self) -> int:
        """Number of updates."""
        return self.layout.updates

    @property
    def gram(self) -> IntMatrix:
        """The updates' Gram matrix, (n, n)."""
        return tuple(row[: self.n] for row in self.matrix[: self.n])

    @property
    def reference(self) -> ExtraRow | None:
        """The owner's reference row."""
        return self._extra(self.n) if self.layout.reference else None

    @property
    def previous(self) -> ExtraRow | None:
        """The previous aggregate."""
        return self._extra(self.n + self.layout.reference) if self.layout.previous else None

    @property
    def reference_with_previous(self) -> int:
        """Inner product of the reference row and the previous aggregate; 0 where one of them is missing."""
        if not (self.layout.reference and self.layout.previous):
            return 0
        return self.matrix[self.n][self.n + 1]

    @property
    def history(self) -> IntMatrix | None:
        """Gram matrix (n, n) of the running sums."""
        if not self.layout.history:
            return None
        return tuple(row[-self.n :] for row in self.matrix[-self.n :])

    def _extra(self, place: int) -> ExtraRow:
        return ExtraRow(self.matrix[place][: self.n], self.matrix[place][place])


def check_products(products: Products, *, dimension: int, bits: int) -> None:
    """Check what GramMatrix.sol checks of posted products, and what is true of every Gram matrix.

    Updates: ``0 <= g_ii <= d 2^(2b-2)`` and ``2|g_ij| <= g_ii + g_jj``, so that squared distances are not negative.
    An extra row e: ``0 <= g_ee <= 2^126``, and ``g_ej^2 <= g_ee g_jj`` for every row j before it.

    Raises
    ------
    OutOfRange
        If no rows of this dimension and range have these inner products.

    """
    matrix, n = products.matrix, products.n
    bound = dimension << (2 * bits - 2)
    for i in range(products.layout.total):
        square = matrix[i][i]
        if not 0 <= square <= (bound if i < n else MAX_EXTRA_SQUARE):
            raise OutOfRange(f"squared norm {square} of row {i} is impossible")
        for j, product in enumerate(matrix[i][:i]):
            other = matrix[j][j]
            if 2 * abs(product) > square + other if i < n else product * product > square * other:
                raise OutOfRange(f"inner product {product} of rows {i} and {j} is impossible")


def pack_products(products: Products) -> bytes:
    """Return what is posted on chain.

    First the upper triangle of the updates' Gram matrix, row by row, diagonal included, as big-endian int64; then for
    each extra row its inner products with all rows before it and with itself, as big-endian int128.

    Raises
    ------
    OutOfRange
        If an entry does not fit.

    """
    n, matrix = products.n, products.matrix
    try:
        inner = (matrix[i][j].to_bytes(UPDATE_ENTRY_BYTES, "big", signed=True) for i in range(n) for j in range(i, n))
        extra = (
            matrix[i][j].to_bytes(EXTRA_ENTRY_BYTES, "big", signed=True)
            for i in range(n, products.layout.total)
            for j in range(i + 1)
        )
        return b"".join((*inner, *extra))
    except OverflowError:
        raise OutOfRange("an inner product does not fit its encoding") from None


def unpack_products(packed: bytes, layout: Layout) -> Products:
    """Return the products behind :func:`pack_products`' bytes.

    Raises
    ------
    WrongShape
        If the length does not fit.

    """
    if len(packed) != layout.packed_bytes:
        raise WrongShape(f"{len(packed)} bytes are not the inner products of {layout.total} rows")
    n, total = layout.updates, layout.total
    matrix = [[0] * total for _ in range(total)]
    places = [(i, j, UPDATE_ENTRY_BYTES) for i in range(n) for j in range(i, n)]
    places += [(i, j, EXTRA_ENTRY_BYTES) for i in range(n, total) for j in range(i + 1)]
    start = 0
    for i, j, size in places:
        value = int.from_bytes(packed[start : start + size], "big", signed=True)
        matrix[i][j] = matrix[j][i] = value
        start += size
    return Products(layout, tuple(map(tuple, matrix)))
