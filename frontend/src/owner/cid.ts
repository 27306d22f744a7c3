/** Content ids as the market records them: CIDv1, sha2-256, codec raw or dag-pb, 36 bytes (contracts/libraries/Cids.sol). */
import type { Hex } from '../wallet/eip1193'

const ALPHABET = 'abcdefghijklmnopqrstuvwxyz234567'
const BYTES = 36

/** The 36 bytes of a CID in base32; null where it is none that the market takes. */
export function cidBytes(text: string): Hex | null {
  const typed = text.trim().replace(/^ipfs:\/\//, '')
  if (!/^b[a-z2-7]{58}$/.test(typed)) return null
  let bits = 0n
  for (const letter of typed.slice(1)) bits = (bits << 5n) | BigInt(ALPHABET.indexOf(letter))
  const spare = BigInt(58 * 5 - BYTES * 8)
  if (bits & ((1n << spare) - 1n)) return null
  const hex = (bits >> spare).toString(16).padStart(2 * BYTES, '0')
  return /^01(55|70)1220/.test(hex) ? `0x${hex}` : null
}
