/** What a browser's notification says: which events are worth one, and in what words. */
import type { EventView, JobDetail, RoundDetail, Token, UpdateView } from '../api/types'
import { exactWithSymbol } from '../format/money'
import { shorten } from '../format/text'
import { eventTitle, STATUSES } from '../format/words'
import { accountPath, jobPath, roundPath, type MarketKey } from '../router/routes'

/** What this browser tells of: one job, or one account on a market. */
export type Watch = MarketKey & ({ jobId: number; account: null } | { jobId: null; account: string })

export interface Notice {
  /** The browser shows notices of one tag once, whichever tabs are open. */
  tag: string
  title: string
  body: string
  href: string
}

/** Events of a job that are told to whoever follows it. */
export const TOLD_OF_JOB: ReadonlySet<string> = new Set([
  'RoundOpened',
  'RoundSettled',
  'SettlementReplaced',
  'SettlementOverturned',
  'TrainerSlashed',
  'RoundRefunded',
  'JobExtended',
  'JobStopped',
  'JobClosed',
])
/** Events that change what a trainer gets for a round. */
const TOUCHES_PAY: ReadonlySet<string> = new Set(['RoundSettled', 'SettlementOverturned', 'TrainerSlashed'])
/** Events that are told to the account that they name. */
const TOLD_OF_ACCOUNT: ReadonlySet<string> = new Set(['PayoutClaimed', 'BondReleased', 'TrainerLeft', 'Withdrawn'])

const key = ({ tx, log_index }: EventView): string => `${tx}/${log_index}`
export const sameWatch = (one: Watch, other: Watch): boolean => nameOf(one) === nameOf(other)
export const nameOf = ({ chainId, market, jobId, account }: Watch): string => `${chainId}/${market}/${jobId ?? account}`.toLowerCase()

/** Which events have been seen; those before the first look are of the past, and never new. */
export class Seen {
  #keys: Set<string> | null = null
  #floor = 0

  /** The new ones among the newest events, oldest first; none at the first look. */
  take(newest: readonly EventView[]): EventView[] {
    const known = this.#keys
    const fresh = known ? newest.filter((event) => event.block >= this.#floor && !known.has(key(event))) : []
    // A reorganisation can bring older events onto the page, which are not news.
    if (!known) this.#floor = newest[0]?.block ?? 0
    this.#keys = new Set([...(known ?? []), ...newest.map(key)])
    return fresh.reverse()
  }
}

/** What is told to who follows a job, of its new events and of a status that it was not in before. */
export function noticesOfJob(watch: MarketKey, detail: JobDetail, fresh: readonly EventView[], before: string | null): Notice[] {
  const { summary } = detail
  const name = summary.name ?? `Job ${summary.job_id}`
  const told = fresh
    .filter((event) => TOLD_OF_JOB.has(event.name))
    .map((event) => ({
      tag: key(event),
      title: `${eventTitle(event.name)} · ${name}`,
      body: event.text,
      href: event.round ? roundPath(watch, summary.job_id, event.round) : jobPath(watch, summary.job_id),
    }))
  if (summary.status !== 'finished' || before === null || before === 'finished') return told
  const ended: Notice = {
    tag: `${watch.chainId}/${watch.market}/${summary.job_id}/finished`.toLowerCase(),
    title: `Job finished · ${name}`,
    body: STATUSES.finished.meaning,
    href: jobPath(watch, summary.job_id),
  }
  return [...told, ended]
}

/** The rounds whose pay new events change: to be read, as events do not say who gets what. */
export function roundsTouched(fresh: readonly EventView[]): EventView[] {
  const last = new Map<string, EventView>()
  for (const event of fresh) if (TOUCHES_PAY.has(event.name) && event.job_id && event.round) last.set(`${event.job_id}/${event.round}`, event)
  return [...last.values()]
}

/** What an event of a round means for an account that trains in it; null if nothing. */
export function noticeOfPay(watch: MarketKey, account: string, event: EventView, round: RoundDetail, token: Token): Notice | null {
  const update = round.updates.find(({ trainer }) => trainer.toLowerCase() === account.toLowerCase())
  const jobId = event.job_id
  if (!update || jobId === null || jobId === undefined) return null
  const words = payWords(shorten(account), update, round, token)
  if (!words) return null
  return { tag: `${key(event)}/${account}`, ...words, href: roundPath(watch, jobId, round.summary.number), body: `Round ${round.summary.number} of job ${jobId}. ${words.body}`.trim() }
}

function payWords(who: string, update: UpdateView, round: RoundDetail, token: Token): { title: string; body: string } | null {
  if (update.slashed) return { title: `${who} was slashed`, body: 'The update was shown to be out of range; the stake is lost.' }
  if (round.overturned_by) return { title: `${who} is not paid after all`, body: 'The settlement was challenged and overturned; the pay went back to escrow.' }
  if (update.included === null || update.included === undefined) return null
  if (!update.included) return { title: `Update of ${who} left out`, body: update.reason ?? '' }
  if (!update.accepted) return { title: `Update of ${who} rejected`, body: update.reason ?? '' }
  return { title: `${who} is paid ${exactWithSymbol(update.payout ?? '0', token)}`, body: 'It can be claimed once the challenge window has passed.' }
}

/** What is told to an account of events that name it. */
export function noticesOfAccount(watch: MarketKey, account: string, fresh: readonly EventView[]): Notice[] {
  return fresh
    .filter((event) => TOLD_OF_ACCOUNT.has(event.name) && event.account?.toLowerCase() === account.toLowerCase())
    .map((event) => ({
      tag: key(event),
      title: eventTitle(event.name),
      body: event.text,
      href: event.job_id ? jobPath(watch, event.job_id) : accountPath(watch, account),
    }))
}
