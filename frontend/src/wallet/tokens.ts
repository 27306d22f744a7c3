/** What a token allows: balances, approvals, and approvals by signature (EIP-2612). */
import { decodeFunctionResult, domainSeparator, encodeFunctionData } from 'viem'
import { shownSymbol } from '../format/symbols'
import { TOKEN_ABI } from './abi'
import { type Hex, integer, type Provider } from './eip1193'
import { NATIVE } from './intents'

/** As in market/chain/tokens.py. */
const MAX_DECIMALS = 36

export interface PermitDomain {
  name: string
  version: string
  chainId: number
  verifyingContract: Hex
}

type Asked = (typeof TOKEN_ABI)[number]['name']

async function ask(rpc: Provider, token: Hex, functionName: Asked, args: readonly unknown[] = []): Promise<unknown> {
  const data = encodeFunctionData({ abi: TOKEN_ABI, functionName, args } as Parameters<typeof encodeFunctionData>[0])
  const answer = (await rpc.request({ method: 'eth_call', params: [{ to: token, data }, 'latest'] })) as Hex
  return decodeFunctionResult({ abi: TOKEN_ABI, functionName, data: answer } as Parameters<typeof decodeFunctionResult>[0])
}

/** What an account holds of a token, or of the coin. */
export async function balanceOf(rpc: Provider, token: Hex, account: Hex): Promise<bigint> {
  if (token === NATIVE) return integer(await rpc.request({ method: 'eth_getBalance', params: [account, 'latest'] }))
  return (await ask(rpc, token, 'balanceOf', [account])) as bigint
}

/** How much of an account's tokens another may take. */
export async function allowanceOf(rpc: Provider, token: Hex, owner: Hex, spender: Hex): Promise<bigint> {
  return (await ask(rpc, token, 'allowance', [owner, spender])) as bigint
}

/** What a token is called, as the API tells it of tokens that it knows. Throws where there is no such token. */
export async function tokenAt(rpc: Provider, address: Hex): Promise<{ address: Hex; symbol: string; decimals: number }> {
  const [symbol, decimals] = await Promise.all([ask(rpc, address, 'symbol').catch(() => null), ask(rpc, address, 'decimals')])
  if (Number(decimals) > MAX_DECIMALS) throw new Error('the token has more decimals than any has')
  return { address, symbol: shownSymbol(symbol, address), decimals: Number(decimals) }
}

/**
 * The domain in which a token takes signed approvals; null where it takes none.
 *
 * A domain that does not hash to the token's separator is not used: the signature would be worth nothing.
 */
export async function permitDomain(rpc: Provider, token: Hex, owner: Hex, chainId: number): Promise<PermitDomain | null> {
  let separator: Hex
  try {
    separator = (await ask(rpc, token, 'DOMAIN_SEPARATOR')) as Hex
    await ask(rpc, token, 'nonces', [owner])
  } catch {
    return null
  }
  for (const { name, version } of await namings(rpc, token)) {
    const domain = { name, version, chainId, verifyingContract: token }
    if (domainSeparator({ domain }) === separator) return domain
  }
  return null
}

/** What an owner signs so that a spender may take the amount until the deadline. */
export async function permitRequest(rpc: Provider, domain: PermitDomain, owner: Hex, spender: Hex, value: bigint, deadline: bigint) {
  const nonce = (await ask(rpc, domain.verifyingContract, 'nonces', [owner])) as bigint
  return {
    domain,
    types: { EIP712Domain: DOMAIN_FIELDS, Permit: PERMIT_FIELDS },
    primaryType: 'Permit',
    message: { owner, spender, value: value.toString(), nonce: nonce.toString(), deadline: deadline.toString() },
  }
}

const DOMAIN_FIELDS = [
  { name: 'name', type: 'string' },
  { name: 'version', type: 'string' },
  { name: 'chainId', type: 'uint256' },
  { name: 'verifyingContract', type: 'address' },
]
const PERMIT_FIELDS = [
  { name: 'owner', type: 'address' },
  { name: 'spender', type: 'address' },
  { name: 'value', type: 'uint256' },
  { name: 'nonce', type: 'uint256' },
  { name: 'deadline', type: 'uint256' },
]

async function namings(rpc: Provider, token: Hex): Promise<{ name: string; version: string }[]> {
  try {
    const [, name, version] = (await ask(rpc, token, 'eip712Domain')) as [Hex, string, string]
    return [{ name, version }]
  } catch {
    const name = (await ask(rpc, token, 'name').catch(() => null)) as string | null
    return name === null ? [] : [{ name, version: '1' }, { name, version: '2' }]
  }
}
