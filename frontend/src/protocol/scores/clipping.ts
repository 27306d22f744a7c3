/** Weights that shorten long updates, for the scores that clip (docs/protocol.md, 2.3). */

import { clipFactors, lowerMedian, shortened } from '../weighing'

/** `c_i` and `q_i`, in units of `2^-32`. */
export type Clipped = { readonly factors: readonly bigint[]; readonly weights: readonly bigint[] }

/** Clipped by `k`: no update counts as longer than `times` the median length by weight. */
export function clip(squares: readonly bigint[], weights: readonly bigint[], times: bigint): Clipped {
  const factors = clipFactors(squares, times * times * lowerMedian(squares, weights))
  return { factors, weights: shortened(weights, factors) }
}
