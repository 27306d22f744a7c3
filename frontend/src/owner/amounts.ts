/** Amounts as people type them, exact; never through floats. */

/** Token units of a decimal such as `1.5` or `1 000`; null where it is none, or has more places than the token. */
export function parseAmount(text: string, decimals: number): bigint | null {
  const typed = text.replace(/[\s\u202f_]/g, '')
  const found = /^(\d{1,40})(?:\.(\d*))?$/.exec(typed) ?? /^()\.(\d+)$/.exec(typed)
  if (!found) return null
  const [, whole = '', fraction = ''] = found
  const places = fraction.replace(/0+$/, '')
  if (places.length > decimals) return null
  return BigInt((whole || '0') + places.padEnd(decimals, '0'))
}

/** An integer as people type it; null where it is none. */
export function parseInteger(text: string): number | null {
  const typed = text.replace(/[\s\u202f_]/g, '')
  const value = Number(typed)
  return /^-?\d{1,16}$/.test(typed) && Number.isSafeInteger(value) ? value : null
}

/** A percentage with at most two places, as 1/10000. */
export function parsePercent(text: string): number | null {
  const units = parseAmount(text.replace(/%$/, ''), 2)
  return units === null || units > 1_000_000n ? null : Number(units)
}
