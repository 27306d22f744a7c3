/** The addresses of pages: parsing and making them. */

export const JOB_TABS = ['overview', 'rounds', 'trainers', 'terms', 'events'] as const
export type JobTab = (typeof JOB_TABS)[number]

/** A market contract on a chain. */
export interface MarketKey {
  chainId: number
  market: string
}

export type Route =
  | { page: 'overview' }
  | { page: 'new'; of: MarketKey | null }
  | { page: 'notifications' }
  | ({ page: 'market' } & MarketKey)
  | ({ page: 'job'; jobId: number; tab: JobTab } & MarketKey)
  | ({ page: 'round'; jobId: number; round: number } & MarketKey)
  | ({ page: 'account'; address: string } & MarketKey)
  | { page: 'missing'; path: string }

const ADDRESS = /^0x[0-9a-fA-F]{40}$/

/** The page that a path names; what names none is `missing`. */
export function parse(path: string): Route {
  const missing: Route = { page: 'missing', path }
  let parts: string[]
  try {
    parts = path.split('/').filter(Boolean).map(decodeURIComponent)
  } catch {
    return missing
  }
  if (parts.length === 0) return { page: 'overview' }
  if (parts[0] === 'new' && parts.length === 1) return { page: 'new', of: null }
  if (parts[0] === 'notifications' && parts.length === 1) return { page: 'notifications' }
  if (parts[0] !== 'markets') return missing
  const chainId = natural(parts[1])
  const market = parts[2]
  if (chainId === null || market === undefined || !ADDRESS.test(market)) return missing
  return withinMarket({ chainId, market }, parts.slice(3)) ?? missing
}

function withinMarket(key: MarketKey, parts: string[]): Route | null {
  const [kind, id, ...rest] = parts
  if (kind === undefined) return { page: 'market', ...key }
  if (kind === 'new' && id === undefined) return { page: 'new', of: key }
  if (kind === 'accounts' && id !== undefined && ADDRESS.test(id) && rest.length === 0) {
    return { page: 'account', address: id, ...key }
  }
  const jobId = natural(id)
  if (kind !== 'jobs' || jobId === null) return null
  if (rest.length === 0) return { page: 'job', jobId, tab: 'overview', ...key }
  if (rest.length === 1) {
    const tab = JOB_TABS.find((name) => name === rest[0])
    return tab ? { page: 'job', jobId, tab, ...key } : null
  }
  const round = natural(rest[1])
  if (rest.length === 2 && rest[0] === 'rounds' && round !== null && round > 0) return { page: 'round', jobId, round, ...key }
  return null
}

function natural(text: string | undefined): number | null {
  if (text === undefined || !/^(0|[1-9]\d{0,15})$/.test(text)) return null
  const value = Number(text)
  return Number.isSafeInteger(value) ? value : null
}

/** Anything that names its market in the API's words. */
export interface OfMarket {
  chain_id: number
  market: string
}

export const keyOf = (of: OfMarket): MarketKey => ({ chainId: of.chain_id, market: of.market })
export const marketPath = ({ chainId, market }: MarketKey): string => `/markets/${chainId}/${market}`
export const jobPath = (key: MarketKey, jobId: number, tab: JobTab = 'overview'): string =>
  `${marketPath(key)}/jobs/${jobId}${tab === 'overview' ? '' : `/${tab}`}`
export const roundPath = (key: MarketKey, jobId: number, round: number): string => `${jobPath(key, jobId)}/rounds/${round}`
export const accountPath = (key: MarketKey, address: string): string => `${marketPath(key)}/accounts/${address}`

/** What a notification is about: a market, one job of it, or one account on it. */
export interface Scope {
  key: MarketKey
  jobId?: number
  account?: string
}

/** The page of notifications, its form filled in for what they are to be about. */
export function notificationsPath({ key, jobId, account }: Scope): string {
  const query = new URLSearchParams({ chain: String(key.chainId), market: key.market })
  if (jobId !== undefined) query.set('job', String(jobId))
  if (account !== undefined) query.set('account', account)
  return `/notifications?${query}`
}

/** The API's path of a market, under which everything else of it lies. */
export const marketApi = ({ chainId, market }: MarketKey): string => `/api/v1/markets/${chainId}/${market}`
export const jobApi = (key: MarketKey, jobId: number): string => `${marketApi(key)}/jobs/${jobId}`
