/** Fiat-Shamir transcripts (docs/protocol.md, 6.1): every challenge depends on everything said before it. */

import { ascii, concatBytes, idWord, keccak, readUnsigned, word } from './bytes'
import { R } from './curve'
import { Refused } from './errors'

const LAMBDA_BITS = 128n

/** A running Keccak-256 state; a tag names protocol and version. */
export class Transcript {
  #state: Uint8Array

  constructor(tag: string) {
    this.#state = keccak(ascii(tag))
  }

  /** The state, 32 bytes. */
  get state(): Uint8Array {
    return this.#state
  }

  /** Binds a labelled message; the hash has its length. */
  absorb(label: string, data: Uint8Array): void {
    this.#state = keccak(concatBytes(this.#state, idWord(label), word(data.length), data))
  }

  /** The next challenge, a word. */
  challenge(label: string): Uint8Array {
    this.#state = keccak(concatBytes(this.#state, idWord(label)))
    return this.#state
  }

  /** The next challenge as a field element other than 0. */
  scalar(label: string): bigint {
    const value = readUnsigned(this.challenge(label)) % R
    if (value === 0n) throw new Refused(`the challenge ${label} is zero`)
    return value
  }

  /** The next challenge as a field element that differs from its inverse: neither 0 nor 1 nor -1. */
  evaluationPoint(label: string): bigint {
    const value = this.scalar(label)
    if ((value * value) % R === 1n) throw new Refused(`the challenge ${label} is its own inverse`)
    return value
  }
}

/** The factors `λ_i` of `rows` rows: the top 128 bits of `keccak256(λ ‖ i)` (docs/protocol.md, 6.3, step 1). */
export function rowFactors(seed: Uint8Array, rows: number): bigint[] {
  return Array.from(
    { length: rows },
    (_, i) => readUnsigned(keccak(concatBytes(seed, word(i)))) >> (256n - LAMBDA_BITS),
  )
}
