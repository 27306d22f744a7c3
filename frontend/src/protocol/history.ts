/** Running sums (docs/protocol.md, 2.6): commitments to what each trainer has submitted over the rounds of a job. */

import { ADDRESS_BYTES, type Address, addressBytes, concatBytes, readSigned, readUnsigned, writeInteger } from './bytes'
import { checkPoint, encodePoint, linearCombination, type Point, POINT_BYTES, pointAt } from './curve'
import { Refused } from './errors'
import { at } from './integers'
import { findTrainers, joinEntries } from './roster'

const EXPONENT_BYTES = 2
const MULTIPLIER_BYTES = 4
const MULTIPLIER_AT = ADDRESS_BYTES + EXPONENT_BYTES
const POINT_AT = MULTIPLIER_AT + MULTIPLIER_BYTES
const ENTRY_BYTES = POINT_AT + POINT_BYTES
const MULTIPLIER_LIMIT = 1n << 30n

/** A trainer's running sum: entries are at most `multiplier (2^(b-1) - 1)`, and stand for multiples of `2^exponent`. */
export type RunningSum = { readonly exponent: number; readonly multiplier: bigint; readonly commitment: Point }

/** The sums after a round, of its n trainers in their order; and the bytes carried on. */
export type Advanced = { readonly sums: readonly RunningSum[]; readonly carried: Uint8Array }

/** Adds a round's commitments, those of its n trainers in order, to the running sums that the job carries. */
export function advance(
  carried: Uint8Array,
  trainers: readonly Address[],
  commitments: readonly Point[],
  scaleExponent: number,
): Advanced {
  const { known, absent } = findTrainers(carried, ENTRY_BYTES, trainers)
  const sums = known.map((entry, i) =>
    nextSum(entry === null ? null : decodeSum(entry), at(commitments, i), scaleExponent),
  )
  const entries = sums.map((sum, i) => encodeSum(at(trainers, i), sum))
  return { sums, carried: joinEntries(entries, absent) }
}

/** `H' = 2^(E - E') H + 2^(e - E') u`; starts again for a newcomer, and where `M'` would exceed `2^30`. */
function nextSum(before: RunningSum | null, update: Point, scaleExponent: number): RunningSum {
  const fresh: RunningSum = { exponent: scaleExponent, multiplier: 1n, commitment: update }
  if (before === null) return fresh
  const exponent = Math.min(before.exponent, scaleExponent)
  const [old, added] = [1n << BigInt(before.exponent - exponent), 1n << BigInt(scaleExponent - exponent)]
  const multiplier = old * before.multiplier + added
  if (multiplier > MULTIPLIER_LIMIT) return fresh
  return { exponent, multiplier, commitment: linearCombination([before.commitment, update], [old, added]) }
}

function encodeSum(trainer: Address, sum: RunningSum): Uint8Array {
  return concatBytes(
    addressBytes(trainer),
    writeInteger(BigInt(sum.exponent), EXPONENT_BYTES),
    writeInteger(sum.multiplier, MULTIPLIER_BYTES),
    encodePoint(sum.commitment),
  )
}

function decodeSum(entry: Uint8Array): RunningSum {
  const multiplier = readUnsigned(entry.subarray(MULTIPLIER_AT, POINT_AT))
  if (multiplier < 1n || multiplier > MULTIPLIER_LIMIT) {
    throw new Refused(`${multiplier} is not the multiplier of a running sum`)
  }
  return {
    exponent: Number(readSigned(entry.subarray(ADDRESS_BYTES, MULTIPLIER_AT))),
    multiplier,
    commitment: checkPoint(pointAt(entry.subarray(POINT_AT), 0), 'the commitment of a running sum'),
  }
}
