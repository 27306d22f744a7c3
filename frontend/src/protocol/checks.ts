/** The claims of a settlement, one check each (docs/protocol.md, 6.4). A check returns what was found, or refuses. */

import { fromHex, sameBytes, toHex, word } from './bytes'
import { digestOf, encodeCarried } from './carried'
import { decompress, linearCombination, samePoint } from './curve'
import { Refused } from './errors'
import type { CheckName, Evidence, Terms } from './evidence'
import { verifyGram } from './gram-argument'
import { advance } from './history'
import { at, sum } from './integers'
import type { Recorded } from './recorded'
import { isDevelopment, type VerifyingKey } from './reference-string'
import { FLOOR_SCORE } from './scores'
import type { Outcome } from './settlement'
import { checkStatement, historyCommitments, type Statement, updateCommitments } from './statement'

const REFERENCE_BIT = 1n << 255n
const DIGEST_DIGITS = 18

/** What checks are made of; each part is made when it is first asked for, and refuses every time if it cannot be. */
export type Material = {
  readonly evidence: Evidence
  readonly recorded: () => Recorded
  readonly key: () => VerifyingKey
  readonly outcome: () => Outcome
}

/** Every check by its name. */
export const METHODS: Readonly<Record<CheckName, (material: Material) => string>> = {
  log: ({ evidence, recorded }) => checkLog(evidence, recorded()),
  'reference string': ({ key }) => describeKey(key()),
  proof: ({ recorded, key }) => checkProof(recorded(), key()),
  rule: ({ recorded, outcome }) => checkRule(recorded().statement, outcome()),
  scores: ({ recorded, outcome }) => checkScores(recorded().statement, outcome()),
  payouts: ({ recorded, outcome }) => checkPayouts(recorded(), outcome()),
  scale: ({ recorded, outcome }) => checkScale(recorded().statement, outcome()),
  'aggregate commitment': ({ recorded }) => checkAggregate(recorded().statement),
  memory: ({ evidence, recorded, outcome }) => checkMemory(evidence, recorded().statement, outcome()),
}

/** That the statement is about a round of this job, by its terms. */
function checkLog(evidence: Evidence, { statement, included }: Recorded): string {
  const { gram, referenceExpected } = statement
  const { terms, log } = evidence
  requireTerms(terms, statement)
  if (terms.verifier.toLowerCase() !== evidence.verifier.toLowerCase()) {
    throw new Refused(`the job's verifier is ${terms.verifier}, not ${evidence.verifier}`)
  }
  if (gram.budget > BigInt(terms.round_budget)) {
    throw new Refused(`the round's budget ${gram.budget} is above the job's ${terms.round_budget}`)
  }
  if (gram.round === 1) requireFirst(terms, statement)
  if (gram.reference && !referenceExpected) throw new Refused('the job has no reference')
  if (countBits(included % REFERENCE_BIT) !== gram.trainers.length) {
    throw new Refused('there are not as many included commitments as trainers')
  }
  if (included >= REFERENCE_BIT !== gram.reference) {
    throw new Refused('the included commitments and the rows do not agree about the reference')
  }
  return `settled by ${gram.aggregator} in transaction ${log.tx}, block ${log.block}`
}

function describeKey(key: VerifyingKey): string {
  const kind = isDevelopment(key) ? ', its secrets public: for development only' : ''
  return `reference string ${toHex(key.digest)} of ${key.size} powers${kind}`
}

/** That the posted inner products are those of the committed rows. */
function checkProof({ statement, proof }: Recorded, key: VerifyingKey): string {
  verifyGram(key, statement.gram, proof)
  return `${proof.length} bytes show the inner products of ${statement.gram.commitments.length} rows`
}

/** That the weights are the rule's. */
function checkRule({ gram, weights }: Statement, outcome: Outcome): string {
  requireEqual('weight', weights, outcome.weights)
  return `${gram.rule} accepts ${outcome.accepted.filter(Boolean).length} of ${weights.length}`
}

/** That the scores are the job's, or the floor's where the reference was left out. */
function checkScores({ gram, scores, referenceExpected }: Statement, outcome: Outcome): string {
  requireEqual('score', scores, outcome.scores)
  return referenceExpected && !gram.reference ? `${FLOOR_SCORE.id}, without the reference row` : gram.score
}

/** That payouts are the split of the budget, and their sum what the log says. */
function checkPayouts({ statement, paid }: Recorded, outcome: Outcome): string {
  requireEqual('payout', statement.payouts, outcome.payouts)
  const total = sum(statement.payouts)
  if (total !== paid) throw new Refused(`the log says that ${paid} is paid, the payouts are ${total} in all`)
  return `${paid} of ${statement.gram.budget}, in the token’s smallest unit`
}

/** That the next round's exponent follows by the scale rule. */
function checkScale(statement: Statement, outcome: Outcome): string {
  const { nextScaleExponent: posted } = statement
  if (posted !== outcome.nextScaleExponent) {
    throw new Refused(`the next scale exponent is posted as ${posted}, expected ${outcome.nextScaleExponent}`)
  }
  return `2^${posted} follows 2^${statement.gram.scaleExponent}`
}

/** That the recorded commitment is `Σ w_i C_i`. */
function checkAggregate(statement: Statement): string {
  const { gram, weights, aggregateCommitment } = statement
  checkStatement(gram)
  if (weights.length !== gram.trainers.length) {
    throw new Refused(`${weights.length} weights of ${gram.trainers.length} updates`)
  }
  const posted = decompress(aggregateCommitment, 'the aggregate commitment')
  if (!samePoint(posted, linearCombination(updateCommitments(gram), weights))) {
    throw new Refused("the aggregate commitment is not the weighted sum of the updates'")
  }
  return `${toHex(word(aggregateCommitment))} = Σ w_i C_i`
}

/** That the bytes carried are those behind the digest on record, and what follows from them is behind the next. */
function checkMemory({ carried_before: before }: Evidence, statement: Statement, outcome: Outcome): string {
  const { gram, carried } = statement
  if (!sameBytes(fromHex(before), carried)) throw new Refused('the bytes carried are not those of the round before')
  requireDigest('carried into the round', digestOf(carried), statement.memoryDigest)
  checkStatement(gram)
  let next = outcome.carried
  if (gram.history) {
    const advanced = advance(next.history, gram.trainers, updateCommitments(gram), gram.scaleExponent)
    const wrong = historyCommitments(gram).findIndex((posted, i) => !samePoint(posted, at(advanced.sums, i).commitment))
    if (wrong >= 0) throw new Refused(`the running sum of ${at(gram.trainers, wrong)} is not what follows`)
    next = { ...next, history: advanced.carried }
  }
  const encoded = encodeCarried(next)
  requireDigest('carried on', digestOf(encoded), statement.nextMemoryDigest)
  const sums = gram.history ? `, running sums of ${gram.trainers.length} trainers among them` : ''
  return `${carried.length} bytes carried in, ${encoded.length} carried on${sums}`
}

function requireTerms(terms: Terms, { gram, referenceExpected }: Statement): void {
  const pairs: readonly (readonly [string, string | number | bigint | boolean, string | number | boolean])[] = [
    ['rule', gram.rule, terms.rule],
    ['score', gram.score, terms.score],
    ['number of Byzantine trainers', gram.byzantine, terms.byzantine],
    ['dimension', gram.dimension, terms.dimension],
    ['number of bits', gram.bits, terms.bits],
    ['number of headroom bits', gram.headroomBits, terms.headroom_bits],
    ['floor', gram.floorBps, terms.floor_bps],
    ['cap', gram.capBps, terms.cap_bps],
    ['reference', referenceExpected, terms.reference],
  ]
  for (const [what, said, agreed] of pairs) {
    if (String(said) !== String(agreed)) throw new Refused(`the ${what} is ${said}, by the job's terms ${agreed}`)
  }
}

/** A job's first round has the exponent of the terms, and nothing comes before it. */
function requireFirst(terms: Terms, { gram, carried }: Statement): void {
  if (gram.scaleExponent !== terms.scale_exponent) {
    throw new Refused(`the first scale exponent is ${gram.scaleExponent}, by the job's terms ${terms.scale_exponent}`)
  }
  if (gram.previous || carried.length > 0) throw new Refused("nothing comes before a job's first round")
}

/** Refuses lists that differ, and names the first place at which they do. */
function requireEqual(what: string, posted: readonly bigint[], expected: readonly bigint[]): void {
  if (posted.length !== expected.length) {
    throw new Refused(`there are ${posted.length} posted ${what}s, expected ${expected.length}`)
  }
  const wrong = posted.findIndex((value, i) => value !== expected[i])
  if (wrong >= 0) {
    throw new Refused(`the ${what} of update ${wrong} is posted as ${posted[wrong]}, expected ${expected[wrong]}`)
  }
}

function requireDigest(what: string, found: Uint8Array, posted: Uint8Array): void {
  if (sameBytes(found, posted)) return
  const short = (digest: Uint8Array): string => `${toHex(digest).slice(0, DIGEST_DIGITS)}…`
  throw new Refused(`what is ${what} has the digest ${short(found)}, posted is ${short(posted)}`)
}

function countBits(bits: bigint): number {
  return bits.toString(2).replaceAll('0', '').length
}
