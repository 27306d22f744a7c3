/** The split of a round's budget (docs/protocol.md, 2.3): a floor, the job's score for the rest, and caps. */

import { Refused } from './errors'
import { at, floorQuotient, greatest, least, sum } from './integers'
import type { Decision, Rule } from './rules/base'
import { stakeShares } from './weighing'

/** A whole, in 1/10000. */
export const BASIS_POINTS = 10_000

/**
 * `v`, the weights with which the floor's score is computed: the rule's, but by stake over all n where the rule needs
 * the reference or accepted fewer than n - f.
 */
export function floorWeights(
  rule: Rule,
  decision: Decision,
  stakes: readonly bigint[],
  byzantine: number,
): readonly bigint[] {
  const accepted = decision.accepted.filter(Boolean).length
  const outside = rule.needsReference || accepted < stakes.length - byzantine
  return outside
    ? stakeShares(
        stakes.map(() => true),
        stakes,
      )
    : decision.weights
}

/** What a budget (wei or token units) is split by; shares in 1/10000, a cap of 0 is none. */
export type Split = {
  readonly scores: readonly bigint[]
  readonly floorScores: readonly bigint[]
  readonly stakes: readonly bigint[]
  readonly budget: bigint
  readonly floorBps: number
  readonly capBps: number
}

/** Payouts in wei or token units: the floor by its scores, the rest by the job's, in proportion to what is positive. */
export function splitBudget({ scores, floorScores, stakes, budget, floorBps, capBps }: Split): bigint[] {
  if (floorBps > BASIS_POINTS || (capBps !== 0 && capBps < BASIS_POINTS)) {
    throw new Refused(`a floor of ${floorBps} or a cap of ${capBps} ten-thousandths cannot be`)
  }
  const floor = floorQuotient(budget * BigInt(floorBps), BigInt(BASIS_POINTS))
  const first = proportional(floorScores, floor)
  const second = proportional(scores, budget - floor)
  const payouts = first.map((amount, i) => amount + at(second, i))
  if (capBps === 0) return payouts
  const whole = BigInt(BASIS_POINTS) * sum(stakes)
  return payouts.map((amount, i) => least(amount, floorQuotient(budget * BigInt(capBps) * at(stakes, i), whole)))
}

function proportional(scores: readonly bigint[], amount: bigint): bigint[] {
  const positive = scores.map((score) => greatest(score, 0n))
  const total = sum(positive)
  return positive.map((score) => (total === 0n ? 0n : floorQuotient(amount * score, total)))
}
