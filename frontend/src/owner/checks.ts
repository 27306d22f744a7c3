/** Which terms a market takes: contracts/market/TermsCheck.sol in its order, field by field, and what is lawful but unwise. */
import type { ChainTerms } from '../wallet/intents'
import { NATIVE } from '../wallet/intents'
import { same } from '../wallet/eip1193'
import { type Errors, type Field, RULES_BY_REFERENCE, SCORES_BY_REFERENCE } from './draft'

const MAX_TRAINERS = 64
const MAX_WINDOW_SECONDS = 30 * 86_400
const MAX_DEADLINE_SECONDS = 3_650 * 86_400
const MAX_SCALE_EXPONENT = 64
const WHOLE_BPS = 10_000
const MAX_AGGREGATORS = 8
const UINT128 = (1n << 128n) - 1n
const UINT32 = 2 ** 32 - 1
/** Rules that compare running sums fit a transaction for so many trainers (aggregator/history.py). */
const MAX_TRAINERS_WITH_SUMS = 48

/** The draft's field behind a field of the contract's terms. */
export const FIELD_OF: Record<string, Field> = {
  aggregatorBond: 'bond',
  challengerShareBps: 'challengerShare',
  floorBps: 'floor',
  capBps: 'cap',
  deadline: 'lifetimeDays',
}

/** The first field that the market would refuse, by the contract's name; null where it would refuse none of these. */
export function refusedField(t: ChainTerms, now: number): string | null {
  return moneyFault(t) ?? figuresFault(t) ?? windowsFault(t, now)
}

function moneyFault(t: ChainTerms): string | null {
  if (BigInt(t.roundBudget) === 0n) return 'roundBudget'
  if (t.rounds === 0) return 'rounds'
  if (BigInt(t.stakeMin) === 0n) return 'stakeMin'
  if (BigInt(t.stakeMax) < BigInt(t.stakeMin)) return 'stakeMax'
  if (t.challengerShareBps > WHOLE_BPS) return 'challengerShareBps'
  if (t.floorBps > WHOLE_BPS) return 'floorBps'
  if (t.capBps !== 0 && t.capBps < WHOLE_BPS) return 'capBps'
  return null
}

function figuresFault(t: ChainTerms): string | null {
  if (t.maxTrainers > MAX_TRAINERS) return 'maxTrainers'
  if (t.minTrainers > t.maxTrainers) return 'minTrainers'
  if (t.minTrainers < 2 * t.byzantine + 3) return 'byzantine'
  if (t.bits < 4 || t.bits > 16) return 'bits'
  if (t.headroomBits + 3 > t.bits) return 'headroomBits'
  // 4 d 2^(2b-2) < 2^63: every Gram entry and every distance fits an int64.
  if (t.dimension === 0 || BigInt(t.dimension) << BigInt(2 * t.bits) >= 1n << 63n) return 'dimension'
  if (Math.abs(t.scaleExponent) > MAX_SCALE_EXPONENT) return 'scaleExponent'
  return null
}

function windowsFault(t: ChainTerms, now: number): string | null {
  if (t.commitSeconds === 0 || t.commitSeconds > MAX_WINDOW_SECONDS) return 'commitSeconds'
  if (t.settleSeconds === 0 || t.settleSeconds > MAX_WINDOW_SECONDS) return 'settleSeconds'
  if (t.challengeSeconds > MAX_WINDOW_SECONDS) return 'challengeSeconds'
  // Without a window no bond could ever be slashed.
  if (t.challengeSeconds === 0 && BigInt(t.aggregatorBond) !== 0n) return 'challengeSeconds'
  if (t.deadline <= now || t.deadline > now + MAX_DEADLINE_SECONDS) return 'deadline'
  return null
}

const NEGATIVE: (keyof ChainTerms)[] = ['rounds', 'minTrainers', 'maxTrainers', 'byzantine', 'dimension', 'bits', 'headroomBits', 'commitSeconds', 'settleSeconds', 'challengeSeconds']
const AMOUNTS: (keyof ChainTerms)[] = ['roundBudget', 'stakeMin', 'stakeMax', 'aggregatorBond']

/** Every field that the market would refuse, in words, as far as that can be known without asking the verifier. */
export function termErrors(t: ChainTerms, aggregators: readonly string[], now: number): Errors {
  const errors: Errors = {}
  const add = (field: string, text: string) => (errors[FIELD_OF[field] ?? (field as Field)] ??= text)
  for (const field of NEGATIVE) if ((t[field] as number) < 0) add(field, 'Not below zero.')
  for (const field of AMOUNTS) if (BigInt(t[field] as string) > UINT128) add(field, 'More than the contract can count.')
  if (BigInt(t.roundBudget) === 0n) add('roundBudget', 'Above zero: trainers are paid from it.')
  if (t.rounds === 0) add('rounds', 'At least one round.')
  if (t.rounds > UINT32) add('rounds', 'More than the contract can count.')
  if (BigInt(t.stakeMin) === 0n) add('stakeMin', 'Above zero: without a stake nobody has anything to lose.')
  if (BigInt(t.stakeMax) < BigInt(t.stakeMin)) add('stakeMax', 'At least the smallest stake.')
  if (t.challengerShareBps > WHOLE_BPS) add('challengerShareBps', 'At most 100 %.')
  if (t.floorBps > WHOLE_BPS) add('floorBps', 'At most 100 %.')
  if (t.capBps !== 0 && t.capBps < WHOLE_BPS) add('capBps', '0 for no cap, or at least 100 %.')
  if (t.capBps > 65_535) add('capBps', 'At most 655.35 %.')
  if (t.maxTrainers > MAX_TRAINERS) add('maxTrainers', `At most ${MAX_TRAINERS}.`)
  if (t.rule === 'foolsgold' && t.maxTrainers > MAX_TRAINERS_WITH_SUMS) {
    add('maxTrainers', `At most ${MAX_TRAINERS_WITH_SUMS} with this rule: a settlement would not fit a transaction.`)
  }
  if (t.minTrainers > t.maxTrainers) add('minTrainers', 'Not above the largest number.')
  if (t.minTrainers < 2 * t.byzantine + 3) add('minTrainers', `At least ${2 * t.byzantine + 3}: twice the Byzantine ones, and three.`)
  if (t.bits < 4 || t.bits > 16) add('bits', '4 to 16.')
  if (t.headroomBits + 3 > t.bits) add('headroomBits', `At most ${Math.max(0, t.bits - 3)} with ${t.bits} bits.`)
  if (t.dimension === 0) add('dimension', 'The number of the model’s parameters.')
  else if (t.dimension > 0 && t.bits >= 4 && t.bits <= 16 && figuresFault(t) === 'dimension') {
    add('dimension', `At most ${((1n << BigInt(63 - 2 * t.bits)) - 1n).toString()} with ${t.bits} bits.`)
  }
  if (Math.abs(t.scaleExponent) > MAX_SCALE_EXPONENT) add('scaleExponent', `-${MAX_SCALE_EXPONENT} to ${MAX_SCALE_EXPONENT}.`)
  for (const field of ['commitSeconds', 'settleSeconds'] as const) {
    if (t[field] === 0 || t[field] > MAX_WINDOW_SECONDS) add(field, 'Above zero and at most 30 days.')
  }
  if (t.challengeSeconds > MAX_WINDOW_SECONDS) add('challengeSeconds', 'At most 30 days.')
  if (t.challengeSeconds === 0 && BigInt(t.aggregatorBond) !== 0n) add('challengeSeconds', 'Needed where there is a bond: without it nobody could take the bond.')
  if (t.deadline <= now) add('deadline', 'In the future.')
  if (t.deadline > now + MAX_DEADLINE_SECONDS) add('deadline', 'At most ten years.')
  splitErrors(t, add)
  if (aggregators.length > MAX_AGGREGATORS) errors.aggregators = `At most ${MAX_AGGREGATORS}.`
  if (aggregators.some((one) => same(one, NATIVE))) errors.aggregators = 'The zero address cannot settle.'
  if (same(t.verifier, NATIVE)) errors.verifier = 'The zero address verifies nothing.'
  return errors
}

function splitErrors(t: ChainTerms, add: (field: string, text: string) => void): void {
  const [byRule, byScore] = [RULES_BY_REFERENCE[t.rule], SCORES_BY_REFERENCE[t.score]]
  if (byRule === undefined) add('rule', 'No contract checks this rule.')
  if (byScore === undefined) add('score', 'No contract checks this score.')
  if (!t.hasReference && byRule) add('rule', 'Needs the owner’s reference row.')
  if (!t.hasReference && byScore) add('score', 'Needs the owner’s reference row.')
}

/** What the market takes, but an owner may not want. */
export function warnings(t: ChainTerms, aggregators: readonly string[]): string[] {
  const told: string[] = []
  if (BigInt(t.aggregatorBond) === 0n) told.push('Without a bond an aggregator who settles falsely loses nothing but its place in the job.')
  else if (BigInt(t.aggregatorBond) < BigInt(t.roundBudget)) told.push('The bond is below the budget of a round: settling falsely could pay more than it costs.')
  if (t.challengeSeconds === 0) told.push('Without a challenge window nobody can show that an aggregate is false.')
  else if (t.challengeSeconds < 3_600) told.push('A challenge window under an hour leaves little time to check an aggregate.')
  if (t.byzantine === 0) told.push('With f = 0 a single false update can spoil a round.')
  if (t.rule === 'mean') told.push('The mean holds against no false update at all.')
  if (BigInt(t.stakeMax) > 2n * BigInt(t.stakeMin)) told.push('Trainers weigh by their stakes: one with the largest counts more than twice one with the smallest.')
  if (aggregators.length === 1) told.push('With one aggregator every round waits for it alone.')
  if (t.capBps === 0) told.push('Without a cap one trainer can take a whole round’s budget.')
  if (t.hasReference) told.push('Rounds open only once you commit their reference rows: keep `gramercy owner run JOB` running.')
  return told
}
