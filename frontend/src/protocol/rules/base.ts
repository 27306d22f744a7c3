/** What a rule is (docs/protocol.md, 2.2): from a round's inner products and stakes to integer weights. */

import { type Address, NO_BYTES } from '../bytes'
import type { Products } from '../products'
import { stakeShares } from '../weighing'

/** What a rule reads of a round. */
export type RuleRound = {
  readonly products: Products
  /** `f`, the number of Byzantine trainers that the job tolerates. */
  readonly byzantine: number
  readonly stakes: readonly bigint[]
  readonly trainers: readonly Address[]
  /** What the rule remembers of the rounds before; empty at first. */
  readonly memory: Uint8Array
}

/** A rule's outcome: one element for each update; weights in units of `2^-32`. */
export type Decision = {
  readonly accepted: readonly boolean[]
  readonly weights: readonly bigint[]
  /** What the rule remembers for the next round; empty for rules without memory. */
  readonly memory: Uint8Array
}

/** A robust aggregation rule of the Gram family that settles. */
export type Rule = {
  /** Identifier on chain. */
  readonly id: string
  /** Whether it reads the reference row, and the running sums. */
  readonly needsReference: boolean
  readonly needsHistory: boolean
  readonly decide: (round: RuleRound) => Decision
}

/** A decision that remembers nothing. */
export function decided(accepted: readonly boolean[], weights: readonly bigint[]): Decision {
  return { accepted, weights, memory: NO_BYTES }
}

/** The decision to weigh the accepted by stake. */
export function decidedByStake(accepted: readonly boolean[], stakes: readonly bigint[]): Decision {
  return decided(accepted, stakeShares(accepted, stakes))
}
