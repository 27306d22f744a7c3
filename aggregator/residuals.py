"""Inner products of what is new in each row: the previous aggregate projected out, in exact integers."""

from __future__ import annotations

from aggregator.products import Layout, Products


def truncated_quotient(numerator: int, denominator: int) -> int:
    """Return the quotient rounded toward zero, as the EVM's SDIV does; ``denominator`` is positive."""
    quotient = abs(numerator) // denominator
    return quotient if numerator >= 0 else -quotient


def without_previous(products: Products) -> Products:
    """Return the inner products of the updates and the reference row, less their parts along the previous aggregate p.

    ``g'_ij = g_ij - g_ip g_jp / g_pp``, the quotient rounded toward zero: up to that rounding, inner products of the
    rows' components orthogonal to p. An update that replays p, at any scale, has nothing left. Where there is no p, or
    ``g_pp = 0``, nothing is projected out. The running sums are dropped.

    By Cauchy and Schwarz, which the chain checks for p's row, the quotient is at most ``sqrt(g_ii g_jj)``: squares stay
    in ``0 .. g_ii``, and every other entry's magnitude below twice its bound. Where a matrix breaks this, a negative
    square counts as 0.
    """
    n, previous = products.n, products.previous
    layout = Layout(n, reference=products.layout.reference)
    rows = layout.total
    if previous is None or previous.square <= 0:
        return Products(layout, tuple(row[:rows] for row in products.matrix[:rows]))
    along, square = (*previous.products, products.reference_with_previous)[:rows], previous.square
    matrix = [
        [value - truncated_quotient(along[i] * along[j], square) for j, value in enumerate(row[:rows])]
        for i, row in enumerate(products.matrix[:rows])
    ]
    for i in range(rows):
        matrix[i][i] = max(matrix[i][i], 0)
    return Products(layout, tuple(map(tuple, matrix)))
