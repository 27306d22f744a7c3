/** `multi-krum` (docs/protocol.md, 2.2; Blanchard et al., NeurIPS 2017): the n - f updates nearest to others. */

import { at, ranking, sum } from '../integers'
import type { Matrix } from '../products'
import { decidedByStake, type Rule } from './base'
import { nearestFirst, squaredDistances, tolerated } from './distances'

export const multiKrum: Rule = {
  id: 'multi-krum',
  needsReference: false,
  needsHistory: false,
  decide: ({ products, byzantine, stakes }) => decidedByStake(acceptedByKrum(products.gram, byzantine), stakes),
}

/** Whether each of n >= 3 updates is among the `n - f'` with the smallest Krum scores. */
export function acceptedByKrum(gram: Matrix, byzantine: number): boolean[] {
  const f = tolerated(byzantine, gram.length)
  const chosen = new Set(ranking(krumScores(gram, gram.length - f - 2)).slice(0, gram.length - f))
  return gram.map((_, i) => chosen.has(i))
}

/** Each update's sum of squared distances to its nearest `neighbours` others. */
function krumScores(gram: Matrix, neighbours: number): bigint[] {
  const distances = squaredDistances(gram)
  return nearestFirst(distances).map((nearest, i) =>
    sum(nearest.slice(0, neighbours).map((j) => at(at(distances, i), j))),
  )
}
