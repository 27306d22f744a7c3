/** All that follows from a round's inner products (docs/protocol.md, 2): weights, scores, payouts, scale, memories. */

import type { Carried } from './carried'
import { Refused } from './errors'
import { BASIS_POINTS, floorWeights, splitBudget } from './payouts'
import { checkProducts, unpackProducts } from './products'
import { ruleOf } from './rules'
import { nextScaleExponent } from './scale'
import { FLOOR_SCORE, scoreOf } from './scores'
import type { Score, Scored } from './scores/base'
import { type GramStatement, layoutOf } from './statement'

/** What of a statement the outcome follows from. */
export type RoundTerms = Omit<GramStatement, 'chainId' | 'market' | 'jobId' | 'round' | 'aggregator' | 'commitments'>

/** The figures of a settlement, one element for each included trainer, and the memories of the next round. */
export type Outcome = {
  readonly accepted: readonly boolean[]
  /** Units of 2^-32. */
  readonly weights: readonly bigint[]
  readonly scores: readonly bigint[]
  /** Wei or token units. */
  readonly payouts: readonly bigint[]
  readonly nextScaleExponent: number
  /** What the job carries on, but for the running sums, which are as they were. */
  readonly carried: Carried
}

/**
 * A round's outcome, exactly as the contract checks it. Where a job has a reference (`referenceExpected`) but its row
 * was left out, the floor's score splits the whole budget and is posted, and the job's own score remembers what it did.
 */
export function settle(terms: RoundTerms, referenceExpected: boolean, carried: Carried): Outcome {
  const [rule, score] = [ruleOf(terms.rule), scoreOf(terms.score)]
  if (terms.trainers.length === 0) throw new Refused('a round is settled with at least one update')
  if (terms.reference && !referenceExpected) throw new Refused('the job has no reference')
  if (terms.history !== rule.needsHistory) {
    throw new Refused(`the rule ${rule.id} ${rule.needsHistory ? 'needs' : 'has no use for'} running sums`)
  }
  const { byzantine, dimension, stakes, trainers } = terms
  const products = unpackProducts(terms.gram, layoutOf(terms))
  checkProducts(products, dimension, terms.bits)
  const decision = rule.decide({ products, byzantine, stakes, trainers, memory: carried.rule })
  const ask = (asked: Score, weights: readonly bigint[], memory: Uint8Array): Scored =>
    asked.score({ products, weights, trainers, memory, dimension, byzantine })

  const unusable = referenceExpected && !terms.reference
  const floorBps = unusable ? BASIS_POINTS : terms.floorBps
  const floor =
    floorBps === 0
      ? { scores: stakes.map(() => 0n), memory: carried.floor }
      : ask(FLOOR_SCORE, floorWeights(rule, decision, stakes, byzantine), carried.floor)
  const scored = unusable
    ? { scores: floor.scores, memory: carried.score }
    : ask(score, decision.weights, carried.score)

  const { budget, capBps } = terms
  return {
    accepted: decision.accepted,
    weights: decision.weights,
    scores: scored.scores,
    payouts: splitBudget({ scores: scored.scores, floorScores: floor.scores, stakes, budget, floorBps, capBps }),
    nextScaleExponent: nextScaleExponent(
      products.squares.filter((_, i) => decision.accepted[i]),
      terms,
    ),
    carried: { rule: decision.memory, score: scored.memory, floor: floor.memory, history: carried.history },
  }
}
