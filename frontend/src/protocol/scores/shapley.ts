/** `shapley` (docs/protocol.md, 2.3): exact Shapley values against the aggregate itself. */

import { at } from '../integers'
import { scored, type Score, weightedSums } from './base'

export const shapley: Score = {
  id: 'shapley',
  needsReference: false,
  score: ({ products, weights }) =>
    scored(weightedSums(products.gram, weights).map((value, i) => at(weights, i) * value)),
}
