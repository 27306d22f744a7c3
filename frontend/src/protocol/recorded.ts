/** The settlement behind a log of RoundSettled, accepted only in the one encoding that a contract emits. */

import { decodeAbiParameters, encodeAbiParameters, toEventSelector } from 'viem'

import { type Address, addressOf, fromHex, idOf, readUnsigned, toHex, word } from './bytes'
import { Refused } from './errors'
import type { Evidence } from './evidence'
import { ROUND_SETTLED } from './round-settled'
import type { Statement } from './statement'

const [, , , STATEMENT, PUBLISHED, PROOF, PAID, CHALLENGE_END] = ROUND_SETTLED.inputs
const DATA = [STATEMENT, PUBLISHED, PROOF, PAID, CHALLENGE_END] as const
const SELECTOR = toEventSelector(ROUND_SETTLED)

/** What was verified, with its proof, and what was said beside it. */
export type Recorded = {
  readonly statement: Statement
  readonly proof: Uint8Array
  /** Bit i: the round's i-th commitment is included; bit 255: the reference row is. */
  readonly included: bigint
  /** Sum of the payouts, in wei or token units. */
  readonly paid: bigint
}

/** The settlement in the evidence's log, refused unless the market logged it for this job and round. */
export function readRecorded(evidence: Evidence): Recorded {
  const { log } = evidence
  if (lower(log.address) !== lower(evidence.market))
    throw new Refused(`the log is by ${log.address}, not by the market`)
  const [statement, published, proof, paid] = decodeData(log.data)
  const gram = statement.gram
  const market = lower(gram.market)
  if (gram.chainId !== BigInt(evidence.chain_id)) throw new Refused(`the statement is of chain ${gram.chainId}`)
  if (market !== lower(evidence.market)) throw new Refused(`the statement is of market ${gram.market}`)
  if (gram.jobId !== BigInt(evidence.job_id) || gram.round !== evidence.round) {
    throw new Refused(`the statement is of round ${gram.round} of job ${gram.jobId}`)
  }
  const topics = [SELECTOR, ...[gram.jobId, gram.round, BigInt(gram.aggregator)].map((value) => toHex(word(value)))]
  if (log.topics.length !== topics.length || topics.some((topic, i) => topic !== log.topics[i]?.toLowerCase())) {
    throw new Refused("the log's topics are not those of its statement")
  }
  return {
    statement: {
      gram: {
        ...gram,
        market,
        aggregator: lower(gram.aggregator),
        rule: idOf(fromHex(gram.rule)),
        score: idOf(fromHex(gram.score)),
        reference: gram.hasReference,
        trainers: gram.trainers.map(lower),
        gram: fromHex(gram.gram),
      },
      weights: statement.weights,
      scores: statement.scores,
      payouts: statement.payouts,
      aggregateCommitment: readUnsigned(fromHex(statement.aggregateCommitment)),
      nextScaleExponent: statement.nextScaleExponent,
      referenceExpected: statement.referenceExpected,
      memoryDigest: fromHex(statement.memoryDigest),
      nextMemoryDigest: fromHex(statement.nextMemoryDigest),
      carried: fromHex(statement.witness.carried),
    },
    proof: fromHex(proof),
    included: published.included,
    paid,
  }
}

/** The log's values; its data is refused unless it is what they encode to. */
function decodeData(data: string): ReturnType<typeof decodeAbiParameters<typeof DATA>> {
  const bytes = toHex(fromHex(data))
  try {
    const values = decodeAbiParameters(DATA, bytes)
    if (encodeAbiParameters(DATA, values) === bytes) return values
  } catch {
    throw new Refused("the log's data is not that of RoundSettled")
  }
  throw new Refused("the log's data is not in the one encoding that a contract emits")
}

function lower(address: string): Address {
  return addressOf(fromHex(address))
}
