import { readFileSync } from 'node:fs'
import { decodeFunctionData, encodeAbiParameters, type Abi } from 'viem'
import { describe, expect, test } from 'vitest'
import type { JobDetail, Market, RoundDetail } from '../../src/api/types'
import { askChallenge } from '../../src/owner/asks'
import { MOST_BYTES, readChallenge, type RoundKey, Unfit } from '../../src/owner/challenge'
import { callOf } from '../../src/wallet/calls'
import type { Hex } from '../../src/wallet/eip1193'
import { linesOf, titleOf } from '../../src/wallet/words'
import { MARKET } from '../wallet/fake-chain'

const AGGREGATOR = '0x7E5F4552091A69125d5DfCb7b8C2659029395Bdf'
const TRAINER = '0x2546BcD3c84621e976D8185a91A922aE77ECEc30'
const [ROOTED, UPDATED]: [Hex, Hex] = [`0x${'ab'.repeat(32)}`, `0x${'cd'.repeat(32)}`]
const COIN = 10n ** 18n
const NATIVE = '0x0000000000000000000000000000000000000000'
const abi = (JSON.parse(readFileSync('../contracts/artifacts/Market.json', 'utf8')) as { abi: Abi }).abi

/** As market/services/challenge.py encodes it. */
const evidenceOf = (fault: number, start = 4_700n): Hex =>
  encodeAbiParameters(
    [
      {
        type: 'tuple',
        components: [
          { type: 'uint8', name: 'kind' },
          { type: 'uint256[2]', name: 'commitment' },
          { type: 'uint256', name: 'start' },
          { type: 'uint256[]', name: 'values' },
          { type: 'bytes', name: 'opening' },
          { type: 'int64[]', name: 'leaf' },
          { type: 'bytes32[]', name: 'path' },
        ],
      },
    ],
    [{ kind: fault, commitment: [1n, 2n], start, values: [7n], opening: `0x${'00'.repeat(352)}`, leaf: [], path: [] }],
  )

const OF: RoundKey = { chainId: 31337, market: MARKET, jobId: 7, round: 3 }
const ROUND = {
  summary: { number: 3, phase: 'challengeable' },
  settlement: { aggregator: AGGREGATOR, bond: (COIN / 2n).toString(), aggregate_commitment: ROOTED },
  updates: [{ index: 0, trainer: TRAINER, commitment: UPDATED, stake: COIN.toString(), slashed: false }],
} as unknown as RoundDetail
const JOB = { summary: { job_id: 7, token: { address: NATIVE, symbol: 'coins', decimals: 18 } }, terms: { challenger_share_bps: 2_500 } } as unknown as JobDetail
const PLACE = { chain_id: 31337, chain_name: 'Test chain', address: MARKET, explorer: null } as unknown as Market

const SETTLEMENT = {
  schema: 'gramercy/challenge/1',
  chain_id: 31337,
  market: MARKET,
  job: 7,
  round: 3,
  kind: 'settlement',
  accused: AGGREGATOR,
  update: null as number | null,
  commitment: ROOTED,
  evidence: evidenceOf(2, 256n),
}
const UPDATE = { ...SETTLEMENT, kind: 'update', accused: TRAINER, update: 0, commitment: UPDATED, evidence: evidenceOf(1) }
const read = (file: unknown, round = ROUND) => readChallenge(typeof file === 'string' ? file : JSON.stringify(file), OF, round)

describe('what fits', () => {
  test('a challenge of the settlement becomes the market’s call, with words of its own', () => {
    const asked = askChallenge(PLACE, JOB, ROUND, read(SETTLEMENT))
    if (!asked) throw new Error('nothing is asked')
    const call = callOf(asked.intent, asked.market, NATIVE)
    expect(call).toMatchObject({ to: MARKET, value: 0n })
    expect(decodeFunctionData({ abi, data: call.data })).toEqual({ functionName: 'challengeSettlement', args: [7n, 3, SETTLEMENT.evidence] })
    expect(titleOf(asked.intent)).toBe('Challenge the settlement of round 3')
    const told = Object.fromEntries(linesOf(asked).map(({ label, value }) => [label, value]))
    expect(told['You show']).toBe('that the published file is not the aggregate on record: it differs within 128 entries from place 256 on')
    expect(told['At fault']).toContain(AGGREGATOR)
    expect(told['It loses']).toContain('its bond, 0.5 coins')
    expect(told['You receive']).toContain('0.125 coins of that bond')
    expect(told['The round']).toContain('becomes void')
  })

  test('a challenge of an update', () => {
    const asked = askChallenge(PLACE, JOB, ROUND, read(UPDATE))
    if (!asked) throw new Error('nothing is asked')
    expect(decodeFunctionData({ abi, data: callOf(asked.intent, asked.market, NATIVE).data })).toEqual({ functionName: 'challengeUpdate', args: [7n, 3, 0n, UPDATE.evidence] })
    const told = Object.fromEntries(linesOf(asked).map(({ label, value }) => [label, value]))
    expect(told['You show']).toBe('that update 0 has an entry out of range, from place 4700 on')
    expect(told['It loses']).toContain('its stake, 1 coins')
    expect(told['You receive']).toContain('0.25 coins of that stake')
    expect(told).not.toHaveProperty('The round')
  })

  test('addresses in another case', () => {
    expect(read({ ...SETTLEMENT, market: MARKET.toLowerCase(), accused: AGGREGATOR.toLowerCase() }).update).toBeNull()
  })
})

describe('what does not, in words', () => {
  test.each([
    ['another chain', { ...SETTLEMENT, chain_id: 1 }, 'The file is of chain 1;'],
    ['another market', { ...SETTLEMENT, market: TRAINER }, `another market, ${TRAINER}`],
    ['another job', { ...SETTLEMENT, job: 8 }, 'of job 8; this is job 7'],
    ['another round', { ...SETTLEMENT, round: 2 }, 'of round 2; this is round 3'],
    ['a settlement that was replaced', { ...SETTLEMENT, commitment: UPDATED }, 'another settlement than the one on record now'],
    ['another aggregator', { ...SETTLEMENT, accused: TRAINER }, 'another settlement than the one on record now'],
    ['an update that is none', { ...UPDATE, update: 1 }, 'another update than number 1'],
    ['another update', { ...UPDATE, commitment: ROOTED }, 'another update than number 0'],
    ['a later format', { ...SETTLEMENT, schema: 'gramercy/challenge/2' }, 'This page reads gramercy/challenge/1'],
  ])('%s', (_, file, words) => {
    expect(() => read(file)).toThrow(Unfit)
    expect(() => read(file)).toThrow(words)
  })

  test.each([
    ['no JSON', '{'],
    ['no object', '[]'],
    ['null', 'null'],
    ['another schema', { ...SETTLEMENT, schema: 'gramercy/1' }],
    ['a field more', { ...SETTLEMENT, extra: 1 }],
    ['a field less', (({ accused: _, ...rest }) => rest)(SETTLEMENT)],
    ['a number as text', { ...SETTLEMENT, round: '3' }],
    ['a broken number', { ...SETTLEMENT, round: 3.5 }],
    ['no kind', { ...SETTLEMENT, kind: 'proof' }],
    ['a settlement with an update', { ...SETTLEMENT, update: 0 }],
    ['an update without', { ...UPDATE, update: null }],
    ['a negative update', { ...UPDATE, update: -1 }],
    ['evidence that is no hex', { ...SETTLEMENT, evidence: `${SETTLEMENT.evidence.slice(0, -1)}g` }],
    ['evidence cut off', { ...SETTLEMENT, evidence: SETTLEMENT.evidence.slice(0, -2) }],
    ['no evidence', { ...SETTLEMENT, evidence: '0x' }],
    ['a fault that is none', { ...SETTLEMENT, evidence: evidenceOf(3) }],
    ['evidence somewhere else', { ...SETTLEMENT, evidence: `0x${'40'.padStart(64, '0')}${SETTLEMENT.evidence.slice(66)}` }],
    ['no commitment', { ...SETTLEMENT, commitment: '0x' }],
  ])('%s is malformed', (_, file) => {
    expect(() => read(file)).toThrow('This is no file of')
  })

  test('what is too large is not even parsed', () => {
    expect(() => read(' '.repeat(MOST_BYTES + 1))).toThrow('too large: challenges have at most 128 KiB')
  })

  test('a round without a settlement, and a trainer who is slashed', () => {
    expect(() => read(SETTLEMENT, { ...ROUND, settlement: null })).toThrow('this round has none on record')
    expect(() => read(UPDATE, { ...ROUND, updates: ROUND.updates.map((one) => ({ ...one, slashed: true })) })).toThrow('is slashed already')
  })
})
