/**
 * What evidence cannot show by itself (docs/protocol.md, 6.4), asked of a node: that the chain has the log and still stands by it, that
 * the terms are the job's, and that market and verifier are the published contracts, the verifier with this reference string.
 *
 * The comparisons are those of `gramercy job verify`; the verifier asked is the one that the chain names, not the evidence.
 */
import { VERIFIER_CREATION } from 'virtual:published-code'
import { type Abi, type AbiParameter, decodeFunctionResult, encodeAbiParameters, encodeFunctionData, stringToHex } from 'viem'

import { fromHex, readUnsigned, toHex, word, WORD_BYTES } from './bytes'
import { filledIn, isPublished } from './code'
import { type Comparison, type ComparisonName, COMPARISONS, type Located, type Node } from './comparisons'
import { Refused, wordsOf } from './errors'
import type { Evidence, Terms } from './evidence'
import { readRecorded } from './recorded'
import { decodeVerifyingKey } from './reference-string'
import { MARKET_VIEWS, RULE_CONTRACTS, SCORE_CONTRACTS, VERIFIER_ARGUMENTS, VERIFIER_VIEWS } from './views'

type Hex = `0x${string}`
type OnChain = { readonly verifier: Hex; readonly terms: Record<string, unknown> }
const MADE_BY_MARKET = ['Forwarder', 'TermsCheck']

/** Asks a node everything, one comparison after the other; what is wrong, they say. `onProgress` is told of each. */
export async function compareWithChain(evidence: Located, node: Node, onProgress: (made: Comparison) => void = () => undefined): Promise<Comparison[]> {
  const terms = once(() => termsOf(evidence, node))
  const methods: Record<ComparisonName, () => Promise<string>> = {
    chain: () => compareChain(evidence, node),
    log: () => compareLog(evidence, node),
    record: () => compareRecord(evidence, node),
    terms: async () => compareTerms(evidence.terms, await terms()),
    market: () => compareMarket(evidence, node),
    verifier: async () => compareVerifier(evidence, (await terms()).verifier, node),
    'reference string': async () => compareDigest(evidence, (await terms()).verifier, node),
  }
  const made: Comparison[] = []
  for (const name of COMPARISONS) {
    const comparison = await outcomeOf(name, methods[name])
    made.push(comparison)
    onProgress(comparison)
    // Another chain's answers would say nothing about this one.
    if (name === 'chain' && !comparison.ok) break
  }
  return made
}

async function outcomeOf(name: ComparisonName, method: () => Promise<string>): Promise<Comparison> {
  try {
    return { name, ok: true, detail: await method() }
  } catch (error) {
    return { name, ok: false, detail: error instanceof Refused ? wordsOf(error) : `the node did not answer: ${error instanceof Error ? error.message : 'no reason was given'}` }
  }
}

async function compareChain(evidence: Evidence, node: Node): Promise<string> {
  const found = Number(await node.request({ method: 'eth_chainId' }))
  if (found !== evidence.chain_id) throw new Refused(`the node is on chain ${found}, the market on ${evidence.chain_id}`)
  return `chain ${found}`
}

async function compareLog({ log: wanted }: Located, node: Node): Promise<string> {
  const receipt = await node.request({ method: 'eth_getTransactionReceipt', params: [wanted.tx] })
  if (typeof receipt !== 'object' || receipt === null) throw new Refused('the node does not know the transaction')
  const { status, logs } = receipt as { status?: unknown; logs?: unknown }
  if (Number(status) !== 1) throw new Refused('the transaction failed')
  const has = (Array.isArray(logs) ? (logs as Record<string, unknown>[]) : []).some(
    (log) =>
      same(log.address, wanted.address) &&
      same(log.data, wanted.data) &&
      same(log.blockHash, wanted.block_hash) &&
      Array.isArray(log.topics) &&
      log.topics.length === wanted.topics.length &&
      log.topics.every((topic, place) => same(topic, wanted.topics[place])),
  )
  if (!has) throw new Refused('the node has the transaction, but not this log')
  return `the same log, in block ${wanted.block}`
}

/** That the market's record of the round is what the log says: no other settlement took its place, none overturned it. */
async function compareRecord(evidence: Evidence, node: Node): Promise<string> {
  const { statement } = readRecorded(evidence)
  const found = (await ask(node, evidence.market, MARKET_VIEWS, 'round', [BigInt(evidence.job_id), evidence.round])) as Record<string, unknown>
  if (found.settled !== true) throw new Refused('by the market the round is not settled')
  if (found.overturned === true) throw new Refused('the settlement was overturned')
  const pairs: readonly (readonly [string, string, unknown])[] = [
    ['aggregator', statement.gram.aggregator, found.settledBy],
    ['aggregate commitment', toHex(word(statement.aggregateCommitment)), found.aggregateCommitment],
    ['memory carried on', toHex(statement.nextMemoryDigest), found.nextMemoryDigest],
  ]
  for (const [what, said, recorded] of pairs) if (!same(said, recorded)) throw new Refused(`the ${what} on record is ${String(recorded)}, not ${said}: another settlement took its place`)
  return 'the settlement on record, not overturned'
}

async function termsOf(evidence: Evidence, node: Node): Promise<OnChain> {
  const terms = (await ask(node, evidence.market, MARKET_VIEWS, 'terms', [BigInt(evidence.job_id)])) as Record<string, unknown>
  return { verifier: terms.verifier as Hex, terms }
}

/** Terms that never change, by the chain's name and as the evidence has them. */
function compareTerms(given: Terms, { terms }: OnChain): string {
  const pairs: readonly (readonly [string, string | number | boolean, unknown])[] = [
    ['verifier', given.verifier.toLowerCase(), String(terms.verifier).toLowerCase()],
    ['rule', idWord(given.rule), terms.rule],
    ['score', idWord(given.score), terms.score],
    ['number of Byzantine trainers', given.byzantine, terms.byzantine],
    ['dimension', given.dimension, terms.dimension],
    ['number of bits', given.bits, terms.bits],
    ['number of headroom bits', given.headroom_bits, terms.headroomBits],
    ['first scale exponent', given.scale_exponent, terms.scaleExponent],
    ['reference', given.reference, terms.hasReference],
    ['floor', given.floor_bps, terms.floorBps],
    ['cap', given.cap_bps, terms.capBps],
  ]
  for (const [what, said, found] of pairs) if (String(said) !== String(found)) throw new Refused(`the ${what} is ${String(found)} on the chain, ${said} by the server`)
  // An extension can only have made it larger since.
  if (BigInt(given.round_budget) > (terms.roundBudget as bigint)) throw new Refused(`the budget of a round is ${String(terms.roundBudget)} on the chain, ${given.round_budget} by the server`)
  return `${pairs.length + 1} terms are the job’s`
}

/** That the market is the published one, and the contracts that it made are, too. */
async function compareMarket({ market }: Evidence, node: Node): Promise<string> {
  const code = await codeAt(node, market)
  if (!isPublished('Market', code)) throw new Refused(`the contract at ${market} is not the published market`)
  const words = filledIn('Market', code)
  const made = await Promise.all(words.map((filled) => codeAt(node, addressIn(filled))))
  const known = words.length === MADE_BY_MARKET.length && MADE_BY_MARKET.every((name) => made.some((found) => isPublished(name, found)))
  if (!known) throw new Refused('the market’s forwarder or check of terms is not the published one')
  return 'the published contract, with its forwarder and check of terms'
}

/** That the verifier's code is what the published constructor makes of these words and of the published rules and scores. */
async function compareVerifier(evidence: Evidence, verifier: Hex, node: Node): Promise<string> {
  const words = fromHex(evidence.verifying_key)
  decodeVerifyingKey(words)
  const code = await codeAt(node, verifier)
  if (!isPublished('GramVerifier', code)) throw new Refused(`the contract at ${verifier} is not the published verifier`)
  const rules = await registered(node, verifier, 'ruleOf', RULE_CONTRACTS)
  const scores = await registered(node, verifier, 'scoreOf', SCORE_CONTRACTS)
  const args = encodeAbiParameters(VERIFIER_ARGUMENTS as readonly AbiParameter[], [wordsIn(words), rules, scores])
  const made = await node.request({ method: 'eth_call', params: [{ data: VERIFIER_CREATION + args.slice(2) }, 'latest'] })
  if (!same(made, code)) throw new Refused(`the verifier at ${verifier} was not made with this reference string`)
  return `the published contract at ${verifier}, with ${rules.length} published rules and ${scores.length} scores`
}

async function registered(node: Node, verifier: Hex, view: 'ruleOf' | 'scoreOf', published: Readonly<Record<string, string>>): Promise<Hex[]> {
  return Promise.all(
    Object.entries(published).map(async ([id, name]) => {
      const address = (await ask(node, verifier, VERIFIER_VIEWS, view, [idWord(id)])) as Hex
      if (!isPublished(name, await codeAt(node, address))) throw new Refused(`what the verifier asks for “${id}” is not the published contract`)
      return address
    }),
  )
}

/** That the verifier names the string that was verified with. */
async function compareDigest(evidence: Evidence, verifier: Hex, node: Node): Promise<string> {
  const given = toHex(decodeVerifyingKey(fromHex(evidence.verifying_key)).digest)
  const found = await ask(node, verifier, VERIFIER_VIEWS, 'srsDigest', [])
  if (!same(found, given)) throw new Refused(`the verifier’s reference string is ${String(found)}, that of the server ${given}`)
  return given
}

async function ask(node: Node, to: string, abi: Abi, functionName: string, args: readonly unknown[]): Promise<unknown> {
  const data = encodeFunctionData({ abi, functionName, args })
  const answer = await node.request({ method: 'eth_call', params: [{ to, data }, 'latest'] })
  try {
    return decodeFunctionResult({ abi, functionName, data: answer as Hex })
  } catch {
    throw new Refused(`the contract at ${to} does not answer ${functionName}`)
  }
}

async function codeAt(node: Node, address: string): Promise<string> {
  const code = await node.request({ method: 'eth_getCode', params: [address, 'latest'] })
  if (typeof code !== 'string' || code === '0x') throw new Refused(`there is no contract at ${address}`)
  return code
}

function wordsIn(bytes: Uint8Array): bigint[] {
  return Array.from({ length: bytes.length / WORD_BYTES }, (_, place) => readUnsigned(bytes.slice(WORD_BYTES * place, WORD_BYTES * (place + 1))))
}

/** The address in a word; refused unless that is all there is. */
function addressIn(filled: string): Hex {
  if (!/^0{24}[0-9a-f]{40}$/.test(filled)) throw new Refused('the market names no contracts of its own')
  return `0x${filled.slice(24)}`
}

const idWord = (id: string): Hex => stringToHex(id, { size: 32 })

function same(one: unknown, other: unknown): boolean {
  return typeof one === 'string' && typeof other === 'string' && one.toLowerCase() === other.toLowerCase()
}

function once<T>(compute: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined
  return () => (made ??= compute())
}
