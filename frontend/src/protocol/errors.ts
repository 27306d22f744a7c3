/** What a settlement is refused for, in words: the one error that this folder throws on bad input. */

/** A settlement, or a part of one, is not what docs/protocol.md says. */
export class Refused extends Error {
  override readonly name = 'Refused'
}

/**
 * What an error says, for whoever reads a check.
 *
 * Arithmetic on nonsense that the contract never lets through (a division by a sum of stakes of zero) raises the
 * engine's own errors; they are told as such.
 */
export function wordsOf(error: unknown): string {
  if (error instanceof Refused) return error.message
  return `cannot be computed: ${error instanceof Error ? error.message : String(error)}`
}
