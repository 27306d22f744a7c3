/// <reference types="node" />
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { flushSync } from 'svelte'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { readUrl } from '../src/api/client'
import { resource, type Resource } from '../src/api/resource.svelte'

type Reply = { status: number; body: unknown }

let server: Server
let base: string
let replies: Map<string, Reply>
let held: (() => void)[]
let stop: (() => void) | undefined

beforeEach(async () => {
  replies = new Map()
  held = []
  server = createServer((request, response) => {
    const reply = replies.get(request.url ?? '')
    const send = () => response.writeHead(reply?.status ?? 404).end(JSON.stringify(reply?.body ?? { title: 'Not found' }))
    if (request.url?.startsWith('/slow')) held.push(send)
    else send()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
})

afterEach(async () => {
  stop?.()
  stop = undefined
  server.closeAllConnections()
  await new Promise((resolve) => server.close(resolve))
})

/** A resource as a component holds it; `path` can be changed. */
function mounted(first: string): { read: Resource<string>; go: (path: string) => void } {
  let path = $state(first)
  let read!: Resource<string>
  stop = $effect.root(() => {
    read = resource<string>(() => base + path, { load: (url, signal) => readUrl(url, { signal, attempts: 1 }) })
  })
  flushSync()
  const go = (next: string) => {
    path = next
    flushSync()
  }
  return { read, go }
}

describe('resources', () => {
  it('are loading, then there', async () => {
    replies.set('/a', { status: 200, body: 'first' })
    const { read } = mounted('/a')
    expect(read.loading).toBe(true)
    expect(read.data).toBeUndefined()
    await vi.waitFor(() => expect(read.data).toBe('first'))
    expect(read.loading).toBe(false)
    expect(read.error).toBeUndefined()
  })

  it('keep the old answer beside the failure to refresh it', async () => {
    replies.set('/a', { status: 200, body: 'first' })
    const { read } = mounted('/a')
    await vi.waitFor(() => expect(read.data).toBe('first'))
    const { at } = read
    replies.set('/a', { status: 503, body: { title: 'Busy' } })
    read.reload()
    await vi.waitFor(() => expect(read.error?.title).toBe('Busy'))
    expect(read.data).toBe('first')
    expect(read.at).toBe(at)
    replies.set('/a', { status: 200, body: 'second' })
    read.reload()
    await vi.waitFor(() => expect(read.data).toBe('second'))
    expect(read.error).toBeUndefined()
  })

  it('show no longer what is gone', async () => {
    replies.set('/a', { status: 200, body: 'first' })
    const { read } = mounted('/a')
    await vi.waitFor(() => expect(read.data).toBe('first'))
    replies.delete('/a')
    read.reload()
    await vi.waitFor(() => expect(read.error?.status).toBe(404))
    expect(read.data).toBeUndefined()
  })

  it('never show one address’s answer under another', async () => {
    replies.set('/slow', { status: 200, body: 'late' })
    replies.set('/b', { status: 200, body: 'second' })
    const { read, go } = mounted('/slow')
    await vi.waitFor(() => expect(held).toHaveLength(1))
    go('/b')
    expect(read.data).toBeUndefined()
    await vi.waitFor(() => expect(read.data).toBe('second'))
    held[0]?.()
    await new Promise((resolve) => setImmediate(resolve))
    expect(read.data).toBe('second')
  })

  it('end with their component', async () => {
    replies.set('/slow', { status: 200, body: 'late' })
    const { read } = mounted('/slow')
    await vi.waitFor(() => expect(held).toHaveLength(1))
    stop?.()
    held[0]?.()
    await new Promise((resolve) => setImmediate(resolve))
    expect(read.data).toBeUndefined()
  })
})
