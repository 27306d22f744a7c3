/** `reputation` (docs/protocol.md, 2.3; RFFL, Xu and Lyu, 2020): similarity to the aggregate, remembered. */

import { ADDRESS_BYTES, addressBytes, concatBytes, readUnsigned, writeInteger } from '../bytes'
import { Refused } from '../errors'
import { at, dot, floorQuotient, isqrt, least, sum } from '../integers'
import type { Products } from '../products'
import { withoutPrevious } from '../residuals'
import { findTrainers, joinEntries } from '../roster'
import { ONE } from '../weighing'
import { type Score, weightedSums } from './base'

/** The share of a reputation that a round leaves as it was: 0.95. */
const KEPT = 19n
const OF = 20n
const VALUE_BYTES = 8
const ENTRY_BYTES = ADDRESS_BYTES + VALUE_BYTES

export const reputation: Score = {
  id: 'reputation',
  needsReference: false,
  score: ({ products, weights, trainers, memory }) => {
    const { known, absent } = findTrainers(memory, ENTRY_BYTES, trainers)
    const similar = similarities(products, weights)
    if (similar === null) return { scores: weights.map(() => 0n), memory }
    const past = withNewcomers(known.map(valueOf), similar, weights)
    const after = past.map((old, i) => floorQuotient(KEPT * old + at(similar, i), OF))
    const entries = trainers.map((trainer, i) =>
      concatBytes(addressBytes(trainer), writeInteger(at(after, i), VALUE_BYTES)),
    )
    return {
      scores: after.map((value, i) => at(weights, i) * least(value, at(similar, i))),
      memory: joinEntries(entries, absent),
    }
  },
}

/** `φ_i`, the positive part of the cosine to the aggregate, at most 1; null where the aggregate has no length. */
function similarities(products: Products, weights: readonly bigint[]): bigint[] | null {
  const { gram, squares } = withoutPrevious(products)
  const sums = weightedSums(gram, weights)
  const square = dot(weights, sums)
  if (square <= 0n) return null
  return sums.map((value, i) => {
    const own = at(squares, i)
    return value > 0n && own > 0n ? least(ONE, floorQuotient(ONE * value, isqrt(own * square))) : 0n
  })
}

/** Gives the unknown the mean of the known by weight, or, where nobody counts, what they show now. */
function withNewcomers(
  past: readonly (bigint | null)[],
  similar: readonly bigint[],
  weights: readonly bigint[],
): bigint[] {
  const total = sum(weights.filter((_, i) => past[i] !== null))
  const held = sum(past.map((old, i) => (old ?? 0n) * at(weights, i)))
  return past.map((old, i) => old ?? (total === 0n ? at(similar, i) : floorQuotient(held, total)))
}

function valueOf(entry: Uint8Array | null): bigint | null {
  if (entry === null) return null
  const value = readUnsigned(entry.subarray(ADDRESS_BYTES))
  if (value > ONE) throw new Refused('a remembered reputation is above 1')
  return value
}
