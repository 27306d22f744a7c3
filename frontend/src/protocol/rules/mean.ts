/** `mean` (docs/protocol.md, 2.2): accepts all, by stake. */

import { decidedByStake, type Rule } from './base'

export const mean: Rule = {
  id: 'mean',
  needsReference: false,
  needsHistory: false,
  decide: ({ stakes }) =>
    decidedByStake(
      stakes.map(() => true),
      stakes,
    ),
}
