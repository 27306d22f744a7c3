import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { cidBytes } from '../../src/owner/cid'
import { FIELD_OF, refusedField, termErrors, warnings } from '../../src/owner/checks'
import { costsOf } from '../../src/owner/costs'
import { extensionDeposit } from '../../src/owner/deposit'
import { DEFAULTS, readDraft, type Draft, type Field } from '../../src/owner/draft'
import { callOf } from '../../src/wallet/calls'
import type { ChainTerms } from '../../src/wallet/intents'

interface Cases {
  now: number
  refused: { field: string; terms: ChainTerms }[]
  accepted: ChainTerms[]
  deposits: { used: number; rounds: number; roundBudget: string; deposit: string }[]
  cids: { text: string; bytes: string }[]
}
const CASES = JSON.parse(readFileSync(new URL('./cases.json', import.meta.url), 'utf8')) as Cases
const COIN = 10n ** 18n
const AGGREGATOR = '0x7E5F4552091A69125d5DfCb7b8C2659029395Bdf'

const DRAFT: Draft = {
  ...DEFAULTS,
  manifest: CASES.cids[0]?.text ?? '',
  dimension: '4810',
  scaleExponent: '-20',
  verifier: '0x2B5AD5c4795c026514f8317c7a215E218DcCD6cF',
  aggregators: AGGREGATOR,
}
const errorsOf = (draft: Draft) => {
  const read = readDraft(draft, { decimals: 18 }, CASES.now)
  return { ...termErrors(read.terms, read.aggregators, CASES.now), ...read.errors }
}

describe('as the contract checks', () => {
  test.each(CASES.refused.map(({ field, terms }, place) => [place, field, terms] as const))('case %i: %s is refused', (_, field, terms) => {
    expect(refusedField(terms, CASES.now)).toBe(field)
    // "byzantine" is told at the number of trainers that it asks for.
    const shown: Field = field === 'byzantine' ? 'minTrainers' : (FIELD_OF[field] ?? (field as Field))
    expect(termErrors(terms, [AGGREGATOR], CASES.now)[shown]).toBeTruthy()
  })

  test.each(CASES.accepted.map((terms, place) => [place, terms] as const))('edge %i is accepted', (_, terms) => {
    expect(refusedField(terms, CASES.now)).toBeNull()
    expect(termErrors(terms, [AGGREGATOR], CASES.now)).toEqual({})
  })

  test.each([
    [0, 'deadline'],
    [1, null],
    [3650 * 86_400, null],
    [3650 * 86_400 + 1, 'deadline'],
  ])('a deadline %i s ahead', (seconds, field) => {
    const terms = { ...(CASES.accepted[0] as ChainTerms), deadline: CASES.now + seconds }
    expect(refusedField(terms, CASES.now)).toBe(field)
    expect(termErrors(terms, [AGGREGATOR], CASES.now).lifetimeDays !== undefined).toBe(field !== null)
  })

  test('aggregators', () => {
    const terms = CASES.accepted[0] as ChainTerms
    expect(termErrors(terms, Array<string>(9).fill(AGGREGATOR), CASES.now).aggregators).toContain('8')
    expect(termErrors(terms, ['0x0000000000000000000000000000000000000000'], CASES.now).aggregators).toContain('zero')
  })
})

describe('drafts', () => {
  test('the defaults with what only the owner knows are complete', () => {
    expect(errorsOf(DRAFT)).toEqual({})
    const { terms, manifest, aggregators } = readDraft(DRAFT, { decimals: 18 }, CASES.now)
    expect(terms).toMatchObject({ roundBudget: COIN.toString(), stakeMin: (COIN / 10n).toString(), deadline: CASES.now + 30 * 86_400, floorBps: 5_000, capBps: 30_000 })
    expect(() => callOf({ kind: 'create', terms, manifest: manifest ?? '0x', aggregators }, terms.verifier, terms.token)).not.toThrow()
  })

  test.each<[Partial<Draft>, Field]>([
    [{ manifest: 'Qmabc' }, 'manifest'],
    [{ roundBudget: '1e3' }, 'roundBudget'],
    [{ roundBudget: '0.0000000000000000001' }, 'roundBudget'],
    [{ rounds: '-1' }, 'rounds'],
    [{ rounds: '4294967296' }, 'rounds'],
    [{ dimension: '' }, 'dimension'],
    [{ dimension: '2147483648' }, 'dimension'],
    [{ token: '0x12' }, 'token'],
    [{ aggregators: '' }, 'aggregators'],
    [{ reference: false }, 'rule'],
    [{ rule: 'foolsgold', maxTrainers: '49' }, 'maxTrainers'],
    [{ cap: '700' }, 'cap'],
    [{ cap: '99' }, 'cap'],
  ])('%j is told at its field', (change, field) => {
    expect(errorsOf({ ...DRAFT, ...change })[field]).toBeTruthy()
  })

  test('what is lawful but unwise', () => {
    const { terms, aggregators } = readDraft({ ...DRAFT, bond: '0.5', rule: 'mean', byzantine: '0' }, { decimals: 18 }, CASES.now)
    const told = warnings(terms, aggregators).join(' ')
    for (const words of ['below the budget', 'f = 0', 'mean holds against', 'one aggregator']) expect(told).toContain(words)
  })
})

test.each(CASES.deposits)('a deposit by market.rounds: $used used, $rounds rounds of $roundBudget', ({ used, rounds, roundBudget, deposit }) => {
  expect(extensionDeposit({ rounds: 3, used, roundBudget: COIN }, rounds, BigInt(roundBudget))).toBe(BigInt(deposit))
})

describe('content ids', () => {
  test.each(CASES.cids)('$text', ({ text, bytes }) => {
    expect(cidBytes(text)).toBe(bytes)
    expect(cidBytes(`ipfs://${text} `)).toBe(bytes)
  })

  test('of another codec, hash, length or with stray bits: none', () => {
    const [cid] = CASES.cids
    const text = cid?.text ?? ''
    for (const bad of ['', 'b', text.slice(0, -1), `${text}a`, text.replace('bafkrei', 'bagkrei'), text.toUpperCase(), text.slice(0, -1) + 'f']) expect(cidBytes(bad)).toBeNull()
  })
})

test('costs follow the measured figures', () => {
  const { terms } = readDraft({ ...DRAFT, dimension: '1000000', maxTrainers: '32' }, { decimals: 18 }, CASES.now)
  expect(costsOf(terms)).toMatchObject({
    escrow: 5n * COIN,
    settleGas: 2_728_544,
    settleGasMost: 6_226_503,
    proofSeconds: 1.41,
    updateBytes: 2_000_000,
    aggregateBytes: 8_000_000,
    storageBytes: 5 * (33 * 2_000_000 + 8_000_000) + 4_000_000,
    equal: COIN / 32n,
    most: (3n * COIN) / 32n,
  })
})
