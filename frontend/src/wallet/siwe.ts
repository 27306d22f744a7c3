/** Sign-In with Ethereum (EIP-4361): the message, and the session that it begins. */
import { getAddress, stringToHex } from 'viem'
import { Problem, problemOf } from '../api/problem'
import type { Hex, Provider } from './eip1193'

const STATEMENT = 'Sign in to Gramercy to keep drafts and notifications. This moves no money and costs nothing.'
const SECONDS = 300

export interface SignInFields {
  /** The page's origin. */
  origin: string
  address: string
  chainId: number
  nonce: string
  /** Milliseconds since the epoch. */
  issued: number
}

export interface Session {
  address: string
  chain_id: number
  csrf: string
  expires: number
}

/** The message to be signed; its form is EIP-4361's to the letter. */
export function signInMessage({ origin, address, chainId, nonce, issued }: SignInFields): string {
  const url = new URL(origin)
  return [
    `${url.protocol}//${url.host} wants you to sign in with your Ethereum account:`,
    getAddress(address),
    '',
    STATEMENT,
    '',
    `URI: ${url.origin}`,
    'Version: 1',
    `Chain ID: ${chainId}`,
    `Nonce: ${nonce}`,
    `Issued At: ${new Date(issued).toISOString()}`,
    `Expiration Time: ${new Date(issued + SECONDS * 1000).toISOString()}`,
  ].join('\n')
}

/** Sign in with a wallet's account. Throws `Problem`, or what the wallet answered. */
export async function signIn(provider: Provider, account: string, chainId: number): Promise<Session> {
  const { nonce } = await post<{ nonce: string }>('/api/v1/auth/nonce')
  const message = signInMessage({ origin: location.origin, address: account, chainId, nonce, issued: Date.now() })
  const signature = await provider.request({ method: 'personal_sign', params: [stringToHex(message), account as Hex] })
  return post<Session>('/api/v1/auth/verify', { message, signature })
}

async function post<Body>(url: string, body?: unknown): Promise<Body> {
  let response: Response
  try {
    response = await fetch(url, {
      method: 'POST',
      credentials: 'same-origin',
      headers: { accept: 'application/json', ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(20_000),
    })
  } catch {
    throw new Problem({ title: 'The server cannot be reached', hint: 'Is the dashboard still running?' })
  }
  if (!response.ok) throw await problemOf(response)
  return (await response.json()) as Body
}
