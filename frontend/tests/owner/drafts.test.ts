import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { DEFAULTS } from '../../src/owner/draft'
import { draftOf, Drafts, parseDrafts } from '../../src/owner/drafts.svelte'
import { signedIn } from '../../src/wallet/session.svelte'
import { Memory } from '../wallet/fake-chain'

let storage: Memory
let asked: { method: string; url: string; headers: Record<string, string>; body: unknown }[]
let answers: (Response | null)[]

beforeEach(() => {
  storage = new Memory()
  asked = []
  answers = []
  signedIn.session = { address: '0x7E5F4552091A69125d5DfCb7b8C2659029395Bdf', chain_id: 31337, csrf: 'token', expires: 0 }
  vi.stubGlobal('fetch', async (url: string, init: RequestInit) => {
    asked.push({ method: init.method ?? 'GET', url, headers: init.headers as Record<string, string>, body: JSON.parse((init.body as string | undefined) ?? 'null') })
    const answer = answers.shift()
    if (!answer) throw new TypeError('offline')
    return answer
  })
})
afterEach(() => vi.unstubAllGlobals())

const json = (body: unknown, status = 200) => new Response(JSON.stringify(body), { status })

describe('in this browser', () => {
  test('a closed page finds its draft and its step', () => {
    new Drafts(storage).keep('one', { ...DEFAULTS, name: 'Digits', rounds: '12' }, 3)
    const found = new Drafts(storage).find('one')
    expect(found).toMatchObject({ step: 3, draft: { name: 'Digits', rounds: '12' }, remote: null })
  })

  test('the newest first, twenty at most, and a deleted one is gone', () => {
    const drafts = new Drafts(storage)
    for (let i = 0; i < 25; i++) {
      vi.setSystemTime(i)
      drafts.keep(`d${i}`, DEFAULTS, 0)
    }
    vi.useRealTimers()
    expect(drafts.all).toHaveLength(20)
    expect(drafts.all[0]?.id).toBe('d24')
    drafts.forget('d24')
    expect(new Drafts(storage).find('d24')).toBeUndefined()
  })

  test('what is damaged is left out, what is old gets the defaults', () => {
    expect(parseDrafts(JSON.stringify([null, 5, { id: 'a' }, { id: 'b', draft: { rounds: '9', bits: 8, gone: 'x' } }]))).toMatchObject([
      { id: 'b', draft: { ...DEFAULTS, rounds: '9' } },
    ])
    expect(draftOf({ gone: 'x' })).toEqual(DEFAULTS)
    storage.setItem('gramercy.drafts', '{')
    expect(new Drafts(storage).all).toEqual([])
  })
})

describe('at the server', () => {
  test('made once, then written anew, with the session’s token', async () => {
    const drafts = new Drafts(storage)
    answers.push(json({ id: 'f'.repeat(32), name: '', changed: 1, body: {} }, 201), json({ id: 'f'.repeat(32), name: '', changed: 2, body: {} }))
    await drafts.upload(drafts.keep('one', { ...DEFAULTS, name: 'Digits' }, 2))
    await drafts.upload(drafts.keep('one', { ...DEFAULTS, name: 'Digits 2' }, 2))
    expect(asked.map(({ method, url }) => [method, url])).toEqual([
      ['POST', '/api/v1/me/drafts'],
      ['PUT', `/api/v1/me/drafts/${'f'.repeat(32)}`],
    ])
    expect(asked[0]?.headers['x-csrf-token']).toBe('token')
    expect(asked[1]?.body).toEqual({ name: 'Digits 2', body: { draft: { ...DEFAULTS, name: 'Digits 2' }, step: 2 } })
  })

  test('another browser’s drafts come; of two of the same the later counts', async () => {
    const drafts = new Drafts(storage)
    drafts.keep('one', { ...DEFAULTS, name: 'mine' }, 0)
    drafts.all = drafts.all.map((kept) => ({ ...kept, remote: 'r1', changed: 5_000 }))
    const remote = (id: string, changed: number, name: string) => ({ id, name, changed, body: { draft: { ...DEFAULTS, name }, step: 1 } })
    answers.push(json({ items: [remote('r1', 4, 'older'), remote('r2', 6, 'other')] }))
    await drafts.download()
    expect(drafts.all.map(({ draft }) => draft.name)).toEqual(['other', 'mine'])
    answers.push(json({ items: [remote('r1', 9, 'newer')] }))
    await drafts.download()
    expect(drafts.find('one')?.draft.name).toBe('newer')
  })

  test('a session that ended is told, and forgotten', async () => {
    answers.push(json({ title: 'Nobody is signed in', status: 401 }, 401))
    await expect(new Drafts(storage).download()).rejects.toThrow('Nobody is signed in')
    expect(signedIn.session).toBeNull()
  })
})
