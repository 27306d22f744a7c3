import { describe, expect, test } from 'vitest'

import { concatBytes, writeInteger } from '../../src/protocol/bytes'
import { checkProducts, type Layout, packedBytes, type Products, unpackProducts } from '../../src/protocol/products'

const ALONE: Layout = { updates: 2, reference: false, previous: false, history: false }
const WITH_BOTH: Layout = { ...ALONE, reference: true, previous: true }
const BITS = 8
const DIMENSION = 3n
/** `d · 2^(2b-2)`. */
const BOUND = DIMENSION << 14n
const MAX_EXTRA_SQUARE = 1n << 126n

/** Products of two updates, and of the extra rows given as lower triangle. */
function products(layout: Layout, updates: readonly bigint[], extras: readonly bigint[] = []): Products {
  const packed = concatBytes(...updates.map((p) => writeInteger(p, 8)), ...extras.map((p) => writeInteger(p, 16)))
  return unpackProducts(packed, layout)
}

function check(found: Products): void {
  checkProducts(found, DIMENSION, BITS)
}

describe('posted products', () => {
  test('are the upper triangle of the updates, then each extra row with all before it', () => {
    const found = products(WITH_BOTH, [4n, -1n, 5n], [2n, -3n, 6n, 7n, 8n, -9n, 10n])
    expect(found.matrix).toEqual([
      [4n, -1n, 2n, 7n],
      [-1n, 5n, -3n, 8n],
      [2n, -3n, 6n, -9n],
      [7n, 8n, -9n, 10n],
    ])
    expect(found.reference).toEqual({ products: [2n, -3n], square: 6n })
    expect(found.previous).toEqual({ products: [7n, 8n], square: 10n })
    expect(found.alongPrevious).toEqual([7n, 8n, -9n])
    expect(found.history).toBeNull()
  })

  test('of running sums are the last rows', () => {
    const layout: Layout = { ...ALONE, history: true }
    const found = products(layout, [1n, 2n, 3n], [0n, 0n, 4n, 0n, 0n, 5n, 6n])
    expect(found.history).toEqual([
      [4n, 5n],
      [5n, 6n],
    ])
    expect([found.reference, found.previous]).toEqual([null, null])
  })

  test.each([ALONE, WITH_BOTH, { ...WITH_BOTH, history: true }])('have one length', (layout) => {
    const length = packedBytes(layout)
    expect(() => unpackProducts(new Uint8Array(length), layout)).not.toThrow()
    for (const other of [0, length - 1, length + 1]) {
      expect(() => unpackProducts(new Uint8Array(other), layout)).toThrow(`${other} bytes are not the inner products`)
    }
  })
})

describe('products that no rows have are refused', () => {
  test('by the squares of updates', () => {
    expect(() => check(products(ALONE, [BOUND, 0n, 0n]))).not.toThrow()
    expect(() => check(products(ALONE, [BOUND + 1n, 0n, 0n]))).toThrow(`squared norm ${BOUND + 1n} of row 0`)
    expect(() => check(products(ALONE, [0n, 0n, -1n]))).toThrow('squared norm -1 of row 1')
  })

  test.each([1n, -1n])('by a product of updates, of sign %d', (sign) => {
    expect(() => check(products(ALONE, [4n, sign * 5n, 6n]))).not.toThrow()
    expect(() => check(products(ALONE, [4n, sign * 5n, 5n]))).toThrow(`inner product ${sign * 5n} of rows 1 and 0`)
  })

  test('by the square of an extra row', () => {
    const extras = (square: bigint): bigint[] => [0n, 0n, square, 0n, 0n, 0n, 0n]
    expect(() => check(products(WITH_BOTH, [1n, 0n, 1n], extras(MAX_EXTRA_SQUARE)))).not.toThrow()
    for (const square of [MAX_EXTRA_SQUARE + 1n, -1n]) {
      expect(() => check(products(WITH_BOTH, [1n, 0n, 1n], extras(square)))).toThrow(`squared norm ${square} of row 2`)
    }
  })

  test.each([1n, -1n])('by a product of an extra row, of sign %d', (sign) => {
    const extras = (square: bigint): bigint[] => [sign * 6n, 0n, square, 0n, 0n, 0n, 0n]
    expect(() => check(products(WITH_BOTH, [4n, 0n, 4n], extras(9n)))).not.toThrow()
    expect(() => check(products(WITH_BOTH, [4n, 0n, 4n], extras(8n)))).toThrow(
      `inner product ${sign * 6n} of rows 2 and 0`,
    )
  })
})
