import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { ALL_EVENTS, namesFor, stateOf, targetFault, USUAL_EVENTS } from '../../src/pages/notifications/hooks'

describe('events to choose from', () => {
  it('are those of the market, each once', () => {
    const { abi } = JSON.parse(readFileSync('../contracts/artifacts/Market.json', 'utf8')) as { abi: { type: string; name: string }[] }
    expect([...ALL_EVENTS].sort()).toEqual(abi.filter(({ type }) => type === 'event').map(({ name }) => name).sort())
  })

  it('are told by name, and all of them as none', () => {
    expect(namesFor(new Set(['JobClosed', 'RoundOpened']))).toEqual(['RoundOpened', 'JobClosed'])
    expect(namesFor(new Set(ALL_EVENTS))).toEqual([])
    expect(namesFor(new Set(USUAL_EVENTS))).toHaveLength(USUAL_EVENTS.length)
  })
})

describe('a hook', () => {
  const hook = { kind: 'webhook', active: true, failure: null, waiting: 0, delivered: null } as const
  it.each([
    [hook, 'Ready'],
    [{ ...hook, delivered: 5 }, 'Delivered'],
    [{ ...hook, waiting: 1 }, 'Sending'],
    [{ ...hook, waiting: 1, failure: 'status 500' }, 'Failing'],
    [{ ...hook, failure: 'status 500', delivered: 5 }, 'Gave up'],
    [{ ...hook, active: false, failure: 'status 410' }, 'Stopped'],
    [{ ...hook, kind: 'email', active: false }, 'Not confirmed'],
    [{ ...hook, active: false }, 'Not confirmed'],
  ] as const)('is %o: %s', (found, label) => {
    expect(stateOf(found).label).toBe(label)
  })

  it.each([
    ['webhook', 'https://example.org/a', true],
    ['webhook', 'http://127.0.0.1:9/', true],
    ['webhook', 'example.org', false],
    ['webhook', 'ftp://example.org', false],
    ['webhook', 'javascript:alert(1)', false],
    ['webhook', '', false],
    ['email', 'ada@example.org', true],
    ['email', 'ada', false],
    ['email', '', false],
  ] as const)('%s to %s: %s', (kind, target, fine) => {
    expect(targetFault(kind, target) === null).toBe(fine)
  })
})
