/** `leave-one-out` (docs/protocol.md, 2.3): what the round would lose without a trainer. */

import { at, least } from '../integers'
import { withoutPrevious } from '../residuals'
import { scored, type Score } from './base'
import { agreeWithReference, referenceUtility } from './reference-utility'

export const leaveOneOut: Score = {
  id: 'leave-one-out',
  needsReference: true,
  score: ({ products, weights, dimension }) => {
    const utility = referenceUtility(products, weights)
    if (utility === null) return scored(weights.map(() => 0n))
    const agree = agreeWithReference(withoutPrevious(products), dimension)
    const { toward, sums, squares } = utility
    return scored(
      utility.weights.map((weight, i) => {
        const value = weight * (4n * at(toward, i) - 2n * at(sums, i) + weight * at(squares, i))
        return at(agree, i) ? value : least(value, 0n)
      }),
    )
  },
}
