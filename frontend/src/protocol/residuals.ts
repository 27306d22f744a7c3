/** Residual products (docs/protocol.md, 2.3): what is left without the previous aggregate. */

import { at, greatest, truncatedQuotient } from './integers'
import { type Layout, Products } from './products'

/**
 * `G'_ij = G_ij - trunc(G_ip G_jp / G_pp)` of the updates and the reference, negative squares taken as 0; the products
 * themselves where there is no previous aggregate, or its square is not positive. Running sums are dropped.
 */
export function withoutPrevious(products: Products): Products {
  const { n, previous } = products
  const { reference } = products.layout
  const layout: Layout = { updates: n, reference, previous: false, history: false }
  const rows = n + Number(reference)
  const kept = products.matrix.slice(0, rows).map((row) => row.slice(0, rows))
  if (previous === null || previous.square <= 0n) return new Products(layout, kept)
  const along = products.alongPrevious
  const rest = (value: bigint, i: number, j: number): bigint => {
    const left = value - truncatedQuotient(at(along, i) * at(along, j), previous.square)
    return i === j ? greatest(left, 0n) : left
  }
  return new Products(
    layout,
    kept.map((row, i) => row.map((value, j) => rest(value, i, j))),
  )
}
