/** The scores that settle, by their id on chain (docs/protocol.md, 2.3). */

import { Refused } from '../errors'
import { alignment } from './alignment'
import type { Score } from './base'
import { cosine } from './cosine'
import { leaveOneOut } from './leave-one-out'
import { reputation } from './reputation'
import { shapley } from './shapley'
import { shapleyReference } from './shapley-reference'

export const SCORES: ReadonlyMap<string, Score> = new Map(
  [alignment, cosine, leaveOneOut, reputation, shapley, shapleyReference].map((score) => [score.id, score]),
)

/** The score that splits the part of a budget that does not depend on the reference. */
export const FLOOR_SCORE: Score = alignment

/** The score of an id. */
export function scoreOf(id: string): Score {
  const score = SCORES.get(id)
  if (score === undefined) throw new Refused(`there is no score "${id}"`)
  return score
}
