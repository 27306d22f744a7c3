import { describe, expect, test } from 'vitest'

import { concatBytes, fromHex, NO_BYTES, toHex, writeInteger } from '../../src/protocol/bytes'
import { digestOf, EMPTY, encodeCarried } from '../../src/protocol/carried'
import { encodePoint, GENERATOR, INFINITY, linearCombination } from '../../src/protocol/curve'
import { advance } from '../../src/protocol/history'
import { address, HISTORY, point } from './vectors'

const ENTRY_BYTES = 90

describe('history.json', () => {
  test.each(HISTORY)('$name', ({ rounds }) => {
    let carried = NO_BYTES
    for (const round of rounds) {
      const found = advance(carried, round.trainers.map(address), round.commitments.map(point), round.scale_exponent)
      expect(found.sums.map(({ commitment }) => toHex(encodePoint(commitment)))).toEqual(
        round.sums.map((digits) => `0x${digits}`),
      )
      expect(toHex(found.carried)).toBe(`0x${round.carried}`)
      expect(toHex(digestOf(encodeCarried({ ...EMPTY, history: found.carried })))).toBe(`0x${round.digest}`)
      ;({ carried } = found)
    }
  })
})

test('a sum goes on up to a multiplier of 2^30, and starts again beyond', () => {
  const trainer = address('11'.repeat(20))
  const entry = (multiplier: bigint): Uint8Array =>
    concatBytes(fromHex(trainer), writeInteger(-3n, 2), writeInteger(multiplier, 4), encodePoint(GENERATOR))
  const after = (multiplier: bigint): unknown => advance(entry(multiplier), [trainer], [GENERATOR], -3).sums[0]
  const twice = linearCombination([GENERATOR], [2n])
  expect(after((1n << 30n) - 1n)).toEqual({ exponent: -3, multiplier: 1n << 30n, commitment: twice })
  expect(after(1n << 30n)).toEqual({ exponent: -3, multiplier: 1n, commitment: GENERATOR })
})

describe('running sums are refused', () => {
  const [first] = HISTORY[0]?.rounds ?? []
  if (first === undefined) throw new Error('history.json has no rounds')
  const trainers = first.trainers.map(address)
  const commitments = first.commitments.map(point)
  const again = (carried: Uint8Array): unknown => advance(carried, trainers, commitments, 0)
  const put = (place: number, data: Uint8Array): Uint8Array => {
    const changed = fromHex(first.carried)
    changed.set(data, place)
    return changed
  }

  test('of a length that is no multiple of an entry, or above 128 of them', () => {
    expect(() => again(fromHex(first.carried).subarray(1))).toThrow('are not a memory of entries of 90 bytes')
    expect(() => again(new Uint8Array(129 * ENTRY_BYTES))).toThrow('are not a memory of entries of 90 bytes')
  })

  test('with a multiplier that no sum has', () => {
    for (const multiplier of [0n, (1n << 30n) + 1n]) {
      expect(() => again(put(22, writeInteger(multiplier, 4)))).toThrow('is not the multiplier of a running sum')
    }
  })

  test('with a commitment that is no point; infinity is one', () => {
    expect(() => again(put(26, writeInteger(5n, 32)))).toThrow('the commitment of a running sum is not a point')
    expect(() => again(put(26, encodePoint(INFINITY)))).not.toThrow()
  })
})
