import { decodeFunctionData, decodeAbiParameters } from 'viem'
import { beforeEach, describe, expect, test } from 'vitest'
import { MARKET_ABI, TOKEN_ABI } from '../../src/wallet/abi'
import { callOf } from '../../src/wallet/calls'
import { type Hex, RpcError } from '../../src/wallet/eip1193'
import { begin, doubtful, type Flow, load, loadAll, save } from '../../src/wallet/flows'
import { look } from '../../src/wallet/following'
import { perform, preview, recover } from '../../src/wallet/runner'
import type { Asked } from '../../src/wallet/intents'
import { refusalOf } from '../../src/wallet/refusals'
import { ACCOUNT, COIN, extension, FakeChain, MARKET, Memory, reverted, TOKEN } from './fake-chain'

let chain: FakeChain
let storage: Memory

beforeEach(() => {
  chain = new FakeChain()
  storage = new Memory()
})

const keep = (flow: Flow) => save(storage, flow)
const stored = (): Flow => load(storage, 31337, ACCOUNT)[0] as Flow
const step = async (flow: Flow, avoidPermit = false): Promise<Flow> => perform(chain, flow, await preview(chain, flow, avoidPermit), keep)

/** What following makes of a flow's last transaction. */
async function follow(flow: Flow): Promise<Flow> {
  const txs = await Promise.all(flow.txs.map(async (tx) => (await look(chain, tx, flow.account)).tx))
  return { ...flow, txs, state: txs.at(-1)?.step === 'send' && txs.at(-1)?.state === 'confirmed' ? 'confirmed' : 'open' }
}

describe('the coin', () => {
  test('one transaction with the deposit as its value, with room in its gas', async () => {
    const flow = begin(extension(), ACCOUNT)
    const next = await preview(chain, flow)
    expect(next).toMatchObject({ steps: ['send'], gas: 0x52000n, fee: 0x52000n * 1_000_000_000n, refusal: null })
    expect((await step(flow)).state).toBe('pending')
    const [sent] = chain.sent()
    expect(sent).toMatchObject({ from: ACCOUNT, to: MARKET, value: `0x${(2n * COIN).toString(16)}`, chainId: '0x7a69', gas: `0x${(0x52000 * 1.25).toString(16)}` })
    expect(decodeFunctionData({ abi: MARKET_ABI, data: sent?.data as Hex }).args).toEqual([7n, 5, COIN, 2_000_000_000n, '0x'])
  })

  test('what would fail is not sent', async () => {
    const flow = begin(extension(), ACCOUNT)
    const next = await preview(chain, flow)
    chain.refuse = () => reverted('Market_JobClosed', [7n])
    expect((await preview(chain, flow)).refusal?.text).toBe('Job 7 is closed.')
    await expect(perform(chain, flow, next, keep)).rejects.toThrow('Job 7 is closed.')
    expect(chain.sent()).toEqual([])
  })

  test('what the account does not hold is told in tokens', async () => {
    const asked = extension(TOKEN)
    chain.tokens.balance = COIN / 2n
    expect((await preview(chain, begin(asked, ACCOUNT))).refusal?.text).toBe('The account does not hold enough: 1.5 PMT are missing.')
  })

  test('a rejected signature leaves nothing behind, and can be repeated', async () => {
    chain.rejecting = true
    const failure = await step(begin(extension(), ACCOUNT)).catch((error: unknown) => error)
    expect(refusalOf(failure).by).toBe('user')
    expect(stored()).toMatchObject({ state: 'open', handed: null, txs: [] })
    chain.rejecting = false
    expect((await step(stored())).state).toBe('pending')
  })

  test('not on another chain, not for another account', async () => {
    const flow = begin(extension(), ACCOUNT)
    const next = await preview(chain, flow)
    chain.chainId = 1
    await expect(perform(chain, flow, next, keep)).rejects.toThrow('on chain 1')
    chain.chainId = 31337
    chain.accounts = [TOKEN]
    await expect(perform(chain, flow, next, keep)).rejects.toThrow('choose that account')
    expect(chain.sent()).toEqual([])
  })
})

describe('tokens', () => {
  test('approve, then pay; a closed page goes on where it stopped', async () => {
    const flow = begin(extension(TOKEN), ACCOUNT)
    expect((await preview(chain, flow)).steps).toEqual(['approve', 'send'])
    await step(flow)
    const [approved] = chain.sent()
    expect(decodeFunctionData({ abi: TOKEN_ABI, data: approved?.data as Hex }).args).toEqual([MARKET, 2n * COIN])
    // All that a new page knows is what was stored.
    const resumed = await follow(stored())
    expect(resumed.state).toBe('open')
    expect((await preview(chain, resumed)).steps).toEqual(['send'])
    const done = await follow(await step(resumed))
    expect(done.state).toBe('confirmed')
    expect(chain.sent().map(({ to }) => to)).toEqual([TOKEN, MARKET])
  })

  test('an approval by signature, where the token takes it', async () => {
    chain.tokens.permits = true
    const flow = begin(extension(TOKEN), ACCOUNT)
    expect((await preview(chain, flow)).steps).toEqual(['permit', 'send'])
    await step(flow)
    const [sent] = chain.sent()
    const args = decodeFunctionData({ abi: MARKET_ABI, data: sent?.data as Hex }).args as readonly unknown[]
    const [deadline, v, r, s] = decodeAbiParameters([{ type: 'uint256' }, { type: 'uint8' }, { type: 'bytes32' }, { type: 'bytes32' }], args.at(-1) as Hex)
    expect([deadline, v, r, s]).toEqual([0x65000000n + 3600n, 28, `0x${'11'.repeat(32)}`, `0x${'22'.repeat(32)}`])
    const signed = JSON.parse(chain.calls.find(({ method }) => method === 'eth_signTypedData_v4')?.params[1] as string)
    expect(signed.message).toEqual({ owner: ACCOUNT, spender: MARKET, value: (2n * COIN).toString(), nonce: '0', deadline: String(0x65000000 + 3600) })
    expect(signed.domain).toEqual({ name: 'Permit', version: '1', chainId: 31337, verifyingContract: TOKEN })
  })

  test('by transaction on request', async () => {
    chain.tokens.permits = true
    expect((await preview(chain, begin(extension(TOKEN), ACCOUNT), true)).steps).toEqual(['approve', 'send'])
  })

  test('a token that changes approvals by way of zero', async () => {
    Object.assign(chain.tokens, { allowance: 5n, needsReset: true })
    const flow = begin(extension(TOKEN), ACCOUNT)
    expect((await preview(chain, flow)).steps).toEqual(['reset', 'approve', 'send'])
    const resumed = await follow(await step(flow))
    expect((await preview(chain, resumed)).steps).toEqual(['approve', 'send'])
  })

  test('what the market refuses is told before an approval costs anything', async () => {
    chain.refuse = () => reverted('Market_NotOwner', [7n, ACCOUNT])
    expect((await preview(chain, begin(extension(TOKEN), ACCOUNT))).refusal?.name).toBe('Market_NotOwner')
  })
})

describe('a page that was closed while the wallet had the transaction', () => {
  test('finds what was sent', async () => {
    const flow = await recover(chain, await closed())
    expect(flow).toMatchObject({ handed: null, state: 'pending', txs: [{ step: 'send', hash: `0x${'1'.padStart(64, '0')}`, nonce: 0 }] })
    expect((await follow(flow)).state).toBe('confirmed')
  })

  test('finds it under another nonce, and long ago', async () => {
    const flow = await closed()
    const late = { ...flow, handed: flow.handed && { ...flow.handed, nonce: 0 } }
    chain = new FakeChain()
    await chain.request({ method: 'eth_sendTransaction', params: [{ from: ACCOUNT, to: TOKEN, data: '0x095ea7b3' + '0'.repeat(128) }] })
    await step(begin(extension(), ACCOUNT))
    for (let i = 0; i < 2_000; i++) chain.mine()
    chain.calls = []
    expect((await recover(chain, late)).txs).toMatchObject([{ nonce: 1, state: 'pending' }])
    expect(chain.calls.length).toBeLessThan(50)
  })

  test('does not forget it while none is found: the wallet may still have it', async () => {
    chain.mining = false
    const flow = await closed()
    expect(await recover(chain, flow)).toBe(flow)
    expect(doubtful(flow)).toBe(true)
  })

  test.each([
    ['of another job', MARKET, extension(undefined, 8)],
    ['for another amount', MARKET, { ...extension(), intent: { ...extension().intent, deposit: '1' } } as Asked],
    ['of another contract', TOKEN, extension()],
  ])('does not take a call %s for it', async (_, to, asked) => {
    const flow = await closed()
    chain = new FakeChain()
    const { data, value } = callOf(asked.intent, MARKET, asked.token.address as Hex)
    const other = to === MARKET ? data : (`0x095ea7b3${'0'.repeat(128)}` as Hex)
    await chain.request({ method: 'eth_sendTransaction', params: [{ from: ACCOUNT, to, data: other, value: `0x${value.toString(16)}` }] })
    expect(await recover(chain, flow)).toBe(flow)
  })

  test('sends nothing while something waits that may be it', async () => {
    chain.mining = false
    const flow = await closed()
    await expect(step(flow)).rejects.toThrow('waits for a block')
    expect(chain.sent()).toHaveLength(1)
  })
})

/** What a new page finds of a flow whose page was closed while the wallet had the transaction. */
async function closed(): Promise<Flow> {
  const flow = begin(extension(), ACCOUNT)
  const next = await preview(chain, flow)
  let last = flow
  await perform(chain, flow, next, (state) => state.handed && (last = state))
  return last
}

describe('a wallet that fails', () => {
  const broken = (code: number) => new RpcError(code, 'the extension was disconnected')

  test.each([-32603, -32000, -32002, 0])('with code %i may have sent: nobody pays twice', async (code) => {
    chain.breaking = broken(code)
    await step(begin(extension(), ACCOUNT)).catch(() => null)
    chain.breaking = null
    expect(stored().handed).toMatchObject({ nonce: 0, to: MARKET, value: (2n * COIN).toString() })
    const found = await recover(chain, stored())
    expect((await follow(found)).state).toBe('confirmed')
    expect(chain.sent()).toHaveLength(1)
  })

  test.each([4001, 4100, 4200, -32602])('with code %i has sent nothing', async (code) => {
    chain.breaking = broken(code)
    await step(begin(extension(), ACCOUNT)).catch(() => null)
    expect(stored().handed).toBeNull()
  })

  test('does not make an earlier doubt forgotten by saying no', async () => {
    chain.mining = false
    const flow: Flow = { ...(await closed()), id: 'doubted' }
    chain = new FakeChain()
    chain.rejecting = true
    await step(flow).catch(() => null)
    expect(stored().handed).toEqual(flow.handed)
  })

  test('is asked for one nonce, so that of two at most one is mined', async () => {
    await step(begin(extension(), ACCOUNT))
    expect(chain.sent()[0]).toMatchObject({ nonce: '0x0' })
  })
})

test('flows of all accounts and chains are listed, each kept under its own', () => {
  const [one, other] = [begin(extension(), ACCOUNT, 1), begin({ ...extension(), chainId: 1 }, ACCOUNT, 2)]
  save(storage, one)
  save(storage, other)
  storage.setItem('gramercy.flows.31337.0x0000000000000000000000000000000000000001', '{broken')
  storage.setItem('unrelated', '[]')
  expect(loadAll(storage).map(({ id }) => id)).toEqual([other.id, one.id])
  expect(load(storage, 1, ACCOUNT).map(({ id }) => id)).toEqual([other.id])
})

test('a kept flow is told in the words of what it sends', () => {
  const flow = begin(extension(), ACCOUNT)
  save(storage, { ...flow, title: 'Claim your pay', lines: [{ label: 'You receive', value: '1000 USDC' }] })
  expect(stored()).toMatchObject({ title: 'Extend job 7', lines: expect.arrayContaining([{ label: 'You pay now', value: '2 PMT into the job’s escrow' }]) })
  save(storage, { ...flow, intent: { kind: 'steal' } } as unknown as Flow)
  expect(load(storage, 31337, ACCOUNT)).toEqual([])
})
