import { expect, test } from 'vitest'
import { parseAmount, parseInteger, parsePercent } from '../../src/owner/amounts'

test.each([
  ['1', 18, 10n ** 18n],
  ['0.1', 18, 10n ** 17n],
  ['.5', 6, 500_000n],
  ['1.', 6, 1_000_000n],
  ['1 000.50', 2, 100_050n],
  ['1.10', 1, 11n],
  ['123456789012345678901234567890', 0, 123456789012345678901234567890n],
  ['0', 18, 0n],
])('%s with %i places', (text, decimals, units) => {
  expect(parseAmount(text, decimals)).toBe(units)
})

test.each(['', '.', '-1', '1e3', '1,5', '0x10', '1.2.3', 'abc', '1.05'])('%j is no amount of one place', (text) => {
  expect(parseAmount(text, 1)).toBeNull()
})

test('whole numbers and percentages', () => {
  expect([parseInteger('12'), parseInteger('-20'), parseInteger('1.5'), parseInteger(''), parseInteger('99999999999999999')]).toEqual([12, -20, null, null, null])
  expect([parsePercent('50'), parsePercent('0.05'), parsePercent('300%'), parsePercent('1.234'), parsePercent('x')]).toEqual([5_000, 5, 30_000, null, null])
})
