/** Whether the chain would let somebody do something now: asked, not guessed. */
import { begin } from '../wallet/flows'
import type { Asked } from '../wallet/intents'
import { readerOf } from '../wallet/wallet.svelte'

/** Why the contract would refuse this now, in words; null where it would not, or where nobody can be asked. */
export async function whyHeld(asked: Asked, account: string): Promise<string | null> {
  const rpc = await readerOf(asked.chainId)
  if (!rpc) return null
  const { preview } = await import('../wallet/runner')
  const seen = await preview(rpc, begin(asked, account)).catch(() => null)
  return seen?.refusal?.text ?? null
}
