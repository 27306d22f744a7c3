/** The shared vectors (tests/vectors, README there) as what the protocol's functions take. */

import commitments from '../../../tests/vectors/commitments.json'
import history from '../../../tests/vectors/history.json'
import proofs from '../../../tests/vectors/proofs.json'
import settlement from '../../../tests/vectors/settlement.json'
import srs from '../../../tests/vectors/srs.json'
import { type Address, fromHex } from '../../src/protocol/bytes'
import { checkPoint, type Point, pointAt } from '../../src/protocol/curve'
import { decodeVerifyingKey, type VerifyingKey } from '../../src/protocol/reference-string'
import type { RoundTerms } from '../../src/protocol/settlement'
import type { GramStatement, RoundRules } from '../../src/protocol/statement'
import { developmentWords } from './development-string'
import impossible from './impossible.json'
import turns from './turns.json'

export const COMMITMENTS = commitments
export const HISTORY = history.cases
export const PROOFS = proofs.cases
export const SETTLEMENTS = settlement.cases
export const REFERENCE_STRINGS = srs.development
/** Cases like those of settlement.json, of matrices that pass every check and are of no rows; make_evidence.py makes them. */
export const IMPOSSIBLE: readonly SettlementVector[] = impossible.cases
/** Such cases of jobs in which a trainer turns after some rounds, and others copy; round after round. */
export const TURNS: readonly SettlementVector[] = turns.cases
export type ProofVector = (typeof PROOFS)[number]
export type SettlementVector = (typeof SETTLEMENTS)[number]

/** An address from its 40 digits. */
export function address(digits: string): Address {
  return `0x${digits}`
}

/** A point from its 64 bytes in hexadecimal. */
export function point(digits: string): Point {
  return checkPoint(pointAt(fromHex(digits), 0), "the vector's point")
}

/** The key of the development string under which proofs.json was made. */
export function provingKey(): VerifyingKey {
  return decodeVerifyingKey(developmentWords(proofs.powers))
}

/** The Gram statement of a case of proofs.json. */
export function gramStatement(vector: ProofVector): GramStatement {
  return {
    ...rulesOf(vector),
    ...rowsOf(vector),
    chainId: BigInt(vector.chain_id),
    market: address(vector.market),
    jobId: BigInt(vector.job_id),
    round: vector.round,
    aggregator: address(vector.aggregator),
    commitments: vector.commitments.map(point),
  }
}

/** What a case of settlement.json is settled from, but for what the job carries. */
export function roundTerms(vector: SettlementVector): RoundTerms {
  return { ...rulesOf(vector), ...rowsOf(vector) }
}

function rulesOf(vector: ProofVector | SettlementVector): RoundRules {
  return {
    rule: vector.rule,
    score: vector.score,
    byzantine: vector.byzantine,
    dimension: BigInt(vector.dimension),
    bits: vector.bits,
    headroomBits: vector.headroom_bits,
    budget: BigInt(vector.budget),
    floorBps: vector.floor_bps,
    capBps: vector.cap_bps,
  }
}

function rowsOf(
  vector: ProofVector | SettlementVector,
): Pick<RoundTerms, 'reference' | 'previous' | 'history' | 'scaleExponent' | 'trainers' | 'stakes' | 'gram'> {
  return {
    reference: vector.reference,
    previous: vector.previous,
    history: vector.history,
    scaleExponent: vector.scale_exponent,
    trainers: vector.trainers.map(address),
    stakes: vector.stakes.map(BigInt),
    gram: fromHex(vector.gram),
  }
}
