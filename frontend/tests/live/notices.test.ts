import { describe, expect, it } from 'vitest'
import type { EventView, JobDetail, RoundDetail, UpdateView } from '../../src/api/types'
import { noticeOfPay, noticesOfAccount, noticesOfJob, roundsTouched, Seen } from '../../src/live/notices'

const KEY = { chainId: 31337, market: '0x5FbDB2315678afecb367f032d93F642f64180aa3' }
const ADA = '0x7E5F4552091A69125d5DfCb7b8C2659029395Bdf'
const TOKEN = { address: `0x${'0'.repeat(40)}`, symbol: 'coins', decimals: 18 }

function event(name: string, block: number, more: Partial<EventView> = {}): EventView {
  return { name, block, log_index: 0, timestamp: block, tx: `0x${block}`, job_id: 7, round: 2, account: null, amount: null, text: `${name} happened`, ...more } as EventView
}
const detail = (status: string, name: string | null = 'X-rays') => ({ summary: { job_id: 7, name, status, token: TOKEN } }) as unknown as JobDetail

describe('what has been seen', () => {
  it('is all there was at the first look; then new events come once, oldest first', () => {
    const seen = new Seen()
    expect(seen.take([event('B', 5), event('A', 4)])).toEqual([])
    expect(seen.take([event('D', 7), event('C', 6), event('B', 5)]).map(({ name }) => name)).toEqual(['C', 'D'])
    expect(seen.take([event('D', 7), event('C', 6)])).toEqual([])
  })

  it('tells an event anew that a reorganisation put into another transaction, and none of before', () => {
    const seen = new Seen()
    seen.take([event('B', 5)])
    seen.take([event('C', 6), event('B', 5)])
    expect(seen.take([event('C', 6, { tx: '0xother' }), event('B', 5), event('A', 4)]).map(({ tx }) => tx)).toEqual(['0xother'])
  })

  it('is nothing where nothing had happened', () => {
    const seen = new Seen()
    expect(seen.take([])).toEqual([])
    expect(seen.take([event('A', 1)])).toHaveLength(1)
  })
})

describe('who follows a job', () => {
  it('is told of rounds, challenges and the end, in the job’s name', () => {
    const told = noticesOfJob(KEY, detail('running'), [event('RoundOpened', 5), event('UpdateCommitted', 6), event('JobClosed', 7, { round: null })], 'running')
    expect(told.map(({ title }) => title)).toEqual(['Round opened · X-rays', 'Job closed · X-rays'])
    expect(told[0]?.href).toBe(`/markets/31337/${KEY.market}/jobs/7/rounds/2`)
    expect(told[1]?.href).toBe(`/markets/31337/${KEY.market}/jobs/7`)
  })

  it('is told once that the job is finished', () => {
    expect(noticesOfJob(KEY, detail('finished', null), [], 'running').map(({ title }) => title)).toEqual(['Job finished · Job 7'])
    expect(noticesOfJob(KEY, detail('finished'), [], 'finished')).toEqual([])
    expect(noticesOfJob(KEY, detail('finished'), [], null)).toEqual([])
  })
})

describe('a trainer', () => {
  const round = (update: Partial<UpdateView>, more: Partial<RoundDetail> = {}) =>
    ({ summary: { number: 2 }, overturned_by: null, updates: [{ trainer: ADA, slashed: false, included: true, accepted: true, payout: '1500000000000000000', reason: 'far off', ...update }], ...more }) as unknown as RoundDetail
  const settled = event('RoundSettled', 9)

  it.each([
    ['paid', round({}), /is paid 1\.5 coins/],
    ['rejected', round({ accepted: false, payout: '0' }), /rejected/],
    ['left out', round({ included: false, accepted: null, payout: null }), /left out/],
    ['slashed', round({ slashed: true }), /slashed/],
    ['not paid after all', round({}, { overturned_by: ADA }), /not paid after all/],
  ])('is told that it is %s', (_, found, words) => {
    const told = noticeOfPay(KEY, ADA.toLowerCase(), settled, found, TOKEN)
    expect(told?.title).toMatch(words)
    expect(told?.body).toContain('Round 2 of job 7')
  })

  it('is told nothing of rounds without it, or not settled', () => {
    expect(noticeOfPay(KEY, `0x${'11'.repeat(20)}`, settled, round({}), TOKEN)).toBeNull()
    expect(noticeOfPay(KEY, ADA, settled, round({ included: null, accepted: null }), TOKEN)).toBeNull()
  })

  it('has each round looked at once, for what happened last', () => {
    const later = event('SettlementOverturned', 10)
    expect(roundsTouched([settled, event('UpdateCommitted', 9), later, event('RoundSettled', 11, { round: 3 })]).map(({ name, round: of }) => `${name} ${of}`)).toEqual(['SettlementOverturned 2', 'RoundSettled 3'])
  })

  it('is told of its own money', () => {
    const told = noticesOfAccount(KEY, ADA, [event('PayoutClaimed', 5, { account: ADA.toLowerCase() }), event('PayoutClaimed', 6, { account: KEY.market }), event('Withdrawn', 7, { account: ADA, job_id: null })])
    expect(told.map(({ title, href }) => `${title} ${href}`)).toEqual([`Payout claimed /markets/31337/${KEY.market}/jobs/7`, `Withdrawn /markets/31337/${KEY.market}/accounts/${ADA}`])
  })
})
