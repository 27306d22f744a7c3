/** `foolsgold` (docs/protocol.md, 2.2; Fung, Yoon and Beschastnikh, RAID 2020): who points alike shares a voice. */

import { Refused } from '../errors'
import { at, floorQuotient, greatest, least, magnitude } from '../integers'
import type { Matrix } from '../products'
import { lengthOf, normalised, ONE } from '../weighing'
import { decided, type Rule } from './base'

/** Beyond 1/4 from the middle the logit is beyond its clips. */
const LINEAR = 1n << 30n
const ODD = [13n, 11n, 9n, 7n, 5n, 3n]

export const foolsGold: Rule = {
  id: 'foolsgold',
  needsReference: false,
  needsHistory: true,
  decide: ({ products, stakes }) => {
    const sums = products.history
    if (sums === null) throw new Refused('the rule compares running sums, and there are none')
    const masses = voices(sums).map((voice, i) => voice * at(stakes, i))
    return decided(
      masses.map((mass) => mass > 0n),
      normalised(masses),
    )
  },
}

/** Each trainer's voice, 0 to 1 in units of `2^-32`, from the Gram matrix of the running sums. */
function voices(sums: Matrix): bigint[] {
  const lengths = sums.map((row, i) => lengthOf(at(row, i)))
  const similar = sums.map((row, i) =>
    row.map((product, j) => (i === j ? 0n : cosine(product, at(lengths, i), at(lengths, j)))),
  )
  const closest = similar.map((row) => row.reduce(greatest))
  const apart = similar.map((row, i) => {
    const pardoned = row.map((cosine, j) => pardon(cosine, at(closest, i), at(closest, j)))
    return at(lengths, i) === 0n ? 0n : ONE - pardoned.reduce(greatest)
  })
  const largest = apart.reduce(greatest)
  return apart.map((value) => (largest === 0n ? 0n : logit(floorQuotient(ONE * value, largest))))
}

/** `c_ij`: the positive part of a cosine, at most 1. */
function cosine(product: bigint, first: bigint, second: bigint): bigint {
  if (product <= 0n || first === 0n || second === 0n) return 0n
  return least(ONE, floorQuotient(product << 96n, first * second))
}

/** `c'_ij`. */
function pardon(similarity: bigint, own: bigint, other: bigint): bigint {
  return other > own ? floorQuotient(similarity * own, other) : similarity
}

/** `ln(b/(1-b)) + ½` within 0 to 1, in units of `2^-32`, by the series of the protocol. */
function logit(value: bigint): bigint {
  const x = 2n * value - ONE
  if (x >= LINEAR) return ONE
  if (x <= -LINEAR) return 0n
  const square = floorQuotient(x * x, ONE)
  let series = 0n
  for (const odd of ODD) series = floorQuotient((series + floorQuotient(ONE, odd)) * square, ONE)
  const half = ONE / 2n
  const step = least(half, floorQuotient(2n * magnitude(x) * (ONE + series), ONE))
  return x >= 0n ? half + step : half - step
}
