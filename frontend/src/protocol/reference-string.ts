/** What a verifier knows of its structured reference string (docs/protocol.md, 3.2): eighteen words. */

import { ascii, concatBytes, keccak, WORD_BYTES, wordAt } from './bytes'
import {
  checkFinitePoint,
  type G2Point,
  G2_GENERATOR,
  g2PointAt,
  GENERATOR,
  P,
  pairingCheck,
  type Point,
  pointAt,
  samePoint,
} from './curve'
import { Refused } from './errors'
import { at } from './integers'

const WORDS = 18
const SIZE = 0
const TAU = 2
const BLINDING = [4, 6, 8] as const
const TAU_G2 = 10
const TAU2_G2 = 14
const MIN_SIZE = 9n
const MAX_SIZE = 1n << 28n
const TAG = keccak(ascii('gramercy/srs/1'))
/** `x` of `[τ]_1` of the development string, with which anybody can forge. */
const DEVELOPMENT_TAU_X = 0x01f442fe1e6157f151f4a339b0dc265db8ca8431a90bc3337994a5e9e705fd08n
/** Ids of development chains: ganache's, anvil's and hardhat's, eth-tester's. */
const DEVELOPMENT_CHAINS: readonly bigint[] = [1337n, 31337n, 131277322940537n]

/** What verifying needs of a reference string. */
export type VerifyingKey = {
  /** `srsDigest`, which names the string. */
  readonly digest: Uint8Array
  /** `D`, the number of powers. */
  readonly size: bigint
  /** `[τ]_1`. */
  readonly tau: Point
  /** `[η]_1, [ητ]_1, [ητ²]_1`. */
  readonly blinding: readonly Point[]
  /** `[τ]_2`. */
  readonly tauG2: G2Point
  /** `[τ²]_2`. */
  readonly tau2G2: G2Point
}

/**
 * The key in eighteen words, as ReferenceString.sol's constructor takes them: size, digest of the powers, `[τ]_1`, the
 * three blinding powers, `[τ]_2`, `[τ²]_2`.
 */
export function decodeVerifyingKey(words: Uint8Array): VerifyingKey {
  if (words.length === 0) throw new Refused('the reference string of the verifier is not known')
  if (words.length !== WORDS * WORD_BYTES) {
    throw new Refused(`${words.length} bytes are not a verifying key, which has ${WORDS} words`)
  }
  const size = wordAt(words, SIZE)
  if (size < MIN_SIZE || size > MAX_SIZE) throw new Refused(`a reference string cannot have ${size} powers`)
  return {
    digest: keccak(concatBytes(TAG, words)),
    size,
    tau: checkFinitePoint(pointAt(words, TAU), '[τ]_1'),
    blinding: BLINDING.map((place, k) => checkFinitePoint(pointAt(words, place), `[ητ^${k}]_1`)),
    tauG2: g2PointAt(words, TAU_G2, '[τ]_2'),
    tau2G2: g2PointAt(words, TAU2_G2, '[τ²]_2'),
  }
}

/** Whether the secrets of the string are public. */
export function isDevelopment(key: VerifyingKey): boolean {
  return key.tau.x === DEVELOPMENT_TAU_X
}

/** Refuses points of no common τ and η, a string without a contribution, and development's on other chains. */
export function checkVerifyingKey(key: VerifyingKey, chainId: bigint): void {
  if (samePoint(key.tau, GENERATOR)) throw new Refused('nobody has contributed to the reference string')
  if (isDevelopment(key) && !DEVELOPMENT_CHAINS.includes(chainId)) {
    throw new Refused(`anybody can forge with the development reference string, and chain ${chainId} is none for tests`)
  }
  const [eta, etaTau, etaTau2] = [at(key.blinding, 0), at(key.blinding, 1), at(key.blinding, 2)]
  requireEqual(key.tau, G2_GENERATOR, GENERATOR, key.tauG2, '[τ]_2')
  requireEqual(key.tau, key.tauG2, GENERATOR, key.tau2G2, '[τ²]_2')
  requireEqual(etaTau, G2_GENERATOR, eta, key.tauG2, '[ητ]_1')
  requireEqual(etaTau2, G2_GENERATOR, etaTau, key.tauG2, '[ητ²]_1')
}

/** Refuses unless `e(a, b) = e(c, d)`. */
function requireEqual(a: Point, b: G2Point, c: Point, d: G2Point, what: string): void {
  const negated = { x: c.x, y: P - c.y }
  if (
    !pairingCheck([
      [a, b],
      [negated, d],
    ])
  )
    throw new Refused(`${what} does not belong to the reference string`)
}
