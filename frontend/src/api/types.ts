/** The API's answers by short names; the shapes come from `openapi.json`. */
import type { components } from './schema'

type Schemas = components['schemas']

export type Account = Schemas['Account']
export type Aggregator = Schemas['Aggregator']
export type Amounts = Schemas['Amounts']
export type Balance = Schemas['Balance']
export type Configuration = Schemas['Configuration']
export type Contributions = Schemas['Contributions']
export type EventView = Schemas['EventView']
export type Evidence = Schemas['Evidence']
export type Head = Schemas['Head']
export type Hook = Schemas['Hook']
export type HookGiven = Schemas['HookGiven']
export type JobDetail = Schemas['JobDetail']
export type JobOfTrainer = Schemas['JobOfTrainer']
export type JobStatus = Schemas['JobStatus']
export type JobSummary = Schemas['JobSummary']
export type Market = Schemas['Market']
export type NewHook = Schemas['NewHook']
export type RoundDetail = Schemas['RoundDetail']
export type RoundPhase = Schemas['RoundPhase']
export type RoundSummary = Schemas['RoundSummary']
export type RoundTimes = Schemas['RoundTimes']
export type SettlementView = Schemas['SettlementView']
export type Similarity = Schemas['Similarity']
export type Terms = Schemas['Terms']
export type Token = Schemas['Token']
export type TrainerOfJob = Schemas['TrainerOfJob']
export type UpdateView = Schemas['UpdateView']

/** Part of a list, and where it goes on. */
export interface Page<Item> {
  items: Item[]
  next?: string | null
  total: number
}
