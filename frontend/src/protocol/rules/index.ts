/** The rules that settle, by their id on chain (docs/protocol.md, 2.2). */

import { Refused } from '../errors'
import type { Rule } from './base'
import { centredClipping } from './centred-clipping'
import { flTrust } from './fltrust'
import { foolsGold } from './foolsgold'
import { geometricMedian } from './geometric-median'
import { marginalValue } from './marginal-value'
import { mean } from './mean'
import { multiKrum } from './multi-krum'
import { nnmMultiKrum } from './nnm-multi-krum'

export const RULES: ReadonlyMap<string, Rule> = new Map(
  [centredClipping, flTrust, foolsGold, geometricMedian, marginalValue, mean, multiKrum, nnmMultiKrum].map((rule) => [
    rule.id,
    rule,
  ]),
)

/** The rule of an id. */
export function ruleOf(id: string): Rule {
  const rule = RULES.get(id)
  if (rule === undefined) throw new Refused(`there is no rule "${id}"`)
  return rule
}
