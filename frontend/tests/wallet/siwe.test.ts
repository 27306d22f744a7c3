import { afterEach, expect, test, vi } from 'vitest'
import { hexToString } from 'viem'
import { signIn, signInMessage } from '../../src/wallet/siwe'
import type { Hex, Provider } from '../../src/wallet/eip1193'
import { ACCOUNT } from './fake-chain'

const FIELDS = { origin: 'http://127.0.0.1:8420', address: ACCOUNT.toLowerCase(), chainId: 31337, nonce: 'a1b2c3d4e5f60718', issued: Date.UTC(2026, 0, 2, 3, 4, 5, 678) }

afterEach(() => vi.unstubAllGlobals())

test('the message is EIP-4361’s, to the letter', () => {
  expect(signInMessage(FIELDS)).toBe(
    `http://127.0.0.1:8420 wants you to sign in with your Ethereum account:
${ACCOUNT}

Sign in to Gramercy to keep drafts and notifications. This moves no money and costs nothing.

URI: http://127.0.0.1:8420
Version: 1
Chain ID: 31337
Nonce: a1b2c3d4e5f60718
Issued At: 2026-01-02T03:04:05.678Z
Expiration Time: 2026-01-02T03:09:05.678Z`,
  )
})

test('nonce, signature, verification', async () => {
  const asked: [string, unknown][] = []
  vi.stubGlobal('location', { origin: FIELDS.origin })
  vi.stubGlobal('fetch', async (url: string, init: RequestInit) => {
    asked.push([url, JSON.parse((init.body as string | undefined) ?? 'null')])
    return new Response(JSON.stringify(url.endsWith('/nonce') ? { nonce: FIELDS.nonce, seconds: 300 } : { address: ACCOUNT, chain_id: 31337, csrf: 'c', expires: 1 }))
  })
  let signed = ''
  const wallet: Provider = {
    request: async ({ method, params }) => {
      expect(method).toBe('personal_sign')
      signed = hexToString((params as [Hex, Hex])[0])
      return '0x1234'
    },
  }
  expect((await signIn(wallet, ACCOUNT, 31337)).csrf).toBe('c')
  expect(signed).toContain(`Nonce: ${FIELDS.nonce}`)
  expect(asked).toEqual([
    ['/api/v1/auth/nonce', null],
    ['/api/v1/auth/verify', { message: signed, signature: '0x1234' }],
  ])
})
