/** Intents as calls of the market, and what tokens need before. */
import { encodeAbiParameters, encodeFunctionData, parseSignature, stringToHex } from 'viem'
import { MARKET_ABI, TOKEN_ABI } from './abi'
import type { Hex } from './eip1193'
import { type Intent, NATIVE, paymentOf } from './intents'

export interface Call {
  to: Hex
  data: Hex
  value: bigint
}

/** An id of a rule or score as the contract takes it: ASCII, padded on the right. */
export const idWord = (id: string): Hex => stringToHex(id, { size: 32 })

/** The call that does what is wanted; `permit` is an approval of the token by EIP-2612, encoded, or `0x`. */
export function callOf(intent: Intent, market: Hex, token: Hex, permit: Hex = '0x'): Call {
  const value = token === NATIVE ? paymentOf(intent) : 0n
  return { to: market, data: dataOf(intent, token, permit), value }
}

function dataOf(intent: Intent, token: Hex, permit: Hex): Hex {
  const abi = MARKET_ABI
  switch (intent.kind) {
    case 'create': {
      const { terms, aggregators, manifest } = intent
      const chain = {
        ...terms,
        roundBudget: BigInt(terms.roundBudget),
        stakeMin: BigInt(terms.stakeMin),
        stakeMax: BigInt(terms.stakeMax),
        aggregatorBond: BigInt(terms.aggregatorBond),
        dimension: BigInt(terms.dimension),
        deadline: BigInt(terms.deadline),
        rule: idWord(terms.rule),
        score: idWord(terms.score),
      }
      return encodeFunctionData({ abi, functionName: 'createJob', args: [chain, aggregators, manifest, permit] })
    }
    case 'extend': {
      const args = [BigInt(intent.jobId), intent.rounds, BigInt(intent.roundBudget), BigInt(intent.deadline), permit] as const
      return encodeFunctionData({ abi, functionName: 'extendJob', args })
    }
    case 'stop':
      return encodeFunctionData({ abi, functionName: 'stopJob', args: [BigInt(intent.jobId)] })
    case 'close':
      return encodeFunctionData({ abi, functionName: 'closeJob', args: [BigInt(intent.jobId)] })
    case 'withdraw':
      return encodeFunctionData({ abi, functionName: 'withdraw', args: [token, BigInt(intent.amount), intent.recipient] })
    case 'claim':
      return encodeFunctionData({ abi, functionName: 'claim', args: [BigInt(intent.jobId), intent.rounds, intent.recipient] })
    case 'leave':
      return encodeFunctionData({ abi, functionName: 'leaveJob', args: [BigInt(intent.jobId), intent.recipient] })
    case 'join':
      return encodeFunctionData({ abi, functionName: 'joinJob', args: [BigInt(intent.jobId), BigInt(intent.stake), permit] })
    case 'name':
      return encodeFunctionData({ abi, functionName: 'nameAggregator', args: [BigInt(intent.jobId), intent.aggregator] })
    case 'challenge': {
      const { round, update, evidence } = intent
      const jobId = BigInt(intent.jobId)
      return update === null
        ? encodeFunctionData({ abi, functionName: 'challengeSettlement', args: [jobId, round, evidence] })
        : encodeFunctionData({ abi, functionName: 'challengeUpdate', args: [jobId, round, BigInt(update), evidence] })
    }
  }
}

/** The approval of exactly this amount. */
export function approval(token: Hex, spender: Hex, amount: bigint): Call {
  return { to: token, data: encodeFunctionData({ abi: TOKEN_ABI, functionName: 'approve', args: [spender, amount] }), value: 0n }
}

/** A signed approval as the market takes it: `abi.encode(deadline, v, r, s)`. */
export function encodedPermit(deadline: bigint, signature: Hex): Hex {
  const { r, s, yParity } = parseSignature(signature)
  return encodeAbiParameters(
    [{ type: 'uint256' }, { type: 'uint8' }, { type: 'bytes32' }, { type: 'bytes32' }],
    [deadline, 27 + yParity, r, s],
  )
}
