/** A job as somebody drafts it: what they typed, and the terms that follow from it. */
import type { Token } from '../api/types'
import { cidBytes } from './cid'
import { parseAmount, parseInteger, parsePercent } from './amounts'
import type { ChainTerms } from '../wallet/intents'
import type { Hex } from '../wallet/eip1193'

/** What was typed; all text, so that nothing that is half typed is lost. */
export interface Draft {
  name: string
  manifest: string
  dimension: string
  bits: string
  headroomBits: string
  scaleExponent: string
  token: string
  roundBudget: string
  rounds: string
  lifetimeDays: string
  refundVoid: boolean
  stakeMin: string
  stakeMax: string
  byzantine: string
  minTrainers: string
  maxTrainers: string
  commitSeconds: string
  settleSeconds: string
  challengeSeconds: string
  rule: string
  score: string
  reference: boolean
  floor: string
  cap: string
  verifier: string
  aggregators: string
  bond: string
  challengerShare: string
}
export type Field = keyof Draft

const NATIVE = '0x0000000000000000000000000000000000000000'

/** Defaults of `gramercy owner create` and of JobRequest (market/services/owner.py). */
export const DEFAULTS: Draft = {
  name: '',
  manifest: '',
  dimension: '',
  bits: '16',
  headroomBits: '5',
  scaleExponent: '',
  token: NATIVE,
  roundBudget: '1',
  rounds: '5',
  lifetimeDays: '30',
  refundVoid: false,
  stakeMin: '0.1',
  stakeMax: '0.1',
  byzantine: '2',
  minTrainers: '7',
  maxTrainers: '16',
  commitSeconds: '3600',
  settleSeconds: '3600',
  challengeSeconds: '86400',
  rule: 'marginal-value',
  score: 'shapley-reference',
  reference: true,
  floor: '50',
  cap: '300',
  verifier: '',
  aggregators: '',
  bond: '1',
  challengerShare: '50',
}

/** Rules and scores that a contract checks; which of them read the owner's reference row (aggregator/rules, aggregator/scores). */
export const RULES_BY_REFERENCE: Record<string, boolean> = {
  'marginal-value': true,
  fltrust: true,
  'multi-krum': false,
  'nnm+multi-krum': false,
  'centred-clipping': false,
  'geometric-median': false,
  foolsgold: false,
  mean: false,
}
export const SCORES_BY_REFERENCE: Record<string, boolean> = {
  'shapley-reference': true,
  'leave-one-out': true,
  alignment: false,
  shapley: false,
  cosine: false,
  reputation: false,
}
export const DEFAULT_WITHOUT_REFERENCE = { rule: 'multi-krum', score: 'alignment' }

export type Errors = Partial<Record<Field, string>>

/** Terms that are complete, with what goes beside them. */
export interface Complete {
  terms: ChainTerms
  aggregators: Hex[]
  manifest: Hex
}

export interface Read {
  errors: Errors
  /** As far as it could be read: fields that could not are 0. */
  terms: ChainTerms
  aggregators: Hex[]
  manifest: Hex | null
}

/** What a draft says, in the contract's units; `now` is chain time. What cannot be read is in `errors`. */
export function readDraft(draft: Draft, token: Pick<Token, 'decimals'>, now: number): Read {
  const errors: Errors = {}
  const amount = (field: Field): string => {
    const units = parseAmount(draft[field] as string, token.decimals)
    if (units === null) errors[field] = `An amount with at most ${token.decimals} places, such as 1.5.`
    return String(units ?? 0n)
  }
  const whole = (field: Field): number => {
    const value = parseInteger(draft[field] as string)
    if (value === null) errors[field] = 'A whole number.'
    return value ?? 0
  }
  const percent = (field: Field): number => {
    const value = parsePercent(draft[field] as string)
    if (value === null) errors[field] = 'A percentage, such as 50.'
    return value ?? 0
  }
  const address = (field: Field, text: string): Hex => {
    if (!/^0x[0-9a-fA-F]{40}$/.test(text)) errors[field] = 'An address: 0x and 40 hexadecimal digits.'
    return text as Hex
  }
  const days = parseAmount(draft.lifetimeDays, 4)
  if (days === null) errors.lifetimeDays = 'A number of days.'
  const terms: ChainTerms = {
    token: address('token', draft.token.trim()),
    verifier: address('verifier', draft.verifier.trim()),
    roundBudget: amount('roundBudget'),
    rounds: whole('rounds'),
    stakeMin: amount('stakeMin'),
    stakeMax: amount('stakeMax'),
    aggregatorBond: amount('bond'),
    challengerShareBps: percent('challengerShare'),
    minTrainers: whole('minTrainers'),
    maxTrainers: whole('maxTrainers'),
    byzantine: whole('byzantine'),
    dimension: whole('dimension'),
    bits: whole('bits'),
    headroomBits: whole('headroomBits'),
    scaleExponent: whole('scaleExponent'),
    commitSeconds: whole('commitSeconds'),
    settleSeconds: whole('settleSeconds'),
    challengeSeconds: whole('challengeSeconds'),
    deadline: Math.floor(now) + Number(((days ?? 0n) * 86_400n) / 10_000n),
    refundVoid: draft.refundVoid,
    rule: draft.rule,
    score: draft.score,
    hasReference: draft.reference,
    floorBps: percent('floor'),
    capBps: percent('cap'),
  }
  const manifest = cidBytes(draft.manifest)
  if (manifest === null) errors.manifest = 'A CID of version 1 in base32, such as bafkrei… or bafybei….'
  const aggregators = draft.aggregators.split(/[\s,;]+/).filter(Boolean).map((text) => address('aggregators', text))
  if (aggregators.length === 0) errors.aggregators = 'Name at least one.'
  return { errors, terms, aggregators, manifest }
}

