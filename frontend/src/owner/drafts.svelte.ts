/** Drafts of jobs: in this browser, and at the server for who is signed in. */
import { signedIn } from '../wallet/session.svelte'
import { DEFAULTS, type Draft } from './draft'

const KEY = 'gramercy.drafts'
const MOST = 20

export interface Kept {
  id: string
  /** Milliseconds since the epoch. */
  changed: number
  draft: Draft
  /** Which step was last looked at. */
  step: number
  /** Its id at the server, once it is there. */
  remote: string | null
}

interface RemoteDraft {
  id: string
  name: string
  changed: number
  body: { draft?: unknown; step?: unknown }
}

export class Drafts {
  all = $state.raw<Kept[]>([])
  readonly #storage: Pick<Storage, 'getItem' | 'setItem'> | null

  constructor(storage: Pick<Storage, 'getItem' | 'setItem'> | null) {
    this.#storage = storage
    try {
      this.all = parseDrafts(storage?.getItem(KEY) ?? null)
    } catch {
      this.all = []
    }
  }

  find(id: string | null): Kept | undefined {
    return this.all.find((kept) => kept.id === id)
  }

  /** Keep a draft in this browser. */
  keep(id: string, draft: Draft, step: number): Kept {
    const kept: Kept = { id, changed: Date.now(), draft: { ...draft }, step, remote: this.find(id)?.remote ?? null }
    this.#write([kept, ...this.all.filter((one) => one.id !== id)])
    return kept
  }

  forget(id: string): void {
    this.#write(this.all.filter((one) => one.id !== id))
  }

  /** Keep a draft at the server, too. Throws `Problem`. */
  async upload(kept: Kept): Promise<void> {
    const body = { name: kept.draft.name || 'Untitled', body: { draft: kept.draft, step: kept.step } }
    const answer = kept.remote
      ? await signedIn.send<RemoteDraft>('PUT', `/api/v1/me/drafts/${kept.remote}`, body)
      : await signedIn.send<RemoteDraft>('POST', '/api/v1/me/drafts', body)
    if (answer) this.#write(this.all.map((one) => (one.id === kept.id ? { ...one, remote: answer.id } : one)))
  }

  /** Take up the server's drafts; of two of the same the one changed last counts. Throws `Problem`. */
  async download(): Promise<void> {
    const answer = await signedIn.send<{ items: RemoteDraft[] }>('GET', '/api/v1/me/drafts')
    const merged = [...this.all]
    for (const { id, changed, body } of answer?.items ?? []) {
      const draft = draftOf(body.draft)
      if (!draft) continue
      const place = merged.findIndex(({ remote }) => remote === id)
      const step = typeof body.step === 'number' ? body.step : 0
      const own = merged[place]
      if (!own) merged.push({ id: crypto.randomUUID(), changed: changed * 1000, draft, step, remote: id })
      else if (changed * 1000 > own.changed) merged[place] = { ...own, changed: changed * 1000, draft, step }
    }
    this.#write(merged)
  }

  /** Forget a draft here and at the server. Throws `Problem`. */
  async remove(kept: Kept): Promise<void> {
    this.forget(kept.id)
    if (kept.remote && signedIn.session) await signedIn.send('DELETE', `/api/v1/me/drafts/${kept.remote}`)
  }

  #write(all: Kept[]): void {
    this.all = all.sort((a, b) => b.changed - a.changed).slice(0, MOST)
    try {
      this.#storage?.setItem(KEY, JSON.stringify(this.all))
    } catch {
      // Without storage drafts last as long as the page.
    }
  }
}

/** The drafts in a text; what is none is left out. */
export function parseDrafts(text: string | null): Kept[] {
  const found: unknown = JSON.parse(text ?? '[]')
  if (!Array.isArray(found)) return []
  return found.flatMap((one: Partial<Kept> | null) => {
    const draft = draftOf(one?.draft)
    if (!draft || typeof one?.id !== 'string') return []
    return [{ id: one.id, changed: Number(one.changed) || 0, draft, step: Number(one.step) || 0, remote: typeof one.remote === 'string' ? one.remote : null }]
  })
}

/** A draft of whatever age: fields of another type, or that are missing, are the defaults. */
export function draftOf(value: unknown): Draft | null {
  if (typeof value !== 'object' || value === null) return null
  const given = value as Record<string, unknown>
  const fields = Object.entries(DEFAULTS).map(([name, usual]) => [name, typeof given[name] === typeof usual ? given[name] : usual])
  return Object.fromEntries(fields) as Draft
}
