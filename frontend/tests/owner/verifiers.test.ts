/** Whoever opens a job chooses its verifier: no form takes it over, and pages tell it from the deployment's. */
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { JobDetail } from '../../src/api/types'
import { draftFrom } from '../../src/owner/takeover'
import { standingOf } from '../../src/wallet/verifiers'

const GOOD = `0x${'aB'.repeat(20)}`
const EVIL = `0x${'ee'.repeat(20)}`
const MARKET = `0x${'Cc'.repeat(20)}`

let answers: unknown[]
beforeEach(() => {
  vi.resetModules()
  answers = []
  vi.stubGlobal('fetch', async () => {
    const told = answers.shift()
    if (told === undefined) throw new TypeError('no connection')
    return new Response(JSON.stringify(told), { headers: { 'content-type': 'application/json' } })
  })
})
afterEach(() => void vi.unstubAllGlobals())

const ask = async (chainId: number, market = MARKET) => (await import('../../src/wallet/verifiers')).verifiersOf({ chainId, market })
const deployments = [{ chain_id: 31337, market: MARKET, verifiers: [GOOD] }]

test('a verifier is vouched for by the address book alone', () => {
  expect(standingOf(GOOD.toLowerCase(), [GOOD])).toBe('vouched')
  expect(standingOf(EVIL, [GOOD])).toBe('foreign')
  expect(standingOf(GOOD, [])).toBe('untold')
})

test('of the very market on the very chain', async () => {
  answers = [{ deployments }]
  expect(await ask(31337, MARKET.toLowerCase())).toEqual([GOOD])
  expect(await ask(1)).toEqual([])
  expect(await ask(31337, EVIL)).toEqual([])
})

test('a server that does not answer vouches for nothing, and is asked again', async () => {
  expect(await ask(31337)).toEqual([])
  answers = [{ deployments }]
  expect(await ask(31337)).toEqual([GOOD])
})

test('the terms of a job are taken over without its verifier', () => {
  const terms = {
    token: { address: `0x${'00'.repeat(20)}`, symbol: 'coins', decimals: 18 },
    ...{ round_budget: '1', stake_min: '1', stake_max: '1', aggregator_bond: '1', floor_bps: 0, cap_bps: 0, challenger_share_bps: 0 },
    verifier: EVIL,
  }
  const job = { summary: { name: 'Cheap' }, terms, manifest_cid: 'bafk', aggregators: [] } as unknown as JobDetail
  expect(draftFrom(job, '')).toMatchObject({ name: 'Cheap', verifier: '' })
  expect(JSON.stringify(draftFrom(job, GOOD))).not.toContain(EVIL)
})

test('a server that cannot be asked has not said that it vouches for none', async () => {
  const { vouchedOf } = await import('../../src/wallet/verifiers')
  expect(await vouchedOf({ chainId: 31337, market: MARKET })).toBeNull()
  answers = [{ deployments }]
  expect(await vouchedOf({ chainId: 31337, market: MARKET })).toEqual([GOOD])
})
