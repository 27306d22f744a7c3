/** Addresses, hashes and numbers as text. */
import { group } from './money'

/** The first and last characters of an address, hash or content id. */
export function shorten(text: string, head = 6, tail = 4): string {
  return text.length <= head + tail + 1 ? text : `${text.slice(0, head)}…${text.slice(-tail)}`
}

/** An integer with its thousands grouped. */
export function formatInteger(value: number): string {
  return (value < 0 ? '-' : '') + group(String(Math.abs(Math.trunc(value))))
}

/** A share in 1/10000 as percent. */
export function formatBps(bps: number): string {
  return `${(bps / 100).toLocaleString('en', { maximumFractionDigits: 2 })} %`
}

/** A share as percent, with one place; what is too small for that is told from nothing. */
export function formatPercent(share: number): string {
  if (share !== 0 && Math.abs(share) < 0.0005) return share > 0 ? '<0.1 %' : '>-0.1 %'
  return `${(share * 100).toFixed(1)} %`
}

/** Bytes in binary units. */
export function formatBytes(bytes: number): string {
  if (bytes < 1024) return `${bytes} B`
  const units = ['KiB', 'MiB', 'GiB', 'TiB']
  let value = bytes
  let unit = -1
  do {
    value /= 1024
    unit++
  } while (value >= 1024 && unit < units.length - 1)
  return `${value < 10 ? value.toFixed(1) : Math.round(value)} ${units[unit]}`
}

/** A weight in units of 2^-32 as percent. */
export function formatWeight(weight: number): string {
  return formatPercent(weight / 2 ** 32)
}

/** `1 round`, `2 rounds`. */
export function count(n: number, one: string, many = `${one}s`): string {
  return `${formatInteger(n)} ${n === 1 ? one : many}`
}

/** The hue of an address, 0..359, so that the same account is recognised at a glance. */
export function hueOf(address: string): number {
  return parseInt(address.slice(2, 8), 16) % 360
}
