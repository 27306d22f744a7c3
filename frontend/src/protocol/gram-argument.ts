/** The Gram argument (docs/protocol.md, 6): posted inner products are those of the committed rows. */

import { concatBytes, word, WORD_BYTES, wordAt } from './bytes'
import {
  checkFinitePoint,
  encodePoint,
  G2_GENERATOR,
  GENERATOR,
  inverse,
  linearCombination,
  modulo,
  pairingCheck,
  type Point,
  pointAt,
  R,
} from './curve'
import { Refused } from './errors'
import { at, dot, positions } from './integers'
import { type Matrix, unpackProducts } from './products'
import type { VerifyingKey } from './reference-string'
import { checkStatement, encodeStatement, type GramStatement, layoutOf } from './statement'
import { rowFactors, Transcript } from './transcript'

const TAG = 'gramercy/gram/3'
const PROOF_BYTES = 12 * WORD_BYTES
/** Coefficients of the mask, beyond the d of an update. */
const MASK_COEFFICIENTS = 8n

/** The prover's messages, 384 bytes, in the order in which they were sent. */
export type GramProof = {
  /** `C_m`. */
  readonly mask: Point
  /** `μ`. */
  readonly maskSquare: bigint
  /** `S`. */
  readonly correlation: Point
  /** `a(z)`, `a(1/z)`, `s(z)`. */
  readonly atZ: bigint
  readonly atInverse: bigint
  readonly correlationAtZ: bigint
  /** `h(z)`, `h(1/z)`. */
  readonly blindingAtZ: bigint
  readonly blindingAtInverse: bigint
  /** `W`. */
  readonly quotient: Point
}

/** What the transcript gives: `λ_i`, `z`, `γ`, and the state after the statement. */
export type GramChallenges = {
  readonly state: Uint8Array
  readonly lambdas: readonly bigint[]
  readonly z: bigint
  readonly gamma: bigint
}

/** The proof behind 384 canonical bytes. */
export function decodeGramProof(data: Uint8Array): GramProof {
  if (data.length !== PROOF_BYTES) throw new Refused(`a proof has ${PROOF_BYTES} bytes, not ${data.length}`)
  return {
    mask: checkFinitePoint(pointAt(data, 0), 'C_m of the proof'),
    maskSquare: scalarAt(data, 2, 'μ'),
    correlation: checkFinitePoint(pointAt(data, 3), 'S of the proof'),
    atZ: scalarAt(data, 5, 'a(z)'),
    atInverse: scalarAt(data, 6, 'a(1/z)'),
    correlationAtZ: scalarAt(data, 7, 's(z)'),
    blindingAtZ: scalarAt(data, 8, 'h(z)'),
    blindingAtInverse: scalarAt(data, 9, 'h(1/z)'),
    quotient: checkFinitePoint(pointAt(data, 10), 'W of the proof'),
  }
}

/** The challenges of a proof of `rows` rows whose statement is `message`. */
export function gramChallenges(message: Uint8Array, proof: GramProof, rows: number): GramChallenges {
  const transcript = new Transcript(TAG)
  transcript.absorb('statement', message)
  const { state } = transcript
  transcript.absorb('mask', concatBytes(encodePoint(proof.mask), word(proof.maskSquare)))
  const lambdas = rowFactors(transcript.challenge('lambda'), rows)
  transcript.absorb('correlation', encodePoint(proof.correlation))
  const z = transcript.evaluationPoint('z')
  transcript.absorb('evaluations', concatBytes(...[proof.atZ, proof.atInverse, proof.correlationAtZ].map(word)))
  return { state, lambdas, z, gamma: transcript.scalar('gamma') }
}

/**
 * Refuses unless the proof shows that the statement's products are those of the vectors committed in its rows. For m
 * rows one sum of m + 8 multiples of points and one product of three pairings, whatever d is.
 */
export function verifyGram(key: VerifyingKey, statement: GramStatement, proofBytes: Uint8Array): void {
  checkStatement(statement)
  if (statement.dimension + MASK_COEFFICIENTS > key.size) {
    throw new Refused(`updates of ${statement.dimension} entries exceed the reference string's ${key.size} powers`)
  }
  const proof = decodeGramProof(proofBytes)
  const message = encodeStatement(statement, key.digest)
  const { lambdas, z, gamma } = gramChallenges(message, proof, statement.commitments.length)
  const square = proof.maskSquare + quadraticForm(unpackProducts(statement.gram, layoutOf(statement)).matrix, lambdas)
  const zInverse = inverse(z)
  const correlationAtInverse = z * (proof.atZ * proof.atInverse - square - z * proof.correlationAtZ)
  const value = lineThrough(
    [z, proof.atZ + gamma * proof.correlationAtZ],
    [zInverse, proof.atInverse + gamma * correlationAtInverse],
  )
  const blinding = lineThrough([z, proof.blindingAtZ], [zInverse, proof.blindingAtInverse])
  const [eta, etaTau] = [at(key.blinding, 0), at(key.blinding, 1)]
  const { mask, correlation, quotient } = proof
  const opened = linearCombination(
    [mask, ...statement.commitments, correlation, GENERATOR, key.tau, eta, etaTau, quotient],
    [1n, ...lambdas, gamma, -value.constant, -value.slope, -blinding.constant, -blinding.slope, -1n],
  )
  const shown = pairingCheck([
    [opened, G2_GENERATOR],
    [linearCombination([quotient], [-1n]), key.tau2G2],
    [linearCombination([quotient], [z + zInverse]), key.tauG2],
  ])
  if (!shown) throw new Refused('the proof does not show that the inner products are those of the committed rows')
}

/** `Σ_ij λ_i λ_j G_ij`. */
function quadraticForm(matrix: Matrix, lambdas: readonly bigint[]): bigint {
  return dot(
    lambdas,
    positions(lambdas.length).map((i) => dot(at(matrix, i), lambdas)),
  )
}

/** Constant and slope of the line through two points, in the scalar field. */
function lineThrough(
  [x0, y0]: readonly [bigint, bigint],
  [x1, y1]: readonly [bigint, bigint],
): { constant: bigint; slope: bigint } {
  const slope = modulo((y1 - y0) * inverse(x1 - x0), R)
  return { constant: modulo(y0 - slope * x0, R), slope }
}

function scalarAt(data: Uint8Array, place: number, what: string): bigint {
  const value = wordAt(data, place)
  if (value >= R) throw new Refused(`${what} of the proof is not a canonical scalar`)
  return value
}
