/** Who is signed in at the server, and requests that need it. */
import { Problem, problemOf } from '../api/problem'
import type { Session } from './siwe'
import { wallet } from './wallet.svelte'

const KEY = 'gramercy.signed-in'

/** Whether this browser has signed in: the server is asked only then. */
function marked(): boolean {
  try {
    return localStorage.getItem(KEY) !== null
  } catch {
    return true
  }
}

function mark(on: boolean): void {
  try {
    if (on) localStorage.setItem(KEY, '1')
    else localStorage.removeItem(KEY)
  } catch {
    // Without storage the server is asked each time.
  }
}

class SignedIn {
  session = $state.raw<Session | null>(null)
  #asked = false

  /** Ask the server once who is signed in. */
  async start(): Promise<void> {
    if (this.#asked || !marked()) return
    this.#asked = true
    const response = await fetch('/api/v1/me', { credentials: 'same-origin', headers: { accept: 'application/json' } }).catch(() => null)
    this.session = response?.ok ? ((await response.json()) as Session) : null
    if (response && !response.ok) mark(false)
  }

  /** Sign in with the connected wallet. Throws an error whose message is fit to be shown. */
  async begin(): Promise<void> {
    const { provider, account, chainId } = wallet
    if (!provider || account === null || chainId === null) throw new Error('Connect a wallet first.')
    const { signIn } = await import('./siwe')
    try {
      this.session = await signIn(provider, account, chainId)
      mark(true)
    } catch (error) {
      if (error instanceof Problem) throw new Error([error.message, error.hint].filter(Boolean).join('. '))
      const { refusalOf } = await import('./refusals')
      throw new Error(refusalOf(error).text)
    }
  }

  async end(): Promise<void> {
    await this.send('POST', '/api/v1/auth/logout').catch(() => null)
    this.session = null
    mark(false)
  }

  /** A request with effects or of private data. Throws `Problem`; a session that ended is forgotten. */
  async send<Body>(method: 'GET' | 'POST' | 'PUT' | 'DELETE', url: string, body?: unknown): Promise<Body | null> {
    const response = await fetch(url, {
      method,
      credentials: 'same-origin',
      headers: {
        accept: 'application/json',
        'x-csrf-token': this.session?.csrf ?? '',
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    }).catch(() => {
      throw new Problem({ title: 'The server cannot be reached' })
    })
    if (response.status === 401) this.session = null
    if (!response.ok) throw await problemOf(response)
    return response.status === 204 ? null : ((await response.json()) as Body)
  }
}

export const signedIn = new SignedIn()
