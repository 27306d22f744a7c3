/** Amounts of tokens as text, from whole units; never through floats. */

export interface Unit {
  symbol: string
  decimals: number
  /** Of the token's contract; zero for the chain's coin. */
  address?: string
}

const NARROW_SPACE = '\u202f'

/** The exact amount in tokens, without trailing zeros: `formatExact(1500000n, 6)` is `1.5`. */
export function formatExact(units: bigint | string, decimals: number): string {
  const { sign, whole, fraction } = parts(units, decimals)
  const rest = fraction.replace(/0+$/, '')
  return sign + whole + (rest ? `.${rest}` : '')
}

/** The exact amount with its symbol, for copying and tooltips. */
export function exactWithSymbol(units: bigint | string, unit: Unit): string {
  return `${formatExact(units, unit.decimals)} ${unit.symbol}`
}

/**
 * An amount for reading: thousands grouped, at most four places, fewer of large amounts.
 *
 * Cut off, never rounded up: what is shown is there. What is too small to show is `<0.0001`.
 */
export function formatAmount(units: bigint | string, decimals: number): string {
  const { sign, whole, fraction } = parts(units, decimals)
  const places = whole.length > 6 ? 0 : whole.length > 3 ? 2 : 4
  const shown = fraction.slice(0, places).replace(/0+$/, '')
  if (whole === '0' && shown === '' && /[1-9]/.test(fraction)) return sign ? '>-0.0001' : '<0.0001'
  return sign + group(whole) + (shown ? `.${shown}` : '')
}

/** Whether `formatAmount` shows less than the whole amount. */
export function isCut(units: bigint | string, decimals: number): boolean {
  return formatAmount(units, decimals).replaceAll(NARROW_SPACE, '') !== formatExact(units, decimals)
}

/** The share of a part in a whole, in parts of `scale`; 0 of nothing. Exact until the last division. */
export function shareOf(part: bigint | string, whole: bigint | string, scale = 10_000): number {
  const all = BigInt(whole)
  if (all <= 0n) return 0
  return Number((BigInt(part) * BigInt(scale)) / all)
}

/** The part of a whole that a share, 0 to 1, stands for: to one in ten thousand. */
export function partOf(share: number, whole: bigint | string): bigint {
  return (BigInt(whole) * BigInt(Math.round(Math.max(0, share) * 10_000))) / 10_000n
}

/** The sum of amounts. */
export function sum(amounts: Iterable<bigint | string>): bigint {
  let total = 0n
  for (const amount of amounts) total += BigInt(amount)
  return total
}

/** An integer with its thousands grouped. */
export function group(digits: string): string {
  return digits.length <= 4 ? digits : digits.replace(/\B(?=(\d{3})+$)/g, NARROW_SPACE)
}

function parts(units: bigint | string, decimals: number): { sign: string; whole: string; fraction: string } {
  const value = BigInt(units)
  const digits = (value < 0n ? -value : value).toString().padStart(decimals + 1, '0')
  const point = digits.length - decimals
  return { sign: value < 0n ? '-' : '', whole: digits.slice(0, point), fraction: digits.slice(point) }
}
