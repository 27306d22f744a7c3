/** `cosine` (docs/protocol.md, 2.3; CGSV, Xu et al., NeurIPS 2021): similarity to the aggregate, times the weight. */

import { at, dot, floorQuotient, isqrt } from '../integers'
import { scored, type Score, weightedSums } from './base'

export const cosine: Score = {
  id: 'cosine',
  needsReference: false,
  score: ({ products, weights }) => {
    const sums = weightedSums(products.gram, weights)
    const square = dot(weights, sums)
    return scored(sums.map((value, i) => at(weights, i) * cosineOf(value, products.of(i, i), square)))
  },
}

/** `sgn(S_i) · isqrt(2^64 S_i² // (G_ii A))`, 0 where a square is not positive. */
function cosineOf(product: bigint, square: bigint, other: bigint): bigint {
  if (square <= 0n || other <= 0n) return 0n
  const size = isqrt(floorQuotient((product * product) << 64n, square * other))
  return product >= 0n ? size : -size
}
