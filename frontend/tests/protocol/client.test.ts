import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'

import { verifyInWorker } from '../../src/protocol/client'
import { CHECKS, type Progress } from '../../src/protocol/evidence'
import { evidenceOf } from './evidence'

const EVIDENCE = evidenceOf('multi-krum and shapley')

/** A worker whose script runs beside the page; messages are copied, as between threads. */
class NearbyWorker extends EventTarget {
  static started: NearbyWorker[] = []
  static script: ((message: { data: unknown }) => void) | null = null
  ended = false

  constructor(readonly url: URL) {
    super()
    NearbyWorker.started.push(this)
  }

  postMessage(data: unknown): void {
    NearbyWorker.script?.({ data: structuredClone(data) })
  }

  terminate(): void {
    this.ended = true
  }
}

function last(): NearbyWorker {
  const worker = NearbyWorker.started.at(-1)
  if (worker === undefined) throw new Error('no worker was started')
  return worker
}

beforeEach(async () => {
  NearbyWorker.started = []
  vi.resetModules()
  vi.stubGlobal('Worker', NearbyWorker)
  vi.stubGlobal('self', {
    addEventListener: (_: string, script: (message: { data: unknown }) => void) => {
      NearbyWorker.script = script
    },
    postMessage: (data: unknown) => last().dispatchEvent(new MessageEvent('message', { data: structuredClone(data) })),
  })
  await import('../../src/protocol/worker')
})

afterEach(() => {
  vi.unstubAllGlobals()
})

describe('a worker', () => {
  test('tells of each check, gives all of them, and ends', async () => {
    const told: Progress[] = []
    const checks = await verifyInWorker(EVIDENCE, (progress) => told.push(progress))
    expect(checks.map(({ name, ok }) => [name, ok])).toEqual(CHECKS.map((name) => [name, true]))
    expect(told.map(({ check }) => check)).toEqual(checks)
    expect(last().ended).toBe(true)
    expect(last().url.pathname).toMatch(/worker\.ts$/)
  })

  test('is ended when the page gives up', async () => {
    const controller = new AbortController()
    NearbyWorker.script = null
    const promise = verifyInWorker(EVIDENCE, undefined, controller.signal)
    controller.abort(new Error('another page'))
    await expect(promise).rejects.toThrow('another page')
    expect(last().ended).toBe(true)
  })

  test('is not even started after the page gave up', async () => {
    const signal = AbortSignal.abort(new Error('another page'))
    await expect(verifyInWorker(EVIDENCE, undefined, signal)).rejects.toThrow('another page')
    expect(NearbyWorker.started).toEqual([])
  })

  test('that cannot start is told of, and ended', async () => {
    NearbyWorker.script = null
    const promise = verifyInWorker(EVIDENCE)
    last().dispatchEvent(new Event('error'))
    await expect(promise).rejects.toThrow('the worker that verifies could not be started')
    expect(last().ended).toBe(true)
  })
})
