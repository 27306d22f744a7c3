/** What an owner pays to extend a job: the arithmetic of `JobState.extension_deposit` (market/rounds/state.py). */

export interface Running {
  rounds: number
  /** Used up, the latest void round whose budget is due to be refunded included. */
  used: number
  roundBudget: bigint
}

/** What it costs to have `rounds` rounds in all, each not yet used up with `roundBudget`. */
export function extensionDeposit(job: Running, rounds: number, roundBudget: bigint): bigint {
  return roundBudget * BigInt(rounds - job.used) - job.roundBudget * BigInt(job.rounds - job.used)
}
