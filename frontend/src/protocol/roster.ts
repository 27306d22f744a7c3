/** Who is remembered from round to round, and in which order (docs/protocol.md, 2.5). */

import { ADDRESS_BYTES, type Address, addressOf, concatBytes } from './bytes'
import { Refused } from './errors'
import { at } from './integers'

/** A job remembers at most so many trainers: a round's, and then those that took part before. */
export const MAX_ENTRIES = 128

/** A memory's entries matched with a round's trainers. */
export type Roster = {
  /** Each trainer's entry, address included; null for a newcomer. */
  readonly known: readonly (Uint8Array | null)[]
  /** Entries of trainers that are not in the round, in their order. */
  readonly absent: readonly Uint8Array[]
}

/** Splits a memory of entries of one size, each beginning with an address, and finds the trainers in it. */
export function findTrainers(memory: Uint8Array, entryBytes: number, trainers: readonly Address[]): Roster {
  const entries = splitEntries(memory, entryBytes)
  if (trainers.length > MAX_ENTRIES) {
    throw new Refused(`a job remembers at most ${MAX_ENTRIES} trainers, not ${trainers.length}`)
  }
  const places = new Map<Address, number>()
  for (const [place, entry] of entries.entries()) {
    const address = addressOf(entry.subarray(0, ADDRESS_BYTES))
    if (!places.has(address)) places.set(address, place)
  }
  const known = trainers.map((trainer) => places.get(trainer))
  const taken = new Set(known)
  return {
    known: known.map((place) => (place === undefined ? null : at(entries, place))),
    absent: entries.filter((_, place) => !taken.has(place)),
  }
}

/** The next memory: the round's trainers in their order, then the absent; what exceeds 128 entries is cut. */
export function joinEntries(current: readonly Uint8Array[], absent: readonly Uint8Array[]): Uint8Array {
  return concatBytes(...[...current, ...absent].slice(0, MAX_ENTRIES))
}

function splitEntries(memory: Uint8Array, entryBytes: number): Uint8Array[] {
  const count = memory.length / entryBytes
  if (!Number.isInteger(count) || count > MAX_ENTRIES) {
    throw new Refused(`${memory.length} bytes are not a memory of entries of ${entryBytes} bytes`)
  }
  return Array.from({ length: count }, (_, k) => memory.subarray(k * entryBytes, (k + 1) * entryBytes))
}
