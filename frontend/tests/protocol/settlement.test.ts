import { describe, expect, test } from 'vitest'

import { fromHex, toHex } from '../../src/protocol/bytes'
import { decodeCarried, encodeCarried } from '../../src/protocol/carried'
import { settle } from '../../src/protocol/settlement'
import { IMPOSSIBLE, roundTerms, SETTLEMENTS, TURNS } from './vectors'

describe.each([
  ['settlement.json', SETTLEMENTS],
  ['matrices that no rows have', IMPOSSIBLE],
  ['trainers who turn', TURNS],
])('%s', (_, cases) => {
  test.each(cases)('$name', (vector) => {
    const carried = decodeCarried(fromHex(vector.carried))
    const outcome = settle(roundTerms(vector), vector.job_reference, carried)
    expect({ ...outcome, carried: toHex(encodeCarried(outcome.carried)) }).toEqual({
      accepted: vector.accepted,
      weights: vector.weights.map(BigInt),
      scores: vector.scores.map(BigInt),
      payouts: vector.payouts.map(BigInt),
      nextScaleExponent: vector.next_scale_exponent,
      carried: `0x${vector.next_carried}`,
    })
  })
})
