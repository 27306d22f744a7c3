/** The quadratic utility against the reference row, behind two scores (docs/protocol.md, 2.3). */

import { Refused } from '../errors'
import { at, dot, floorQuotient, isqrt } from '../integers'
import type { Products } from '../products'
import { withoutPrevious } from '../residuals'
import { diagonal, weightedSums } from './base'
import { clip } from './clipping'

const TIMES_MEDIAN = 3n
const DEVIATIONS = 3n

/** What the scores read; null where the aggregate or the reference has no length, and all is worth nothing. */
export type ReferenceUtility = {
  /** `q`. */
  readonly weights: readonly bigint[]
  /** `t`. */
  readonly toward: readonly bigint[]
  /** `S = G' q`. */
  readonly sums: readonly bigint[]
  /** `G'_ii`. */
  readonly squares: readonly bigint[]
}

/** The utility of a round's updates. */
export function referenceUtility(products: Products, weights: readonly bigint[]): ReferenceUtility | null {
  const { gram, reference } = withoutPrevious(products)
  if (reference === null) throw new Refused('the score needs a reference row')
  const clipped = clip(products.squares, weights, TIMES_MEDIAN).weights
  const sums = weightedSums(gram, clipped)
  const square = dot(clipped, sums)
  if (square <= 0n || reference.square <= 0n) return null
  const ratio = isqrt(floorQuotient(square << 64n, reference.square))
  const toward = reference.products.map((product) => (product * ratio) >> 32n)
  return { weights: clipped, toward, sums, squares: diagonal(gram) }
}

/** Whether `G_ri > 0` and `d · G_ri² > 9 G_rr G_ii`: beyond three standard deviations of noise. */
export function agreeWithReference(products: Products, dimension: bigint): boolean[] {
  const { reference, squares } = products
  if (reference === null) throw new Refused('the score needs a reference row')
  return reference.products.map(
    (product, i) =>
      product > 0n && dimension * product * product > DEVIATIONS * DEVIATIONS * reference.square * at(squares, i),
  )
}
