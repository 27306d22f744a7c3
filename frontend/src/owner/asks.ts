/** What owners and trainers can ask of a market; its words are in wallet/words.ts. */
import type { JobDetail, Market, RoundDetail, Token, TrainerOfJob } from '../api/types'
import { exactWithSymbol } from '../format/money'
import { count, formatBps } from '../format/text'
import { formatAbsolute, formatSpan } from '../format/time'
import type { Hex } from '../wallet/eip1193'
import { type Asked, type Intent, NATIVE } from '../wallet/intents'
import type { Line } from '../wallet/words'
import type { Challenge } from './challenge'
import { extensionDeposit } from './deposit'
import type { Complete } from './draft'

type Place = Pick<Market, 'chain_id' | 'chain_name' | 'address' | 'explorer'>

function asked(place: Place, token: Token, intent: Intent): Asked {
  return {
    chainId: place.chain_id,
    chainName: place.chain_name,
    market: place.address as Hex,
    explorer: place.explorer,
    token: { address: token.address, symbol: token.symbol, decimals: token.decimals },
    intent,
  }
}

/** Opening a job. */
export const askCreate = (place: Place, token: Token, { terms, aggregators, manifest }: Complete): Asked =>
  asked(place, token, { kind: 'create', terms, aggregators, manifest })

export interface Extension {
  rounds: number
  roundBudget: bigint
  deadline: number
}

/** What an extension costs, of a job as the index tells it. */
export function depositOf({ summary }: JobDetail, { rounds, roundBudget }: Pick<Extension, 'rounds' | 'roundBudget'>): bigint {
  return extensionDeposit({ rounds: summary.rounds, used: summary.rounds_used, roundBudget: BigInt(summary.round_budget) }, rounds, roundBudget)
}

/** More rounds, a larger budget, more time. */
export function askExtend(place: Place, detail: JobDetail, extension: Extension): Asked {
  const { job_id: jobId, token } = detail.summary
  const { rounds, roundBudget, deadline } = extension
  const told = { rounds: detail.terms.rounds, roundBudget: detail.terms.round_budget }
  return asked(place, token, { kind: 'extend', jobId, rounds, roundBudget: roundBudget.toString(), deadline, deposit: depositOf(detail, extension).toString(), told })
}

/** No further rounds. */
export const askStop = (place: Place, { summary: job }: JobDetail): Asked => asked(place, job.token, { kind: 'stop', jobId: job.job_id, told: { escrow: job.escrow } })

/** The end, with the escrow back. */
export const askClose = (place: Place, { summary: job }: JobDetail): Asked => asked(place, job.token, { kind: 'close', jobId: job.job_id, told: { escrow: job.escrow } })

/** What is free, paid out. */
export const askWithdraw = (place: Place, token: Token, amount: string, account: string): Asked =>
  asked(place, token, { kind: 'withdraw', amount, recipient: account as Hex })

/** All pay of final rounds. */
export function askClaim(place: Place, token: Token, jobId: number, trainer: TrainerOfJob): Asked {
  const { claimable_rounds: rounds, claimable, address } = trainer
  return asked(place, token, { kind: 'claim', jobId, rounds: [...rounds], recipient: address as Hex, told: { claimable } })
}

/** Out of a job, with the stake. */
export const askLeave = (place: Place, token: Token, jobId: number, { address, stake }: TrainerOfJob): Asked =>
  asked(place, token, { kind: 'leave', jobId, recipient: address as Hex, told: { stake } })

/** Into a job, with a stake. */
export const askJoin = (place: Place, { summary, terms }: JobDetail, stake: bigint): Asked =>
  asked(place, summary.token, { kind: 'join', jobId: summary.job_id, stake: stake.toString(), told: { verifier: terms.verifier } })

/** One aggregator more, of a trainer's own choice; null: none any more. */
export const askName = (place: Place, token: Token, jobId: number, aggregator: Hex | null): Asked =>
  asked(place, token, { kind: 'name', jobId, aggregator: aggregator ?? NATIVE })

/** What a challenge would take from whom, and what it would bring: of a round as the index tells it. */
export function atStake({ terms }: JobDetail, { settlement, updates }: RoundDetail, update: number | null): { accused: string; loses: string; reward: string } | null {
  const own = updates.find(({ index }) => index === update)
  const accused = update === null ? settlement?.aggregator : own?.trainer
  const loses = update === null ? settlement?.bond : own?.stake
  if (accused === undefined || loses === undefined) return null
  return { accused, loses, reward: ((BigInt(loses) * BigInt(terms.challenger_share_bps)) / 10_000n).toString() }
}

/** A settlement overturned, or a trainer slashed; null where the round has no such thing. */
export function askChallenge(place: Place, detail: JobDetail, round: RoundDetail, { update, evidence }: Challenge): Asked | null {
  const told = atStake(detail, round, update)
  const { job_id: jobId, token } = detail.summary
  return told && asked(place, token, { kind: 'challenge', jobId, round: round.summary.number, update, evidence, told })
}

/** Terms in plain words, for reading before signing. */
export function termLines({ terms: t, aggregators }: Complete, token: Token): Line[] {
  const of = (units: string | bigint) => exactWithSymbol(units, token)
  return [
    ...(t.token === NATIVE ? [] : [{ label: 'Token', value: `${token.symbol}, the contract ${t.token}` }]),
    { label: 'Escrow', value: `${of(BigInt(t.roundBudget) * BigInt(t.rounds))}, ${count(t.rounds, 'round')} of ${of(t.roundBudget)} at most` },
    { label: 'A void round', value: t.refundVoid ? 'is used up, and its budget yours' : 'is repeated with its budget' },
    { label: 'Trainers', value: `${t.minTrainers} to ${t.maxTrainers}, of whom ${t.byzantine} may be Byzantine` },
    { label: 'Stake', value: t.stakeMin === t.stakeMax ? of(t.stakeMin) : `${of(t.stakeMin)} to ${of(t.stakeMax)}` },
    { label: 'A round', value: `${formatSpan(t.commitSeconds)} to commit, ${formatSpan(t.settleSeconds)} to settle, ${formatSpan(t.challengeSeconds)} to challenge` },
    { label: 'Rounds open until', value: formatAbsolute(t.deadline) },
    { label: 'Rule and score', value: `${t.rule}, ${t.score}${t.hasReference ? ', with your reference row' : ''}` },
    { label: 'Split', value: `${formatBps(t.floorBps)} by the score that you cannot steer; ${t.capBps === 0 ? 'no cap' : `at most ${formatBps(t.capBps)} of a trainer’s share by stake`}` },
    { label: 'Model', value: `${t.dimension.toLocaleString('en')} parameters, updates of ${t.bits} bits, scale 2^${t.scaleExponent}` },
    { label: 'Aggregators', value: `${aggregators.join(', ')}; bond ${t.aggregatorBond === '0' ? 'none' : of(t.aggregatorBond)}, of which a challenger gets ${formatBps(t.challengerShareBps)}` },
    { label: 'Verifier', value: t.verifier },
  ]
}
