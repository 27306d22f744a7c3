/** Takes a flow to its next step: looks at what the chain needs first, simulates, then asks the wallet. */
import { exactWithSymbol } from '../format/money'
import { approval, type Call, callOf, encodedPermit } from './calls'
import { hasCode, type Hex, integer, type Provider, quantity, REJECTED, RpcError, same, UNAUTHORIZED, UNSUPPORTED } from './eip1193'
import { doubtful, type Flow, type Handed, missing, type StepName, stateOf, type Tx } from './flows'
import { isCall } from './following'
import { NATIVE, paymentOf } from './intents'
import { countOf, holderOf } from './nonces'
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
  await requireClear(provider, flow)
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
  const [nonce, head] = await Promise.all([countOf(provider, flow.account, 'pending'), provider.request({ method: 'eth_blockNumber' })])
  const handed: Handed = { step, nonce, to: call.to, data: call.data, value: call.value.toString(), block: Number(integer(head)) }
  const begunAgain: Flow = flow.handed ? { ...flow, handed: null, earlier: [...(flow.earlier ?? []), flow.handed] } : flow
  keep({ ...begunAgain, handed })
  let hash: unknown
  try {
    // Of this and what is sent in its place at most one is ever mined, where the wallet keeps to the nonce.
    const asked = { ...request(call, flow.account as Hex), gas: quantity((gas * 5n) / 4n), nonce: quantity(nonce), chainId: quantity(flow.chainId) }
    hash = await provider.request({ method: 'eth_sendTransaction', params: [asked] })
    if (typeof hash !== 'string') throw new RpcError(-32603, 'the wallet told no transaction hash')
  } catch (error) {
    if (saysNo(error)) keep(flow)
    throw error
  }
  const after = adopted({ ...begunAgain, handed: null }, handed, hash, nonce, false)
  keep(after)
  return after
}

const INVALID_PARAMETERS = -32602

/** Whether a wallet says that it sent nothing. After any other error it may have sent, and then broken off. */
function saysNo(error: unknown): boolean {
  const code = typeof error === 'object' && error !== null ? (error as { code?: unknown }).code : undefined
  return hasCode(error, REJECTED) || code === UNAUTHORIZED || code === UNSUPPORTED || code === INVALID_PARAMETERS
}

/** Nothing is sent while a transaction waits that may be this very one. */
async function requireClear(provider: Provider, flow: Flow): Promise<void> {
  if (!doubtful(flow)) return
  const nonce = Math.min(...[...missing(flow), ...flow.txs.filter(({ state }) => state === 'dropped' || state === 'unknown')].map((one) => one.nonce))
  const [used, pending] = await Promise.all([countOf(provider, flow.account), countOf(provider, flow.account, 'pending')])
  if (pending <= used || pending <= nonce) return
  throw new Refused({ by: 'chain', name: null, text: 'A transaction of this account waits for a block, and may be this very one. Look again once it is in a block.' })
}

/** The most transactions of an account that are looked through for one. */
const MOST_LOOKED = 32

/**
 * Find out what became of a transaction that was handed to a wallet which gave no answer.
 *
 * The flow with the transaction, where the account sent it: the same call, whatever approval was signed for it, at
 * whatever price, and of whatever nonce, since not all wallets keep to the one they are asked for; but none of
 * `taken`, which other flows have. Otherwise the flow unchanged, with its doubt: that none is found yet does not say
 * that none comes.
 */
export async function recover(rpc: Provider, flow: Flow, taken: ReadonlySet<string> = new Set()): Promise<Flow> {
  const lost = missing(flow)
  if (lost.length === 0) return flow
  const used = await countOf(rpc, flow.account)
  for (const one of lost) {
    for (let nonce = one.nonce; nonce < Math.min(used, one.nonce + MOST_LOOKED); nonce++) {
      const found = (await holderOf(rpc, flow.account, nonce, one.block))?.tx
      if (found && isCall(found, one) && !taken.has(found.hash.toLowerCase())) return adopted(without(flow, one), one, found.hash, nonce, true)
    }
  }
  return flow
}

/** The flow without something that was looked for. */
function without(flow: Flow, found: Handed): Flow {
  return flow.handed === found ? { ...flow, handed: null } : { ...flow, earlier: (flow.earlier ?? []).filter((one) => one !== found) }
}

/** The flow with what was handed over as a transaction; one that was lost and sent once more unchanged has the same hash. */
function adopted(flow: Flow, handed: Handed, hash: string, nonce: number, shown: boolean): Flow {
  const txs = [...flow.txs.filter((one) => !same(one.hash, hash)), { ...begun(handed, hash, nonce), shown }]
  return settled({ ...flow, txs })
}

/** Why a mined transaction failed: the same call on the chain as it was before. */
export async function reasonOf(rpc: Provider, flow: Flow, tx: Tx): Promise<string> {
  const call = request({ to: tx.to as Hex, data: tx.data as Hex, value: BigInt(tx.value) }, flow.account as Hex)
  try {
    await rpc.request({ method: 'eth_call', params: [call, quantity(Math.max(0, (tx.block ?? 1) - 1))] })
    return 'It failed in its block, though it would have succeeded one block before: something changed just then, or the gas ran out.'
  } catch (error) {
    return refusalOf(error).text
  }
}

function begun({ step, to, data, value, block: sentBlock }: Handed, hash: string, nonce: number): Tx {
  const empty = { confirmations: 0, block: null, gasUsed: null, fee: null, reason: null, successor: null, unseenSince: null }
  return { step, hash, nonce, to, data, value, sentBlock, sentAt: Date.now(), state: 'pending', ...empty }
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
