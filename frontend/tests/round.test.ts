import { describe, expect, it } from 'vitest'
import { verdictOf } from '../src/pages/round/verdict'
import { compareShown, isOf } from '../src/pages/round/checks'
import { EVIDENCE } from './protocol/evidence'
import type { Evidence, RoundDetail } from '../src/api/types'
import { readRecorded } from '../src/protocol/recorded'

describe('verdicts', () => {
  it('say what became of an update', () => {
    expect(verdictOf({ slashed: false, included: null, accepted: null }).label).toBe('Committed')
    expect(verdictOf({ slashed: false, included: false, accepted: null }).label).toBe('Left out')
    expect(verdictOf({ slashed: false, included: true, accepted: false }).label).toBe('Rejected')
    expect(verdictOf({ slashed: false, included: true, accepted: true }).label).toBe('Accepted')
    expect(verdictOf({ slashed: true, included: true, accepted: true }).label).toBe('Slashed')
  })
})

describe('the page’s figures', () => {
  const [first] = EVIDENCE
  if (!first) throw new Error('no evidence')
  const evidence = first as unknown as Evidence
  const { statement, included, paid } = readRecorded(evidence)
  let place = 0
  const updates = Array.from({ length: 8 }, (_, index) => {
    const inside = Boolean((included >> BigInt(index)) & 1n)
    const at = inside ? place++ : -1
    return {
      index,
      trainer: (inside ? statement.gram.trainers[at] : `0x${'99'.repeat(20)}`)?.toUpperCase().replace('0X', '0x') ?? '',
      included: inside,
      slashed: false,
      weight: inside ? Number(statement.weights[at]) : null,
      score: inside ? String(statement.scores[at]) : null,
      payout: inside ? String(statement.payouts[at]) : null,
    }
  })
  const detail = (changes: object = {}, row: object = {}, paidInAll = String(paid)) =>
    ({ settlement: { paid: paidInAll }, updates: updates.map((update, at) => (at === 0 ? { ...update, ...row } : update)), ...changes }) as unknown as RoundDetail

  it('are those of the log', async () => {
    expect(await compareShown(evidence, detail())).toContain(`${place} updates`)
  })

  it.each([
    ['pay', detail({}, { payout: '1' }), /as the pay of update 0/],
    ['a score', detail({}, { score: '1' }), /as the score of update 0/],
    ['a weight', detail({}, { weight: 1 }), /as the weight of update 0/],
    ['a trainer', detail({}, { trainer: `0x${'98'.repeat(20)}` }), /as the trainer of update 0/],
    ['an exclusion', detail({}, { included: false }), /other updates as included/],
    ['the sum', detail({}, {}, '1'), /1 paid in all/],
    ['no settlement', detail({ settlement: null }), /nothing paid in all/],
    ['fewer updates', detail({ updates: updates.slice(1) }), /other updates as included/],
  ])('are not where the server shows %s otherwise', async (_, shown, words) => {
    await expect(compareShown(evidence, shown)).rejects.toThrow(words)
  })

  it('may lack the pay of who was slashed since', async () => {
    expect(await compareShown(evidence, detail({}, { slashed: true, payout: '0' }))).toContain('1 of them lost their pay later is the server’s word')
    await expect(compareShown(evidence, detail({}, { slashed: true, payout: '123456789' }))).rejects.toThrow(/123456789 as the pay of update 0/)
  })

  it('are checked with the evidence of their own round', () => {
    const { chain_id, market, job_id, round } = evidence
    expect(isOf(evidence, chain_id, market.toUpperCase().replace('0X', '0x'), job_id, round)).toBe(true)
    expect(isOf(evidence, chain_id, market, job_id, round + 1)).toBe(false)
    expect(isOf(evidence, chain_id, market, job_id + 1, round)).toBe(false)
    expect(isOf(evidence, chain_id, evidence.verifier, job_id, round)).toBe(false)
    expect(isOf(evidence, chain_id + 1, market, job_id, round)).toBe(false)
  })
})
