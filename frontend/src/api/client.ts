/** Typed reads of the API: one function, errors of one type, patience with what passes. */
import { Problem, problemOf } from './problem'
import type { paths } from './schema'

type Json<Operation> = Operation extends { responses: { 200: { content: { 'application/json': infer Body } } } } ? Body : never
/** Paths that can be read. */
export type ReadPath = { [P in keyof paths]: Json<paths[P]['get']> extends never ? never : P }[keyof paths]
/** What reading a path answers. */
export type Answer<P extends ReadPath> = Json<paths[P]['get']>
export type Params = Record<string, string | number>
export type Query = Record<string, string | number | null | undefined>

/** The URL of a path, with its parameters filled in and escaped. */
export function urlOf(path: string, params: Params = {}, query: Query = {}): string {
  const filled = path.replace(/\{(\w+)\}/g, (_, name: string) => {
    const value = params[name]
    if (value === undefined) throw new Problem({ title: 'Incomplete address', detail: `${path} lacks ${name}` })
    return encodeURIComponent(String(value))
  })
  const search = new URLSearchParams()
  for (const [name, value] of Object.entries(query)) {
    if (value !== null && value !== undefined && value !== '') search.set(name, String(value))
  }
  return search.size > 0 ? `${filled}?${search}` : filled
}

export interface ReadOptions {
  signal?: AbortSignal
  /** How often to try in all. */
  attempts?: number
  /** The wait before the second attempt; doubles with each. */
  backoffMs?: number
  /** How long an answer may take. */
  timeoutMs?: number
}

/**
 * Read a URL of the API.
 *
 * Answers are revalidated through the browser's cache (ETag); failures that pass are tried again.
 * Throws `Problem`, or the signal's `AbortError`.
 */
export async function readUrl<Body>(url: string, options: ReadOptions = {}): Promise<Body> {
  const { signal, attempts = 3, backoffMs = 400, timeoutMs = 20_000 } = options
  for (let attempt = 1; ; attempt++) {
    try {
      return await once<Body>(url, signal, timeoutMs)
    } catch (error) {
      if (!(error instanceof Problem) || !error.passing || attempt >= attempts) throw error
      await pause(backoffMs * 2 ** (attempt - 1), signal)
    }
  }
}

/** Read a path of the API; the answer's type is the schema's. */
export function read<P extends ReadPath>(path: P, params: Params = {}, query: Query = {}, options: ReadOptions = {}): Promise<Answer<P>> {
  return readUrl<Answer<P>>(urlOf(path, params, query), options)
}

async function once<Body>(url: string, signal: AbortSignal | undefined, timeoutMs: number): Promise<Body> {
  const limit = AbortSignal.timeout(timeoutMs)
  let response: Response
  try {
    response = await fetch(url, {
      headers: { accept: 'application/json' },
      credentials: 'same-origin',
      signal: signal ? AbortSignal.any([signal, limit]) : limit,
    })
  } catch (error) {
    signal?.throwIfAborted()
    const late = limit.aborted
    throw new Problem({
      title: late ? 'The server takes too long' : 'The server cannot be reached',
      detail: late ? `No answer within ${timeoutMs / 1000} s.` : error instanceof Error ? error.message : '',
      hint: 'Is the dashboard still running?',
    })
  }
  if (!response.ok) throw await problemOf(response)
  try {
    return (await response.json()) as Body
  } catch {
    signal?.throwIfAborted()
    throw new Problem({ title: 'The answer is not JSON', status: 0, detail: url })
  }
}

function pause(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer)
      reject(signal?.reason)
    }
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', stop)
      resolve()
    }, ms)
    signal?.addEventListener('abort', stop, { once: true })
  })
}
