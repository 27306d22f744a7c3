import { describe, expect, it } from 'vitest'
import { accountPath, JOB_TABS, jobPath, marketPath, notificationsPath, parse, roundPath } from '../src/router/routes'

const key = { chainId: 31337, market: '0x5FbDB2315678afecb367f032d93F642f64180aa3' }
const account = '0x7E5F4552091A69125d5DfCb7b8C2659029395Bdf'

describe('addresses of pages', () => {
  it('lead back to what they were made of', () => {
    expect(parse('/')).toEqual({ page: 'overview' })
    expect(parse('/notifications')).toEqual({ page: 'notifications' })
    expect(notificationsPath({ key, jobId: 7 })).toBe(`/notifications?chain=31337&market=${key.market}&job=7`)
    expect(notificationsPath({ key, account })).toBe(`/notifications?chain=31337&market=${key.market}&account=${account}`)
    expect(parse(marketPath(key))).toEqual({ page: 'market', ...key })
    expect(parse(roundPath(key, 0, 12))).toEqual({ page: 'round', jobId: 0, round: 12, ...key })
    expect(parse(accountPath(key, account))).toEqual({ page: 'account', address: account, ...key })
    for (const tab of JOB_TABS) expect(parse(jobPath(key, 7, tab))).toEqual({ page: 'job', jobId: 7, tab, ...key })
  })

  it('are forgiving about slashes at the end only', () => {
    expect(parse(`${jobPath(key, 7)}/`)).toEqual({ page: 'job', jobId: 7, tab: 'overview', ...key })
  })

  it.each([
    '/nothing',
    '/notifications/1',
    '/markets',
    '/markets/31337',
    '/markets/x/0x5FbDB2315678afecb367f032d93F642f64180aa3',
    '/markets/31337/0x5FbD',
    `${marketPath(key)}/jobs`,
    `${marketPath(key)}/jobs/-1`,
    `${marketPath(key)}/jobs/01`,
    `${marketPath(key)}/jobs/1e3`,
    `${marketPath(key)}/jobs/99999999999999999999`,
    `${marketPath(key)}/jobs/7/pay`,
    `${marketPath(key)}/jobs/7/rounds/0`,
    `${marketPath(key)}/jobs/7/rounds/1/evidence`,
    `${marketPath(key)}/accounts/${account}/jobs`,
    '/markets/%zz',
    '/markets/31337/..%2f..%2fapi',
  ])('name no page: %s', (path) => {
    expect(parse(path)).toEqual({ page: 'missing', path })
  })
})
