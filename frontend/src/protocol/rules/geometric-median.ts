/** `geometric-median` (docs/protocol.md, 2.2; RFA, Pillutla et al., IEEE TSP 2022): three Weiszfeld steps. */

import { at, dot, floorQuotient, greatest, isqrt } from '../integers'
import type { Matrix } from '../products'
import { lowerMedian, normalised, ONE } from '../weighing'
import { decided, type Rule } from './base'

const STEPS = 3

export const geometricMedian: Rule = {
  id: 'geometric-median',
  needsReference: false,
  needsHistory: false,
  decide: ({ products, stakes }) => {
    const { gram } = products
    let masses = stakes.map(() => 0n)
    for (let step = 0; step < STEPS; step++) masses = nextMasses(gram, stakes, normalised(masses))
    return decided(
      masses.map((mass) => mass > 0n),
      normalised(masses),
    )
  },
}

/** `m_i = 2^32 s_i ν // max(ν, d_i)`, from the weights of the step before. */
function nextMasses(gram: Matrix, stakes: readonly bigint[], weights: readonly bigint[]): bigint[] {
  const lengths = distances(gram, weights)
  const smoothing = greatest(1n, lowerMedian(lengths, stakes))
  return stakes.map((stake, i) => floorQuotient(ONE * stake * smoothing, greatest(smoothing, at(lengths, i))))
}

/** `d_i = isqrt(2^64 G_ii - 2^33 S_i + wᵀS)`, `S = G w`: distances to the weighted sum, in units of `2^-32`. */
function distances(gram: Matrix, weights: readonly bigint[]): bigint[] {
  const sums = gram.map((row) => dot(row, weights))
  const square = dot(weights, sums)
  return gram.map((row, i) => isqrt((at(row, i) << 64n) - (at(sums, i) << 33n) + square))
}
