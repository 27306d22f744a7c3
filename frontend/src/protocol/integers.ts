/** Exact integers: quotients that say how they round, roots, sums (docs/protocol.md, header and 2.2). */

/** Sum of integers. */
export function sum(values: Iterable<bigint>): bigint {
  let total = 0n
  for (const value of values) total += value
  return total
}

/** Inner product of two lists of one length. */
export function dot(first: readonly bigint[], second: readonly bigint[]): bigint {
  let total = 0n
  for (const [i, value] of first.entries()) total += value * at(second, i)
  return total
}

/** `⌊numerator / denominator⌋`, what the protocol writes as `//`; the denominator is positive. */
export function floorQuotient(numerator: bigint, denominator: bigint): bigint {
  const quotient = numerator / denominator
  return numerator % denominator < 0n ? quotient - 1n : quotient
}

/** The quotient rounded toward zero, `trunc`; the denominator is positive. */
export function truncatedQuotient(numerator: bigint, denominator: bigint): bigint {
  return numerator / denominator
}

/** `⌊√x⌋`; 0 of negative `x`. Newton's iteration from above. */
export function isqrt(x: bigint): bigint {
  if (x < 2n) return x < 0n ? 0n : x
  let root = 1n << BigInt(Math.ceil((x.toString(16).length * 4) / 2))
  for (;;) {
    const next = (root + x / root) >> 1n
    if (next >= root) return root
    root = next
  }
}

/** The smaller of two. */
export function least(a: bigint, b: bigint): bigint {
  return a < b ? a : b
}

/** The larger of two. */
export function greatest(a: bigint, b: bigint): bigint {
  return a > b ? a : b
}

/** The magnitude. */
export function magnitude(value: bigint): bigint {
  return value < 0n ? -value : value
}

/** The value of magnitude at most `limit` that is nearest. */
export function clamped(value: bigint, limit: bigint): bigint {
  return greatest(-limit, least(limit, value))
}

/** Order of two integers, for sorting: negative, 0 or positive. */
export function order(a: bigint, b: bigint): number {
  return a < b ? -1 : a > b ? 1 : 0
}

/** Positions `0 … count - 1`. */
export function positions(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i)
}

/** Positions by ascending value; equal values go by position. */
export function ranking(values: readonly bigint[]): number[] {
  return positions(values.length).sort((i, j) => order(at(values, i), at(values, j)) || i - j)
}

/** The element at a place that has to be there. */
export function at<T>(list: readonly T[], index: number): T {
  const found = list[index]
  if (found === undefined) throw new RangeError(`no element ${index} of ${list.length}`)
  return found
}
