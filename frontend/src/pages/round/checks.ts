/** The claims of a settlement in plain words, and the comparison of its log with a node of the reader's own. */
import type { Evidence } from '../../api/types'
import type { CheckName } from '../../protocol/evidence'

export const CLAIMS: Record<CheckName, { label: string; claim: string }> = {
  log: { label: 'The log', claim: 'The log is the market’s settlement of this round, in full.' },
  'reference string': { label: 'Reference string', claim: 'The verifier’s key is a well-formed structured reference string.' },
  proof: { label: 'Proof', claim: 'The Gram matrix is that of the committed updates.' },
  rule: { label: 'Rule', claim: 'Who was accepted, and with what weight, follows from the matrix.' },
  scores: { label: 'Scores', claim: 'Each score is what the job’s score makes of the matrix.' },
  payouts: { label: 'Payouts', claim: 'Each payout follows from scores, stakes, floor and cap.' },
  scale: { label: 'Scale', claim: 'The next round’s scale is the one that the rule gives.' },
  'aggregate commitment': { label: 'Aggregate', claim: 'The aggregate’s commitment is the weighted sum of the updates’ commitments.' },
  memory: { label: 'Memory', claim: 'What the next round carries on is what this one leaves.' },
}

/** A wallet's or node's way to answer (EIP-1193). */
export interface Provider {
  request(call: { method: string; params?: unknown[] }): Promise<unknown>
}

/** The browser's wallet, where there is one. */
export function ownProvider(): Provider | null {
  const found: unknown = (globalThis as { ethereum?: unknown }).ethereum
  return typeof found === 'object' && found !== null && 'request' in found ? (found as Provider) : null
}

/** Ask a node of the reader's own whether its chain has this log. Returns what it found, in words; throws in words what differs. */
export async function compareWithChain(evidence: Evidence, provider: Provider): Promise<string> {
  const chain = await provider.request({ method: 'eth_chainId' })
  if (Number(chain) !== evidence.chain_id) throw new Error(`Your wallet is on chain ${Number(chain)}, the market on ${evidence.chain_id}.`)
  const receipt = await provider.request({ method: 'eth_getTransactionReceipt', params: [evidence.log.tx] })
  if (typeof receipt !== 'object' || receipt === null) throw new Error('Your node does not know the transaction.')
  const { status, logs } = receipt as { status?: unknown; logs?: unknown }
  if (Number(status) !== 1) throw new Error('On your node the transaction failed.')
  const wanted = evidence.log
  const has = (Array.isArray(logs) ? (logs as Record<string, unknown>[]) : []).some(
    (log) =>
      same(log.address, wanted.address) &&
      same(log.data, wanted.data) &&
      same(log.blockHash, wanted.block_hash) &&
      Array.isArray(log.topics) &&
      log.topics.length === wanted.topics.length &&
      log.topics.every((topic, place) => same(topic, wanted.topics[place])),
  )
  if (!has) throw new Error('Your node has the transaction, but not this log.')
  return `Your node has the same log, in block ${wanted.block}.`
}

function same(one: unknown, other: unknown): boolean {
  return typeof one === 'string' && typeof other === 'string' && one.toLowerCase() === other.toLowerCase()
}
