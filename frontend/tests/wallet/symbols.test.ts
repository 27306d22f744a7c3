/** What tokens are called: the cases are those of tests/unit/chain/test_tokens.py. */
import { encodeFunctionResult } from 'viem'
import { expect, test } from 'vitest'
import { shownSymbol } from '../../src/format/symbols'
import { TOKEN_ABI } from '../../src/wallet/abi'
import type { Provider } from '../../src/wallet/eip1193'
import { tokenAt } from '../../src/wallet/tokens'
import cases from '../../../tests/unit/chain/symbols.json'
import { TOKEN } from './fake-chain'

test.each(cases.kept)('%j is kept', (symbol) => {
  expect(shownSymbol(symbol, cases.address)).toBe(symbol)
})

test.each(cases.refused)('%j gives way to the address', (symbol) => {
  expect(shownSymbol(symbol, cases.address)).toBe(cases.otherwise)
})

/** A token that tells this symbol, and these decimals. */
const telling = (symbol: string, decimals: number): Provider => ({
  request: async ({ params }) => {
    const { data } = (params as { data: string }[])[0] as { data: string }
    const [functionName, result] = data.startsWith('0x313ce567') ? (['decimals', decimals] as const) : (['symbol', symbol] as const)
    return encodeFunctionResult({ abi: TOKEN_ABI, functionName, result } as Parameters<typeof encodeFunctionResult>[0])
  },
})

test('a token that is typed in is called so, too', async () => {
  expect((await tokenAt(telling('\u202e001 tros\n', 18), TOKEN)).symbol).toBe(cases.otherwise)
  expect((await tokenAt(telling('coins', 18), TOKEN)).symbol).toBe(cases.otherwise)
  expect(await tokenAt(telling('USDC', 6), TOKEN)).toEqual({ address: TOKEN, symbol: 'USDC', decimals: 6 })
  await expect(tokenAt(telling('USDC', 37), TOKEN)).rejects.toThrow('decimals')
})
