/** Development reference strings (docs/protocol.md, 3.2): their secrets are public, so they can be made anywhere. */

import { bn254 } from '@noble/curves/bn254.js'
import { sha256 } from '@noble/hashes/sha2.js'

import { ascii, concatBytes, keccak, readUnsigned, word } from '../../src/protocol/bytes'
import { encodePoint, GENERATOR, linearCombination, R } from '../../src/protocol/curve'

const TAU = secret('gramercy/srs/development/tau')
const ETA = secret('gramercy/srs/development/eta')

/** `[τ^k]_1` for k below `size`, 64 bytes each. */
export function developmentPowers(size: number): Uint8Array[] {
  return geometric(1n, size)
}

/** `[ητ^k]_1` for k below 3, 64 bytes each. */
export function developmentBlinding(): Uint8Array[] {
  return geometric(ETA, 3)
}

/** The eighteen words of the development string of `size` powers. */
export function developmentWords(size: number): Uint8Array {
  const powers = developmentPowers(size)
  return concatBytes(
    word(size),
    sha256(sha256(concatBytes(...powers))),
    ...powers.slice(1, 2),
    ...developmentBlinding(),
    g2Multiple(TAU),
    g2Multiple((TAU * TAU) % R),
  )
}

function secret(name: string): bigint {
  return readUnsigned(keccak(ascii(name))) % R
}

function geometric(first: bigint, count: number): Uint8Array[] {
  let scalar = first
  return Array.from({ length: count }, () => {
    const point = encodePoint(linearCombination([GENERATOR], [scalar]))
    scalar = (scalar * TAU) % R
    return point
  })
}

function g2Multiple(scalar: bigint): Uint8Array {
  const { x, y } = bn254.G2.Point.BASE.multiply(scalar).toAffine()
  return concatBytes(...[x.c1, x.c0, y.c1, y.c0].map(word))
}
