"""All inner products of a round's rows, from the vectors: what a settlement posts and proves."""

from __future__ import annotations

from collections.abc import Sequence

from aggregator.errors import WrongShape
from aggregator.fixedpoint import IntVector
from aggregator.gram import Progress, WideVector, extra_products, gram_matrix
from aggregator.products import Layout, Products


def products_of_rows(
    layout: Layout,
    updates: Sequence[IntVector],
    extras: Sequence[IntVector | WideVector],
    *,
    bits: int,
    progress: Progress | None = None,
) -> Products:
    """Return the inner products of ``updates`` and then ``extras``, exactly, in one pass over each kind.

    Cost: O(m^2 d) for m rows.

    Parameters
    ----------
    layout
        Which extra rows there are; their vectors come in its order.
    updates, extras
        Integer vectors of shape (d,); updates are ``bits`` wide.
    progress
        Called with the number of coordinates done since the last call; they are counted once for updates, and once
        more where there are extra rows.

    Raises
    ------
    WrongShape
        If there are more or fewer rows than the layout says, or they differ in length.
    OutOfRange
        If ``d`` and ``bits`` could overflow an update's products.

    """
    if len(updates) != layout.updates or len(extras) != layout.extras:
        raise WrongShape(f"{len(updates)} updates and {len(extras)} extra rows, for {layout}")
    gram: list[list[int]] = gram_matrix(updates, bits=bits, progress=progress).tolist()
    lower = [row[: place + 1] for place, row in enumerate(gram)]
    lower += extra_products(updates, extras, progress=progress)
    total = layout.total
    matrix = tuple(tuple(lower[max(i, j)][min(i, j)] for j in range(total)) for i in range(total))
    return Products(layout, matrix)
