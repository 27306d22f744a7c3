/** What owners and trainers can ask of a market, in words: amounts exact, with their consequences. */
import type { JobDetail, Market, Token, TrainerOfJob } from '../api/types'
import { exactWithSymbol } from '../format/money'
import { count, formatBps } from '../format/text'
import { formatAbsolute, formatSpan } from '../format/time'
import type { Hex } from '../wallet/eip1193'
import type { Asked, Intent, Line } from '../wallet/intents'
import { NATIVE, paymentOf } from '../wallet/intents'
import { extensionDeposit } from './deposit'
import type { Complete } from './draft'

type Place = Pick<Market, 'chain_id' | 'chain_name' | 'address' | 'explorer'>

function asked(place: Place, token: Token, title: string, lines: Line[], intent: Intent): Asked {
  return {
    chainId: place.chain_id,
    chainName: place.chain_name,
    market: place.address as Hex,
    explorer: place.explorer,
    token: { address: token.address, symbol: token.symbol, decimals: token.decimals },
    title,
    lines,
    intent,
  }
}

/** Opening a job. */
export function askCreate(place: Place, token: Token, { terms, aggregators, manifest }: Complete): Asked {
  const intent: Intent = { kind: 'create', terms, aggregators, manifest }
  const of = (units: string) => exactWithSymbol(units, token)
  return asked(
    place,
    token,
    'Open a job',
    [
      { label: 'You pay now', value: `${exactWithSymbol(paymentOf(intent), token)} into the market’s escrow: ${count(terms.rounds, 'round')} of ${of(terms.roundBudget)}` },
      { label: 'You get back', value: 'What trainers do not earn, when the job is closed' },
      { label: 'Trainers stake', value: terms.stakeMin === terms.stakeMax ? of(terms.stakeMin) : `${of(terms.stakeMin)} to ${of(terms.stakeMax)}` },
      { label: 'Aggregators put up', value: terms.aggregatorBond === '0' ? 'no bond' : `${of(terms.aggregatorBond)} for each settlement` },
      { label: 'Rounds open until', value: formatAbsolute(terms.deadline) },
    ],
    intent,
  )
}

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
  const { job_id, token } = detail.summary
  const deposit = depositOf(detail, extension)
  return asked(
    place,
    token,
    `Extend job ${job_id}`,
    [
      { label: 'You pay now', value: deposit === 0n ? 'nothing' : `${exactWithSymbol(deposit, token)} into the job’s escrow` },
      { label: 'Rounds in all', value: `${extension.rounds} (now ${detail.terms.rounds})` },
      { label: 'Budget of a round', value: `${exactWithSymbol(extension.roundBudget, token)} (now ${exactWithSymbol(detail.terms.round_budget, token)})` },
      { label: 'Rounds open until', value: formatAbsolute(extension.deadline) },
    ],
    { kind: 'extend', jobId: job_id, rounds: extension.rounds, roundBudget: extension.roundBudget.toString(), deadline: extension.deadline, deposit: deposit.toString() },
  )
}

/** No further rounds. */
export function askStop(place: Place, { summary: job }: JobDetail): Asked {
  return asked(
    place,
    job.token,
    `Stop job ${job.job_id}`,
    [
      { label: 'From now on', value: 'No further round opens. A live round takes its course, with its pay.' },
      { label: 'Escrow', value: `${exactWithSymbol(job.escrow, job.token)}, which stays there until the job is closed` },
    ],
    { kind: 'stop', jobId: job.job_id },
  )
}

/** The end, with the escrow back. */
export function askClose(place: Place, { summary: job }: JobDetail): Asked {
  return asked(
    place,
    job.token,
    `Close job ${job.job_id}`,
    [
      { label: 'Returned', value: `${exactWithSymbol(job.escrow, job.token)} to the owner’s free balance on the market, to be withdrawn from there` },
      { label: 'For good', value: 'A closed job cannot be opened again. Stakes and pay of trainers remain theirs.' },
    ],
    { kind: 'close', jobId: job.job_id },
  )
}

/** What is free, paid out. */
export function askWithdraw(place: Place, token: Token, amount: string, account: string): Asked {
  return asked(
    place,
    token,
    'Withdraw the free balance',
    [
      { label: 'You receive', value: exactWithSymbol(amount, token) },
      { label: 'Recipient', value: account },
    ],
    { kind: 'withdraw', amount, recipient: account as Hex },
  )
}

/** All pay of final rounds. */
export function askClaim(place: Place, token: Token, jobId: number, trainer: TrainerOfJob): Asked {
  return asked(
    place,
    token,
    `Claim the pay of job ${jobId}`,
    [
      { label: 'You receive', value: exactWithSymbol(trainer.claimable, token) },
      { label: 'Rounds', value: trainer.claimable_rounds.join(', ') },
      { label: 'Recipient', value: trainer.address },
    ],
    { kind: 'claim', jobId, rounds: [...trainer.claimable_rounds], recipient: trainer.address as Hex },
  )
}

/** Out of a job, with the stake. */
export function askLeave(place: Place, token: Token, jobId: number, trainer: TrainerOfJob): Asked {
  return asked(
    place,
    token,
    `Leave job ${jobId}`,
    [
      { label: 'You receive', value: `${exactWithSymbol(trainer.stake, token)}, your whole stake` },
      { label: 'Pay', value: 'What you earned stays yours, and can be claimed later as well.' },
    ],
    { kind: 'leave', jobId, recipient: trainer.address as Hex },
  )
}

/** Into a job, with a stake. */
export function askJoin(place: Place, { summary, terms }: JobDetail, stake: bigint): Asked {
  const { job_id, token } = summary
  return asked(
    place,
    token,
    `Join job ${job_id}`,
    [
      { label: 'You stake', value: `${exactWithSymbol(stake, token)}, which you can take out between your rounds` },
      { label: 'You can lose it', value: 'If an update that you committed is shown to be out of range, the whole stake is gone.' },
      { label: 'You train', value: 'On your own machine, with your own data: each round you commit an update in time, or are not paid for it.' },
      { label: 'Verifier', value: terms.verifier },
    ],
    { kind: 'join', jobId: job_id, stake: stake.toString() },
  )
}

/** One aggregator more, of a trainer's own choice; null: none any more. */
export function askName(place: Place, token: Token, jobId: number, aggregator: Hex | null): Asked {
  return asked(
    place,
    token,
    aggregator ? `Name an aggregator of job ${jobId}` : `Name no aggregator of job ${jobId} any more`,
    aggregator
      ? [
          { label: 'Aggregator', value: aggregator },
          { label: 'It can', value: 'Settle rounds like those of the owner, with your update in them, as long as you are in the job.' },
          { label: 'It reads', value: 'The updates that are sealed to it from now on: yours, and those of trainers who trust it, too.' },
        ]
      : [{ label: 'From now on', value: 'Only the aggregators of the owner, and those that other trainers name, settle.' }],
    { kind: 'name', jobId, aggregator: aggregator ?? NATIVE },
  )
}

/** Terms in plain words, for reading before signing. */
export function termLines({ terms: t, aggregators }: Complete, token: Token): Line[] {
  const of = (units: string | bigint) => exactWithSymbol(units, token)
  return [
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
