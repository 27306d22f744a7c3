import { describe, expect, test } from 'vitest'

import { fromHex, toHex, WORD_BYTES } from '../../src/protocol/bytes'
import { decodeCarried } from '../../src/protocol/carried'
import { METHODS } from '../../src/protocol/checks'
import { CHECKS, type Evidence } from '../../src/protocol/evidence'
import { readRecorded } from '../../src/protocol/recorded'
import { decodeVerifyingKey } from '../../src/protocol/reference-string'
import { settle } from '../../src/protocol/settlement'
import { evidenceOf, logged, withData } from './evidence'
import { FLIPPED_BITS, flipped } from './tampering'

/** Whether every check holds, the proof last: pairings are what takes time. */
function accepted(evidence: Evidence, key: ReturnType<typeof decodeVerifyingKey>): boolean {
  const recorded = once(() => readRecorded(evidence))
  const outcome = once(() => {
    const { gram, referenceExpected, carried } = recorded().statement
    return settle(gram, referenceExpected, decodeCarried(carried))
  })
  const material = { evidence, recorded, outcome, key: () => key }
  try {
    for (const name of CHECKS) if (name !== 'proof') METHODS[name](material)
    METHODS.proof(material)
    return true
  } catch {
    return false
  }
}

function once<T>(compute: () => T): () => T {
  let made: { value: T } | undefined
  return () => (made ??= { value: compute() }).value
}

/** What a log claims, less what no check speaks about: hints, the published file, the end of the window. */
function claimed(evidence: Evidence): string {
  const [statement, published, proof, paid] = logged(evidence)
  const carried = statement.witness.carried
  const claims = [{ ...statement, witness: carried }, published.included, proof, paid]
  return JSON.stringify(claims, (_, value: unknown) => (typeof value === 'bigint' ? String(value) : value))
}

describe('a log with one bit flipped', () => {
  test.each(['every extra row, memories, a floor and a cap', 'multi-krum and shapley', 'the default rule and score'])(
    'is refused, or claims the same: %s',
    (name) => {
      const honest = evidenceOf(name)
      const key = decodeVerifyingKey(fromHex(honest.verifying_key))
      const data = fromHex(honest.log.data)
      const claims = claimed(honest)
      let refused = 0
      for (let place = 0; place < data.length / WORD_BYTES; place++) {
        for (const bit of FLIPPED_BITS) {
          const evidence = withData(honest, toHex(flipped(data, place, bit)))
          if (!accepted(evidence, key)) refused += 1
          else expect(claimed(evidence), `word ${place}, bit ${bit}`).toBe(claims)
        }
      }
      const free = (data.length / WORD_BYTES) * FLIPPED_BITS.length - refused
      expect(accepted(honest, key)).toBe(true)
      expect(refused).toBeGreaterThan(250)
      expect(free).toBeLessThan(80)
    },
    120_000,
  )
})
