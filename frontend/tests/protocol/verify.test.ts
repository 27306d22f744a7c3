import { describe, expect, test } from 'vitest'

import { type Check, type CheckName, CHECKS, type Evidence, type Progress } from '../../src/protocol/evidence'
import { verifySettlement } from '../../src/protocol/verify'
import type { components } from '../../src/api/schema'
import { EVIDENCE, evidenceOf, type Logged, saying, stating, withData } from './evidence'

const WITH_ALL = evidenceOf('every extra row, memories, a floor and a cap')
const DEFAULT = evidenceOf('the default rule and score')
const FIRST = evidenceOf("a job's first round")

/** The checks that fail, with their words. */
async function failures(evidence: Evidence): Promise<Partial<Record<CheckName, string>>> {
  const checks = await verifySettlement(evidence)
  return Object.fromEntries(checks.filter(({ ok }) => !ok).map(({ name, detail }) => [name, detail]))
}

function raised<T>(list: readonly T[], place: number, change: (value: T) => T): T[] {
  return list.map((value, i) => (i === place ? change(value) : value))
}

describe('an honest settlement', () => {
  test.each(EVIDENCE)('$name: every check holds', async (evidence) => {
    const told: Progress[] = []
    const checks = await verifySettlement(evidence, (progress) => told.push(progress))
    expect(checks.filter(({ ok }) => !ok)).toEqual([])
    expect(checks.map(({ name }) => name)).toEqual(CHECKS)
    expect(told.map(({ check }) => check)).toEqual(checks)
    expect(told.map(({ done, total }) => [done, total])).toEqual(CHECKS.map((_, i) => [i + 1, CHECKS.length]))
  })

  test('says what was found', async () => {
    const checks = await verifySettlement(WITH_ALL)
    const details = Object.fromEntries(checks.map(({ name, detail }) => [name, detail]))
    expect(details).toEqual({
      log: `settled by 0x${'22'.repeat(20)} in transaction 0x${'55'.repeat(32)}, block 12`,
      'reference string': expect.stringMatching(
        /^reference string 0x[0-9a-f]{64} of 80 powers, its secrets public: for development only$/,
      ),
      proof: '384 bytes show the inner products of 8 rows',
      rule: expect.stringMatching(/^foolsgold accepts \d of 3$/),
      scores: 'reputation',
      payouts: expect.stringMatching(/^\d+ of 1000000000000000000, in the token’s smallest unit$/),
      scale: expect.stringMatching(/^2\^-\d follows 2\^-5$/),
      'aggregate commitment': expect.stringMatching(/^0x[0-9a-f]{64} = Σ w_i C_i$/),
      memory: expect.stringMatching(/^\d+ bytes carried in, \d+ carried on, running sums of 3 trainers among them$/),
    })
  })

  test("whose reference was left out is scored by the floor's score", async () => {
    const checks = await verifySettlement(evidenceOf('the reference row left out'))
    expect(checks.find(({ name }) => name === 'scores')?.detail).toBe('alignment, without the reference row')
  })

  test('stays what it is when the owner raises the budget later', async () => {
    const terms = { ...DEFAULT.terms, round_budget: '1000000000000000001' }
    expect(await failures({ ...DEFAULT, terms })).toEqual({})
  })

  test('is told of as the API describes it', () => {
    const served: components['schemas']['Evidence'] | null = null
    const read: Evidence | null = served
    expect(read).toBeNull()
  })
})

describe('a false claim fails its own check, which names what differs', () => {
  const cases: readonly [string, CheckName, Evidence, RegExp][] = [
    [
      'a score',
      'scores',
      stating(WITH_ALL, ({ scores }) => ({ scores: raised(scores, 2, (s) => s - 1n) })),
      /^the score of update 2 is posted as -?\d+, expected -?\d+$/,
    ],
    [
      'a payout',
      'payouts',
      stating(WITH_ALL, ({ payouts }) => ({ payouts: raised(payouts, 0, (p) => p + 1n) })),
      /^the payout of update 0 is posted as \d+, expected \d+$/,
    ],
    [
      'payouts of one trainer too few',
      'payouts',
      stating(WITH_ALL, ({ payouts }) => ({ payouts: payouts.slice(1) })),
      /^there are 2 posted payouts, expected 3$/,
    ],
    [
      'what is paid in all',
      'payouts',
      saying(WITH_ALL, ([statement, published, proof, paid, end]) => [statement, published, proof, paid + 1n, end]),
      /^the log says that \d+ is paid, the payouts are \d+ in all$/,
    ],
    [
      'the next scale',
      'scale',
      stating(WITH_ALL, ({ nextScaleExponent }) => ({ nextScaleExponent: nextScaleExponent + 1 })),
      /^the next scale exponent is posted as -?\d+, expected -?\d+$/,
    ],
    [
      'the aggregate commitment',
      'aggregate commitment',
      stating(WITH_ALL, () => ({ aggregateCommitment: `0x8${'0'.repeat(62)}1` })),
      /is not the weighted sum of the updates'$/,
    ],
    [
      'an aggregate commitment that is no point',
      'aggregate commitment',
      stating(WITH_ALL, () => ({ aggregateCommitment: `0x${'0'.repeat(64)}` })),
      /^the aggregate commitment has no flags of a compressed point$/,
    ],
    [
      'what is carried on',
      'memory',
      stating(WITH_ALL, () => ({ nextMemoryDigest: `0x${'1'.repeat(64)}` })),
      /^what is carried on has the digest 0x[0-9a-f]{16}…, posted is 0x1{16}…$/,
    ],
    [
      'what was carried in',
      'memory',
      stating(WITH_ALL, () => ({ memoryDigest: `0x${'1'.repeat(64)}` })),
      /^what is carried into the round has the digest 0x[0-9a-f]{16}…, posted is 0x1{16}…$/,
    ],
    ['what was handed on before', 'memory', { ...WITH_ALL, carried_before: '0x' }, /not those of the round before$/],
    [
      'the proof',
      'proof',
      saying(WITH_ALL, ([statement, published, proof, ...rest]) => [
        statement,
        published,
        `0x${proof.slice(2, -1)}${proof.endsWith('1') ? '2' : '1'}`,
        ...rest,
      ]),
      /^W of the proof is not a point of the curve$/,
    ],
    [
      'a term of the job',
      'log',
      { ...WITH_ALL, terms: { ...WITH_ALL.terms, cap_bps: 20_000 } },
      /^the cap is 30000, by the job's terms 20000$/,
    ],
    [
      'the verifier',
      'log',
      { ...WITH_ALL, verifier: `0x${'1'.repeat(40)}` },
      /^the job's verifier is 0x3{40}, not 0x1/,
    ],
    [
      "a budget above the job's",
      'log',
      { ...WITH_ALL, terms: { ...WITH_ALL.terms, round_budget: '999999999999999999' } },
      /is above the job's 999999999999999999$/,
    ],
    [
      'the first exponent',
      'log',
      { ...FIRST, terms: { ...FIRST.terms, scale_exponent: 0 } },
      /^the first scale exponent is -5, by the job's terms 0$/,
    ],
    [
      'who is included',
      'log',
      saying(WITH_ALL, ([statement, published, ...rest]) => [
        statement,
        { ...published, included: published.included ^ 1n },
        ...rest,
      ]),
      /^there are not as many included commitments as trainers$/,
    ],
    [
      'whether the reference is included',
      'log',
      saying(WITH_ALL, ([statement, published, ...rest]) => [
        statement,
        { ...published, included: published.included ^ (1n << 255n) },
        ...rest,
      ]),
      /do not agree about the reference$/,
    ],
  ]

  test.each(cases)('%s: %s', async (_, name, evidence, words) => {
    const failed = await failures(evidence)
    expect(Object.keys(failed)).toEqual([name])
    expect(failed[name]).toMatch(words)
  })

  test('a weight fails the rule, and the sum with that weight', async () => {
    const failed = await failures(stating(WITH_ALL, ({ weights }) => ({ weights: raised(weights, 1, (w) => w + 1n) })))
    expect(failed).toEqual({
      rule: expect.stringMatching(/^the weight of update 1 is posted as \d+, expected \d+$/),
      'aggregate commitment': "the aggregate commitment is not the weighted sum of the updates'",
    })
  })

  test('a reference string for tests alone fails by itself and with the proof', async () => {
    const elsewhere = stating(WITH_ALL, ({ gram }) => ({ gram: { ...gram, chainId: 1n } }))
    const failed = await failures({ ...elsewhere, chain_id: 1 })
    expect(failed['reference string']).toMatch('chain 1 is none for tests')
    expect(failed).toEqual({ 'reference string': failed['reference string'], proof: failed['reference string'] })
  })

  test('a running sum that does not follow fails memory and proof', async () => {
    const failed = await failures(
      stating(WITH_ALL, ({ gram }) => ({
        gram: { ...gram, commitments: [...gram.commitments.slice(0, -1), { x: 1n, y: 2n }] },
      })),
    )
    expect(failed.memory).toMatch(/^the running sum of 0x03{1}[0-9a-f]* is not what follows$/)
    expect(Object.keys(failed)).toEqual(['proof', 'memory'])
  })

  test('a product that is not what was proven fails the proof, and what does not follow from it', async () => {
    const failed = await failures(
      stating(WITH_ALL, ({ gram }) => ({ gram: { ...gram, gram: `0x${'00'.repeat(7)}01${gram.gram.slice(18)}` } })),
    )
    expect(failed.proof).toMatch('does not show that the inner products are those of the committed rows')
  })
})

describe('what cannot be read fails with words', () => {
  const broken: readonly [string, Evidence][] = [
    ['no data', withData(WITH_ALL, '0x')],
    ['data that is not hexadecimal', withData(WITH_ALL, '0xzz')],
    ['half of the data', withData(WITH_ALL, WITH_ALL.log.data.slice(0, 1026))],
    ['data of another length', withData(WITH_ALL, `${WITH_ALL.log.data}00`)],
    ['more data than there should be', withData(WITH_ALL, WITH_ALL.log.data + '00'.repeat(32))],
    ['a log by another contract', { ...WITH_ALL, log: { ...WITH_ALL.log, address: `0x${'9'.repeat(40)}` } }],
    ['no topics', { ...WITH_ALL, log: { ...WITH_ALL.log, topics: [] } }],
    ['another event', { ...WITH_ALL, log: { ...WITH_ALL.log, topics: raised(WITH_ALL.log.topics, 0, () => '0x00') } }],
    ['another job', { ...WITH_ALL, job_id: 8 }],
    ['another round', { ...WITH_ALL, round: 4 }],
    ['another market', { ...WITH_ALL, market: `0x${'9'.repeat(40)}` }],
    ['no log at all', { ...WITH_ALL, log: undefined } as unknown as Evidence],
    ['nothing', {} as unknown as Evidence],
  ]

  test.each(broken)('%s', async (_, evidence) => {
    const checks = await verifySettlement(evidence)
    expect(checks.map(({ name }) => name)).toEqual(CHECKS)
    const log = checks.find(({ name }) => name === 'log') as Check
    expect(log.ok).toBe(false)
    for (const { name, ok, detail } of checks) {
      expect(ok, name).toBe(name === 'reference string' && evidence.verifying_key !== undefined)
      expect(detail.length).toBeGreaterThan(10)
    }
  })

  test('a verifying key that is too short fails by itself and with the proof', async () => {
    const failed = await failures({ ...WITH_ALL, verifying_key: WITH_ALL.verifying_key.slice(0, -2) })
    expect(failed).toEqual({
      'reference string': '575 bytes are not a verifying key, which has 18 words',
      proof: '575 bytes are not a verifying key, which has 18 words',
    })
  })

  const unreadable: readonly [string, (gram: Logged[0]['gram']) => Partial<Logged[0]['gram']>, string][] = [
    ['a rule that is unknown', () => ({ rule: `0x${'6b'.repeat(4)}${'00'.repeat(28)}` }), 'there is no rule "kkkk"'],
    ['products of other rows', ({ gram }) => ({ gram: `${gram}00` }), 'are not the inner products of 8 rows'],
    ['an impossible square', ({ gram }) => ({ gram: `0xff${gram.slice(4)}` }), 'the squared norm -'],
    ['stakes of zero', ({ stakes }) => ({ stakes: stakes.map(() => 0n) }), 'cannot be computed: '],
    ['running sums left out', () => ({ history: false }), 'the rule foolsgold needs running sums'],
  ]

  test.each(unreadable)('%s', async (_, change, words) => {
    const failed = await failures(stating(WITH_ALL, ({ gram }) => ({ gram: { ...gram, ...change(gram) } })))
    expect(failed.rule ?? failed.scores).toMatch(words)
    expect(Object.keys(failed)).toEqual(expect.arrayContaining(['proof', 'payouts', 'memory']))
  })
})
