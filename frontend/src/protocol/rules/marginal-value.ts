/** `marginal-value` (docs/protocol.md, 2.2): accepts whose updates have been of marginal value over the rounds. */

import { at, dot, greatest, isqrt, order, positions, sum, truncatedQuotient } from '../integers'
import type { ExtraRow, Products } from '../products'
import { recall, remember, saturated } from '../running'
import { clipFactors, lengthOf, lowerMedian, shortened, stakeShares } from '../weighing'
import type { Decision, Rule, RuleRound } from './base'

/** The share of a running value that a round leaves as it was: 0.98. */
const KEPT = 49n
const OF = 50n
/** How many times a round counts in its own decision. */
const NOW = 4n

export const marginalValue: Rule = {
  id: 'marginal-value',
  needsReference: true,
  needsHistory: false,
  decide: (round) => {
    const { reference } = round.products
    return reference === null || reference.square === 0n ? fromMemory(round) : fromReference(round, reference)
  },
}

/** Without a reference row the running values stay as they are, and decide; all are accepted where none is positive. */
function fromMemory(round: RuleRound): Decision {
  const accepted = worthy(recall(round.memory, round.trainers), round.products.squares)
  return weighed(round, accepted.includes(true) ? accepted : accepted.map(() => true), round.memory)
}

function fromReference(round: RuleRound, reference: ExtraRow): Decision {
  const { squares } = round.products
  const moves = unitLength(marginalValues(round, reference))
  const before = recall(round.memory, round.trainers)
  const kept = before.map((old, i) => saturated(truncatedQuotient(KEPT * old + at(moves, i), OF)))
  const values = before.map((old, i) => KEPT * old + NOW * at(moves, i))
  const accepted = worthy(values, squares)
  return weighed(
    round,
    accepted.includes(true) ? accepted : foremost(values, squares, capped(round)),
    remember(round.memory, round.trainers, kept),
  )
}

/** By stake over the accepted, each cut to their median norm. */
function weighed({ products, stakes }: RuleRound, accepted: readonly boolean[], memory: Uint8Array): Decision {
  const { squares } = products
  const chosen = (values: readonly bigint[]): bigint[] => values.filter((_, i) => accepted[i])
  const factors = clipFactors(squares, lowerMedian(chosen(squares), chosen(stakes)))
  return { accepted, weights: shortened(stakeShares(accepted, stakes), factors), memory }
}

/** Whether values are positive, zero updates aside. */
function worthy(values: readonly bigint[], squares: readonly bigint[]): boolean[] {
  return values.map((value, i) => value > 0n && at(squares, i) > 0n)
}

/** The `n - f'` updates with the largest values, zero updates aside; equal ones by position. */
function foremost(values: readonly bigint[], squares: readonly bigint[], f: number): boolean[] {
  const ranked = positions(values.length)
    .filter((i) => at(squares, i) > 0n)
    .sort((i, j) => order(at(values, j), at(values, i)) || i - j)
  const chosen = new Set(ranked.slice(0, values.length - f))
  return values.map((_, i) => chosen.has(i))
}

/** `f' = min(f, (n-1)//2)`. */
function capped({ products, byzantine }: RuleRound): number {
  return Math.min(byzantine, Math.floor((products.n - 1) / 2))
}

/** `x_i = t_i - 2 max(0, p_i - max(0, P))`. */
function marginalValues(round: RuleRound, reference: ExtraRow): bigint[] {
  const found = piles(round)
  const descending = [...found].sort((a, b) => order(b, a))
  const held = greatest(0n, at(descending, capped(round)))
  return agreements(round.products, reference).map((agreement, i) => agreement - 2n * greatest(0n, at(found, i) - held))
}

/** `t_i = 2^32 (2^64 G_ri / L(G_rr)) / L(G_ii)`: how far an update points where the reference does. */
function agreements({ squares }: Products, reference: ExtraRow): bigint[] {
  const length = lengthOf(reference.square)
  return reference.products.map((product, i) =>
    perLength(truncatedQuotient(product << 64n, length) << 32n, at(squares, i)),
  )
}

/** `p_i = (2^64 S_i / L(M)) / L(G_ii)`: how far an update piles up with what all others bring. */
function piles({ products, stakes }: RuleRound): bigint[] {
  const { gram, squares } = products
  const median = lowerMedian(squares, stakes)
  if (median === 0n) return squares.map(() => 0n)
  const everybody = stakes.map(() => true)
  const shares = shortened(stakeShares(everybody, stakes), clipFactors(squares, median))
  const radius = lengthOf(median)
  return gram.map((row, i) => {
    const others = dot(row, shares) - at(shares, i) * at(squares, i)
    return perLength(truncatedQuotient(others << 64n, radius), at(squares, i))
  })
}

function perLength(value: bigint, square: bigint): bigint {
  return square === 0n ? 0n : truncatedQuotient(value, lengthOf(square))
}

/** `y_i = 2^64 x_i / isqrt(Σ x²)`, 0 where that root is. */
function unitLength(values: readonly bigint[]): bigint[] {
  const norm = isqrt(sum(values.map((value) => value * value)))
  return values.map((value) => (norm === 0n ? 0n : truncatedQuotient(value << 64n, norm)))
}
