/** Verification of a settlement from its log alone (docs/protocol.md, 6.4): never an exception, one check a claim. */

import { fromHex } from './bytes'
import { decodeCarried } from './carried'
import { type Material, METHODS } from './checks'
import { wordsOf } from './errors'
import { type Check, CHECKS, type Evidence, type Progress } from './evidence'
import { readRecorded } from './recorded'
import { checkVerifyingKey, decodeVerifyingKey } from './reference-string'
import { settle } from './settlement'

/**
 * Checks every claim of a settlement, in the order of `CHECKS`. What several checks need is made once; where it cannot
 * be made, each of them fails and says why. `onProgress` is told after each check.
 *
 * What the evidence cannot show is for the caller: that the chain has this log, that the verifier has the published
 * code and this reference string (its `srsDigest()`; the check names the digest), and that the published aggregate
 * opens its commitment.
 */
export async function verifySettlement(
  evidence: Evidence,
  onProgress: (progress: Progress) => void = () => undefined,
): Promise<Check[]> {
  const material = materialOf(evidence)
  const checks: Check[] = []
  for (const name of CHECKS) {
    const check = { name, ...outcomeOf(() => METHODS[name](material)) }
    checks.push(check)
    onProgress({ done: checks.length, total: CHECKS.length, check })
    await new Promise((resolve) => setTimeout(resolve))
  }
  return checks
}

function outcomeOf(method: () => string): Omit<Check, 'name'> {
  try {
    return { ok: true, detail: method() }
  } catch (error) {
    return { ok: false, detail: wordsOf(error) }
  }
}

function materialOf(evidence: Evidence): Material {
  const recorded = once(() => readRecorded(evidence))
  const key = once(() => {
    const found = decodeVerifyingKey(fromHex(evidence.verifying_key))
    checkVerifyingKey(found, BigInt(evidence.chain_id))
    return found
  })
  const outcome = once(() => {
    const { gram, referenceExpected, carried } = recorded().statement
    return settle(gram, referenceExpected, decodeCarried(carried))
  })
  return { evidence, recorded, key, outcome }
}

/** A function that computes once, and returns or throws the same ever after. */
function once<T>(compute: () => T): () => T {
  let result: (() => T) | null = null
  const attempt = (): (() => T) => {
    try {
      const value = compute()
      return () => value
    } catch (error) {
      return () => {
        throw error
      }
    }
  }
  return () => (result ??= attempt())()
}
