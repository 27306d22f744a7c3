/** Which transaction of an account has a nonce: the only way to tell what became of one whose hash is not known. */
import { type Hex, integer, type Provider, quantity, same } from './eip1193'

/** How many blocks are read one after the other where a node does not tell nonces of the past. */
const MOST_BLOCKS = 300
/** How far a chain may have been reorganised since. */
const REORG_BLOCKS = 64

/** A transaction as blocks have it. */
export interface Mined {
  hash: string
  from: string
  to: string | null
  nonce: Hex
  input: string
  value: Hex
}

export interface Holder {
  tx: Mined
  block: number
}

/** How many transactions of an account are in the chain. */
export async function countOf(rpc: Provider, account: string, block: 'latest' | 'pending' | number = 'latest'): Promise<number> {
  const at = typeof block === 'number' ? quantity(block) : block
  return Number(integer(await rpc.request({ method: 'eth_getTransactionCount', params: [account, at] })))
}

/**
 * The transaction that used an account's nonce, which was free when the chain's head was `since`.
 *
 * Null where it cannot be told: the nonce is free, or the node has neither nonces nor blocks of then. Throws `RpcError`
 * where the node cannot be asked.
 */
export async function holderOf(rpc: Provider, account: string, nonce: number, since: number): Promise<Holder | null> {
  const head = Number(integer(await rpc.request({ method: 'eth_blockNumber' })))
  const first = Math.max(0, Math.min(since, head) - REORG_BLOCKS)
  const told = await usedIn(rpc, account, nonce, first, head).catch(() => null)
  if (told !== null) return within(rpc, account, nonce, told, told)
  return within(rpc, account, nonce, Math.min(since, head), Math.min(head, since + MOST_BLOCKS))
}

/** The first block by which a nonce was used: halving asks for few blocks, however long ago it was. */
async function usedIn(rpc: Provider, account: string, nonce: number, first: number, head: number): Promise<number> {
  let [low, high] = [first, head]
  while (low < high) {
    const middle = Math.floor((low + high) / 2)
    if ((await countOf(rpc, account, middle)) > nonce) high = middle
    else low = middle + 1
  }
  return low
}

async function within(rpc: Provider, account: string, nonce: number, first: number, last: number): Promise<Holder | null> {
  for (let block = first; block <= last; block++) {
    const found = (await rpc.request({ method: 'eth_getBlockByNumber', params: [quantity(block), true] })) as { transactions?: Mined[] } | null
    const tx = found?.transactions?.find((one) => typeof one === 'object' && same(one.from, account) && Number(integer(one.nonce)) === nonce)
    if (tx) return { tx, block }
  }
  return null
}
