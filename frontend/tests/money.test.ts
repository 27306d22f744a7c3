import { describe, expect, it } from 'vitest'
import { exactWithSymbol, formatAmount, formatExact, isCut, shareOf, sum } from '../src/format/money'

const WEI = 10n ** 18n

describe('exact amounts', () => {
  it('keep every digit that a float would lose', () => {
    expect(formatExact('1000000000000000000001', 18)).toBe('1000.000000000000000001')
    expect(formatExact('123456789012345678901234567890', 18)).toBe('123456789012.34567890123456789')
  })

  it('need no point where there is nothing behind it', () => {
    expect(formatExact(5n * WEI, 18)).toBe('5')
    expect(formatExact('0', 18)).toBe('0')
    expect(formatExact('42', 0)).toBe('42')
  })

  it('keep the sign and the zeros in front', () => {
    expect(formatExact(-1n, 6)).toBe('-0.000001')
    expect(exactWithSymbol('1500000', { symbol: 'USDC', decimals: 6 })).toBe('1.5 USDC')
  })
})

describe('amounts for reading', () => {
  it('are cut off, never rounded up', () => {
    expect(formatAmount('1999999999999999999', 18)).toBe('1.9999')
    expect(formatAmount('999999999999', 6)).toBe('999\u202f999.99')
    expect(formatAmount(9_999_999n * WEI + 999n, 18)).toBe('9\u202f999\u202f999')
  })

  it('never show money as nothing', () => {
    expect(formatAmount('1', 18)).toBe('<0.0001')
    expect(formatAmount('-1', 18)).toBe('>-0.0001')
    expect(formatAmount('0', 18)).toBe('0')
  })

  it('know whether they say less than the whole', () => {
    expect(isCut('1999999999999999999', 18)).toBe(true)
    expect(isCut('12345000000', 6)).toBe(false)
    expect(isCut('1', 18)).toBe(true)
  })
})

describe('sums and shares', () => {
  it('add up exactly', () => {
    expect(sum(['9007199254740993', '1', 2n])).toBe(9007199254740996n)
    expect(sum([])).toBe(0n)
  })

  it('are exact until the last division, and 0 of nothing', () => {
    expect(shareOf('333333333333333333', '1000000000000000000')).toBe(3333)
    expect(shareOf('1', '0')).toBe(0)
    expect(shareOf('-1', '4', 100)).toBe(-25)
  })
})
