/** Notifications of this browser: who asked for which, and showing them while a page is open. */
import { urlOf } from '../api/client'
import type { EventView, JobDetail, Page, RoundDetail } from '../api/types'
import { marketApi, type Scope } from '../router/routes'
import { nameOf, noticeOfPay, noticesOfAccount, noticesOfJob, roundsTouched, sameWatch, Seen, type Notice, type Watch } from './notices'
import type { Topic } from './topics'

const KEY = 'gramercy.notify'
const MOST = 20
const NEWEST = 100

/** Whether notifications can be shown, as the browser says. */
export type Permission = 'unsupported' | 'insecure' | 'default' | 'granted' | 'denied'

/** What is needed of the page and the browser. */
export interface Surroundings {
  storage: Storage | null
  permission(): Permission
  ask(): Promise<Permission>
  show(notice: Notice): void
  watch(topic: Topic, tell: () => void): () => void
  read<Body>(url: string): Promise<Body>
}

const WORDS: Record<Exclude<Permission, 'granted' | 'default'>, string> = {
  unsupported: 'This browser shows no notifications for web pages. A webhook or an e-mail does the same.',
  insecure: 'Browsers show notifications of secure pages only: open the dashboard by https, or on this machine by localhost.',
  denied: 'The browser was told not to show notifications of this page. Allow them in its settings for this site, then try again.',
}

/** Why no notification can be shown, in words; null where it can, or may be asked for. */
export const hindrance = (permission: Permission): string | null => (permission === 'granted' || permission === 'default' ? null : WORDS[permission])

export const watchOf = ({ key, jobId, account }: Scope): Watch | null => {
  if (jobId !== undefined) return { ...key, jobId, account: null }
  return account === undefined ? null : { ...key, jobId: null, account }
}

export class Notifying {
  watches = $state.raw<Watch[]>([])
  permission = $state<Permission>('default')
  #around: Surroundings
  #followed = new Map<string, () => void>()
  #running = false

  constructor(around: Surroundings) {
    this.#around = around
    this.permission = around.permission()
    this.watches = parsed(this.#stored())
  }

  /** Follow what was asked for. Returns how to stop. */
  start(): () => void {
    this.#running = true
    this.#follow()
    return () => {
      this.#running = false
      this.#follow()
    }
  }

  /** Take up what another tab changed. */
  changed(storageKey: string | null): void {
    if (storageKey !== null && storageKey !== KEY) return
    this.watches = parsed(this.#stored())
    this.permission = this.#around.permission()
    this.#follow()
  }

  has(watch: Watch | null): boolean {
    return watch !== null && this.watches.some((one) => sameWatch(one, watch))
  }

  /** Ask the browser for permission, and tell of this from now on. Throws in words what hinders it; to be called on a click. */
  async add(watch: Watch): Promise<void> {
    if (this.watches.length >= MOST && !this.has(watch)) throw new Error(`This browser follows ${MOST} jobs and accounts at most. Stop one first.`)
    if (this.permission === 'default') this.permission = await this.#around.ask()
    const hindered = hindrance(this.permission)
    if (hindered) throw new Error(hindered)
    if (this.permission === 'default') throw new Error('The browser did not ask, or its question was closed. Try again.')
    if (!this.has(watch)) this.#keep([...this.watches, watch])
  }

  remove(watch: Watch): void {
    this.#keep(this.watches.filter((one) => !sameWatch(one, watch)))
  }

  #keep(watches: Watch[]): void {
    this.watches = watches
    try {
      this.#around.storage?.setItem(KEY, JSON.stringify(watches))
    } catch {
      // Without storage they last as long as the page.
    }
    this.#follow()
  }

  #stored(): string | null {
    try {
      return this.#around.storage?.getItem(KEY) ?? null
    } catch {
      return null
    }
  }

  #follow(): void {
    const wanted = new Map((this.#running && this.permission === 'granted' ? this.watches : []).map((watch) => [nameOf(watch), watch]))
    for (const [name, stop] of this.#followed) {
      if (wanted.has(name)) continue
      stop()
      this.#followed.delete(name)
    }
    for (const [name, watch] of wanted) if (!this.#followed.has(name)) this.#followed.set(name, this.#begin(watch))
  }

  #begin(watch: Watch): () => void {
    const follower = new Follower(watch, this.#around)
    const { chainId, market, jobId } = watch
    const stop = this.#around.watch(jobId === null ? { chainId, market } : { chainId, market, jobId }, () => follower.look())
    follower.look()
    return () => {
      stop()
      follower.stopped = true
    }
  }
}

/** One job or account, looked at whenever something about it changed; one look at a time. */
class Follower {
  stopped = false
  #busy = false
  #again = false
  #seen = new Seen()
  #status: string | null = null
  readonly #watch: Watch
  readonly #around: Surroundings

  constructor(watch: Watch, around: Surroundings) {
    this.#watch = watch
    this.#around = around
  }

  look(): void {
    if (this.#busy) {
      this.#again = true
      return
    }
    this.#busy = true
    void this.#look()
      .catch(() => undefined) // A server that is away is told by the page; what was missed is told at the next look.
      .finally(() => {
        this.#busy = false
        if (this.#again && !this.stopped) {
          this.#again = false
          this.look()
        }
      })
  }

  async #look(): Promise<void> {
    const watch = this.#watch
    const notices = watch.jobId === null ? await this.#ofAccount(watch, watch.account) : await this.#ofJob(watch, watch.jobId)
    if (!this.stopped) for (const notice of notices) this.#around.show(notice)
  }

  async #ofJob(watch: Watch, jobId: number): Promise<Notice[]> {
    const api = `${marketApi(watch)}/jobs/${jobId}`
    const [detail, page] = await Promise.all([this.#around.read<JobDetail>(api), this.#around.read<Page<EventView>>(urlOf(`${api}/events`, {}, { limit: NEWEST }))])
    const notices = noticesOfJob(watch, detail, this.#seen.take(page.items), this.#status)
    this.#status = detail.summary.status
    return notices
  }

  async #ofAccount(watch: Watch, account: string): Promise<Notice[]> {
    const api = marketApi(watch)
    const page = await this.#around.read<Page<EventView>>(urlOf(`${api}/events`, {}, { limit: NEWEST }))
    const fresh = this.#seen.take(page.items)
    const pay = await Promise.all(
      roundsTouched(fresh).map(async (event) => {
        const job = `${api}/jobs/${event.job_id}`
        const [round, detail] = await Promise.all([this.#around.read<RoundDetail>(`${job}/rounds/${event.round}`), this.#around.read<JobDetail>(job)])
        return noticeOfPay(watch, account, event, round, detail.summary.token)
      }),
    )
    return [...pay.filter((notice) => notice !== null), ...noticesOfAccount(watch, account, fresh)]
  }
}

function parsed(text: string | null): Watch[] {
  try {
    const found: unknown = JSON.parse(text ?? '[]')
    return Array.isArray(found) ? found.filter(isWatch).slice(0, MOST) : []
  } catch {
    return []
  }
}

function isWatch(value: unknown): value is Watch {
  if (typeof value !== 'object' || value === null) return false
  const { chainId, market, jobId, account } = value as Record<string, unknown>
  const address = /^0x[0-9a-fA-F]{40}$/
  if (!Number.isSafeInteger(chainId) || typeof market !== 'string' || !address.test(market)) return false
  return jobId === null ? typeof account === 'string' && address.test(account) : Number.isSafeInteger(jobId) && account === null
}
