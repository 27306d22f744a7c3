/** Hooks in words: what can be told, about what, and how a hook does. */
import type { Hook } from '../../api/types'
import { count } from '../../format/text'
import type { Tone } from '../../ui/tones'

/** Every event of the market (a test compares), by what it is about. */
export const EVENT_GROUPS: readonly { label: string; names: readonly string[] }[] = [
  { label: 'Rounds', names: ['RoundOpened', 'ReferenceCommitted', 'UpdateCommitted', 'RoundSettled'] },
  { label: 'Challenges', names: ['SettlementReplaced', 'SettlementOverturned', 'TrainerSlashed'] },
  { label: 'Jobs', names: ['JobCreated', 'JobExtended', 'JobStopped', 'JobClosed'] },
  { label: 'Trainers and aggregators', names: ['TrainerJoined', 'TrainerLeft', 'AggregatorNamed', 'KeyPublished'] },
  { label: 'Money', names: ['PayoutClaimed', 'BondReleased', 'RoundRefunded', 'Deposited', 'Withdrawn'] },
]
export const ALL_EVENTS: readonly string[] = EVENT_GROUPS.flatMap(({ names }) => names)
/** What most who follow a job want to know. */
export const USUAL_EVENTS: readonly string[] = ['RoundOpened', 'RoundSettled', 'SettlementReplaced', 'SettlementOverturned', 'TrainerSlashed', 'JobStopped', 'JobClosed']

/** The names as the server takes them: none means all. */
export const namesFor = (chosen: ReadonlySet<string>): string[] => (ALL_EVENTS.every((name) => chosen.has(name)) ? [] : ALL_EVENTS.filter((name) => chosen.has(name)))

export interface HookState {
  label: string
  tone: Tone
  meaning: string
}

/** Whether a hook waits for the code that its target was sent; one that is gone (410) has a failure. */
export const awaitsCode = (hook: Pick<Hook, 'active' | 'failure'>): boolean => !hook.active && !hook.failure

/** How a hook does, in a word and a sentence. */
export function stateOf(hook: Pick<Hook, 'kind' | 'active' | 'failure' | 'waiting' | 'delivered'>): HookState {
  if (!hook.active) {
    return awaitsCode(hook)
      ? { label: 'Not confirmed', tone: 'warn', meaning: 'Nothing more is sent before it is confirmed by the code that was sent there.' }
      : { label: 'Stopped', tone: 'danger', meaning: 'The receiver answered that it is gone (410); nothing more is sent to it.' }
  }
  const waiting = count(hook.waiting, 'message')
  if (hook.failure) {
    return hook.waiting > 0
      ? { label: 'Failing', tone: 'danger', meaning: `${waiting} will be tried again.` }
      : { label: 'Gave up', tone: 'danger', meaning: 'The last message was tried for a day and not taken.' }
  }
  if (hook.waiting > 0) return { label: 'Sending', tone: 'accent', meaning: `${waiting} on the way.` }
  return hook.delivered === null || hook.delivered === undefined
    ? { label: 'Ready', tone: 'neutral', meaning: 'Nothing has happened yet that it is to be told of.' }
    : { label: 'Delivered', tone: 'positive', meaning: 'The last message was taken.' }
}

/** What is wrong with a target, in words; null if nothing can be said here. */
export function targetFault(kind: Hook['kind'], target: string): string | null {
  if (target === '') return kind === 'webhook' ? 'The URL to post to.' : 'The address to write to.'
  if (kind === 'email') return /^[^\s@]+@[^\s@]+$/.test(target) ? null : 'An e-mail address, such as ada@example.org.'
  try {
    return ['http:', 'https:'].includes(new URL(target).protocol) ? null : 'A URL that begins with https:// or http://.'
  } catch {
    return 'A whole URL, such as https://example.org/hook.'
  }
}
