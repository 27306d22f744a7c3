/**
 * What a job costs beside its budgets, from measured figures: each with its source.
 *
 * Gas: docs/invariants.md (upper bounds, 8 trainers) and docs/benchmarks.md. Times: docs/benchmarks.md, on two cores.
 */
import type { ChainTerms } from '../wallet/intents'

/** Gas of what an owner sends (docs/invariants.md, Gas). */
export const GAS = { create: 339_000, extend: 53_000, stop: 34_000, close: 48_000, withdraw: 33_000, openRound: 70_000, claim: 48_000, leave: 53_000, commit: 107_000 } as const

/** Gas of a whole settlement by the number of trainers, d = 10^5, Multi-Krum and Shapley (docs/benchmarks.md, Gas). */
const SETTLE_GAS: readonly (readonly [number, number])[] = [
  [4, 667_105],
  [8, 885_021],
  [16, 1_396_649],
  [20, 1_684_990],
  [32, 2_728_544],
  [64, 6_651_707],
]
/** The dearest rule, with a reference row, memories and a floor, takes this many times as much (docs/benchmarks.md, Gas, n = 64). */
const MOST_GAS = 15_179_111 / 6_651_707
/** Seconds of a proof by the number of parameters, n = 32 (docs/benchmarks.md, Proof). */
const PROOF_SECONDS: readonly (readonly [number, number])[] = [
  [1e4, 0.024],
  [1e5, 0.16],
  [1e6, 1.41],
  [1e7, 15.8],
]
const PROOF_MEMORY_BYTES: readonly (readonly [number, number])[] = [
  [1e4, 64e6],
  [1e5, 101e6],
  [1e6, 365e6],
  [1e7, 3.07e9],
]

/** Between points a straight line, beyond them the proportion of the last. */
function along(points: readonly (readonly [number, number])[], x: number): number {
  const first = points[0]
  const last = points.at(-1)
  if (!first || !last) return 0
  if (x <= first[0]) return first[1]
  const next = points.findIndex(([at]) => x <= at)
  const [to, from] = [points[next], points[next - 1]]
  if (!to || !from) return (last[1] * x) / last[0]
  return from[1] + ((to[1] - from[1]) * (x - from[0])) / (to[0] - from[0])
}

export interface Costs {
  escrow: bigint
  createGas: number
  /** What an aggregator pays for one settlement. */
  settleGas: number
  settleGasMost: number
  proofSeconds: number
  proofMemoryBytes: number
  /** Of one round: every trainer's update, sealed and not compressed. */
  updateBytes: number
  /** Of one round: the aggregate. */
  aggregateBytes: number
  /** Of the whole job. */
  storageBytes: number
  /** A round at its longest, settled once, in seconds. */
  roundSeconds: number
  /** What one trainer gets of a round at most, and what all get by equal shares. */
  most: bigint | null
  equal: bigint
}

/** What a job of these terms costs. Storage counts updates before compression: int8 or int16 entries, int64 aggregates. */
export function costsOf(t: ChainTerms): Costs {
  const budget = BigInt(t.roundBudget)
  const trainers = Math.max(1, t.maxTrainers)
  const updateBytes = t.dimension * (t.bits <= 8 ? 1 : 2)
  const aggregateBytes = t.dimension * 8
  const rows = trainers + (t.hasReference ? 1 : 0)
  return {
    escrow: budget * BigInt(Math.max(0, t.rounds)),
    createGas: GAS.create,
    settleGas: Math.round(along(SETTLE_GAS, trainers)),
    settleGasMost: Math.round(MOST_GAS * along(SETTLE_GAS, trainers)),
    proofSeconds: along(PROOF_SECONDS, t.dimension),
    proofMemoryBytes: along(PROOF_MEMORY_BYTES, t.dimension),
    updateBytes,
    aggregateBytes,
    storageBytes: t.rounds * (rows * updateBytes + aggregateBytes) + 4 * t.dimension,
    roundSeconds: t.commitSeconds + t.settleSeconds + t.challengeSeconds,
    most: t.capBps === 0 ? null : least(budget, (budget * BigInt(t.capBps)) / (10_000n * BigInt(trainers))),
    equal: budget / BigInt(trainers),
  }
}

const least = (a: bigint, b: bigint): bigint => (a < b ? a : b)
