/** What somebody wants from a market, as plain data: it outlives the page, so that what was begun can go on. */
import type { Token } from '../api/types'
import type { Hex } from './eip1193'

/** A job's terms as the contract takes them; amounts as decimal text. */
export interface ChainTerms {
  token: Hex
  verifier: Hex
  roundBudget: string
  rounds: number
  stakeMin: string
  stakeMax: string
  aggregatorBond: string
  challengerShareBps: number
  minTrainers: number
  maxTrainers: number
  byzantine: number
  dimension: number
  bits: number
  headroomBits: number
  scaleExponent: number
  commitSeconds: number
  settleSeconds: number
  challengeSeconds: number
  deadline: number
  refundVoid: boolean
  rule: string
  score: string
  hasReference: boolean
  floorBps: number
  capBps: number
}

/** What is wanted; `told` is what the index says beside it, for the words alone. */
export type Intent =
  | { kind: 'create'; terms: ChainTerms; aggregators: Hex[]; manifest: Hex }
  | { kind: 'extend'; jobId: number; rounds: number; roundBudget: string; deadline: number; deposit: string; told: { rounds: number; roundBudget: string } }
  | { kind: 'stop'; jobId: number; told: { escrow: string } }
  | { kind: 'close'; jobId: number; told: { escrow: string } }
  | { kind: 'withdraw'; amount: string; recipient: Hex }
  | { kind: 'claim'; jobId: number; rounds: number[]; recipient: Hex; told: { claimable: string } }
  | { kind: 'leave'; jobId: number; recipient: Hex; told: { stake: string } }
  | { kind: 'join'; jobId: number; stake: string; told: { verifier: string } }
  | { kind: 'name'; jobId: number; aggregator: Hex }
  | { kind: 'challenge'; jobId: number; round: number; /** Null for the settlement. */ update: number | null; evidence: Hex; told: { accused: string; loses: string; reward: string } }

/** What is asked of the user; its words follow from the intent (words.ts), so that they are of what is sent. */
export interface Asked {
  chainId: number
  chainName: string
  market: Hex
  explorer: string | null
  token: Token
  intent: Intent
}

export const NATIVE: Hex = '0x0000000000000000000000000000000000000000'

/** What the user pays with this, in units of the token. */
export function paymentOf(intent: Intent): bigint {
  if (intent.kind === 'create') return BigInt(intent.terms.roundBudget) * BigInt(intent.terms.rounds)
  if (intent.kind === 'join') return BigInt(intent.stake)
  return intent.kind === 'extend' ? BigInt(intent.deposit) : 0n
}
