/** `shapley-reference` (docs/protocol.md, 2.3): Shapley values against the reference row, running over the rounds. */

import { at, clamped, floorQuotient, greatest, least, magnitude, sum, truncatedQuotient } from '../integers'
import type { Products } from '../products'
import { accumulated, remember } from '../running'
import { aggregateSquare, type Score } from './base'
import { agreeWithReference, referenceUtility } from './reference-utility'

const LARGEST = 1n << 180n

export const shapleyReference: Score = {
  id: 'shapley-reference',
  needsReference: true,
  score: ({ products, weights, trainers, memory, dimension }) => {
    const values = shapleyValues(products, weights)
    const square = aggregateSquare(products.gram, weights)
    if (square <= 0n) return { scores: values.map(() => 0n), memory }
    const unit = greatest(square, floorQuotient(sum(values.map(magnitude)), 4n))
    const additions = values.map((value) => truncatedQuotient(value << 64n, unit))
    const running = accumulated(memory, trainers, additions)
    const agree = agreeWithReference(products, dimension)
    return {
      scores: running.map((total, i) => (at(agree, i) ? total : least(total, 0n))),
      memory: remember(memory, trainers, running),
    }
  },
}

/** `φ_i = q_i (4 t_i - S_i)`. */
function shapleyValues(products: Products, weights: readonly bigint[]): bigint[] {
  const utility = referenceUtility(products, weights)
  if (utility === null) return weights.map(() => 0n)
  return utility.weights.map((weight, i) =>
    clamped(weight * (4n * at(utility.toward, i) - at(utility.sums, i)), LARGEST),
  )
}
