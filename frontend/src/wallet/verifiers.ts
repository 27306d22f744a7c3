/** Which verifiers the server's operator vouches for; what a job names is its owner's choice, and vouches for nothing. */
import { readUrl } from '../api/client'
import type { Configuration } from '../api/types'
import type { MarketKey } from '../router/routes'
import { same } from './eip1193'

/** `foreign`: others are vouched for; `untold`: none is. */
export type Standing = 'vouched' | 'foreign' | 'untold'

export function standingOf(verifier: string, vouched: readonly string[]): Standing {
  if (vouched.length === 0) return 'untold'
  return vouched.some((one) => same(one, verifier)) ? 'vouched' : 'foreign'
}

let asked: Promise<Configuration['deployments'] | null> | undefined

/** The verifiers of a market's address books, the one for new jobs first; none where the server tells none, or cannot be asked. */
export async function verifiersOf(of: MarketKey): Promise<readonly string[]> {
  return (await vouchedOf(of)) ?? []
}

/** The same; null where the server cannot be asked, which the next call does anew. */
export async function vouchedOf({ chainId, market }: MarketKey): Promise<readonly string[] | null> {
  asked ??= readUrl<Configuration>('/api/v1/config').then(
    ({ deployments }) => deployments,
    () => null,
  )
  const deployments = await asked
  if (deployments === null) {
    asked = undefined
    return null
  }
  return deployments.find((one) => one.chain_id === chainId && same(one.market, market))?.verifiers ?? []
}
