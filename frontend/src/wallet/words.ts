/** Intents in words: what the user is asked to agree to, made from the very data that is sent. */
import type { Token } from '../api/types'
import { exactWithSymbol } from '../format/money'
import { count } from '../format/text'
import { formatAbsolute } from '../format/time'
import { type Asked, type Intent, NATIVE, paymentOf } from './intents'

/** A line of what the user is asked to agree to: amounts in words. */
export interface Line {
  label: string
  value: string
}

/** What it is, in a few words. */
export function titleOf(intent: Intent): string {
  switch (intent.kind) {
    case 'create':
      return 'Open a job'
    case 'extend':
      return `Extend job ${intent.jobId}`
    case 'stop':
      return `Stop job ${intent.jobId}`
    case 'close':
      return `Close job ${intent.jobId}`
    case 'withdraw':
      return 'Withdraw the free balance'
    case 'claim':
      return `Claim the pay of job ${intent.jobId}`
    case 'leave':
      return `Leave job ${intent.jobId}`
    case 'join':
      return `Join job ${intent.jobId}`
    case 'name':
      return intent.aggregator === NATIVE ? `Name no aggregator of job ${intent.jobId} any more` : `Name an aggregator of job ${intent.jobId}`
    case 'challenge':
      return `Challenge ${intent.update === null ? 'the settlement' : `update ${intent.update}`} of round ${intent.round}`
  }
}

/** Amounts exact, with their consequences; a token other than the coin with its whole address, as its symbol is its author's word. */
export function linesOf({ intent, token }: Pick<Asked, 'intent' | 'token'>): Line[] {
  const lines = consequences(intent, token)
  const moves = intent.kind !== 'name' && token.address !== NATIVE
  return moves ? [...lines, { label: 'Token', value: `${token.symbol}, the contract ${token.address}` }] : lines
}

/** What evidence claims, from its own bytes: kind and first entry are the second and the fifth word of its encoding. */
function faultWords(evidence: string, update: number | null): string {
  const word = (place: number) => BigInt(`0x${evidence.slice(2 + 64 * place, 66 + 64 * place)}`)
  const what = update === null ? 'the aggregate' : `update ${update}`
  if (word(1) === 1n) return `that ${what} has an entry out of range, from place ${word(4)} on`
  return `that the published file is not ${what} on record: it differs within 128 entries from place ${word(4)} on`
}

function consequences(intent: Intent, token: Token): Line[] {
  const of = (units: string | bigint) => exactWithSymbol(units, token)
  switch (intent.kind) {
    case 'create': {
      const { terms } = intent
      return [
        { label: 'You pay now', value: `${of(paymentOf(intent))} into the market’s escrow: ${count(terms.rounds, 'round')} of ${of(terms.roundBudget)}` },
        { label: 'You get back', value: 'What trainers do not earn, when the job is closed' },
        { label: 'Trainers stake', value: terms.stakeMin === terms.stakeMax ? of(terms.stakeMin) : `${of(terms.stakeMin)} to ${of(terms.stakeMax)}` },
        { label: 'Aggregators put up', value: terms.aggregatorBond === '0' ? 'no bond' : `${of(terms.aggregatorBond)} for each settlement` },
        { label: 'Rounds open until', value: formatAbsolute(terms.deadline) },
        { label: 'Verifier', value: terms.verifier },
      ]
    }
    case 'extend':
      return [
        { label: 'You pay now', value: paymentOf(intent) === 0n ? 'nothing' : `${of(paymentOf(intent))} into the job’s escrow` },
        { label: 'Rounds in all', value: `${intent.rounds} (now ${intent.told.rounds})` },
        { label: 'Budget of a round', value: `${of(intent.roundBudget)} (now ${of(intent.told.roundBudget)})` },
        { label: 'Rounds open until', value: formatAbsolute(intent.deadline) },
      ]
    case 'stop':
      return [
        { label: 'From now on', value: 'No further round opens. A live round takes its course, with its pay.' },
        { label: 'Escrow', value: `${of(intent.told.escrow)}, which stays there until the job is closed` },
      ]
    case 'close':
      return [
        { label: 'Returned', value: `${of(intent.told.escrow)} to the owner’s free balance on the market, to be withdrawn from there` },
        { label: 'For good', value: 'A closed job cannot be opened again. Stakes and pay of trainers remain theirs.' },
      ]
    case 'withdraw':
      return [
        { label: 'You receive', value: of(intent.amount) },
        { label: 'Recipient', value: intent.recipient },
      ]
    case 'claim':
      return [
        { label: 'You receive', value: of(intent.told.claimable) },
        { label: 'Rounds', value: intent.rounds.join(', ') },
        { label: 'Recipient', value: intent.recipient },
      ]
    case 'leave':
      return [
        { label: 'You receive', value: `${of(intent.told.stake)}, your whole stake` },
        { label: 'Pay', value: 'What you earned stays yours, and can be claimed later as well.' },
        { label: 'Recipient', value: intent.recipient },
      ]
    case 'join':
      return [
        { label: 'You stake', value: `${of(intent.stake)}, which you can take out between your rounds` },
        { label: 'You can lose it', value: 'If an update that you committed is shown to be out of range, the whole stake is gone.' },
        { label: 'You train', value: 'On your own machine, with your own data: each round you commit an update in time, or are not paid for it.' },
        { label: 'Verifier', value: intent.told.verifier },
      ]
    case 'name':
      return intent.aggregator === NATIVE
        ? [{ label: 'From now on', value: 'Only the aggregators of the owner, and those that other trainers name, settle.' }]
        : [
            { label: 'Aggregator', value: intent.aggregator },
            { label: 'It can', value: 'Settle rounds like those of the owner, with your update in them, as long as you are in the job.' },
            { label: 'It reads', value: 'The updates that are sealed to it from now on: yours, and those of trainers who trust it, too.' },
          ]
    case 'challenge': {
      const { update, told } = intent
      const [what, whose] = update === null ? ['bond', 'aggregator'] : ['stake', 'trainer']
      return [
        { label: 'You show', value: faultWords(intent.evidence, update) },
        { label: 'At fault', value: `the ${whose} ${told.accused}` },
        {
          label: 'It loses',
          value: update === null ? `its bond, ${of(told.loses)}, and its part in the job` : `its stake, ${of(told.loses)}, its place in the job and the pay of this round`,
        },
        {
          label: 'You receive',
          value: told.reward === '0' ? 'nothing' : `${of(told.reward)} of that ${what}, as free balance on the market, to be withdrawn from there; the owner gets the rest`,
        },
        ...(update === null ? [{ label: 'The round', value: 'becomes void: nobody is paid for it, and its pay goes back to escrow.' }] : []),
        { label: 'First come', value: 'Only the first valid challenge is rewarded, and who sees yours before it is in a block can copy it. Otherwise you pay the gas for nothing.' },
      ]
    }
  }
}
