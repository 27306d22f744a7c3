/** The claims of a settlement in plain words, and whom the page can ask whether the chain agrees. */
import type { Evidence, RoundDetail } from '../../api/types'
import type { ComparisonName, Node } from '../../protocol/comparisons'
import type { CheckName } from '../../protocol/evidence'
import { HttpRpc } from '../../wallet/rpc'
import { settingsOf } from '../../wallet/settings'
import { wallet } from '../../wallet/wallet.svelte'

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

/** What the chain is asked, in plain words. */
export const COMPARED: Record<ComparisonName, { label: string; claim: string }> = {
  chain: { label: 'Chain', claim: 'The node is on the market’s chain.' },
  log: { label: 'Same log', claim: 'The chain has this very log.' },
  record: { label: 'On record', claim: 'The market still stands by this settlement.' },
  terms: { label: 'Terms', claim: 'The job’s terms are those that were checked with.' },
  market: { label: 'Market', claim: 'The market’s code is the published one.' },
  verifier: { label: 'Verifier', claim: 'The job’s verifier is the published contract, made with this reference string.' },
  'reference string': { label: 'String', claim: 'The verifier names the reference string that was checked with.' },
}

/** Somebody who answers for a chain, and whose word that is. */
export interface Source {
  node: Node
  name: string
  /** Whether the reader chose it, and not this page's server. */
  own: boolean
}

/** Whom to ask about a chain: the connected wallet, another one of this browser, else the node that the server names; null: nobody. */
export async function sourceOf(chainId: number): Promise<Source | null> {
  if (wallet.provider && wallet.chainId === chainId && wallet.kind === 'injected') return { node: wallet.provider, name: `${wallet.name}’s node`, own: true }
  for (const { name, provider } of wallet.found) {
    const found = await provider.request({ method: 'eth_chainId' }).catch(() => null)
    if (Number(found) === chainId) return { node: provider, name: `${name}’s node`, own: true }
  }
  const url = (await settingsOf(chainId))?.rpc_url
  return url ? { node: new HttpRpc(url), name: `the node that this page’s server names (${new URL(url).host})`, own: false } : null
}

/** Whether evidence is of the round that was asked for: honest evidence of another one shows nothing about it. */
export const isOf = (evidence: Evidence, chainId: number, market: string, jobId: number, round: number): boolean =>
  evidence.chain_id === chainId && evidence.market.toLowerCase() === market.toLowerCase() && evidence.job_id === jobId && evidence.round === round

/** That the page's figures of a round are those of its log. Returns what was compared; throws in words what differs. */
export async function compareShown(evidence: Evidence, { updates, settlement }: RoundDetail): Promise<string> {
  const { readRecorded } = await import('../../protocol/recorded')
  const { statement, included, paid } = readRecorded(evidence)
  if (!settlement || settlement.paid !== paid.toString()) throw new Error(`The page shows ${settlement?.paid ?? 'nothing'} paid in all, the log ${paid}.`)
  const rows = updates.filter(({ index }) => (included >> BigInt(index)) & 1n)
  const { trainers } = statement.gram
  if (rows.length !== trainers.length || updates.some((update) => (update.included === true) !== rows.includes(update))) throw new Error('The page shows other updates as included than the log.')
  rows.forEach((row, place) => {
    const said: [string, unknown, unknown][] = [
      ['trainer', row.trainer.toLowerCase(), trainers[place]],
      ['weight', row.weight, statement.weights[place]],
      ['score', row.score, statement.scores[place]],
      // Who was slashed since has nothing of it: that is not in the log, and is the server's word.
      ['pay', row.payout, row.slashed ? 0n : statement.payouts[place]],
    ]
    for (const [what, shown, logged] of said) {
      if (String(shown) !== String(logged)) throw new Error(`The page shows ${String(shown)} as the ${what} of update ${row.index}, the log says ${String(logged)}.`)
    }
  })
  const slashed = rows.filter((row) => row.slashed).length
  return `trainers, weights, scores and pay of ${rows.length} updates${slashed > 0 ? `; that ${slashed} of them lost their pay later is the server’s word` : ''}`
}
