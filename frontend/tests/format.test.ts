import { describe, expect, it } from 'vitest'
import { count, formatBps, formatBytes, formatInteger, formatPercent, formatWeight, hueOf, shorten } from '../src/format/text'
import { formatRelative, formatSpan, formatUtc } from '../src/format/time'
import { eventTitle } from '../src/format/words'

describe('times', () => {
  it('name a span by its two largest units', () => {
    expect(formatSpan(0)).toBe('0 s')
    expect(formatSpan(59.9)).toBe('59 s')
    expect(formatSpan(725)).toBe('12 min 5 s')
    expect(formatSpan(3 * 86_400 + 4 * 3_600 + 59)).toBe('3 d 4 h')
    expect(formatSpan(86_400 + 59)).toBe('1 d')
    expect(formatSpan(-5)).toBe('0 s')
  })

  it('tell what is ahead from what is past', () => {
    expect(formatRelative(1_000, 1_000)).toBe('now')
    expect(formatRelative(1_000, 1_720)).toBe('12 min ago')
    expect(formatRelative(8_300, 1_000)).toBe('in 2 h')
  })

  it('are absolute in UTC', () => {
    expect(formatUtc(1_800_000_000)).toBe('2027-01-15T08:00:00Z')
    expect(formatUtc(Number.NaN)).toBe('never')
  })
})

describe('text', () => {
  it('shortens what is long only', () => {
    expect(shorten('0x7E5F4552091A69125d5DfCb7b8C2659029395Bdf')).toBe('0x7E5F…5Bdf')
    expect(shorten('0x1234')).toBe('0x1234')
  })

  it('groups thousands from five digits on', () => {
    expect(formatInteger(2_364_950)).toBe('2\u202f364\u202f950')
    expect(formatInteger(1_234)).toBe('1234')
    expect(formatInteger(-12_345)).toBe('-12\u202f345')
    expect(count(1, 'round')).toBe('1 round')
    expect(count(2, 'round')).toBe('2 rounds')
  })

  it('tells small shares from none', () => {
    expect(formatPercent(0)).toBe('0.0 %')
    expect(formatPercent(0.0001)).toBe('<0.1 %')
    expect(formatPercent(-0.0001)).toBe('>-0.1 %')
    expect(formatPercent(0.926)).toBe('92.6 %')
    expect(formatWeight(2 ** 31)).toBe('50.0 %')
    expect(formatBps(30_000)).toBe('300 %')
    expect(formatBps(1)).toBe('0.01 %')
  })

  it('counts bytes in binary units', () => {
    expect(formatBytes(384)).toBe('384 B')
    expect(formatBytes(44_100)).toBe('43 KiB')
    expect(formatBytes(1_572_864)).toBe('1.5 MiB')
  })

  it('gives an address one hue, whatever the case', () => {
    const address = '0x7E5F4552091A69125d5DfCb7b8C2659029395Bdf'
    expect(hueOf(address)).toBe(hueOf(address.toLowerCase()))
    expect(hueOf(address)).toBeGreaterThanOrEqual(0)
    expect(hueOf(address)).toBeLessThan(360)
  })

  it('has words for events, those to come included', () => {
    expect(eventTitle('RoundSettled')).toBe('Round settled')
    expect(eventTitle('SomethingNewHappened')).toBe('Something new happened')
  })
})
