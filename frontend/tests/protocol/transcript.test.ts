import { describe, expect, test } from 'vitest'

import { toHex, word } from '../../src/protocol/bytes'
import { R } from '../../src/protocol/curve'
import { rowFactors, Transcript } from '../../src/protocol/transcript'

/** A transcript whose next challenge is chosen. */
class Chosen extends Transcript {
  constructor(readonly next: bigint) {
    super('gramercy/test')
  }

  override challenge(): Uint8Array {
    return word(this.next)
  }
}

describe('a challenge', () => {
  test('is taken modulo the order', () => {
    expect(new Chosen(R + 5n).scalar('gamma')).toBe(5n)
  })

  test.each([0n, R])('of %d is refused: it is zero', (value) => {
    expect(() => new Chosen(value).scalar('gamma')).toThrow('the challenge gamma is zero')
  })

  test.each([1n, R - 1n, R + 1n])('of %d is refused where a point of evaluation is drawn', (value) => {
    expect(() => new Chosen(value).evaluationPoint('z')).toThrow('the challenge z is its own inverse')
    expect(() => new Chosen(value).scalar('z')).not.toThrow()
  })

  test('depends on label, length and order of what was said', () => {
    const after = (...messages: [string, number[]][]): string => {
      const transcript = new Transcript('gramercy/test')
      for (const [label, data] of messages) transcript.absorb(label, Uint8Array.from(data))
      return toHex(transcript.challenge('c'))
    }
    const found = [
      after(),
      after(['a', []]),
      after(['b', []]),
      after(['a', [0]]),
      after(['a', []], ['b', [0]]),
      after(['b', [0]], ['a', []]),
    ]
    expect(new Set(found).size).toBe(found.length)
  })
})

test('row factors have 128 bits and differ by row', () => {
  const factors = rowFactors(word(7), 200)
  expect(factors.every((factor) => factor >> 128n === 0n)).toBe(true)
  expect(factors.some((factor) => factor >> 127n === 1n)).toBe(true)
  expect(new Set(factors).size).toBe(200)
})
