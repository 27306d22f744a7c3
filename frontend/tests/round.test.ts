import { describe, expect, it } from 'vitest'
import { verdictOf } from '../src/pages/round/verdict'
import { compareWithChain, type Provider } from '../src/pages/round/checks'
import { EVIDENCE } from './protocol/evidence'
import type { Evidence } from '../src/api/types'

describe('verdicts', () => {
  it('say what became of an update', () => {
    expect(verdictOf({ slashed: false, included: null, accepted: null }).label).toBe('Committed')
    expect(verdictOf({ slashed: false, included: false, accepted: null }).label).toBe('Left out')
    expect(verdictOf({ slashed: false, included: true, accepted: false }).label).toBe('Rejected')
    expect(verdictOf({ slashed: false, included: true, accepted: true }).label).toBe('Accepted')
    expect(verdictOf({ slashed: true, included: true, accepted: true }).label).toBe('Slashed')
  })
})

describe('comparing with a node of one’s own', () => {
  const [first] = EVIDENCE
  if (!first) throw new Error('no evidence')
  const evidence = { ...first, log: { ...first.log, block_hash: `0x${'11'.repeat(32)}`, log_index: 0 } } as unknown as Evidence
  const { log } = evidence
  const receipt = { status: '0x1', logs: [{ address: log.address.toLowerCase(), topics: log.topics, data: log.data, blockHash: log.block_hash }] }
  const node = (answer: unknown, chain = evidence.chain_id): Provider => ({
    request: ({ method }) => Promise.resolve(method === 'eth_chainId' ? `0x${chain.toString(16)}` : answer),
  })

  it('finds the log where the chain has it', async () => {
    expect(await compareWithChain(evidence, node(receipt))).toContain(String(log.block))
  })

  it.each([
    ['another chain', node(receipt, evidence.chain_id + 1), /on chain/],
    ['no such transaction', node(null), /does not know/],
    ['a failed transaction', node({ ...receipt, status: '0x0' }), /failed/],
    ['another data', node({ ...receipt, logs: [{ ...receipt.logs[0], data: '0x00' }] }), /not this log/],
    ['another emitter', node({ ...receipt, logs: [{ ...receipt.logs[0], address: `0x${'00'.repeat(20)}` }] }), /not this log/],
    ['another block', node({ ...receipt, logs: [{ ...receipt.logs[0], blockHash: '0x00' }] }), /not this log/],
    ['fewer topics', node({ ...receipt, logs: [{ ...receipt.logs[0], topics: log.topics.slice(1) }] }), /not this log/],
    ['an odd answer', node({ status: '0x1', logs: 'none' }), /not this log/],
  ])('refuses %s', async (_, provider, words) => {
    await expect(compareWithChain(evidence, provider)).rejects.toThrow(words)
  })
})
