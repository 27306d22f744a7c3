import { describe, expect, test } from 'vitest'

import { type Address, concatBytes, NO_BYTES, toHex, writeInteger } from '../../src/protocol/bytes'
import { decodeCarried, digestOf, EMPTY, encodeCarried } from '../../src/protocol/carried'
import { findTrainers, joinEntries } from '../../src/protocol/roster'
import { accumulated, recall, remember } from '../../src/protocol/running'

const account = (k: number): Address => toHex(writeInteger(BigInt(k), 20))
const LARGEST = 1n << 120n

describe('what a job carries', () => {
  test('is nothing where all four parts are empty', () => {
    expect(encodeCarried(EMPTY)).toEqual(NO_BYTES)
    expect(decodeCarried(NO_BYTES)).toBe(EMPTY)
    expect(toHex(digestOf(NO_BYTES))).toBe(`0x${'00'.repeat(32)}`)
    expect(() => decodeCarried(new Uint8Array(12))).toThrow('no bytes where it is nothing')
  })

  test('comes back as it was', () => {
    const carried = { rule: Uint8Array.of(1), score: NO_BYTES, floor: Uint8Array.of(2, 3), history: Uint8Array.of(4) }
    const encoded = encodeCarried(carried)
    expect(toHex(encoded)).toBe('0x000000010100000000000000020203' + '04')
    expect(decodeCarried(encoded)).toEqual(carried)
  })

  test.each([1, 3, 4, 5, 8, 11])('is refused when only %i bytes of it are left', (length) => {
    const encoded = encodeCarried({ ...EMPTY, rule: Uint8Array.of(1, 2) })
    expect(() => decodeCarried(encoded.subarray(0, length))).toThrow('are not what a job carries')
  })

  test('is refused with a length beyond its end', () => {
    expect(() => decodeCarried(Uint8Array.of(255, 255, 255, 255, 1, 2))).toThrow('are not what a job carries')
  })
})

describe('running values', () => {
  const trainers = [account(1), account(2)]

  test("of this round's trainers come first, then the absent as they were", () => {
    const before = remember(NO_BYTES, [account(3), account(2)], [7n, -9n])
    expect(recall(before, trainers)).toEqual([0n, -9n])
    const after = remember(before, trainers, [1n, 2n])
    expect(recall(after, [account(1), account(2), account(3)])).toEqual([1n, 2n, 7n])
    expect(toHex(after.subarray(72, 92))).toBe(account(3))
  })

  test('are kept by 7/8, rounded toward zero, and saturate', () => {
    const before = remember(NO_BYTES, [...trainers, account(3)], [-9n, 9n, LARGEST])
    expect(accumulated(before, [...trainers, account(3)], [0n, 0n, LARGEST])).toEqual([-7n, 7n, LARGEST])
    expect(accumulated(NO_BYTES, trainers, [-LARGEST - 1n, 5n])).toEqual([-LARGEST, 5n])
  })

  test('beyond 128 entries are cut, the longest absent first', () => {
    const all = Array.from({ length: 128 }, (_, k) => account(k))
    const before = remember(
      NO_BYTES,
      all,
      all.map((_, k) => BigInt(k)),
    )
    const after = remember(before, [account(500)], [1n])
    expect(after.length).toBe(128 * 36)
    expect(recall(after, [account(126), account(127)])).toEqual([126n, 0n])
  })

  test('of a length that is no multiple of an entry are refused, and more trainers than a job remembers', () => {
    expect(() => recall(new Uint8Array(35), trainers)).toThrow('are not a memory of entries of 36 bytes')
    expect(() =>
      findTrainers(
        NO_BYTES,
        36,
        Array.from({ length: 129 }, (_, k) => account(k)),
      ),
    ).toThrow('a job remembers at most 128 trainers, not 129')
  })

  test('whose address is there twice count once, the first, and both entries go', () => {
    const entry = (value: bigint): Uint8Array => concatBytes(writeInteger(1n, 20), writeInteger(value, 16))
    const twice = joinEntries([entry(5n)], [entry(6n)])
    expect(recall(twice, [account(1)])).toEqual([5n])
    expect(recall(remember(twice, [account(2)], [8n]), [account(1)])).toEqual([5n])
    expect(remember(twice, [account(2)], [8n]).length).toBe(3 * 36)
    expect(remember(twice, [account(1)], [8n]).length).toBe(2 * 36)
  })
})
