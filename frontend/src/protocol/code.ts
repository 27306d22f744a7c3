/** Whether a contract's code is the published one. */
import { PUBLISHED } from 'virtual:published-code'

import { fromHex, keccak, toHex } from './bytes'

/** Whether this is the code of the published contract of this name, whatever its constructor filled in. */
export function isPublished(name: string, code: string): boolean {
  const expected = PUBLISHED[name]
  const found = fromHex(code).slice()
  if (expected === undefined || found.length !== expected.bytes) return false
  for (const [start, length] of expected.immutables) found.fill(0, start, start + length)
  return toHex(keccak(found)) === expected.digest
}

/** The different words that a constructor filled in, in hexadecimal without `0x`. */
export function filledIn(name: string, code: string): string[] {
  const digits = code.slice(2).toLowerCase()
  const places = PUBLISHED[name]?.immutables ?? []
  return [...new Set(places.map(([start, length]) => digits.slice(2 * start, 2 * (start + length))))]
}
