import { readFileSync } from 'node:fs'
import { toEventSelector, type Abi, type AbiEvent } from 'viem'
import { expect, test } from 'vitest'
import { MARKET_ABI, MARKET_ERRORS } from '../../src/wallet/abi'
import { FOREIGN_ERRORS, WORDED } from '../../src/wallet/refusals'
import { JOB_CREATED } from '../../src/wallet/transactions.svelte'

interface Entry {
  type: string
  name?: string
  inputs?: Entry[]
  outputs?: Entry[]
  components?: Entry[]
}

const artifact = JSON.parse(readFileSync('../contracts/artifacts/Market.json', 'utf8')) as { abi: Entry[] }
const shape = (entry: Entry): unknown => ({
  type: entry.type,
  name: entry.name,
  parts: [entry.inputs, entry.outputs, entry.components].map((list) => list?.map(shape) ?? []),
})
const find = (type: string, name: string) => artifact.abi.find((entry) => entry.type === type && entry.name === name)

test.each(MARKET_ABI.map((entry) => [entry.name, entry] as const))('%s is as the market has it', (name, entry) => {
  expect(shape(entry as unknown as Entry)).toEqual(shape(find(entry.type, name) as Entry))
})

test('every error of the market is known, and has words', () => {
  const errors = artifact.abi.filter(({ type }) => type === 'error')
  expect(MARKET_ERRORS.map((error) => shape(error as unknown as Entry))).toEqual(
    errors.toSorted((a, b) => ((a.name ?? '') < (b.name ?? '') ? -1 : 1)).map(shape),
  )
  for (const { name } of MARKET_ERRORS) expect(WORDED).toContain(name)
})

test('errors of verifiers are as they have them, and those of evidence are all known', () => {
  const { abi } = JSON.parse(readFileSync('../contracts/artifacts/GramVerifier.json', 'utf8')) as { abi: Entry[] }
  const parts = ({ name, inputs }: Entry | (typeof FOREIGN_ERRORS)[number]) => ({ name, inputs: inputs?.map((input) => [input.name, input.type]) })
  const errors = new Map(abi.filter(({ type }) => type === 'error').map((entry) => [entry.name, parts(entry)]))
  for (const error of FOREIGN_ERRORS) if (!error.name.startsWith('ERC')) expect(parts(error)).toEqual(errors.get(error.name))
  const known = FOREIGN_ERRORS.map(({ name }) => name)
  for (const name of errors.keys()) if (/^(Fault|Opening|Tree)_/.test(name ?? '')) expect(known).toContain(name)
  for (const name of known) expect(WORDED).toContain(name)
})

test('the topic of JobCreated', () => {
  expect(JOB_CREATED).toBe(toEventSelector((artifact.abi as Abi).find((entry) => entry.type === 'event' && entry.name === 'JobCreated') as AbiEvent))
})
