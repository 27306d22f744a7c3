/** `fltrust` (docs/protocol.md, 2.2; Cao, Fang, Liu and Gong, NDSS 2021): trust by agreement with the reference row. */

import { at, floorQuotient } from '../integers'
import { lengthOf, normalised } from '../weighing'
import { decided, type Decision, type Rule, type RuleRound } from './base'
import { clippedMean } from './centred-clipping'
import type { ExtraRow } from '../products'

export const flTrust: Rule = {
  id: 'fltrust',
  needsReference: true,
  needsHistory: false,
  decide: (round) => {
    const { reference } = round.products
    return reference === null || reference.square === 0n ? clippedMean(round) : trusted(round, reference)
  },
}

function trusted({ products, stakes }: RuleRound, reference: ExtraRow): Decision {
  const { squares } = products
  const lengths = squares.map(lengthOf)
  const own = lengthOf(reference.square)
  const masses = reference.products.map((product, i) =>
    product > 0n ? at(stakes, i) * floorQuotient(product << 64n, at(lengths, i)) : 0n,
  )
  const weights = normalised(masses).map((share, i) =>
    at(squares, i) > reference.square ? floorQuotient(share * own, at(lengths, i)) : share,
  )
  return decided(
    masses.map((mass) => mass > 0n),
    weights,
  )
}
