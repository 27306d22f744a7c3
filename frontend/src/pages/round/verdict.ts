/** What became of an update, in a word. */
import type { UpdateView } from '../../api/types'
import type { Tone } from '../../ui/tones'

export interface Verdict {
  label: string
  tone: Tone
  meaning: string
}

export function verdictOf(update: Pick<UpdateView, 'slashed' | 'included' | 'accepted'>): Verdict {
  if (update.slashed) return { label: 'Slashed', tone: 'danger', meaning: 'The update was shown to be out of range; its trainer lost the stake.' }
  if (update.included === null || update.included === undefined) return { label: 'Committed', tone: 'neutral', meaning: 'Waits for the settlement.' }
  if (!update.included) return { label: 'Left out', tone: 'warn', meaning: 'The aggregator did not open it: missing, malformed, or not what was committed.' }
  return update.accepted
    ? { label: 'Accepted', tone: 'positive', meaning: 'The rule gave it a weight in the aggregate.' }
    : { label: 'Rejected', tone: 'danger', meaning: 'The rule gave it no weight in the aggregate.' }
}
