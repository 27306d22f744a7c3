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

/** The verifiers of a market's address books, the one for new jobs first; none where the server tells none. */
export async function verifiersOf({ chainId, market }: MarketKey): Promise<readonly string[]> {
  asked ??= readUrl<Configuration>('/api/v1/config').then(
    ({ deployments }) => deployments,
    () => null,
  )
  const deployments = await asked
  if (deployments === null) asked = undefined
  return deployments?.find((one) => one.chain_id === chainId && same(one.market, market))?.verifiers ?? []
}
