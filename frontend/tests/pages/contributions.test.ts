import { expect, test } from 'vitest'
import { heatMap } from '../../src/charts/options'
import { formatAmount, partOf, shareOf } from '../../src/format/money'

test('the legend of the map of pay tells what the cell was paid, not the largest pay', () => {
  const largest = 1_000n
  const pays = [250n, 1_000n, 0n]
  const values = pays.map((pay) => shareOf(pay, largest) / 10_000)
  const label = (value: number) => `${formatAmount(partOf(value, largest), 0)} USDC`
  const option = heatMap({ name: '', columns: ['1', '2', '3'], rows: ['a'], values: [values], limits: [0, 1], tell: () => '', label }, {} as never)
  const { formatter } = option.visualMap as { formatter: (value: number) => string }
  expect(values.map(formatter)).toEqual(['250 USDC', '1000 USDC', '0 USDC'])
})

test('a part of a large amount is exact to one in ten thousand, and never below nothing', () => {
  const whole = 123_456_789_012_345_678_901n
  expect(partOf(1, whole)).toBe(whole)
  expect(partOf(shareOf(whole / 3n, whole) / 10_000, whole)).toBe((whole * 3333n) / 10_000n)
  expect(partOf(-1, whole)).toBe(0n)
})
