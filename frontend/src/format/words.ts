/** The market's words in plain English. */
import type { JobStatus, RoundPhase } from '../api/types'

export const PHASES: Record<RoundPhase, { label: string; meaning: string }> = {
  none: { label: 'Not open', meaning: 'The round has not been opened yet.' },
  open: { label: 'Open', meaning: 'Trainers train and commit their updates.' },
  settling: { label: 'Settling', meaning: 'Commitments are closed; an aggregator may settle the round.' },
  challengeable: { label: 'Challengeable', meaning: 'Settled. Until the window ends anybody may show that the aggregate is false.' },
  final: { label: 'Final', meaning: 'Nothing can overturn the settlement any more; payouts can be claimed.' },
  void: { label: 'Void', meaning: 'Not settled in time, or overturned: nobody is paid for it.' },
}

export const STATUSES: Record<JobStatus, { label: string; meaning: string }> = {
  joining: { label: 'Joining', meaning: 'Waits for trainers to put their stakes in.' },
  running: { label: 'Running', meaning: 'A round is live, or can be opened.' },
  finished: { label: 'Finished', meaning: 'No further round can open; the owner can close the job.' },
  closed: { label: 'Closed', meaning: 'Closed by its owner; what escrow was left has been returned.' },
}

export const RULES: Record<string, string> = {
  mean: 'Averages all updates by stake.',
  'multi-krum': 'Keeps the updates that lie closest to most others; far ones are rejected.',
  'nnm+multi-krum': 'Mixes each update with its nearest ones, then keeps those closest to most others.',
  'centred-clipping': 'Accepts all, but shortens updates that are longer than the median.',
  'geometric-median': 'Weighs updates by how near they are to the geometric median.',
  fltrust: 'Trusts updates as far as they point in the direction of the owner’s reference.',
  'marginal-value': 'Keeps updates that move towards the owner’s reference without copying each other, with memory of earlier rounds.',
  foolsgold: 'Gives less voice to trainers whose updates resemble each other over the rounds.',
}

export const SCORES: Record<string, string> = {
  shapley: 'Each trainer’s part in the length of the aggregate.',
  cosine: 'How well an update points in the direction of the aggregate.',
  'shapley-reference': 'A running sum of Shapley values against the owner’s reference.',
  'leave-one-out': 'What the aggregate would lose without the update, against the owner’s reference.',
  alignment: 'How well an update agrees with the others beyond what noise explains, summed over rounds.',
  reputation: 'How well updates agree with the aggregate, as a reputation that grows over rounds.',
}

export const ROW_NAMES: Record<string, string> = { reference: 'Owner’s reference', previous: 'Previous aggregate' }

const EVENTS: Record<string, string> = {
  JobCreated: 'Job created',
  TrainerJoined: 'Trainer joined',
  TrainerLeft: 'Trainer left',
  RoundOpened: 'Round opened',
  ReferenceCommitted: 'Reference committed',
  UpdateCommitted: 'Update committed',
  RoundSettled: 'Round settled',
  SettlementReplaced: 'Settlement replaced',
  SettlementOverturned: 'Settlement overturned',
  TrainerSlashed: 'Trainer slashed',
  BondReleased: 'Bond released',
  RoundRefunded: 'Round refunded',
  PayoutClaimed: 'Payout claimed',
  JobExtended: 'Job extended',
  JobStopped: 'Job stopped',
  AggregatorNamed: 'Aggregator named',
  JobClosed: 'Job closed',
  Deposited: 'Deposited',
  Withdrawn: 'Withdrawn',
  KeyPublished: 'Key published',
}

/** An event's name in words; names to come are split at their capitals. */
export function eventTitle(name: string): string {
  return EVENTS[name] ?? name.replace(/([a-z])([A-Z])/g, (_, a: string, b: string) => `${a} ${b.toLowerCase()}`)
}
