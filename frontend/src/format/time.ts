/** Times of a chain as text: absolute, and relative to chain time. */

const UNITS: readonly [name: string, seconds: number][] = [
  ['d', 86_400],
  ['h', 3_600],
  ['min', 60],
  ['s', 1],
]

/** A span in its two largest units: `3 d 4 h`, `12 min 5 s`, `0 s`. */
export function formatSpan(seconds: number): string {
  let rest = Math.max(0, Math.floor(seconds))
  const first = UNITS.findIndex(([, size]) => rest >= size)
  if (first < 0) return '0 s'
  const shown: string[] = []
  for (const [name, size] of UNITS.slice(first, first + 2)) {
    const count = Math.floor(rest / size)
    rest -= count * size
    if (count > 0) shown.push(`${count} ${name}`)
  }
  return shown.join(' ')
}

/** A span in its largest unit only. */
export function formatSpanShort(seconds: number): string {
  return formatSpan(seconds).split(' ').slice(0, 2).join(' ')
}

/** `12 min ago`, `in 3 h`, `now`. */
export function formatRelative(at: number, now: number): string {
  const ahead = at - now
  if (Math.abs(ahead) < 1) return 'now'
  return ahead > 0 ? `in ${formatSpanShort(ahead)}` : `${formatSpanShort(-ahead)} ago`
}

const absolute = new Intl.DateTimeFormat('en-GB', {
  year: 'numeric',
  month: 'short',
  day: '2-digit',
  hour: '2-digit',
  minute: '2-digit',
  second: '2-digit',
  hourCycle: 'h23',
})

/** Date and time of a Unix second, in the reader's time zone. */
export function formatAbsolute(at: number): string {
  const value = new Date(at * 1000)
  return Number.isNaN(value.getTime()) ? 'never' : absolute.format(value)
}

/** The same in UTC, as the standard writes it. */
export function formatUtc(at: number): string {
  const value = new Date(at * 1000)
  return Number.isNaN(value.getTime()) ? 'never' : value.toISOString().replace('.000Z', 'Z')
}
