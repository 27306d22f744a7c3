/** Running values: one integer for each trainer that a job remembers (docs/protocol.md, 2.3 and 2.5). */

import { ADDRESS_BYTES, type Address, addressBytes, concatBytes, readSigned, writeInteger } from './bytes'
import { at, clamped, truncatedQuotient } from './integers'
import { findTrainers, joinEntries } from './roster'

const LARGEST = 1n << 120n
const VALUE_BYTES = 16
const ENTRY_BYTES = ADDRESS_BYTES + VALUE_BYTES
/** The share of a running score that a round leaves as it was: 7/8. */
const KEPT = 224n
const OF = 256n

/** `sat`: the value, or the nearest of magnitude `2^120`. */
export function saturated(value: bigint): bigint {
  return clamped(value, LARGEST)
}

/** The trainers' values; 0 for who is not remembered. */
export function recall(memory: Uint8Array, trainers: readonly Address[]): bigint[] {
  const { known } = findTrainers(memory, ENTRY_BYTES, trainers)
  return known.map((entry) => (entry === null ? 0n : readSigned(entry.subarray(ADDRESS_BYTES))))
}

/** The next memory: the trainers' new values, then the absent trainers' as they were. Entry: address, int128. */
export function remember(memory: Uint8Array, trainers: readonly Address[], values: readonly bigint[]): Uint8Array {
  const { absent } = findTrainers(memory, ENTRY_BYTES, trainers)
  const entries = trainers.map((trainer, i) =>
    concatBytes(addressBytes(trainer), writeInteger(at(values, i), VALUE_BYTES)),
  )
  return joinEntries(entries, absent)
}

/** `sat(trunc(224 v_i / 256) + a_i)` of the trainers' values and their additions. */
export function accumulated(memory: Uint8Array, trainers: readonly Address[], additions: readonly bigint[]): bigint[] {
  return recall(memory, trainers).map((old, i) => saturated(truncatedQuotient(KEPT * old, OF) + at(additions, i)))
}
