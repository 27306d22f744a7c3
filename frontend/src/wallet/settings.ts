/** How the server is set up: which chains pages may ask directly. */
import { readUrl } from '../api/client'

export interface ChainSettings {
  chain_id: number
  rpc_url: string | null
  /** Whether it is a development chain. */
  local: boolean
}

/** Chains that last no longer than a test (market/domain.py): only there a development wallet is offered. */
export const LOCAL_CHAINS: readonly number[] = [1337, 31337, 131277322940537]
export const isLocal = (chainId: number): boolean => LOCAL_CHAINS.includes(chainId)

let asked: Promise<ChainSettings[]> | undefined

/** The chains that the server publishes; none where it does not tell. */
export function chainSettings(): Promise<ChainSettings[]> {
  asked ??= readUrl<{ chains?: ChainSettings[] }>('/api/v1/config')
    .then(({ chains }) => chains ?? [])
    .catch(() => {
      asked = undefined
      return []
    })
  return asked
}

export async function settingsOf(chainId: number): Promise<ChainSettings | null> {
  return (await chainSettings()).find((chain) => chain.chain_id === chainId) ?? null
}
