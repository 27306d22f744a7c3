/** What became of a transaction: pending, in a block, taken back, replaced by another of the same nonce, or lost. */
import { type Hex, integer, type Provider, same } from './eip1193'
import type { Tx } from './flows'
import { countOf, holderOf, type Mined } from './nonces'

const NONE: ReadonlySet<string> = new Set()

/** A transaction that no node knows any more for so long is called dropped. */
const LOST_MS = 90_000

interface Receipt {
  status: Hex
  blockNumber: Hex
  gasUsed: Hex
  effectiveGasPrice?: Hex
  logs: { address: string; topics: string[] }[]
}

export interface Followed {
  tx: Tx
  receipt: Receipt | null
}

/**
 * Look at a transaction once; a new state, with the receipt where there is one.
 *
 * `account` sent it; `now` is in milliseconds; `taken` are the hashes that others' doings have. Throws `RpcError` where
 * the chain cannot be asked.
 */
export async function look(rpc: Provider, tx: Tx, account: string, now: number = Date.now(), taken = NONE): Promise<Followed> {
  const receipt = (await rpc.request({ method: 'eth_getTransactionReceipt', params: [tx.hash] })) as Receipt | null
  if (receipt?.blockNumber) return { tx: await mined(rpc, tx, receipt), receipt }
  const waiting: Tx = { ...tx, state: 'pending', block: null, confirmations: 0, gasUsed: null, fee: null, reason: null, successor: null }
  const known = (await rpc.request({ method: 'eth_getTransactionByHash', params: [tx.hash] })) as Mined | null
  if (known) return { tx: { ...waiting, nonce: Number(integer(known.nonce)), shown: true, unseenSince: null }, receipt: null }
  if ((await countOf(rpc, account)) > tx.nonce) return { tx: await replaced(rpc, waiting, account, taken), receipt: null }
  const unseenSince = tx.unseenSince ?? now
  return { tx: { ...waiting, unseenSince, state: now - unseenSince > LOST_MS ? 'dropped' : 'pending' }, receipt: null }
}

async function mined(rpc: Provider, tx: Tx, receipt: Receipt): Promise<Tx> {
  const head = Number(integer(await rpc.request({ method: 'eth_blockNumber' })))
  const block = Number(integer(receipt.blockNumber))
  const gasUsed = integer(receipt.gasUsed)
  return {
    ...tx,
    state: integer(receipt.status) === 1n ? 'confirmed' : 'failed',
    block,
    confirmations: Math.max(1, head - block + 1),
    gasUsed: gasUsed.toString(),
    fee: receipt.effectiveGasPrice ? (gasUsed * integer(receipt.effectiveGasPrice)).toString() : null,
    unseenSince: null,
    successor: null,
  }
}

/**
 * The nonce is used: the same call at another price goes on under its hash.
 *
 * What used it, and cannot be found, may have been this very call; and where no node has shown the transaction with
 * this nonce, the wallet may have given it another one, and it may still come. Both are unknown, never called replaced.
 */
async function replaced(rpc: Provider, tx: Tx, account: string, taken: ReadonlySet<string>): Promise<Tx> {
  const holder = await holderOf(rpc, account, tx.nonce, tx.sentBlock)
  if (!holder) return { ...tx, state: 'unknown' }
  const { tx: other, block } = holder
  if (same(other.hash, tx.hash)) return tx
  const another = taken.has(other.hash.toLowerCase())
  if (!another && isCall(other, tx)) return { ...tx, hash: other.hash, shown: true, unseenSince: null }
  if (!tx.shown) return { ...tx, state: 'unknown' }
  const head = Number(integer(await rpc.request({ method: 'eth_blockNumber' })))
  const cancelled = other.to !== null && same(other.to, account) && integer(other.value) === 0n
  return { ...tx, state: cancelled ? 'cancelled' : 'replaced', successor: other.hash, confirmations: Math.max(1, head - block + 1) }
}

/** Whether a transaction is a call, whatever approval was signed for it; `value` is in wei. */
export function isCall(tx: Mined, { to, data, value }: { to: string; data: string; value: string }): boolean {
  return tx.to !== null && same(tx.to, to) && same(withoutPermit(tx.input), withoutPermit(data)) && integer(tx.value) === BigInt(value)
}

/** The calls that take a signed approval as their last argument, by selector: in which word its place is told (a test compares). */
export const PERMIT_WORDS: Record<string, number> = { '0x7a59690e': 27, '0xd8f62b80': 4, '0x8d1feee2': 2 }

/** A call without its signed approval, which is another one each time that it is asked for. */
function withoutPermit(data: string): string {
  const word = PERMIT_WORDS[data.slice(0, 10).toLowerCase()]
  if (word === undefined) return data
  const place = Number(`0x${data.slice(10 + 64 * word, 74 + 64 * word) || 'f'.repeat(13)}`)
  return data.slice(0, 10 + 2 * Math.min(place, data.length))
}
