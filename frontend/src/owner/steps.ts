/** The wizard's steps, and which fields each has. */
import type { Errors, Field } from './draft'

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
