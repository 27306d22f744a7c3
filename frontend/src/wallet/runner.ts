/** Takes a flow to its next step: looks at what the chain needs first, simulates, then asks the wallet. */
import { exactWithSymbol } from '../format/money'
import { approval, type Call, callOf, encodedPermit } from './calls'
import { type Hex, integer, type Provider, quantity, RpcError, same } from './eip1193'
import { type Flow, type StepName, stateOf, type Tx } from './flows'
import { NATIVE, paymentOf } from './intents'
import { type Refusal, refusalOf } from './refusals'
import { allowanceOf, balanceOf, permitDomain, permitRequest, type PermitDomain } from './tokens'

const PERMIT_SECONDS = 3_600n

export interface Preview {
  /** What the user is asked for next, and what follows. */
  steps: StepName[]
  /** The next transaction; null where a signature comes first. */
  call: Call | null
  gas: bigint | null
  /** What the gas costs at the price of now, in wei. */
  fee: bigint | null
  /** Why it would fail, if it would. */
  refusal: Refusal | null
  /** Whether the market's answer to the transfer can only be known after the approval. */
  partly: boolean
  domain: PermitDomain | null
}

/** What comes next in a flow, simulated on the chain as it is now. Throws `RpcError` where that cannot be asked. */
export async function preview(rpc: Provider, flow: Flow, avoidPermit = false): Promise<Preview> {
  const token = flow.token.address as Hex
  const account = flow.account as Hex
  const amount = paymentOf(flow.intent)
  const whole = callOf(flow.intent, flow.market, token)
  const price = integer(await rpc.request({ method: 'eth_gasPrice' }))
  const held = amount > 0n ? await balanceOf(rpc, token, account) : 0n
  if (held < amount) return { ...NOTHING, steps: ['send'], call: whole, refusal: poor(flow, held, amount) }
  if (token === NATIVE || amount === 0n || (await allowanceOf(rpc, token, account, flow.market)) >= amount) {
    return { ...NOTHING, steps: ['send'], call: whole, ...(await simulated(rpc, whole, account, price)) }
  }
  const early = (await simulated(rpc, whole, account, price)).refusal
  const refusal = early?.by === 'market' && early.name !== 'SafeERC20FailedOperation' ? early : null
  const domain = avoidPermit ? null : await permitDomain(rpc, token, account, flow.chainId)
  if (domain) return { ...NOTHING, steps: ['permit', 'send'], refusal, partly: true, domain }
  const asked = approval(token, flow.market, amount)
  const tried = await simulated(rpc, asked, account, price)
  if (!tried.refusal) return { ...NOTHING, steps: ['approve', 'send'], call: asked, ...tried, refusal, partly: true }
  // Some tokens change an approval by way of zero only.
  const reset = approval(token, flow.market, 0n)
  const again = await simulated(rpc, reset, account, price)
  return { ...NOTHING, steps: ['reset', 'approve', 'send'], call: reset, ...again, refusal: refusal ?? again.refusal, partly: true }
}

const NOTHING: Preview = { steps: [], call: null, gas: null, fee: null, refusal: null, partly: false, domain: null }

/**
 * Ask the wallet for the next step, and return the flow after it; `keep` is called with each state on the way.
 *
 * Nothing is sent that would fail by now. Throws what the wallet or the chain answered.
 */
export async function perform(provider: Provider, flow: Flow, next: Preview, keep: (flow: Flow) => void): Promise<Flow> {
  await requireReady(provider, flow)
  const step = next.steps[0] === 'permit' ? 'send' : next.steps[0]
  if (!step) return flow
  const call = next.domain ? await permitted(provider, flow, next.domain) : next.call
  if (!call) return flow
  const account = flow.account as Hex
  const price = integer(await provider.request({ method: 'eth_gasPrice' }))
  const checked = await simulated(provider, call, account, price)
  if (checked.refusal || checked.gas === null) throw new Refused(checked.refusal ?? refusalOf(new RpcError(-32000, 'its gas cannot be estimated')))
  return send(provider, flow, step, call, checked.gas, keep)
}

/** A call that was not sent, because it would have failed. */
export class Refused extends Error {
  constructor(readonly refusal: Refusal) {
    super(refusal.text)
    this.name = 'Refused'
  }
}

async function send(provider: Provider, flow: Flow, step: StepName, call: Call, gas: bigint, keep: (flow: Flow) => void): Promise<Flow> {
  const [count, head] = await Promise.all([
    provider.request({ method: 'eth_getTransactionCount', params: [flow.account, 'pending'] }),
    provider.request({ method: 'eth_blockNumber' }),
  ])
  const nonce = Number(integer(count))
  keep({ ...flow, handed: { step, nonce } })
  let hash: unknown
  try {
    const asked = { ...request(call, flow.account as Hex), gas: quantity((gas * 5n) / 4n), chainId: quantity(flow.chainId) }
    hash = await provider.request({ method: 'eth_sendTransaction', params: [asked] })
    if (typeof hash !== 'string') throw new RpcError(-32603, 'the wallet told no transaction hash')
  } catch (error) {
    keep({ ...flow, handed: null })
    throw error
  }
  const tx = begun(step, hash, nonce, call.to, call.data, Number(integer(head)))
  // One that was lost and sent once more unchanged has the same hash.
  const others = flow.txs.filter((one) => !same(one.hash, tx.hash))
  const after = settled({ ...flow, handed: null, txs: [...others, tx] })
  keep(after)
  return after
}

/**
 * Find out what became of a transaction that was handed to the wallet just as the page was closed.
 *
 * The flow with the transaction, or without the doubt where nothing was sent; unchanged where it cannot be told.
 */
export async function recover(rpc: Provider, flow: Flow): Promise<Flow> {
  if (!flow.handed) return flow
  const { step, nonce } = flow.handed
  const counts = ['latest', 'pending'].map((block) => rpc.request({ method: 'eth_getTransactionCount', params: [flow.account, block] }))
  const [mined, pending] = (await Promise.all(counts)).map((count) => Number(integer(count)))
  if (mined === undefined || pending === undefined || pending <= nonce) return { ...flow, handed: null }
  const head = Number(integer(await rpc.request({ method: 'eth_blockNumber' })))
  for (let number = head; number >= Math.max(0, head - 500) && mined > nonce; number--) {
    const block = (await rpc.request({ method: 'eth_getBlockByNumber', params: [quantity(number), true] })) as { transactions?: Found[] } | null
    const found = block?.transactions?.find((one) => same(one.from, flow.account) && Number(integer(one.nonce)) === nonce)
    if (found) return adopted(flow, step, found, number)
  }
  return flow
}

interface Found {
  hash: string
  from: string
  to: string | null
  nonce: Hex
  input: Hex
}

/** The flow with a transaction of its nonce, if that is of this flow: the permit aside, the call is the same. */
function adopted(flow: Flow, step: StepName, found: Found, number: number): Flow {
  const whole = callOf(flow.intent, flow.market, flow.token.address as Hex)
  const target = step === 'send' ? flow.market : flow.token.address
  const alike = step !== 'send' || found.input.slice(0, 10) === whole.data.slice(0, 10)
  if (found.to === null || !same(found.to, target) || !alike) return { ...flow, handed: null }
  const tx = begun(step, found.hash, Number(integer(found.nonce)), found.to, found.input, number)
  return settled({ ...flow, handed: null, txs: [...flow.txs, tx] })
}

/** Why a mined transaction failed: the same call on the chain as it was before. */
export async function reasonOf(rpc: Provider, flow: Flow, tx: Tx): Promise<string> {
  const value = tx.step === 'send' && flow.token.address === NATIVE ? paymentOf(flow.intent) : 0n
  const call = request({ to: tx.to as Hex, data: tx.data as Hex, value }, flow.account as Hex)
  try {
    await rpc.request({ method: 'eth_call', params: [call, quantity(Math.max(0, (tx.block ?? 1) - 1))] })
    return 'It failed in its block, though it would have succeeded one block before: something changed just then, or the gas ran out.'
  } catch (error) {
    return refusalOf(error).text
  }
}

function begun(step: StepName, hash: string, nonce: number, to: string, data: string, sentBlock: number): Tx {
  const empty = { confirmations: 0, block: null, gasUsed: null, fee: null, reason: null, successor: null, unseenSince: null }
  return { step, hash, nonce, to, data, sentBlock, sentAt: Date.now(), state: 'pending', ...empty }
}

const settled = (flow: Flow): Flow => ({ ...flow, state: stateOf(flow) })

const request = (call: Call, from: Hex) => ({ from, to: call.to, data: call.data, ...(call.value > 0n ? { value: quantity(call.value) } : {}) })

async function simulated(rpc: Provider, call: Call, from: Hex, price: bigint): Promise<Pick<Preview, 'gas' | 'fee' | 'refusal'>> {
  const params = request(call, from)
  try {
    await rpc.request({ method: 'eth_call', params: [params, 'latest'] })
    const gas = integer(await rpc.request({ method: 'eth_estimateGas', params: [params] }))
    return { gas, fee: gas * price, refusal: null }
  } catch (error) {
    return { gas: null, fee: null, refusal: refusalOf(error) }
  }
}

async function permitted(provider: Provider, flow: Flow, domain: PermitDomain): Promise<Call> {
  const token = flow.token.address as Hex
  const head = (await provider.request({ method: 'eth_getBlockByNumber', params: ['latest', false] })) as { timestamp: Hex }
  const deadline = integer(head.timestamp) + PERMIT_SECONDS
  const asked = await permitRequest(provider, domain, flow.account as Hex, flow.market, paymentOf(flow.intent), deadline)
  const signature = await provider.request({ method: 'eth_signTypedData_v4', params: [flow.account, JSON.stringify(asked)] })
  return callOf(flow.intent, flow.market, token, encodedPermit(deadline, signature as Hex))
}

async function requireReady(provider: Provider, flow: Flow): Promise<void> {
  const chainId = Number(integer(await provider.request({ method: 'eth_chainId' })))
  if (chainId !== flow.chainId) throw new Error(`The wallet is on chain ${chainId}; this needs ${flow.chainName}.`)
  const accounts = await provider.request({ method: 'eth_accounts' })
  const mine = Array.isArray(accounts) && accounts.some((one) => typeof one === 'string' && same(one, flow.account))
  if (!mine) throw new Error(`This was begun by ${flow.account}; choose that account in the wallet.`)
}

function poor(flow: Flow, held: bigint, amount: bigint): Refusal {
  return { by: 'token', name: null, text: `The account does not hold enough: ${exactWithSymbol(amount - held, flow.token)} are missing.` }
}
