/** What a settlement claims (docs/protocol.md, 6.2; IProofVerifier.Statement). */

import { type Address, concatBytes, idWord, word } from './bytes'
import { checkFinitePoint, checkPoint, encodePoint, type Point } from './curve'
import { Refused } from './errors'
import { type Layout, packedBytes, totalRows } from './products'

/** A job's terms that the arithmetic of a round reads. */
export type RoundRules = {
  readonly rule: string
  readonly score: string
  /** `f`. */
  readonly byzantine: number
  /** `d`. */
  readonly dimension: bigint
  /** `b`. */
  readonly bits: number
  /** `h`. */
  readonly headroomBits: number
  /** Wei or token units. */
  readonly budget: bigint
  /** Share of the budget, in 1/10000, that is split without the reference. */
  readonly floorBps: number
  /** The most that one trainer gets, in 1/10000 of its stake's share; 0 for no cap. */
  readonly capBps: number
}

/** What the Gram argument binds: the round, the job's terms, the commitments of all rows, and their products. */
export type GramStatement = RoundRules &
  Pick<Layout, 'reference' | 'previous' | 'history'> & {
    readonly chainId: bigint
    readonly market: Address
    readonly jobId: bigint
    readonly round: number
    /** Who settles: a proof serves nobody else. */
    readonly aggregator: Address
    /** `e` of the round. */
    readonly scaleExponent: number
    /** The n included trainers, in the order of their commitments. */
    readonly trainers: readonly Address[]
    readonly stakes: readonly bigint[]
    /** Of all rows: updates, then extra rows. */
    readonly commitments: readonly Point[]
    /** Inner products, as posted. */
    readonly gram: Uint8Array
  }

/** A whole settlement. */
export type Statement = {
  readonly gram: GramStatement
  /** Units of 2^-32. */
  readonly weights: readonly bigint[]
  readonly scores: readonly bigint[]
  /** Wei or token units. */
  readonly payouts: readonly bigint[]
  /** Compressed `Σ w_i C_i`. */
  readonly aggregateCommitment: bigint
  readonly nextScaleExponent: number
  /** Whether the job has a reference. */
  readonly referenceExpected: boolean
  /** Keccak-256 of what the job carries into the round, and out of it; 32 zero bytes for nothing. */
  readonly memoryDigest: Uint8Array
  readonly nextMemoryDigest: Uint8Array
  /** The bytes behind `memoryDigest`. Hints are not kept: they change no outcome. */
  readonly carried: Uint8Array
}

/** Which rows a statement is about. */
export function layoutOf(statement: Pick<GramStatement, 'trainers' | 'reference' | 'previous' | 'history'>): Layout {
  const { reference, previous, history } = statement
  return { updates: statement.trainers.length, reference, previous, history }
}

/** The updates' commitments `C_1 … C_n`. */
export function updateCommitments(statement: GramStatement): readonly Point[] {
  return statement.commitments.slice(0, statement.trainers.length)
}

/** The running sums' commitments; none where they are no rows. */
export function historyCommitments(statement: GramStatement): readonly Point[] {
  return statement.history ? statement.commitments.slice(-statement.trainers.length) : []
}

/** Refuses lists of wrong lengths and commitments that are no points; infinity among the updates', too. */
export function checkStatement(statement: GramStatement): void {
  const layout = layoutOf(statement)
  const rows = totalRows(layout)
  if (layout.updates === 0) throw new Refused('a statement is about at least one update')
  if (statement.stakes.length !== layout.updates) {
    throw new Refused(`${statement.stakes.length} stakes of ${layout.updates} trainers`)
  }
  if (statement.commitments.length !== rows) {
    throw new Refused(`${statement.commitments.length} commitments of ${rows} rows`)
  }
  if (statement.gram.length !== packedBytes(layout)) {
    throw new Refused(`${statement.gram.length} bytes are not the inner products of ${rows} rows`)
  }
  for (const [i, point] of statement.commitments.entries()) {
    const check = i < layout.updates ? checkFinitePoint : checkPoint
    check(point, `the commitment of row ${i}`)
  }
}

/** The bytes that the transcript absorbs, after the digest of the reference string. */
export function encodeStatement(statement: GramStatement, srsDigest: Uint8Array): Uint8Array {
  const s = statement
  const addressWord = (address: Address): Uint8Array => word(BigInt(address))
  return concatBytes(
    srsDigest,
    word(s.chainId),
    addressWord(s.market),
    word(s.jobId),
    word(s.round),
    addressWord(s.aggregator),
    idWord(s.rule),
    idWord(s.score),
    ...[s.byzantine, s.dimension, s.bits, s.headroomBits, s.scaleExponent, s.budget, s.floorBps, s.capBps].map(word),
    ...[s.reference, s.previous, s.history, s.trainers.length, s.commitments.length].map(word),
    ...s.trainers.map(addressWord),
    ...s.stakes.map(word),
    ...s.commitments.map(encodePoint),
    s.gram,
  )
}
