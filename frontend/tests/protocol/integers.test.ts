import { describe, expect, test } from 'vitest'

import { floorQuotient, isqrt, ranking, truncatedQuotient } from '../../src/protocol/integers'
import { lowerMedian } from '../../src/protocol/weighing'

describe('quotients', () => {
  test.each([
    [7n, 2n, 3n, 3n],
    [-7n, 2n, -4n, -3n],
    [-8n, 2n, -4n, -4n],
    [-1n, 1n << 200n, -1n, 0n],
    [0n, 5n, 0n, 0n],
  ])('of %d by %d: floor %d, toward zero %d', (numerator, denominator, floor, truncated) => {
    expect(floorQuotient(numerator, denominator)).toBe(floor)
    expect(truncatedQuotient(numerator, denominator)).toBe(truncated)
  })
})

describe('isqrt', () => {
  test('is the floor of the root, around squares of every size', () => {
    for (let bits = 0n; bits < 320n; bits += 1n) {
      const root = (1n << bits) + (0x9e3779b97f4a7c15n >> bits % 64n)
      expect(isqrt(root * root)).toBe(root)
      expect(isqrt(root * root - 1n)).toBe(root - 1n)
      expect(isqrt(root * root + 2n * root)).toBe(root)
    }
    for (let x = 0n; x < 200n; x += 1n) expect(isqrt(x)).toBe(BigInt(Math.floor(Math.sqrt(Number(x)))))
  })

  test('is 0 of negative numbers', () => {
    expect(isqrt(-1n)).toBe(0n)
    expect(isqrt(-(1n << 100n))).toBe(0n)
  })
})

test('equal values are ranked by position', () => {
  expect(ranking([5n, 1n, 5n, 1n, -3n])).toEqual([4, 1, 3, 0, 2])
})

test('the lower median holds half of the mass, and is 0 of none', () => {
  expect(lowerMedian([3n, 1n, 2n], [1n, 1n, 1n])).toBe(2n)
  expect(lowerMedian([3n, 1n, 2n, 4n], [1n, 1n, 1n, 1n])).toBe(2n)
  expect(lowerMedian([3n, 1n, 2n], [5n, 1n, 1n])).toBe(3n)
  expect(lowerMedian([3n, 1n], [0n, 0n])).toBe(0n)
  expect(lowerMedian([], [])).toBe(0n)
})
