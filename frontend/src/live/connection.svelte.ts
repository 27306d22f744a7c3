/** The stream of changes: who is told what, and since when nothing comes any more. */
import { concerns, parseChange, type Change, type Topic } from './topics'

const GATHER_MS = 400
/** Of what may concern everything, such as new blocks. */
const GATHER_MANY_MS = 2_000
const FIRST_RETRY_MS = 1_000
const LAST_RETRY_MS = 30_000
/** Heartbeats, where the server tells them as events, come more often than this. */
const SILENCE_MS = 45_000

export type ConnectionState = 'connecting' | 'live' | 'lost'

interface Watcher {
  topic: Topic
  tell: () => void
  timer: ReturnType<typeof setTimeout> | undefined
}

/** One stream for the whole page; reconnects by itself, and has everything read anew after a gap. */
export class Connection {
  state = $state<ConnectionState>('connecting')
  /** Milliseconds since the epoch of the last sign of life. */
  heard = $state(0)
  #source: EventSource | undefined
  #watchers = new Set<Watcher>()
  #wait = FIRST_RETRY_MS
  #retry: ReturnType<typeof setTimeout> | undefined
  #silence: ReturnType<typeof setTimeout> | undefined
  #gap = false
  readonly #url: string

  constructor(url: string) {
    this.#url = url
  }

  open(): void {
    this.close()
    const source = new EventSource(this.#url)
    this.#source = source
    source.addEventListener('open', () => this.#alive())
    source.addEventListener('heartbeat', () => {
      this.#alive()
      this.#listen()
    })
    source.addEventListener('change', (event: MessageEvent<string>) => {
      this.#alive()
      const change = parseChange(event.data)
      if (change) this.#tell(change)
    })
    source.addEventListener('error', () => this.#lost())
  }

  close(): void {
    this.#source?.close()
    this.#source = undefined
    clearTimeout(this.#retry)
    clearTimeout(this.#silence)
  }

  /** Be told of changes about `topic`, bursts of them once. Returns how to stop. */
  watch(topic: Topic, tell: () => void): () => void {
    const watcher: Watcher = { topic, tell, timer: undefined }
    this.#watchers.add(watcher)
    return () => {
      clearTimeout(watcher.timer)
      this.#watchers.delete(watcher)
    }
  }

  #alive(): void {
    this.state = 'live'
    this.heard = Date.now()
    this.#wait = FIRST_RETRY_MS
    if (this.#gap) {
      this.#gap = false
      for (const watcher of this.#watchers) this.#schedule(watcher, GATHER_MS)
    }
  }

  #listen(): void {
    clearTimeout(this.#silence)
    this.#silence = setTimeout(() => this.#lost(), SILENCE_MS)
  }

  #lost(): void {
    this.close()
    this.#gap = true
    this.state = 'lost'
    this.#retry = setTimeout(() => this.open(), this.#wait)
    this.#wait = Math.min(LAST_RETRY_MS, this.#wait * 2)
  }

  #tell(change: Change): void {
    const wait = change.job_id === null ? GATHER_MANY_MS : GATHER_MS
    for (const watcher of this.#watchers) if (concerns(watcher.topic, change)) this.#schedule(watcher, wait)
  }

  #schedule(watcher: Watcher, wait: number): void {
    watcher.timer ??= setTimeout(() => {
      watcher.timer = undefined
      watcher.tell()
    }, wait)
  }
}

export const connection = new Connection('/api/v1/stream')
