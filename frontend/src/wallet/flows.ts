/** What was asked of the wallet and what became of it: plain data, kept in this browser by chain and account. */
import { type Hex, same } from './eip1193'
import type { Asked } from './intents'
import { type Line, linesOf, titleOf } from './words'

export type StepName = 'reset' | 'approve' | 'permit' | 'send'
/** `dropped`: no node knows it any more; `unknown`: its nonce is used, and by what cannot be told. */
export type TxState = 'pending' | 'confirmed' | 'failed' | 'replaced' | 'cancelled' | 'dropped' | 'unknown'

export interface Tx {
  step: StepName
  hash: string
  /** As it was asked for, until a node shows the transaction: not all wallets keep to the one they are asked for. */
  nonce: number
  /** Whether a node has shown the transaction with this nonce. */
  shown?: boolean
  /** Where it goes and with what, and how much of the coin: to tell a repriced transaction from another one. */
  to: string
  data: string
  value: string
  /** Milliseconds since the epoch, and the head then. */
  sentAt: number
  sentBlock: number
  state: TxState
  /** Of the transaction, or of the one that took its place. */
  confirmations: number
  block: number | null
  gasUsed: string | null
  /** What the gas cost, in wei. */
  fee: string | null
  /** Why it failed. */
  reason: string | null
  /** The transaction that took its place. */
  successor: string | null
  /** Since when no node knows of it, in milliseconds since the epoch. */
  unseenSince: number | null
}

/** A transaction that a wallet was given, without an answer that says whether it was sent. */
export interface Handed {
  step: StepName
  /** The account's nonce then, which the wallet was asked to use. */
  nonce: number
  to: Hex
  data: Hex
  /** In wei. */
  value: string
  /** The head then. */
  block: number
}

export interface Flow extends Asked {
  id: string
  /** Words of the intent, made anew whenever a flow is read. */
  title: string
  lines: Line[]
  account: string
  created: number
  /** `open`: waits for the user; `pending`: for the chain. */
  state: 'open' | 'pending' | 'confirmed' | 'failed' | 'abandoned'
  txs: Tx[]
  /** Kept until the wallet says no, or the transaction is found, or the user knows that it was not sent. */
  handed: Handed | null
  /** What was handed over before, sent again all the same, and never found: it may still come. */
  earlier?: Handed[]
  /** The job that was opened. */
  jobId: number | null
}

const MOST = 60
const keyOf = (chainId: number, account: string): string => `gramercy.flows.${chainId}.${account.toLowerCase()}`
const FLOWS = /^gramercy\.flows\.\d+\.0x[0-9a-f]{40}$/

/** A new flow, not begun. */
export function begin(asked: Asked, account: string, now: number = Date.now()): Flow {
  return worded({ ...asked, id: crypto.randomUUID(), account, created: now, state: 'open', txs: [], handed: null, jobId: null })
}

/** The latest transaction of a step. */
export function latestOf(flow: Flow, step: StepName): Tx | undefined {
  return flow.txs.findLast((tx) => tx.step === step)
}

/** How a flow stands, from its transactions. */
export function stateOf(flow: Flow): Flow['state'] {
  const last = flow.txs.at(-1)
  if (flow.state === 'abandoned' || !last) return flow.state
  // Whichever try it was: what is done is not done again.
  if (flow.txs.some(({ step, state }) => step === 'send' && state === 'confirmed')) return 'confirmed'
  if (last.state === 'pending') return 'pending'
  if (last.state === 'failed') return 'failed'
  return 'open'
}

/** Whether a transaction may be on its way that nobody has seen: to send another one could pay twice. */
export function doubtful(flow: Flow): boolean {
  const unseen = ({ state }: Tx): boolean => state === 'dropped' || state === 'unknown'
  const last = flow.txs.at(-1)
  return missing(flow).length > 0 || (last !== undefined && unseen(last)) || flow.txs.some((tx) => tx.step === 'send' && unseen(tx))
}

/** All that wallets were given and that was not found, the latest first. */
export const missing = ({ handed, earlier }: Flow): Handed[] => [...(handed ? [handed] : []), ...(earlier ?? []).toReversed()]

/** Whether it still has something to follow or to do. */
export const unfinished = (flow: Flow): boolean => flow.state === 'open' || flow.state === 'pending'

/** All flows of an account on a chain, newest first; what cannot be read is left out. */
export function load(storage: Storage, chainId: number, account: string): Flow[] {
  return parsed(storage.getItem(keyOf(chainId, account))).filter((flow) => flow.chainId === chainId && same(flow.account, account))
}

/** All flows of this browser, newest first. */
export function loadAll(storage: Storage): Flow[] {
  const flows: Flow[] = []
  for (let i = 0; i < storage.length; i++) {
    const key = storage.key(i)
    if (key !== null && FLOWS.test(key)) flows.push(...parsed(storage.getItem(key)))
  }
  return flows.sort((a, b) => b.created - a.created)
}

/** Keep a flow: in the place of its earlier state, or as the newest. Finished ones beyond the newest 60 go. */
export function save(storage: Storage, flow: Flow): void {
  const others = load(storage, flow.chainId, flow.account).filter(({ id }) => id !== flow.id)
  const all = [flow, ...others].sort((a, b) => b.created - a.created)
  const kept = all.filter((one, place) => place < MOST || unfinished(one))
  storage.setItem(keyOf(flow.chainId, flow.account), JSON.stringify(kept))
}

/** Forget a flow. */
export function remove(storage: Storage, flow: Flow): void {
  const others = load(storage, flow.chainId, flow.account).filter(({ id }) => id !== flow.id)
  storage.setItem(keyOf(flow.chainId, flow.account), JSON.stringify(others))
}

export const concernsFlows = (key: string | null): boolean => key === null || FLOWS.test(key)

function parsed(text: string | null): Flow[] {
  try {
    const flows: unknown = JSON.parse(text ?? '[]')
    return Array.isArray(flows) ? flows.filter(isFlow).flatMap((flow) => readable(flow) ?? []) : []
  } catch {
    return []
  }
}

const worded = (flow: Omit<Flow, 'title' | 'lines'>): Flow => ({ ...flow, title: titleOf(flow.intent), lines: linesOf(flow) })

/** A flow with the words of its intent, whatever words were kept with it; null where it has none. */
function readable(flow: Flow): Flow | null {
  try {
    const read = worded(flow)
    return read.lines?.length > 0 ? read : null
  } catch {
    return null
  }
}

function isFlow(value: unknown): value is Flow {
  if (typeof value !== 'object' || value === null) return false
  const flow = value as Partial<Flow>
  return typeof flow.id === 'string' && typeof flow.account === 'string' && typeof flow.chainId === 'number' && Array.isArray(flow.txs) && typeof flow.intent === 'object'
}
