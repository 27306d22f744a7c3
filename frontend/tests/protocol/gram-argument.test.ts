import { describe, expect, test } from 'vitest'

import { concatBytes, fromHex, NO_BYTES, sameBytes, toHex, word, WORD_BYTES, wordAt } from '../../src/protocol/bytes'
import { P, R } from '../../src/protocol/curve'
import { Refused } from '../../src/protocol/errors'
import { decodeGramProof, gramChallenges, verifyGram } from '../../src/protocol/gram-argument'
import { encodeStatement, type GramStatement } from '../../src/protocol/statement'
import { flipped, pointChanges, type Tampered, tamperedProofs } from './tampering'
import { gramStatement, PROOFS, type ProofVector, provingKey } from './vectors'

const KEY = provingKey()
const WITH_ALL = vector('every extra row')
const PROOF_WORDS = 12

describe('proofs.json', () => {
  test.each(PROOFS)("$name: the statement's bytes and every challenge", (vector) => {
    const message = encodeStatement(gramStatement(vector), KEY.digest)
    expect(toHex(message)).toBe(`0x${vector.message}`)
    const found = gramChallenges(message, decodeGramProof(fromHex(vector.proof)), vector.commitments.length)
    expect(toHex(found.state)).toBe(`0x${vector.state}`)
    expect(found.lambdas.map(String)).toEqual(vector.lambdas)
    expect(found.z).toBe(BigInt(vector.z))
    expect(found.gamma).toBe(BigInt(vector.gamma))
  })

  test.each(PROOFS)('$name: the proof is accepted', (vector) => {
    expect(() => verifyGram(KEY, gramStatement(vector), fromHex(vector.proof))).not.toThrow()
  })

  test.each(PROOFS)('$name: no word of the proof can change', (vector) => {
    const [statement, proof] = [gramStatement(vector), fromHex(vector.proof)]
    for (let place = 0; place < PROOF_WORDS; place++) {
      expect(() => verifyGram(KEY, statement, flipped(proof, place, 0)), `word ${place}`).toThrow(Refused)
    }
  })

  test.each(PROOFS)('$name: it shows nothing of another round', (vector) => {
    const other = vector === WITH_ALL ? PROOFS[0] : WITH_ALL
    expect(() => verifyGram(KEY, gramStatement(vector), fromHex(other?.proof ?? ''))).toThrow(Refused)
  })
})

describe('tampering', () => {
  test('with the proof is refused, whatever is done to a word, a point or the length', () => {
    const [statement, honest] = [gramStatement(WITH_ALL), fromHex(WITH_ALL.proof)]
    const cases = tamperedProofs(honest).filter(([, proof]) => !sameBytes(proof, honest))
    expect(cases.length).toBeGreaterThan(100)
    for (const [what, proof] of cases) expect(() => verifyGram(KEY, statement, proof), what).toThrow(Refused)
  }, 60_000)

  test('a scalar has one encoding, a point too', () => {
    const proof = fromHex(WITH_ALL.proof)
    const put = (place: number, value: bigint): Uint8Array =>
      concatBytes(proof.subarray(0, place * WORD_BYTES), word(value), proof.subarray((place + 1) * WORD_BYTES))
    for (const place of [2, 5, 6, 7, 8, 9]) {
      expect(() => decodeGramProof(put(place, R - 1n))).not.toThrow()
      expect(() => decodeGramProof(put(place, R))).toThrow('of the proof is not a canonical scalar')
    }
    for (const place of [0, 1, 3, 4, 10, 11]) {
      expect(() => decodeGramProof(put(place, wordAt(proof, place) + P))).toThrow(
        'has a coordinate that is not below p',
      )
    }
  })

  test.each(['every extra row', 'three updates of five entries'])(
    'with any field, point or product of the statement is refused: %s',
    (name) => {
      const chosen = vector(name)
      const proof = fromHex(chosen.proof)
      const cases = tamperedStatements(gramStatement(chosen))
      expect(cases.length).toBeGreaterThan(60)
      for (const [what, statement] of cases) expect(() => verifyGram(KEY, statement, proof), what).toThrow(Refused)
    },
    60_000,
  )
})

describe('a statement is refused', () => {
  const honest = gramStatement(WITH_ALL)
  const proof = fromHex(WITH_ALL.proof)

  test.each<[string, Partial<GramStatement>, string]>([
    ['without updates', { trainers: [], stakes: [], commitments: [], gram: NO_BYTES, history: false }, 'at least one'],
    ['with too few stakes', { stakes: honest.stakes.slice(1) }, '1 stakes of 2 trainers'],
    ['with too few commitments', { commitments: honest.commitments.slice(1) }, '5 commitments of 6 rows'],
    ['with too few products', { gram: honest.gram.subarray(1) }, 'are not the inner products of 6 rows'],
    ['of more entries than there are powers', { dimension: 25n }, "exceed the reference string's 32 powers"],
  ])('%s', (_, change, words) => {
    expect(() => verifyGram(KEY, { ...honest, ...change }, proof)).toThrow(words)
  })
})

function vector(name: string): ProofVector {
  const found = PROOFS.find((candidate) => candidate.name === name)
  if (found === undefined) throw new Error(`proofs.json has no case "${name}"`)
  return found
}

/** Statements with one thing changed. */
function tamperedStatements(honest: GramStatement): Tampered<GramStatement>[] {
  const numbers = ['byzantine', 'bits', 'headroomBits', 'scaleExponent', 'round', 'floorBps', 'capBps'] as const
  const integers = ['chainId', 'jobId', 'dimension', 'budget'] as const
  const accounts = ['market', 'aggregator'] as const
  const flags = ['reference', 'previous', 'history'] as const
  const other = `0x${'7'.repeat(40)}` as const
  const change = (what: string, changed: Partial<GramStatement>): Tampered<GramStatement> => [
    what,
    { ...honest, ...changed },
  ]
  const put = <T>(list: readonly T[], place: number, value: T): T[] => list.map((old, i) => (i === place ? value : old))
  return [
    ...numbers.flatMap((field) => [1, -1].map((by) => change(field, { [field]: honest[field] + by }))),
    ...integers.flatMap((field) => [1n, -1n].map((by) => change(field, { [field]: honest[field] + by }))),
    ...accounts.map((field) => change(field, { [field]: other })),
    ...flags.map((field) => change(field, { [field]: !honest[field] })),
    change('rule', { rule: 'mean' }),
    change('score', { score: 'cosine' }),
    change('trainers exchanged', { trainers: honest.trainers.toReversed() }),
    change('commitments reversed', { commitments: honest.commitments.toReversed() }),
    ...honest.trainers.map((_, i) => change(`trainer ${i}`, { trainers: put(honest.trainers, i, other) })),
    ...honest.stakes.map((stake, i) => change(`stake ${i}`, { stakes: put(honest.stakes, i, stake ^ 1n) })),
    ...honest.commitments.flatMap((point, i) =>
      pointChanges(point).map(([what, changed]) =>
        change(`commitment ${i}: ${what}`, { commitments: put(honest.commitments, i, changed) }),
      ),
    ),
    ...Array.from({ length: honest.gram.length / 8 }, (_, k) => {
      const gram = honest.gram.slice()
      gram[8 * k + 7] = (gram[8 * k + 7] ?? 0) ^ 1
      return change(`product word ${k}`, { gram })
    }),
  ]
}
