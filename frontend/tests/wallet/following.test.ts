import { beforeEach, describe, expect, test } from 'vitest'
import { begin, doubtful, type Flow, type Tx } from '../../src/wallet/flows'
import { look } from '../../src/wallet/following'
import { perform, preview } from '../../src/wallet/runner'
import { ACCOUNT, extension, FakeChain } from './fake-chain'

let chain: FakeChain
let tx: Tx
const NOW = 1_700_000_000_000

beforeEach(async () => {
  chain = new FakeChain()
  chain.mining = false
  const flow = begin(extension(), ACCOUNT)
  const sent: Flow = await perform(chain, flow, await preview(chain, flow), () => undefined)
  tx = (await look(chain, sent.txs[0] as Tx, ACCOUNT, NOW)).tx
})

const seen = async (from: Tx = tx, now = NOW): Promise<Tx> => (await look(chain, from, ACCOUNT, now)).tx

test('pending, then confirmed with its gas, then deeper', async () => {
  expect(await seen()).toMatchObject({ state: 'pending', confirmations: 0, unseenSince: null })
  chain.mine()
  expect(await seen()).toMatchObject({ state: 'confirmed', block: 1, confirmations: 1, gasUsed: '21000', fee: '21000000000000' })
  chain.mine()
  expect((await seen()).confirmations).toBe(2)
})

test('failed on the chain', async () => {
  chain.mine('0x0')
  expect((await seen()).state).toBe('failed')
})

test('a reorg takes a confirmation back', async () => {
  chain.mine()
  const before = await seen()
  chain.reorg(true)
  expect(await seen(before)).toMatchObject({ state: 'pending', block: null, confirmations: 0, fee: null })
})

describe('another transaction of the same nonce', () => {
  test('with the same call: it goes on under that hash', async () => {
    const hash = chain.replace({})
    const repriced = await seen()
    expect(repriced).toMatchObject({ state: 'pending', hash })
    expect((await seen(repriced)).state).toBe('confirmed')
  })

  test('to oneself, with nothing: cancelled', async () => {
    const hash = chain.replace({ to: ACCOUNT, input: '0x', value: '0x0' })
    expect(await seen()).toMatchObject({ state: 'cancelled', successor: hash })
  })

  test('with the same call is found however long the page was closed', async () => {
    const hash = chain.replace({})
    for (let i = 0; i < 3_000; i++) chain.mine()
    expect(await seen()).toMatchObject({ state: 'pending', hash })
  })

  test('is found where a node keeps few states', async () => {
    const hash = chain.replace({})
    for (let i = 0; i < 200; i++) chain.mine()
    chain.states = 100
    expect(await seen()).toMatchObject({ hash })
  })

  test('that cannot be found may have been the same: unknown, and doubtful', async () => {
    for (let i = 0; i < 400; i++) chain.blocks.push({ number: '0x0', timestamp: '0x0', baseFeePerGas: '0x1', transactions: [] })
    chain.replace({})
    chain.states = 100
    for (let i = 0; i < 200; i++) chain.mine()
    const found = await seen()
    expect(found.state).toBe('unknown')
    expect(doubtful({ ...begin(extension(), ACCOUNT), txs: [found] })).toBe(true)
  })

  test.each([{ value: '0x1' }, { to: `0x${'9'.repeat(40)}` }, { input: '0x1234' }] as const)('with another call: replaced (%o)', async (change) => {
    const hash = chain.replace(change)
    expect(await seen()).toMatchObject({ state: 'replaced', successor: hash })
  })

  test('anything else: replaced', async () => {
    const hash = chain.replace({ input: '0x12345678' })
    expect(await seen()).toMatchObject({ state: 'replaced', successor: hash })
  })
})

test('dropped once no node has known it for long', async () => {
  chain.mine()
  chain.reorg(false)
  const unseen = await seen()
  expect(unseen).toMatchObject({ state: 'pending', unseenSince: NOW })
  expect((await seen(unseen, NOW + 60_000)).state).toBe('pending')
  expect((await seen(unseen, NOW + 91_000)).state).toBe('dropped')
})
