/** What a score is (docs/protocol.md, 2.3): from inner products and weights to one integer for each trainer. */

import { type Address, NO_BYTES } from '../bytes'
import { at, dot } from '../integers'
import type { Matrix, Products } from '../products'

/** What a score reads of a round. */
export type ScoreRound = {
  readonly products: Products
  /** Units of `2^-32`. */
  readonly weights: readonly bigint[]
  readonly trainers: readonly Address[]
  /** What the score remembers of the rounds before; empty at first. */
  readonly memory: Uint8Array
  /** `d`. */
  readonly dimension: bigint
  /** `f`. */
  readonly byzantine: number
}

/** A score's outcome: one integer for each update, and what it remembers. */
export type Scored = { readonly scores: readonly bigint[]; readonly memory: Uint8Array }

/** A contribution score of the Gram family that settles. */
export type Score = {
  /** Identifier on chain. */
  readonly id: string
  readonly needsReference: boolean
  readonly score: (round: ScoreRound) => Scored
}

/** A score that remembers nothing. */
export function scored(scores: readonly bigint[]): Scored {
  return { scores, memory: NO_BYTES }
}

/** `S = G w`. */
export function weightedSums(gram: Matrix, weights: readonly bigint[]): bigint[] {
  return gram.map((row) => dot(row, weights))
}

/** `wᵀ G w`, the square of the weighted sum of the updates, in units of `2^-64`. */
export function aggregateSquare(gram: Matrix, weights: readonly bigint[]): bigint {
  return dot(weights, weightedSums(gram, weights))
}

/** A matrix's diagonal. */
export function diagonal(matrix: Matrix): bigint[] {
  return matrix.map((row, i) => at(row, i))
}
