import { describe, expect, test } from 'vitest'

import { concatBytes, fromHex, toHex, word, WORD_BYTES } from '../../src/protocol/bytes'
import { GENERATOR, P } from '../../src/protocol/curve'
import { checkVerifyingKey, decodeVerifyingKey, isDevelopment } from '../../src/protocol/reference-string'
import { developmentBlinding, developmentPowers, developmentWords } from './development-string'
import { REFERENCE_STRINGS } from './vectors'

const WORDS = developmentWords(9)
const LOCAL = 31337n

/** The words with one of them changed. */
function withWord(place: number, value: bigint): Uint8Array {
  const start = place * WORD_BYTES
  return concatBytes(WORDS.subarray(0, start), word(value), WORDS.subarray(start + WORD_BYTES))
}

describe('srs.json', () => {
  test.each(REFERENCE_STRINGS)('$name', (string) => {
    expect(developmentPowers(string.size).map(toHex)).toEqual(string.powers.map((point) => `0x${point}`))
    expect(developmentBlinding().map(toHex)).toEqual(string.blinding.map((point) => `0x${point}`))
    const words = concatBytes(
      word(string.size),
      fromHex(string.powers_digest),
      ...[string.powers[1] ?? '', ...string.blinding, string.tau_g2, string.tau2_g2].map(fromHex),
    )
    expect(toHex(developmentWords(string.size))).toBe(toHex(words))
    const key = decodeVerifyingKey(words)
    expect(toHex(key.digest)).toBe(`0x${string.digest}`)
    expect(isDevelopment(key)).toBe(true)
    expect(() => checkVerifyingKey(key, LOCAL)).not.toThrow()
  })
})

describe('a reference string is refused', () => {
  test('on a chain that is none for tests, if its secrets are public', () => {
    expect(() => checkVerifyingKey(decodeVerifyingKey(WORDS), 1n)).toThrow('anybody can forge')
  })

  test('if nobody contributed to it', () => {
    const words = concatBytes(WORDS.subarray(0, 64), word(GENERATOR.x), word(GENERATOR.y), WORDS.subarray(128))
    expect(() => checkVerifyingKey(decodeVerifyingKey(words), LOCAL)).toThrow('nobody has contributed')
  })

  test.each([
    ['[τ]_1', 2, '[τ]_2 does not belong'],
    ['[η]_1', 4, '[ητ]_1 does not belong'],
    ['[ητ²]_1', 8, '[ητ²]_1 does not belong'],
    ['[τ]_2', 10, '[τ]_2 does not belong'],
    ['[τ²]_2', 14, '[τ²]_2 does not belong'],
  ])('if %s is another', (_, place, words) => {
    const swapped = place < 10 ? withWord(place + 1, P - wordOf(place + 1)) : negatedG2(place)
    expect(() => checkVerifyingKey(decodeVerifyingKey(swapped), LOCAL)).toThrow(words)
  })

  test.each(Array.from({ length: 16 }, (_, k) => k + 2))('if word %i is not canonical', (place) => {
    expect(() => decodeVerifyingKey(withWord(place, wordOf(place) + P))).toThrow('not below p')
    expect(() => decodeVerifyingKey(withWord(place, (wordOf(place) + 1n) % P))).toThrow(/not a (finite )?point/)
  })

  test('if it is not known, too short, too small or too large', () => {
    expect(() => decodeVerifyingKey(WORDS.subarray(1))).toThrow('575 bytes')
    expect(() => decodeVerifyingKey(WORDS.subarray(0, 0))).toThrow('is not known')
    for (const size of [0n, 8n, (1n << 28n) + 1n]) {
      expect(() => decodeVerifyingKey(withWord(0, size))).toThrow(`cannot have ${size} powers`)
    }
  })
})

function wordOf(place: number): bigint {
  return BigInt(toHex(WORDS.subarray(place * WORD_BYTES, (place + 1) * WORD_BYTES)))
}

function negatedG2(place: number): Uint8Array {
  const start = (place + 2) * WORD_BYTES
  const y = [place + 2, place + 3].map((k) => word((P - wordOf(k)) % P))
  return concatBytes(WORDS.subarray(0, start), ...y, WORDS.subarray(start + 2 * WORD_BYTES))
}
