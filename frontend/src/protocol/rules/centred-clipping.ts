/** `centred-clipping` (docs/protocol.md, 2.2; Karimireddy, He and Jaggi, ICML 2021): shortens to the median length. */

import { clipFactors, lowerMedian, shortened, stakeShares } from '../weighing'
import { decided, type Decision, type Rule, type RuleRound } from './base'

export const centredClipping: Rule = {
  id: 'centred-clipping',
  needsReference: false,
  needsHistory: false,
  decide: clippedMean,
}

/** Accepts all updates, none longer than the median by stake. */
export function clippedMean({ products, stakes }: RuleRound): Decision {
  const { squares } = products
  const accepted = stakes.map(() => true)
  const factors = clipFactors(squares, lowerMedian(squares, stakes))
  return decided(accepted, shortened(stakeShares(accepted, stakes), factors))
}
