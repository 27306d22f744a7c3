import { describe, expect, it } from 'vitest'
import type { Head } from '../src/api/types'
import { ChainOffset } from '../src/live/clock.svelte'
import { concerns, parseChange, type Change } from '../src/live/topics'

const change: Change = { chain_id: 1, market: '0xAb', job_id: 7, round: 3, version: 9 }

describe('changes', () => {
  it('concern what they are about, and what is wider', () => {
    expect(concerns({}, change)).toBe(true)
    expect(concerns({ chainId: 1, market: '0xaB' }, change)).toBe(true)
    expect(concerns({ chainId: 1, market: '0xab', jobId: 7, round: 3 }, change)).toBe(true)
  })

  it('do not concern others', () => {
    expect(concerns({ chainId: 2 }, change)).toBe(false)
    expect(concerns({ market: '0xac' }, change)).toBe(false)
    expect(concerns({ jobId: 8 }, change)).toBe(false)
    expect(concerns({ jobId: 7, round: 2 }, change)).toBe(false)
  })

  it('may be about a whole market', () => {
    expect(concerns({ chainId: 1, jobId: 8, round: 2 }, { ...change, job_id: null, round: null })).toBe(true)
  })

  it('are read with care', () => {
    expect(parseChange(JSON.stringify(change))).toEqual(change)
    expect(parseChange('{"chain_id":"1"}')).toEqual({ chain_id: null, market: null, job_id: null, round: null, version: 0 })
    expect(parseChange('null')).toBeNull()
    expect(parseChange('{')).toBeNull()
  })
})

describe('chain time', () => {
  const at = 1_000_000
  const head = (block: number, timestamp: number): Head => ({ block, timestamp, hash: '0x', chain_block: block, lag_seconds: 1 })

  it('is this machine’s where the chain is only quiet', () => {
    const offset = new ChainOffset()
    offset.observe(head(5, at - 300), at * 1000)
    expect(offset.seconds).toBe(0)
  })

  it('is ahead where the head is', () => {
    const offset = new ChainOffset()
    offset.observe(head(5, at + 3_600), at * 1000)
    expect(offset.seconds).toBe(3_601)
  })

  it('follows blocks that appear while the page watches, not those seen before', () => {
    const offset = new ChainOffset()
    offset.observe(head(5, at - 300), at * 1000)
    offset.observe(head(6, at + 10 - 120), (at + 10) * 1000)
    expect(offset.seconds).toBe(-119)
    offset.observe(head(6, at + 10 - 120), (at + 500) * 1000)
    expect(offset.seconds).toBe(-119)
  })
})
