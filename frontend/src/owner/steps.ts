/** The wizard's steps, and which fields each has. */
import type { Draft, Errors, Field } from './draft'

export interface Step {
  title: string
  fields: readonly Field[]
}

export const STEPS: readonly Step[] = [
  { title: 'Task', fields: ['name', 'manifest', 'dimension', 'bits', 'headroomBits', 'scaleExponent'] },
  { title: 'Money', fields: ['token', 'roundBudget', 'rounds', 'lifetimeDays', 'refundVoid'] },
  { title: 'Trainers', fields: ['stakeMin', 'stakeMax', 'byzantine', 'minTrainers', 'maxTrainers'] },
  { title: 'Timing', fields: ['commitSeconds', 'settleSeconds', 'challengeSeconds'] },
  { title: 'Rule and score', fields: ['reference', 'rule', 'score', 'floor', 'cap'] },
  { title: 'Aggregators', fields: ['verifier', 'aggregators', 'bond', 'challengerShare'] },
  { title: 'Review', fields: [] },
]

/** How many of a step's fields are wrong. */
export const faultsIn = (step: Step, errors: Errors): number => step.fields.filter((field) => errors[field]).length

/** What a link may fill in: what `gramercy owner publish` tells. Never who checks, settles or is paid. */
const LINKED = ['name', 'manifest', 'dimension', 'bits', 'scaleExponent'] as const
const LONGEST = 200

/** The fields that a link to the wizard fills in; they are checked as if they were typed. */
export function linkedFields(query: URLSearchParams): Partial<Draft> {
  const given = LINKED.map((name) => [name, query.get(name)?.slice(0, LONGEST)] as const)
  return Object.fromEntries(given.filter(([, value]) => value))
}
