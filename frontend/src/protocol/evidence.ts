/** What a settlement is verified from, as the API serves it (market/indexer/views.py: Evidence), and what comes out. */

/** An event as a node gives it. */
export type RawLog = {
  readonly address: string
  readonly topics: readonly string[]
  readonly data: string
  readonly block: number
  readonly tx: string
}

/** The job's terms that a settlement has to match; `round_budget` in wei or token units, as it is now. */
export type Terms = {
  readonly verifier: string
  readonly round_budget: string
  readonly byzantine: number
  readonly dimension: number
  readonly bits: number
  readonly headroom_bits: number
  readonly scale_exponent: number
  readonly rule: string
  readonly score: string
  readonly reference: boolean
  readonly floor_bps: number
  readonly cap_bps: number
}

/** All that a settlement's claims follow from. */
export type Evidence = {
  readonly chain_id: number
  readonly market: string
  readonly job_id: number
  readonly round: number
  readonly log: RawLog
  readonly terms: Terms
  readonly verifier: string
  /** The eighteen words of the verifier's reference string (docs/protocol.md, 3.2; ReferenceString.sol). */
  readonly verifying_key: string
  /** What the job carried into the round (docs/protocol.md, 2.5). */
  readonly carried_before: string
}

/** What is checked, in this order. */
export const CHECKS = [
  'log',
  'reference string',
  'proof',
  'rule',
  'scores',
  'payouts',
  'scale',
  'aggregate commitment',
  'memory',
] as const
export type CheckName = (typeof CHECKS)[number]

/** One claim of a settlement: whether it holds, and in words what was found, or what differs. */
export type Check = { readonly name: CheckName; readonly ok: boolean; readonly detail: string }

/** A check that has just been made, the `done`-th of `total`. */
export type Progress = { readonly done: number; readonly total: number; readonly check: Check }
