/** What became of a transaction: pending, in a block, taken back, replaced by another of the same nonce, or lost. */
import { type Hex, integer, type Provider, same } from './eip1193'
import type { Tx } from './flows'
import { countOf, holderOf, type Mined } from './nonces'

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
 * `account` sent it; `now` is in milliseconds. Throws `RpcError` where the chain cannot be asked.
 */
export async function look(rpc: Provider, tx: Tx, account: string, now: number = Date.now()): Promise<Followed> {
  const receipt = (await rpc.request({ method: 'eth_getTransactionReceipt', params: [tx.hash] })) as Receipt | null
  if (receipt?.blockNumber) return { tx: await mined(rpc, tx, receipt), receipt }
  const waiting: Tx = { ...tx, state: 'pending', block: null, confirmations: 0, gasUsed: null, fee: null, reason: null }
  const known = await rpc.request({ method: 'eth_getTransactionByHash', params: [tx.hash] })
  if (known) return { tx: { ...waiting, unseenSince: null }, receipt: null }
  if ((await countOf(rpc, account)) > tx.nonce) return { tx: await replaced(rpc, waiting, account), receipt: null }
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
  }
}

/**
 * The nonce is used: the same call at another price goes on under its hash.
 *
 * What used it, and cannot be found, may have been this very call: that is unknown, never called replaced.
 */
async function replaced(rpc: Provider, tx: Tx, account: string): Promise<Tx> {
  const other = (await holderOf(rpc, account, tx.nonce, tx.sentBlock))?.tx
  if (!other) return { ...tx, state: 'unknown' }
  if (same(other.hash, tx.hash)) return tx
  if (isCall(other, { to: tx.to, data: tx.data, value: tx.value })) return { ...tx, hash: other.hash, unseenSince: null }
  const cancelled = other.to !== null && same(other.to, account) && integer(other.value) === 0n
  return { ...tx, state: cancelled ? 'cancelled' : 'replaced', successor: other.hash }
}

/** Whether a transaction is a call, to the last byte; `value` is in wei. */
export function isCall(tx: Mined, { to, data, value }: { to: string; data: string; value: string }): boolean {
  return tx.to !== null && same(tx.to, to) && same(tx.input, data) && integer(tx.value) === BigInt(value)
}
