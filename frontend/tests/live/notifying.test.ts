import { describe, expect, it, vi } from 'vitest'
import { Notifying, hindrance, watchOf, type Permission, type Surroundings } from '../../src/live/notifying.svelte'
import type { Notice, Watch } from '../../src/live/notices'
import { concerns, type Topic } from '../../src/live/topics'
import { Memory } from '../wallet/fake-chain'

const KEY = { chainId: 31337, market: '0x5FbDB2315678afecb367f032d93F642f64180aa3' }
const ADA = '0x7E5F4552091A69125d5DfCb7b8C2659029395Bdf'
const JOB: Watch = { ...KEY, jobId: 7, account: null }
const API = `/api/v1/markets/31337/${KEY.market}`

/** A browser whose user answers the question for permission with `answer`, and a server with one job. */
class Browser implements Surroundings {
  storage = new Memory()
  now: Permission = 'default'
  shown: Notice[] = []
  read_: string[] = []
  events: object[] = []
  status = 'running'
  watchers = new Set<{ topic: Topic; tell: () => void }>()
  constructor(readonly answer: Permission = 'granted') {}
  permission = () => this.now
  ask = async () => (this.now = this.answer)
  show = (notice: Notice) => void this.shown.push(notice)
  watch = (topic: Topic, tell: () => void) => {
    const one = { topic, tell }
    this.watchers.add(one)
    return () => void this.watchers.delete(one)
  }
  async read<Body>(url: string): Promise<Body> {
    this.read_.push(url)
    const path = url.split('?')[0] ?? ''
    if (path.endsWith('/events')) return { items: [...this.events].reverse(), total: this.events.length } as Body
    if (path.endsWith('/rounds/2')) return { summary: { number: 2 }, overturned_by: null, updates: [{ trainer: ADA, slashed: false, included: true, accepted: true, payout: '5' }] } as Body
    return { summary: { job_id: 7, name: 'X-rays', status: this.status, token: { symbol: 'u', decimals: 0 } } } as Body
  }
  happen(name: string, job = 7): void {
    const block = this.events.length + 1
    this.events.push({ name, block, log_index: 0, tx: `0x${block}`, job_id: job, round: 2, account: null, text: name })
    this.tell(job)
  }
  tell(job: number | null): void {
    for (const { topic, tell } of this.watchers) if (concerns(topic, { chain_id: 31337, market: KEY.market, job_id: job, round: null, version: 1 })) tell()
  }
}

/** Lets all looks that are under way end. */
async function settle(browser: Browser): Promise<void> {
  let before = -1
  while (before !== browser.read_.length) {
    before = browser.read_.length
    await vi.waitFor(() => undefined)
    for (let turn = 0; turn < 20; turn++) await Promise.resolve()
  }
}

describe('notifications of this browser', () => {
  it('begin with the user’s permission, tell what happens from then on, and end', async () => {
    const browser = new Browser()
    browser.happen('RoundOpened')
    const notifying = new Notifying(browser)
    const stop = notifying.start()
    expect(browser.read_).toEqual([])
    await notifying.add(JOB)
    await settle(browser)
    expect(browser.shown).toEqual([])
    browser.happen('RoundSettled')
    await settle(browser)
    expect(browser.shown.map(({ title }) => title)).toEqual(['Round settled · X-rays'])
    browser.happen('RoundSettled', 8)
    browser.status = 'finished'
    browser.tell(null)
    await settle(browser)
    expect(browser.shown.map(({ title }) => title).slice(1)).toContain('Job finished · X-rays')
    notifying.remove(JOB)
    const before = browser.shown.length
    browser.happen('JobClosed')
    await settle(browser)
    expect(browser.shown).toHaveLength(before)
    stop()
    expect(browser.watchers.size).toBe(0)
  })

  it.each([
    ['denied', /told not to show/],
    ['default', /question was closed/],
  ] as const)('are not begun where the answer is %s, and the words say why', async (answer, words) => {
    const browser = new Browser(answer)
    const notifying = new Notifying(browser)
    await expect(notifying.add(JOB)).rejects.toThrow(words)
    expect(notifying.watches).toEqual([])
    expect(browser.storage.length).toBe(0)
  })

  it('are not asked for where they cannot be', async () => {
    for (const now of ['unsupported', 'insecure'] as const) {
      const browser = new Browser()
      browser.now = now
      browser.ask = () => Promise.reject(new Error('asked'))
      await expect(new Notifying(browser).add(JOB)).rejects.toThrow(hindrance(now) ?? '')
    }
  })

  it('outlive the page, and are one list for all tabs', async () => {
    const browser = new Browser()
    await new Notifying(browser).add(JOB)
    const next = new Notifying(browser)
    expect(next.has(watchOf({ key: KEY, jobId: 7 }))).toBe(true)
    const stop = next.start()
    expect(browser.watchers.size).toBe(1)
    browser.storage.setItem('gramercy.notify', '[]')
    next.changed('gramercy.notify')
    expect(next.watches).toEqual([])
    expect(browser.watchers.size).toBe(0)
    stop()
  })

  it('wait while permission is taken back', async () => {
    const browser = new Browser()
    await new Notifying(browser).add(JOB)
    browser.now = 'denied'
    const stop = new Notifying(browser).start()
    expect(browser.read_).toEqual([])
    stop()
  })

  it('tell an account what it gets for a round', async () => {
    const browser = new Browser()
    const notifying = new Notifying(browser)
    const stop = notifying.start()
    await notifying.add({ ...KEY, jobId: null, account: ADA })
    await settle(browser)
    browser.happen('RoundSettled')
    await settle(browser)
    expect(browser.shown.map(({ title }) => title)).toEqual([expect.stringContaining('is paid 5 u')])
    expect(browser.read_).toContain(`${API}/jobs/7/rounds/2`)
    stop()
  })

  it('survive a server that is away', async () => {
    const browser = new Browser()
    const notifying = new Notifying(browser)
    const stop = notifying.start()
    await notifying.add(JOB)
    await settle(browser)
    const { read } = browser
    browser.read = () => Promise.reject(new Error('away'))
    browser.happen('RoundOpened')
    await settle(browser)
    browser.read = read
    browser.happen('RoundSettled')
    await settle(browser)
    expect(browser.shown.map(({ title }) => title)).toEqual(['Round opened · X-rays', 'Round settled · X-rays'])
    stop()
  })

  it('ignore what somebody else left in storage', () => {
    for (const text of ['{', 'null', '[1,null]', JSON.stringify([{ ...JOB, market: 'javascript:1' }, { ...JOB, account: ADA }, { ...KEY, jobId: null, account: '0x1' }])]) {
      const browser = new Browser()
      browser.storage.setItem('gramercy.notify', text)
      expect(new Notifying(browser).watches).toEqual([])
    }
  })

  it('are so many and no more', async () => {
    const browser = new Browser()
    const notifying = new Notifying(browser)
    for (let jobId = 1; jobId <= 20; jobId++) await notifying.add({ ...JOB, jobId })
    await expect(notifying.add({ ...JOB, jobId: 21 })).rejects.toThrow(/20/)
    await notifying.add({ ...JOB, jobId: 20 })
  })
})
