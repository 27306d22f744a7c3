/** Comparing with a chain: each thing that a server can change is named, by a node that has the truth. */
import { readFileSync } from 'node:fs'
import { type Abi, decodeFunctionData, encodeAbiParameters, encodeFunctionResult, stringToHex } from 'viem'
import { describe, expect, it, test } from 'vitest'
import { PUBLISHED, VERIFIER_CREATION } from 'virtual:published-code'
import { fromHex, readUnsigned, toHex, word } from '../../src/protocol/bytes'
import { compareWithChain } from '../../src/protocol/chain'
import { isPublished } from '../../src/protocol/code'
import { COMPARISONS, type Located, type Node } from '../../src/protocol/comparisons'
import { readRecorded } from '../../src/protocol/recorded'
import { decodeVerifyingKey } from '../../src/protocol/reference-string'
import { MARKET_VIEWS, RULE_CONTRACTS, SCORE_CONTRACTS, VERIFIER_ARGUMENTS, VERIFIER_VIEWS } from '../../src/protocol/views'
import { EVIDENCE } from './evidence'
import { developmentWords } from './development-string'

type Hex = `0x${string}`
interface Entry {
  type: string
  name?: string
  inputs?: Entry[]
  outputs?: Entry[]
  components?: Entry[]
}
const artifact = (name: string) => JSON.parse(readFileSync(`../contracts/artifacts/${name}.json`, 'utf8')) as { abi: Entry[]; bytecode: Hex; deployedBytecode: Hex; immutables: [number, number][] }

const [first] = EVIDENCE
if (!first) throw new Error('no evidence')
const EVIDENT = { ...first, log: { ...first.log, block_hash: `0x${'11'.repeat(32)}` } } as Located
const address = (number: number): Hex => `0x${number.toString(16).padStart(40, '0')}`
const FORWARDER = address(0xf0)
const CHECK = address(0xf1)
const RULES = Object.keys(RULE_CONTRACTS).map((id, place) => [id, address(0x100 + place)] as const)
const SCORES = Object.keys(SCORE_CONTRACTS).map((id, place) => [id, address(0x200 + place)] as const)

/** The market's code with the addresses of what it made. */
function marketCode(made: readonly Hex[]): Hex {
  const { deployedBytecode, immutables } = artifact('Market')
  let code: string = deployedBytecode
  immutables.forEach(([start], place) => {
    const filled = (made[Math.min(place, made.length - 1)] ?? '').slice(2).padStart(64, '0')
    code = code.slice(0, 2 + 2 * start) + filled + code.slice(2 + 2 * start + 64)
  })
  return code as Hex
}

/** A chain that has what honest evidence says; tests change one thing of it. */
class Chain implements Node {
  id = EVIDENT.chain_id
  words: Uint8Array = fromHex(EVIDENT.verifying_key)
  status = '0x1'
  known = true
  terms: Record<string, unknown>
  round: Record<string, unknown>
  code = new Map<string, string>()

  constructor() {
    const { terms } = EVIDENT
    const { statement } = readRecorded(EVIDENT)
    const rest = { token: address(0), stakeMin: 1n, stakeMax: 1n, aggregatorBond: 0n, challengerShareBps: 0, rounds: 3, minTrainers: 3, maxTrainers: 8, commitSeconds: 1, settleSeconds: 1, challengeSeconds: 1, deadline: 1n, refundVoid: false }
    this.terms = {
      ...rest,
      verifier: terms.verifier,
      roundBudget: BigInt(terms.round_budget),
      byzantine: terms.byzantine,
      dimension: BigInt(terms.dimension),
      bits: terms.bits,
      headroomBits: terms.headroom_bits,
      scaleExponent: terms.scale_exponent,
      rule: stringToHex(terms.rule, { size: 32 }),
      score: stringToHex(terms.score, { size: 32 }),
      hasReference: terms.reference,
      floorBps: terms.floor_bps,
      capBps: terms.cap_bps,
    }
    const none = toHex(new Uint8Array(32))
    this.round = {
      ...{ commitEnd: 1n, settleEnd: 1n, challengeEnd: 1n, scaleExponent: 0, nextScaleExponent: 0, commits: 3, weightSum: 1n, previousSettled: 0, referenceCommitment: none, memoryDigest: none, included: 1n, slashed: 0n },
      ...{ referenceIncluded: false, bonded: false, refunded: false, aggregateRoot: none, settled: true, overturned: false },
      aggregateCommitment: toHex(word(statement.aggregateCommitment)),
      settledBy: statement.gram.aggregator,
      nextMemoryDigest: toHex(statement.nextMemoryDigest),
    }
    this.put(EVIDENT.market, marketCode([FORWARDER, CHECK]))
    this.put(FORWARDER, artifact('Forwarder').deployedBytecode)
    this.put(CHECK, artifact('TermsCheck').deployedBytecode)
    this.put(terms.verifier, artifact('GramVerifier').deployedBytecode)
    for (const [id, at] of RULES) this.put(at, artifact(RULE_CONTRACTS[id] ?? '').deployedBytecode)
    for (const [id, at] of SCORES) this.put(at, artifact(SCORE_CONTRACTS[id] ?? '').deployedBytecode)
  }

  put(at: string, code: string): void {
    this.code.set(at.toLowerCase(), code)
  }

  async request({ method, params = [] }: { method: string; params?: readonly unknown[] }): Promise<unknown> {
    if (method === 'eth_chainId') return `0x${this.id.toString(16)}`
    if (method === 'eth_getCode') return this.code.get(String(params[0]).toLowerCase()) ?? '0x'
    if (method === 'eth_getTransactionReceipt') {
      const { address: at, topics, data, block_hash } = EVIDENT.log
      return this.known ? { status: this.status, logs: [{ address: at.toLowerCase(), topics, data, blockHash: block_hash }] } : null
    }
    return this.call(params[0] as { to?: string; data: Hex })
  }

  call({ to, data }: { to?: string; data: Hex }): Hex {
    if (to === undefined) return data === VERIFIER_CREATION + this.args().slice(2) ? (this.code.get(EVIDENT.terms.verifier.toLowerCase()) as Hex) : '0x'
    const abi = (to.toLowerCase() === EVIDENT.market.toLowerCase() ? MARKET_VIEWS : VERIFIER_VIEWS) as unknown as Abi
    const { functionName, args } = decodeFunctionData({ abi, data })
    const id = String(args?.[0])
    const answers: Record<string, () => unknown> = {
      terms: () => this.terms,
      round: () => this.round,
      srsDigest: () => toHex(decodeVerifyingKey(this.words).digest),
      ruleOf: () => RULES.find(([name]) => stringToHex(name, { size: 32 }) === id)?.[1],
      scoreOf: () => SCORES.find(([name]) => stringToHex(name, { size: 32 }) === id)?.[1],
    }
    return encodeFunctionResult({ abi, functionName, result: answers[functionName]?.() } as Parameters<typeof encodeFunctionResult>[0])
  }

  args(): Hex {
    const words = Array.from({ length: 18 }, (_, place) => readUnsigned(this.words.slice(32 * place, 32 * place + 32)))
    return encodeAbiParameters(VERIFIER_ARGUMENTS as never, [words, RULES.map(([, at]) => at), SCORES.map(([, at]) => at)] as never)
  }
}

const failures = async (evidence: Located, node: Node) => (await compareWithChain(evidence, node)).filter(({ ok }) => !ok)

describe('a chain that agrees', () => {
  it('is told so in every comparison, each as it is made', async () => {
    const told: string[] = []
    const made = await compareWithChain(EVIDENT, new Chain(), ({ name }) => told.push(name))
    expect(made.filter(({ ok }) => !ok)).toEqual([])
    expect(told).toEqual([...COMPARISONS])
  })
})

describe('evidence that a server changed', () => {
  const saying = (changes: Partial<Located>): Located => ({ ...EVIDENT, ...changes })
  const other = developmentWords(64)
  it.each([
    ['the log’s data', saying({ log: { ...EVIDENT.log, data: '0x00' } }), 'log', /not this log/],
    ['its emitter', saying({ log: { ...EVIDENT.log, address: FORWARDER } }), 'log', /not this log/],
    ['its topics', saying({ log: { ...EVIDENT.log, topics: EVIDENT.log.topics.slice(1) } }), 'log', /not this log/],
    ['its block', saying({ log: { ...EVIDENT.log, block_hash: '0x00' } } as Partial<Located>), 'log', /not this log/],
    ['the words', saying({ verifying_key: toHex(other) }), 'verifier', /not made with this reference string/],
    ['the words', saying({ verifying_key: toHex(other) }), 'reference string', /that of the server/],
    ['the words away', saying({ verifying_key: '0x' }), 'verifier', /not known/],
    ['the verifier', saying({ verifier: FORWARDER, terms: { ...EVIDENT.terms, verifier: FORWARDER } }), 'terms', /the verifier is/],
    ['the rule', saying({ terms: { ...EVIDENT.terms, rule: 'mean ' } }), 'terms', /the rule is/],
    ['the floor', saying({ terms: { ...EVIDENT.terms, floor_bps: 1 } }), 'terms', /the floor is/],
    ['the dimension', saying({ terms: { ...EVIDENT.terms, dimension: 7 } }), 'terms', /the dimension is/],
    ['the budget', saying({ terms: { ...EVIDENT.terms, round_budget: `${EVIDENT.terms.round_budget}0` } }), 'terms', /budget of a round/],
  ] as const)('is told: %s', async (_, evidence, name, words) => {
    const found = await failures(evidence as Located, new Chain())
    expect(found.find((one) => one.name === name)?.detail).toMatch(words)
  })
})

describe('a chain where something else is', () => {
  const changed = (change: (chain: Chain) => void): Chain => {
    const chain = new Chain()
    change(chain)
    return chain
  }
  const swapped = (name: string): string => {
    const code = artifact(name).deployedBytecode
    return `${code.slice(0, -2)}${code.endsWith('00') ? '01' : '00'}`
  }
  it.each([
    ['another chain', changed((chain) => (chain.id += 1)), 'chain', /is on chain/],
    ['no such transaction', changed((chain) => (chain.known = false)), 'log', /does not know/],
    ['a failed transaction', changed((chain) => (chain.status = '0x0')), 'log', /failed/],
    ['a round that is not settled', changed((chain) => (chain.round.settled = false)), 'record', /not settled/],
    ['an overturned settlement', changed((chain) => (chain.round.overturned = true)), 'record', /overturned/],
    ['another settlement', changed((chain) => (chain.round.aggregateCommitment = toHex(word(5n)))), 'record', /took its place/],
    ['another market', changed((chain) => chain.put(EVIDENT.market, swapped('Market'))), 'market', /not the published market/],
    ['no market', changed((chain) => chain.put(EVIDENT.market, '0x')), 'market', /no contract/],
    ['another forwarder', changed((chain) => chain.put(FORWARDER, swapped('Forwarder'))), 'market', /forwarder/],
    ['a market with a third constant', changed((chain) => chain.put(EVIDENT.market, marketCode([FORWARDER, CHECK, address(9)]))), 'market', /(forwarder|no contract)/],
    ['another verifier', changed((chain) => chain.put(EVIDENT.terms.verifier, swapped('GramVerifier'))), 'verifier', /not the published verifier/],
    ['a verifier with constants of its own', changed((chain) => (chain.words = developmentWords(64))), 'verifier', /not made with/],
    ['a verifier with another rule', changed((chain) => chain.put(RULES[0]?.[1] ?? '', swapped('Mean'))), 'verifier', /is not the published contract/],
    ['a verifier with another score', changed((chain) => chain.put(SCORES[5]?.[1] ?? '', swapped('Shapley'))), 'verifier', /is not the published contract/],
  ] as const)('%s', async (_, chain, name, words) => {
    const found = await failures(EVIDENT, chain)
    expect(found.find((one) => one.name === name)?.detail).toMatch(words)
  })

  it('says nothing more once it is another chain', async () => {
    expect(await compareWithChain(EVIDENT, changed((chain) => (chain.id += 1)))).toHaveLength(1)
  })

  it('fails in words where a node does not answer', async () => {
    const chain = new Chain()
    const silent: Node = { request: (call) => (call.method === 'eth_chainId' ? chain.request(call) : Promise.reject(new Error('timed out'))) }
    const found = await failures(EVIDENT, silent)
    expect(found.map(({ name }) => name)).toEqual(COMPARISONS.slice(1))
    for (const { detail } of found) expect(detail).toMatch(/did not answer: timed out/)
  })
})

describe('published code', () => {
  test.each(Object.keys(PUBLISHED))('%s is known whatever its constructor filled in, and not with a byte changed', (name) => {
    const { deployedBytecode, immutables } = artifact(name)
    const filled = fromHex(deployedBytecode).slice()
    for (const [start, length] of immutables) filled.fill(0xab, start, start + length)
    expect(isPublished(name, toHex(filled))).toBe(true)
    const place = [...filled.keys()].find((at) => !immutables.some(([start, length]) => at >= start && at < start + length)) ?? 0
    filled[place] = (filled[place] ?? 0) ^ 1
    expect(isPublished(name, toHex(filled))).toBe(false)
    expect(isPublished(name, `${deployedBytecode}00`)).toBe(false)
  })

  const shape = (entry: Entry): unknown => ({ type: entry.type, name: entry.name, parts: [entry.inputs, entry.outputs, entry.components].map((list) => list?.map(shape) ?? []) })
  test.each([...MARKET_VIEWS.map((entry) => ['Market', entry] as const), ...VERIFIER_VIEWS.filter(({ name }) => name === 'srsDigest').map((entry) => ['GramVerifier', entry] as const)])('%s has the view that is asked', (name, entry) => {
    expect(shape(entry as unknown as Entry)).toEqual(shape(artifact(name).abi.find((one) => one.type === 'function' && one.name === entry.name) as Entry))
  })

  test('rules and scores are those that the command line knows', () => {
    const known = [...readFileSync('../market/chain/artifacts.py', 'utf8').matchAll(/^        "([^"]+)": "(\w+)",$/gm)].map(([, id, name]) => [id, name])
    expect(known).toEqual([...Object.entries(RULE_CONTRACTS), ...Object.entries(SCORE_CONTRACTS)])
  })
})
