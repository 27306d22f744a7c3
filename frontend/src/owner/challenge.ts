/** Challenges that `gramercy job challenge --write-evidence` has made: files from outside, read strictly. */
import type { RoundDetail } from '../api/types'
import { type Hex, same } from '../wallet/eip1193'

/** As much as evidence can be, several times over. */
export const MOST_BYTES = 131_072
const SCHEMA = 'gramercy/challenge/1'
const KEYS = ['accused', 'chain_id', 'commitment', 'evidence', 'job', 'kind', 'market', 'round', 'schema', 'update']
/** ABI words of evidence: an offset, kind, commitment (two), first entry, and the offsets of four arrays. */
const LEAST_DIGITS = 64 * 9

export interface Challenge {
  /** Null: of the settlement. */
  update: number | null
  /** As the contract takes it, abi.encode(Evidence). */
  evidence: Hex
}

export interface RoundKey {
  chainId: number
  market: string
  jobId: number
  round: number
}

/** A file that is no challenge, or none of this round; its message is fit to be shown. */
export class Unfit extends Error {}

/** A challenge of just this round, as it is on record. Throws `Unfit`. */
export function readChallenge(text: string, of: RoundKey, { settlement, updates }: RoundDetail): Challenge {
  const file = fieldsOf(text)
  if (file.schema !== SCHEMA) throw new Unfit(typeof file.schema === 'string' && file.schema.startsWith('gramercy/challenge/') ? `This page reads ${SCHEMA}, not ${file.schema}.` : MALFORMED)
  if (Object.keys(file).toSorted().join() !== KEYS.join()) throw new Unfit(MALFORMED)
  const { chain_id: chainId, market, job, round, kind, accused, update, commitment, evidence } = file
  if (![chainId, job, round].every(isCount) || !isHex(market, 40) || !isHex(accused, 40) || !isHex(commitment, 64)) throw new Unfit(MALFORMED)
  if (kind === 'settlement' ? update !== null : kind !== 'update' || !(isCount(update) || update === 0)) throw new Unfit(MALFORMED)
  if (!isHex(evidence) || evidence.length < 2 + LEAST_DIGITS || (evidence.length - 2) % 64 !== 0) throw new Unfit(MALFORMED)
  // Its words are made from these (wallet/words.ts): where they stand is no choice of the file's.
  const [offset, fault] = [evidence.slice(2, 66), evidence.slice(66, 130)].map((word) => BigInt(`0x${word}`))
  if (offset !== 32n || (fault !== 1n && fault !== 2n)) throw new Unfit(MALFORMED)

  if (chainId !== of.chainId) throw new Unfit(`The file is of chain ${String(chainId)}; this round is on chain ${of.chainId}.`)
  if (!same(market, of.market)) throw new Unfit(`The file is of another market, ${market}.`)
  if (job !== of.jobId) throw new Unfit(`The file is of job ${String(job)}; this is job ${of.jobId}.`)
  if (round !== of.round) throw new Unfit(`The file is of round ${String(round)}; this is round ${of.round}.`)
  if (kind === 'settlement') {
    if (!settlement) throw new Unfit('The file is of a settlement; this round has none on record.')
    if (!same(commitment, settlement.aggregate_commitment) || !same(accused, settlement.aggregator)) throw new Unfit('The file is of another settlement than the one on record now: make it anew.')
    return { update: null, evidence }
  }
  const own = updates.find(({ index }) => index === update)
  if (!own || !same(commitment, own.commitment) || !same(accused, own.trainer)) throw new Unfit(`The file is of another update than number ${String(update)} of this round.`)
  if (own.slashed) throw new Unfit(`The trainer of update ${String(update)} is slashed already.`)
  return { update: own.index, evidence }
}

const MALFORMED = 'This is no file of `gramercy job challenge --write-evidence`, or it is damaged.'

function fieldsOf(text: string): Record<string, unknown> {
  if (text.length > MOST_BYTES) throw new Unfit(`The file is too large: challenges have at most ${MOST_BYTES / 1024} KiB.`)
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    throw new Unfit(MALFORMED)
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new Unfit(MALFORMED)
  return value as Record<string, unknown>
}

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) > 0
const isHex = (value: unknown, digits?: number): value is Hex =>
  typeof value === 'string' && /^0x([0-9a-fA-F]{2})*$/.test(value) && (digits === undefined || value.length === 2 + digits)
