/** A second try, while the first one may still come: whichever is mined, nobody pays twice. */
import { type AbiFunction, toFunctionSelector } from 'viem'
import { beforeEach, expect, test } from 'vitest'
import { MARKET_ABI } from '../../src/wallet/abi'
import { quantity } from '../../src/wallet/eip1193'
import { begin, doubtful, type Flow, stateOf, type Tx } from '../../src/wallet/flows'
import { look, PERMIT_WORDS } from '../../src/wallet/following'
import { perform, preview, recover } from '../../src/wallet/runner'
import { ACCOUNT, extension, FakeChain, TOKEN } from './fake-chain'

/** A wallet of its own mind: it keeps back what it signs, and signs otherwise each time. */
class OwnChain extends FakeChain {
  kept: FakeChain['pool'] = []
  nonce: number | null = null
  broken = false
  #signed = 0

  override async request(call: { method: string; params?: readonly unknown[] }): Promise<unknown> {
    const [first, block] = (call.params ?? []) as [{ nonce: `0x${string}` } | undefined, unknown]
    if (call.method === 'eth_signTypedData_v4') return `0x${(++this.#signed).toString(16).padStart(64, '1')}${'22'.repeat(32)}1c`
    if (call.method === 'eth_getTransactionCount' && !String(block).startsWith('0x')) {
      const mined = this.blocks.flatMap(({ transactions }) => transactions).length
      return quantity(mined + (String(block) === 'pending' ? this.pool.length : 0))
    }
    const answer = await super.request(call)
    if (call.method === 'eth_sendTransaction') {
      const tx = this.pool.pop()
      if (tx) this.kept.push({ ...tx, nonce: this.nonce === null ? (first?.nonce ?? '0x0') : quantity(this.nonce) })
      if (this.broken) throw new Error('the extension was restarted')
    }
    return answer
  }

  release(place: number): void {
    this.pool = this.kept.slice(place, place + 1)
    this.mine()
  }
}

let chain: OwnChain

beforeEach(() => {
  chain = new OwnChain()
  chain.mining = false
  chain.tokens.permits = true
})

const send = async (flow: Flow, keep: (flow: Flow) => void = () => undefined): Promise<Flow> => perform(chain, flow, await preview(chain, flow), keep)
const withTxs = (flow: Flow, txs: Tx[]): Flow => ({ ...flow, txs, state: stateOf({ ...flow, txs }) })

async function followed(flow: Flow, now: number = Date.now()): Promise<Flow> {
  const txs: Tx[] = []
  for (const tx of flow.txs) txs.push((await look(chain, tx, ACCOUNT, now)).tx)
  return withTxs(flow, txs)
}

test('the calls that take a signed approval', () => {
  const calls = (MARKET_ABI as unknown as AbiFunction[]).filter(({ inputs }) => inputs.at(-1)?.name === 'permit')
  expect(Object.keys(PERMIT_WORDS).sort()).toEqual(calls.map((one) => toFunctionSelector(one)).sort())
})

test('the first try is mined under another signature: done', async () => {
  let flow = await followed(await send(begin(extension(TOKEN), ACCOUNT)), 0)
  flow = await followed(flow, 100_000)
  expect(flow.txs[0]?.state).toBe('dropped')
  flow = await send(flow)
  expect(flow.txs[1]?.data).not.toBe(flow.txs[0]?.data)
  chain.release(0)
  flow = await followed(flow)
  expect(flow.state).toBe('confirmed')
  // The second one is the same, and no other than the first.
  expect(flow.txs[1]?.hash).toBe(flow.txs[0]?.hash)
})

test('what was handed over before, and then sent again, is found', async () => {
  let flow = begin(extension(TOKEN), ACCOUNT)
  chain.broken = true
  await send(flow, (state) => (flow = state)).catch(() => null)
  chain.broken = false
  flow = await send(flow)
  expect(flow).toMatchObject({ handed: null, earlier: [{ nonce: 0 }] })
  expect(doubtful(flow)).toBe(true)
  chain.release(0)
  const found = await recover(chain, { ...flow, txs: [] })
  expect(found.earlier).toEqual([])
  expect((await followed(found)).state).toBe('confirmed')
  expect((await followed(await followed(flow))).state).toBe('confirmed')
})

test('under the wallet’s own nonce it is not called replaced by the one before', async () => {
  chain.nonce = 1
  let flow = await send(begin(extension(), ACCOUNT))
  chain.pool = [{ hash: `0x${'aa'.repeat(32)}`, from: ACCOUNT, to: ACCOUNT, nonce: '0x0', input: '0x', value: '0x1' }]
  chain.mine()
  flow = await followed(flow)
  expect(flow.txs[0]?.state).toBe('unknown')
  expect(doubtful(flow)).toBe(true)
  chain.pool = [...chain.kept]
  flow = await followed(flow)
  expect(flow.txs[0]).toMatchObject({ state: 'pending', nonce: 1, shown: true })
  chain.mine()
  expect((await followed(flow)).state).toBe('confirmed')
})

test('a successor that a reorganisation takes back gives way again', async () => {
  let flow = await send(begin(extension(), ACCOUNT))
  chain.pool = [...chain.kept]
  flow = await followed(flow)
  chain.replace({ to: ACCOUNT, input: '0x', value: '0x0' })
  flow = await followed(flow)
  expect(flow.txs[0]).toMatchObject({ state: 'cancelled', confirmations: 1 })
  chain.blocks.pop()
  chain.release(0)
  expect((await followed(flow)).txs[0]).toMatchObject({ state: 'confirmed', successor: null })
})

test('another flow’s transaction of the same bytes is not this one’s', async () => {
  let lost = begin(extension(), ACCOUNT)
  chain.broken = true
  await send(lost, (state) => (lost = state)).catch(() => null)
  chain.release(0)
  const hash = String(chain.kept[0]?.hash)
  expect(await recover(chain, lost, new Set([hash]))).toBe(lost)
  expect((await recover(chain, lost)).txs[0]?.hash).toBe(hash)
})
