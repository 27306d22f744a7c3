/** What rules and scores share that weigh by lengths (docs/protocol.md, 2.2): roots, medians, clipping, masses. */

import { at, floorQuotient, greatest, isqrt, ranking, sum } from './integers'

/** Weights, shares and cosines are integers in units of `2^-32`; this is 1. */
export const ONE = 1n << 32n

/** `L(x) = isqrt(2^64 x)`: a length in units of `2^-32`, 0 of negative `x`. */
export function lengthOf(square: bigint): bigint {
  return isqrt(greatest(square, 0n) << 64n)
}

/** The least value that, with all values below it, holds at least half of the mass; 0 of no mass. */
export function lowerMedian(values: readonly bigint[], masses: readonly bigint[]): bigint {
  const total = sum(masses)
  let held = 0n
  for (const i of ranking(values)) {
    held += at(masses, i)
    if (total !== 0n && 2n * held >= total) return at(values, i)
  }
  return 0n
}

/** By stake: `w_i = 2^32 s_i // Σ s` over the accepted, 0 for others. */
export function stakeShares(accepted: readonly boolean[], stakes: readonly bigint[]): bigint[] {
  const total = sum(stakes.filter((_, i) => accepted[i]))
  return stakes.map((stake, i) => (accepted[i] ? floorQuotient(ONE * stake, total) : 0n))
}

/** `c_i = 2^32` where a square is at most `limit`, else `isqrt(2^64 limit // square)`. */
export function clipFactors(squares: readonly bigint[], limit: bigint): bigint[] {
  return squares.map((square) => (square <= limit ? ONE : isqrt(floorQuotient(limit << 64n, square))))
}

/** `(w_i c_i) >> 32`: weights shortened by factors. */
export function shortened(weights: readonly bigint[], factors: readonly bigint[]): bigint[] {
  return weights.map((weight, i) => (weight * at(factors, i)) >> 32n)
}

/** `2^32 m_i // Σ m`; all 0 where no mass is left. Masses are not negative. */
export function normalised(masses: readonly bigint[]): bigint[] {
  const total = sum(masses)
  return masses.map((mass) => (total === 0n ? 0n : floorQuotient(ONE * mass, total)))
}
