import { encodeErrorResult, stringToHex, toFunctionSelector } from 'viem'
import { describe, expect, test } from 'vitest'
import { RpcError } from '../../src/wallet/eip1193'
import { refusalOf } from '../../src/wallet/refusals'
import { reverted } from './fake-chain'

const TEXT = encodeErrorResult({ abi: [{ type: 'error', name: 'Error', inputs: [{ name: 'message', type: 'string' }] }], errorName: 'Error', args: ['paused'] })

describe('what the market refuses', () => {
  test.each([
    ['Market_NotOwner', [3n, '0x7E5F4552091A69125d5DfCb7b8C2659029395Bdf'], 'Only the owner of job 3 may do this'],
    ['Market_InvalidTerms', [stringToHex('stakeMin', { size: 32 })], 'the smallest stake has to be above zero'],
    ['Market_WrongPhase', [3n, 2, 1], 'Not now: round 2 is open.'],
    ['Market_StakeLocked', [3n, 2], 'in round 2'],
    ['Market_NothingToExtend', [3n], 'Nothing would change'],
    ['Assets_WrongValue', [5n, 7n], 'The payment is 5 units where the market asks for 7'],
    ['Assets_InexactTransfer', ['0x7E5F4552091A69125d5DfCb7b8C2659029395Bdf', 9n, 10n], 'tokens that take a fee cannot be used'],
  ])('%s in words', (name, args, words) => {
    const refusal = refusalOf(reverted(name, args))
    expect(refusal.by).toBe('market')
    expect(refusal.name).toBe(name)
    expect(refusal.text).toContain(words)
  })

  test('in whichever layer a wallet puts the data', () => {
    const { data } = reverted('Market_ZeroAmount', []).data as { data: string }
    const told = [
      new RpcError(3, 'execution reverted', data),
      new RpcError(-32603, 'Internal error', { originalError: { code: 3, data } }),
      { code: -32603, message: 'failed', data: { code: 3, data: { data } } },
      Object.assign(new Error('outer'), { cause: { error: { code: 3, data } } }),
    ]
    for (const one of told) expect(refusalOf(one).name).toBe('Market_ZeroAmount')
  })
})

test('evidence that does not hold is told as such', () => {
  const refusal = refusalOf(new RpcError(3, 'execution reverted', toFunctionSelector('Fault_NotShown()')))
  expect(refusal).toMatchObject({ by: 'market', name: 'Fault_NotShown' })
  expect(refusal.text).toContain('The evidence does not hold')
})

test('a token’s reason is not taken for the market’s', () => {
  expect(refusalOf(new RpcError(3, 'execution reverted', TEXT))).toEqual({ by: 'token', name: null, text: 'The call would fail: paused.' })
})

test('an unknown error is told as such', () => {
  expect(refusalOf(new RpcError(3, 'execution reverted', '0xdeadbeef')).text).toContain('0xdeadbeef')
})

test('a rejected signature is no failure', () => {
  const refusal = refusalOf({ code: -32603, data: { code: 4001, message: 'denied' } })
  expect(refusal.by).toBe('user')
  expect(refusal.text).toContain('Nothing was sent')
})

test.each([
  [{ code: -32002, message: 'already pending' }, 'look for its window'],
  [new RpcError(-32000, 'insufficient funds for gas * price + value'), 'does not cover amount and gas'],
  ['broken', 'It did not work: broken'],
  [null, 'no reason was given'],
])('what else goes wrong: %j', (failure, words) => {
  expect(refusalOf(failure).text).toContain(words)
})
