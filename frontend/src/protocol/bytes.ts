/** Bytes, words and addresses (docs/protocol.md, 3.1): a word is 32 bytes, big-endian. */

import { keccak_256 } from '@noble/hashes/sha3.js'
import { bytesToHex, concatBytes, hexToBytes } from '@noble/hashes/utils.js'

import { Refused } from './errors'

/** An account: `0x` and 40 lower-case hexadecimal digits. */
export type Address = `0x${string}`

export const WORD_BYTES = 32
export const ADDRESS_BYTES = 20
export const NO_BYTES: Uint8Array = new Uint8Array(0)

export { concatBytes }

/** Keccak-256, 32 bytes. */
export function keccak(data: Uint8Array): Uint8Array {
  return keccak_256(data)
}

/** ASCII text as bytes. */
export function ascii(text: string): Uint8Array {
  return new TextEncoder().encode(text)
}

/** Bytes behind hexadecimal digits, with or without `0x`. */
export function fromHex(text: string): Uint8Array {
  try {
    return hexToBytes(text.startsWith('0x') ? text.slice(2) : text)
  } catch {
    throw new Refused('not bytes in hexadecimal')
  }
}

/** `0x` and two lower-case hexadecimal digits a byte. */
export function toHex(data: Uint8Array): `0x${string}` {
  return `0x${bytesToHex(data)}`
}

/** Whether two byte strings are the same. */
export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i])
}

/** Big-endian unsigned integer. */
export function readUnsigned(data: Uint8Array): bigint {
  return data.length === 0 ? 0n : BigInt(toHex(data))
}

/** Big-endian two's complement integer. */
export function readSigned(data: Uint8Array): bigint {
  return BigInt.asIntN(8 * data.length, readUnsigned(data))
}

/** An integer in so many bytes, big-endian, two's complement where it is negative. */
export function writeInteger(value: bigint, size: number): Uint8Array {
  return hexToBytes(
    BigInt.asUintN(8 * size, value)
      .toString(16)
      .padStart(2 * size, '0'),
  )
}

/** A number or an address as a word. */
export function word(value: bigint | number | boolean): Uint8Array {
  return writeInteger(BigInt(value), WORD_BYTES)
}

/** The word at a place counted in words. */
export function wordAt(data: Uint8Array, place: number): bigint {
  return readUnsigned(data.subarray(place * WORD_BYTES, (place + 1) * WORD_BYTES))
}

/** An id as a word: ASCII, padded on the right with zeros. */
export function idWord(id: string): Uint8Array {
  const padded = new Uint8Array(WORD_BYTES)
  padded.set(ascii(id))
  return padded
}

/** The id that a word holds. */
export function idOf(data: Uint8Array): string {
  const end = data.indexOf(0)
  const id = data.subarray(0, end < 0 ? data.length : end)
  if (id.some((byte) => byte > 0x7f) || data.subarray(id.length).some((byte) => byte !== 0)) {
    throw new Refused('an id is not ASCII padded with zeros')
  }
  return new TextDecoder().decode(id)
}

/** An address as its 20 bytes. */
export function addressBytes(address: Address): Uint8Array {
  return writeInteger(BigInt(address), ADDRESS_BYTES)
}

/** The address in 20 bytes. */
export function addressOf(data: Uint8Array): Address {
  return toHex(data)
}
