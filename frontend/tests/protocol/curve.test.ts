import { describe, expect, test } from 'vitest'

import { fromHex, readUnsigned, toHex, word } from '../../src/protocol/bytes'
import {
  checkFinitePoint,
  checkPoint,
  compress,
  decompress,
  encodePoint,
  GENERATOR,
  INFINITY,
  linearCombination,
  P,
  pointAt,
  R,
  samePoint,
} from '../../src/protocol/curve'
import { developmentBlinding, developmentPowers } from './development-string'
import { COMMITMENTS, point } from './vectors'

const POWERS = developmentPowers(16).map((data) => pointAt(data, 0))
const BLINDING = developmentBlinding().map((data) => pointAt(data, 0))

describe('commitments.json', () => {
  test.each(COMMITMENTS.points)('$name', ({ point: digits, compressed }) => {
    const uncompressed = point(digits)
    expect(toHex(encodePoint(uncompressed))).toBe(`0x${digits}`)
    expect(toHex(word(compress(uncompressed)))).toBe(`0x${compressed}`)
    expect(decompress(readUnsigned(fromHex(compressed)), 'the point')).toEqual(uncompressed)
  })

  test.each([...COMMITMENTS.updates, ...COMMITMENTS.aggregates])('$name', ({ entries, blinding, commitment }) => {
    const secrets = [0, 1, 2].map((k) => readUnsigned(fromHex(blinding).subarray(32 * k, 32 * (k + 1))))
    const committed = linearCombination(
      [...POWERS.slice(0, entries.length), ...BLINDING],
      [...entries.map(BigInt), ...secrets],
    )
    expect(toHex(word(compress(committed)))).toBe(`0x${commitment}`)
  })
})

describe('a compressed point is refused', () => {
  test.each([
    ['with other flags', GENERATOR.x, 'has no flags of a compressed point'],
    ['with the flag of infinity and an x', (1n << 254n) | 1n, 'has no flags of a compressed point'],
    ['with x not below p', (2n << 254n) | P, 'has a coordinate that is not below p'],
    ['with an x of no point', (2n << 254n) | 4n, 'is not a point of the curve'],
  ])('%s', (_, encoded, words) => {
    expect(() => decompress(encoded, 'it')).toThrow(words)
  })
})

describe('a point is refused', () => {
  test.each([
    ['with x not below p', { x: GENERATOR.x + P, y: GENERATOR.y }, 'not below p'],
    ['with y not below p', { x: GENERATOR.x, y: GENERATOR.y + P }, 'not below p'],
    ['off the curve', { x: 1n, y: 3n }, 'not a point of the curve'],
    ['off the curve, with x zero', { x: 0n, y: 1n }, 'not a point of the curve'],
  ])('%s', (_, candidate, words) => {
    expect(() => checkPoint(candidate, 'it')).toThrow(words)
    expect(() => checkFinitePoint(candidate, 'it')).toThrow(words)
  })

  test('that is infinity, where a finite one is expected', () => {
    expect(checkPoint(INFINITY, 'it')).toBe(INFINITY)
    expect(() => checkFinitePoint(INFINITY, 'it')).toThrow('it is the point at infinity')
  })
})

describe('sums of multiples', () => {
  test('of nothing, of infinity and of opposites are infinity', () => {
    expect(linearCombination([], [])).toEqual(INFINITY)
    expect(linearCombination([INFINITY, GENERATOR], [5n, 0n])).toEqual(INFINITY)
    expect(linearCombination([GENERATOR, GENERATOR], [7n, -7n])).toEqual(INFINITY)
    expect(linearCombination([GENERATOR], [R])).toEqual(INFINITY)
  })

  test('are what repeated addition gives', () => {
    const [two, five] = [2n, 5n].map((k) => linearCombination([GENERATOR], [k]))
    if (two === undefined || five === undefined) throw new Error('unreachable')
    expect(samePoint(linearCombination([two, GENERATOR], [2n, 1n]), five)).toBe(true)
    expect(linearCombination([GENERATOR], [-1n])).toEqual({ x: GENERATOR.x, y: P - GENERATOR.y })
  })
})
