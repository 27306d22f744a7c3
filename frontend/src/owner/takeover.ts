/** A new draft with the terms of a job that was opened before; not its verifier, which its owner, anybody, chose. */
import type { JobDetail } from '../api/types'
import { formatExact } from '../format/money'
import { DEFAULTS, type Draft } from './draft'

/** The draft that would open the same job again, with this verifier; its lifetime is the default. */
export function draftFrom({ summary, terms, manifest_cid, aggregators }: JobDetail, verifier: string): Draft {
  const of = (units: string) => formatExact(units, terms.token.decimals)
  return {
    ...DEFAULTS,
    name: summary.name ?? '',
    manifest: manifest_cid,
    dimension: String(terms.dimension),
    bits: String(terms.bits),
    headroomBits: String(terms.headroom_bits),
    scaleExponent: String(terms.scale_exponent),
    token: terms.token.address,
    roundBudget: of(terms.round_budget),
    rounds: String(terms.rounds),
    refundVoid: terms.refund_void,
    stakeMin: of(terms.stake_min),
    stakeMax: of(terms.stake_max),
    byzantine: String(terms.byzantine),
    minTrainers: String(terms.min_trainers),
    maxTrainers: String(terms.max_trainers),
    commitSeconds: String(terms.commit_seconds),
    settleSeconds: String(terms.settle_seconds),
    challengeSeconds: String(terms.challenge_seconds),
    rule: terms.rule,
    score: terms.score,
    reference: terms.reference,
    floor: formatExact(String(terms.floor_bps), 2),
    cap: formatExact(String(terms.cap_bps), 2),
    verifier,
    aggregators: aggregators.filter(({ by_owner, dismissed }) => by_owner && !dismissed).map(({ address }) => address).join('\n'),
    bond: of(terms.aggregator_bond),
    challengerShare: formatExact(String(terms.challenger_share_bps), 2),
  }
}
