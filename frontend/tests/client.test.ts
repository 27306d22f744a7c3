/// <reference types="node" />
import { createServer, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { readUrl, urlOf } from '../src/api/client'
import { readAll } from '../src/api/lists'
import { Problem } from '../src/api/problem'

let server: Server | undefined

/** Serve on a free port; the answer is the server's address. */
function serve(listener: RequestListener): Promise<string> {
  server = createServer(listener)
  return new Promise((resolve) => {
    server?.listen(0, '127.0.0.1', () => resolve(`http://127.0.0.1:${(server?.address() as AddressInfo).port}`))
  })
}

async function failure(attempt: Promise<unknown>): Promise<Problem> {
  const error: unknown = await attempt.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  if (!(error instanceof Problem)) throw new Error(`no problem: ${String(error)}`)
  return error
}

afterEach(async () => {
  server?.closeAllConnections()
  await new Promise((resolve) => (server ? server.close(resolve) : resolve(undefined)))
  server = undefined
})

describe('urls', () => {
  it('escape what they are made of, and leave out what is not asked', () => {
    expect(urlOf('/api/v1/markets/{chain_id}/{market}', { chain_id: 1, market: 'a/../b' })).toBe('/api/v1/markets/1/a%2F..%2Fb')
    expect(urlOf('/jobs', {}, { status: '', cursor: null, query: 'a&b', limit: 0 })).toBe('/jobs?query=a%26b&limit=0')
  })

  it('are complete or not made', () => {
    expect(() => urlOf('/jobs/{job_id}')).toThrow(Problem)
  })
})

describe('reads', () => {
  it('are tried again where the failure passes', async () => {
    let asked = 0
    const base = await serve((_, response) => {
      asked++
      response.writeHead(asked < 3 ? 503 : 200, { 'content-type': 'application/json' }).end('{"items":[]}')
    })
    expect(await readUrl(base, { backoffMs: 1 })).toEqual({ items: [] })
    expect(asked).toBe(3)
  })

  it('tell what a problem document says, and ask no second time for what stays', async () => {
    let asked = 0
    const base = await serve((_, response) => {
      asked++
      const body = { type: '/problems/not-found', title: 'Not found', status: 404, detail: 'there is no job 7', hint: 'look at the list' }
      response.writeHead(404, { 'content-type': 'application/problem+json' }).end(JSON.stringify(body))
    })
    const problem = await failure(readUrl(base, { backoffMs: 1 }))
    expect(problem).toMatchObject({ type: '/problems/not-found', title: 'Not found', status: 404, detail: 'there is no job 7', hint: 'look at the list' })
    expect(problem.passing).toBe(false)
    expect(asked).toBe(1)
  })

  it('survive answers that are no problem document', async () => {
    const base = await serve((request, response) => {
      if (request.url === '/html') response.writeHead(502, 'Bad Gateway').end('<html>')
      else if (request.url === '/odd') response.writeHead(400).end('{"title":7,"detail":["x"]}')
      else response.writeHead(200).end('not json')
    })
    expect(await failure(readUrl(`${base}/html`, { attempts: 1 }))).toMatchObject({ status: 502, title: 'Bad Gateway' })
    expect(await failure(readUrl(`${base}/odd`))).toMatchObject({ status: 400, detail: '' })
    expect(await failure(readUrl(`${base}/text`, { attempts: 1 }))).toMatchObject({ title: 'The answer is not JSON' })
  })

  it('say so when nobody answers, or not in time', async () => {
    const base = await serve(() => undefined)
    expect(await failure(readUrl(base, { attempts: 1, timeoutMs: 30 }))).toMatchObject({ status: 0, title: 'The server takes too long' })
    server?.closeAllConnections()
    await new Promise((resolve) => server?.close(resolve))
    server = undefined
    expect(await failure(readUrl(base, { attempts: 2, backoffMs: 1 }))).toMatchObject({ status: 0, title: 'The server cannot be reached' })
  })

  it('end when the page gives up, between attempts too', async () => {
    let asked = 0
    const controller = new AbortController()
    const base = await serve((_, response) => {
      asked++
      response.writeHead(500).end()
      controller.abort()
    })
    await expect(readUrl(base, { signal: controller.signal, backoffMs: 60_000 })).rejects.toMatchObject({ name: 'AbortError' })
    expect(asked).toBe(1)
  })
})

describe('whole lists', () => {
  it('follow the cursors to the end', async () => {
    const base = await serve((request, response) => {
      const cursor = Number(new URL(request.url ?? '', 'http://x').searchParams.get('cursor') ?? 0)
      response.end(JSON.stringify({ items: [cursor, cursor + 1], next: cursor < 4 ? String(cursor + 2) : null, total: 6 }))
    })
    expect(await readAll(base)).toEqual({ items: [0, 1, 2, 3, 4, 5], next: null, total: 6 })
  })
})
