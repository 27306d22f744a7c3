/** What a change of the index is about, and whom it concerns. */

/** Part of the markets that a page shows; fields left out mean any. */
export interface Topic {
  chainId?: number
  market?: string
  jobId?: number
  round?: number
}

/** A committed change, as `/api/v1/stream` tells it; null fields: it may be about any. */
export interface Change {
  chain_id: number | null
  market: string | null
  job_id: number | null
  round: number | null
  version: number
}

/** Whether a change may alter what a page about `topic` shows. */
export function concerns(topic: Topic, change: Change): boolean {
  const same = (wanted: number | string | undefined, told: number | string | null) =>
    wanted === undefined || told === null || String(wanted).toLowerCase() === String(told).toLowerCase()
  return (
    same(topic.chainId, change.chain_id) &&
    same(topic.market, change.market) &&
    same(topic.jobId, change.job_id) &&
    same(topic.round, change.round)
  )
}

/** The change that an event's data tells, or null where it is none. */
export function parseChange(data: string): Change | null {
  let body: unknown
  try {
    body = JSON.parse(data)
  } catch {
    return null
  }
  if (typeof body !== 'object' || body === null) return null
  const fields = body as Record<string, unknown>
  const number = (value: unknown) => (typeof value === 'number' ? value : null)
  return {
    chain_id: number(fields.chain_id),
    market: typeof fields.market === 'string' ? fields.market : null,
    job_id: number(fields.job_id),
    round: number(fields.round),
    version: number(fields.version) ?? 0,
  }
}
