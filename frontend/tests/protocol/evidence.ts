/** Proven settlements as an index serves them (make_evidence.py makes them), and their logs taken apart. */

import { decodeAbiParameters, encodeAbiParameters } from 'viem'

import type { Evidence } from '../../src/protocol/evidence'
import { ROUND_SETTLED } from '../../src/protocol/round-settled'
import content from './evidence.json'

const [, , , ...DATA] = ROUND_SETTLED.inputs

export const EVIDENCE: readonly (Evidence & { readonly name: string })[] = content.cases

/** What the data of a log says: statement, published, proof, paid, challengeEnd. */
export type Logged = ReturnType<typeof decodeAbiParameters<typeof DATA>>

/** The case of a name. */
export function evidenceOf(name: string): Evidence {
  const found = EVIDENCE.find((evidence) => evidence.name === name)
  if (found === undefined) throw new Error(`evidence.json has no case "${name}"`)
  return found
}

/** What a log says. */
export function logged(evidence: Evidence): Logged {
  return decodeAbiParameters(DATA, evidence.log.data as `0x${string}`)
}

/** The evidence with other data in its log. */
export function withData(evidence: Evidence, data: string): Evidence {
  return { ...evidence, log: { ...evidence.log, data } }
}

/** The evidence with a log that says something else, in the encoding of a contract. */
export function saying(evidence: Evidence, change: (honest: Logged) => Logged): Evidence {
  return withData(evidence, encodeAbiParameters(DATA, change(logged(evidence))))
}

/** The evidence with another statement. */
export function stating(evidence: Evidence, change: (statement: Logged[0]) => Partial<Logged[0]>): Evidence {
  return saying(evidence, ([statement, ...rest]) => [{ ...statement, ...change(statement) }, ...rest])
}
