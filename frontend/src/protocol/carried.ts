/** What a job carries from round to round (docs/protocol.md, 2.5): the chain keeps a digest of it. */

import { concatBytes, keccak, NO_BYTES, readUnsigned, WORD_BYTES, writeInteger } from './bytes'
import { Refused } from './errors'

const LENGTH_BYTES = 4

/** Memories of the rule (`R`), the score (`S`) and the floor's score (`F`), and the running sums (`H`). */
export type Carried = {
  readonly rule: Uint8Array
  readonly score: Uint8Array
  readonly floor: Uint8Array
  readonly history: Uint8Array
}

/** What a job carries to its first round. */
export const EMPTY: Carried = { rule: NO_BYTES, score: NO_BYTES, floor: NO_BYTES, history: NO_BYTES }

/** The bytes behind the digest; none where all four parts are empty. */
export function encodeCarried(carried: Carried): Uint8Array {
  const memories = [carried.rule, carried.score, carried.floor]
  if ([...memories, carried.history].every((part) => part.length === 0)) return NO_BYTES
  const prefixed = memories.flatMap((part) => [writeInteger(BigInt(part.length), LENGTH_BYTES), part])
  return concatBytes(...prefixed, carried.history)
}

/** Keccak-256 of the bytes; 32 zero bytes for nothing. */
export function digestOf(encoded: Uint8Array): Uint8Array {
  return encoded.length === 0 ? new Uint8Array(WORD_BYTES) : keccak(encoded)
}

/** What the bytes carry. */
export function decodeCarried(data: Uint8Array): Carried {
  if (data.length === 0) return EMPTY
  let start = 0
  const cut = (): Uint8Array => {
    const first = start + LENGTH_BYTES
    const end = first + Number(readUnsigned(data.subarray(start, first)))
    if (first > data.length || end > data.length) {
      throw new Refused(`${data.length} bytes are not what a job carries from round to round`)
    }
    start = end
    return data.subarray(first, end)
  }
  const [rule, score, floor] = [cut(), cut(), cut()]
  const found = { rule, score, floor, history: data.subarray(start) }
  if (encodeCarried(found).length === 0) throw new Refused('what a job carries is no bytes where it is nothing')
  return found
}
