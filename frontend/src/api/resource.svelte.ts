/** A read that a page shows: loading, its answer, its failure; read anew when the market changes. */
import { connection } from '../live/connection.svelte'
import type { Topic } from '../live/topics'
import { readUrl } from './client'
import { Problem } from './problem'

/** What a reorganisation of the chain took away is not shown any longer. */
const GONE = 404

export interface Resource<Body> {
  readonly data: Body | undefined
  readonly error: Problem | undefined
  /** A read is under way. */
  readonly loading: boolean
  /** Milliseconds since the epoch at which the answer came. */
  readonly at: number
  reload(): void
}

export interface ResourceOptions<Body> {
  /** Which changes concern it; none: it is not read anew by itself. */
  topic?: () => Topic | null
  /** How to read; by default one GET. */
  load?: (url: string, signal: AbortSignal) => Promise<Body>
}

/**
 * Read what `url` says, for as long as the component lives; null reads nothing.
 *
 * A changed URL drops the old answer; a change of the market, or `reload()`, keeps it until the new one is there.
 */
export function resource<Body>(url: () => string | null, options: ResourceOptions<Body> = {}): Resource<Body> {
  const load = options.load ?? ((target: string, signal: AbortSignal) => readUrl<Body>(target, { signal }))
  let data = $state.raw<Body>()
  let error = $state.raw<Problem>()
  let loading = $state(false)
  let at = $state(0)
  let current: string | null = null
  let controller: AbortController | undefined

  async function start(target: string): Promise<void> {
    controller?.abort()
    const own = new AbortController()
    controller = own
    loading = true
    try {
      const answer = await load(target, own.signal)
      if (own.signal.aborted) return
      data = answer
      error = undefined
      at = Date.now()
    } catch (failure) {
      if (own.signal.aborted) return
      error = failure instanceof Problem ? failure : new Problem({ title: 'The read failed', detail: String(failure) })
      if (error.status === GONE) data = undefined
    }
    loading = false
  }

  const reload = () => {
    if (current !== null) void start(current)
  }

  $effect(() => {
    const target = url()
    if (target === current) return
    current = target
    controller?.abort()
    data = undefined
    error = undefined
    loading = false
    if (target !== null) void start(target)
  })
  $effect(() => {
    const topic = options.topic?.()
    return topic ? connection.watch(topic, reload) : undefined
  })
  $effect(() => () => controller?.abort())

  return {
    get data() {
      return data
    },
    get error() {
      return error
    },
    get loading() {
      return loading
    },
    get at() {
      return at
    },
    reload,
  }
}
