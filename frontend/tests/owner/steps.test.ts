import { expect, test } from 'vitest'
import { DEFAULTS } from '../../src/owner/draft'
import { linkedFields, STEPS } from '../../src/owner/steps'

const of = (text: string) => linkedFields(new URLSearchParams(text))

test('a link fills in what the command that publishes tells', () => {
  expect(of('name=X-rays+%26+more&manifest=bafk&dimension=4810&bits=8&scaleExponent=-20')).toEqual({
    name: 'X-rays & more',
    manifest: 'bafk',
    dimension: '4810',
    bits: '8',
    scaleExponent: '-20',
  })
  expect(of('draft=1&manifest=')).toEqual({})
})

test('no link says who checks, settles or is paid, or how much', () => {
  const query = new URLSearchParams(Object.entries(DEFAULTS).map(([name]) => [name, 'x']))
  const named = Object.keys(linkedFields(query))
  expect(named.every((name) => STEPS[0]?.fields.some((field) => field === name))).toBe(true)
  expect(named).not.toContain('verifier')
  expect(named).not.toContain('aggregators')
})

test('what is longer than any field is cut off', () => {
  expect(of(`name=${'x'.repeat(5_000)}`).name).toHaveLength(200)
})
