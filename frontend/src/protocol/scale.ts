/** The scale rule (docs/protocol.md, 1.2). */

import { at, order } from './integers'

const MAX_STEP = 2
const MAX_EXPONENT = 64

/** Terms that the rule reads: `e` of the round, `d`, `b`, `h`. */
export type Scale = {
  readonly scaleExponent: number
  readonly dimension: bigint
  readonly bits: number
  readonly headroomBits: number
}

/** `e` of the next round, from the squared norms of the accepted updates. */
export function nextScaleExponent(squares: readonly bigint[], scale: Scale): number {
  const ascending = [...squares].sort(order)
  const median = ascending.length === 0 ? 0n : at(ascending, Math.floor((ascending.length - 1) / 2))
  const shiftOf = (step: number): bigint => BigInt(2 * (scale.bits - 1 - scale.headroomBits) + 1 + 2 * step)
  let step = -MAX_STEP
  while (step < MAX_STEP && median > scale.dimension << shiftOf(step)) step += 1
  return Math.max(-MAX_EXPONENT, Math.min(MAX_EXPONENT, scale.scaleExponent + step))
}
