/** The wallet that is connected: whose account, on which chain, and whether it only serves development. */
import { discover, injected, type Announced } from './discovery'
import { codeOf, hasCode, integer, messageOf, PENDING_REQUEST, type Provider, quantity, REJECTED, RpcError, same, UNKNOWN_CHAIN } from './eip1193'
import { HttpRpc } from './rpc'
import { settingsOf } from './settings'

const KEY = 'gramercy.wallet'

export type Kind = 'injected' | 'development'

export interface Network {
  chainId: number
  name: string
  explorer: string | null
}

export class Wallet {
  found = $state.raw<Announced[]>([])
  kind = $state<Kind | null>(null)
  name = $state('')
  icon = $state<string | null>(null)
  account = $state<string | null>(null)
  chainId = $state<number | null>(null)
  #provider: Provider | null = null
  #unhook: (() => void) | null = null

  get provider(): Provider | null {
    return this.#provider
  }

  /** Look for wallets, and take up the connection of the last visit. Returns how to stop. */
  start(): () => void {
    const stop = discover((wallet) => {
      if (this.found.some(({ provider }) => provider === wallet.provider)) return
      this.found = [...this.found.filter(({ rdns }) => rdns !== wallet.rdns), wallet]
      if (this.#provider === null && wallet.rdns === remembered()) void this.#resume(wallet)
    })
    const timer = setTimeout(() => {
      const fallback = this.found.length === 0 ? injected() : null
      if (!fallback) return
      this.found = [fallback]
      if (this.#provider === null && fallback.rdns === remembered()) void this.#resume(fallback)
    }, 300)
    return () => {
      clearTimeout(timer)
      stop()
    }
  }

  /** Ask a wallet for its account. Throws an error whose message is fit to be shown. */
  async connect(wallet: Announced): Promise<void> {
    try {
      const accounts = await wallet.provider.request({ method: 'eth_requestAccounts' })
      await this.#adopt(wallet.provider, accounts, 'injected', wallet.name, wallet.icon)
      remember(wallet.rdns)
    } catch (error) {
      throw new Error(connectionFailure(error))
    }
  }

  /** Use a wallet whose key this page holds; it is not remembered. */
  async connectDevelopment(provider: Provider): Promise<void> {
    await this.#adopt(provider, await provider.request({ method: 'eth_accounts' }), 'development', 'Development wallet', null)
    remember(null)
  }

  disconnect(): void {
    this.#unhook?.()
    this.#unhook = this.#provider = null
    this.kind = this.account = this.chainId = this.icon = null
    this.name = ''
    remember(null)
  }

  /** Have the wallet use a network, and add it where it is unknown. Throws an error whose message is fit to be shown. */
  async switchTo(network: Network): Promise<void> {
    const provider = this.#provider
    if (!provider) throw new Error('Connect a wallet first.')
    const chainId = quantity(network.chainId)
    try {
      await provider.request({ method: 'wallet_switchEthereumChain', params: [{ chainId }] })
    } catch (error) {
      if (hasCode(error, REJECTED)) throw new Error('You kept the wallet on its network.')
      const rpcUrl = (await settingsOf(network.chainId))?.rpc_url
      if (!hasCode(error, UNKNOWN_CHAIN) || !rpcUrl) throw new Error(`The wallet did not switch: ${messageOf(error)}. Choose ${network.name} in the wallet itself.`)
      await this.#add(provider, network, rpcUrl)
    }
    this.chainId = Number(integer(await provider.request({ method: 'eth_chainId' })))
    if (this.chainId !== network.chainId) throw new Error(`The wallet is still on chain ${this.chainId}. Choose ${network.name} in the wallet itself.`)
  }

  async #add(provider: Provider, { chainId, name, explorer }: Network, rpcUrl: string): Promise<void> {
    const asked = {
      chainId: quantity(chainId),
      chainName: name,
      rpcUrls: [rpcUrl],
      nativeCurrency: { name: 'Ether', symbol: 'ETH', decimals: 18 },
      ...(explorer ? { blockExplorerUrls: [explorer] } : {}),
    }
    try {
      await provider.request({ method: 'wallet_addEthereumChain', params: [asked] })
    } catch (error) {
      throw new Error(hasCode(error, REJECTED) ? 'You did not add the network.' : `The wallet did not add ${name}: ${messageOf(error)}`)
    }
  }

  async #resume(wallet: Announced): Promise<void> {
    try {
      const accounts = await wallet.provider.request({ method: 'eth_accounts' })
      if (Array.isArray(accounts) && accounts.length > 0) await this.#adopt(wallet.provider, accounts, 'injected', wallet.name, wallet.icon)
    } catch {
      // A wallet that is locked answers when the user connects it.
    }
  }

  async #adopt(provider: Provider, accounts: unknown, kind: Kind, name: string, icon: string | null): Promise<void> {
    const first = firstOf(accounts)
    if (first === null) throw new RpcError(REJECTED, 'no account was shared')
    const chainId = Number(integer(await provider.request({ method: 'eth_chainId' })))
    this.#unhook?.()
    this.#provider = provider
    this.#unhook = this.#listen(provider)
    this.kind = kind
    this.name = name
    this.icon = icon
    this.account = first
    this.chainId = chainId
  }

  #listen(provider: Provider): () => void {
    const accounts = (changed: never) => {
      const first = firstOf(changed)
      if (first === null) this.disconnect()
      else this.account = first
    }
    const chain = (changed: never) => (this.chainId = Number(integer(changed)))
    provider.on?.('accountsChanged', accounts)
    provider.on?.('chainChanged', chain)
    return () => {
      provider.removeListener?.('accountsChanged', accounts)
      provider.removeListener?.('chainChanged', chain)
    }
  }
}

export const wallet = new Wallet()

/** Whether the wallet's account is this one. */
export const isMine = (address: string): boolean => wallet.account !== null && same(wallet.account, address)

/** Who answers reads of a chain: the wallet while it is there, else the server's published node; null: nobody. */
export async function readerOf(chainId: number): Promise<Provider | null> {
  if (wallet.provider && wallet.chainId === chainId) return wallet.provider
  const url = (await settingsOf(chainId))?.rpc_url
  return url ? new HttpRpc(url) : null
}

function firstOf(accounts: unknown): string | null {
  const first: unknown = Array.isArray(accounts) ? accounts[0] : null
  return typeof first === 'string' && /^0x[0-9a-fA-F]{40}$/.test(first) ? first : null
}

function connectionFailure(error: unknown): string {
  if (hasCode(error, REJECTED)) return 'You did not share an account. Nothing was connected.'
  if (codeOf(error) === PENDING_REQUEST) return 'The wallet already asks for your permission: look for its window.'
  return `The wallet did not connect: ${messageOf(error)}`
}

function remembered(): string | null {
  try {
    return localStorage.getItem(KEY)
  } catch {
    return null
  }
}

function remember(rdns: string | null): void {
  try {
    if (rdns === null) localStorage.removeItem(KEY)
    else localStorage.setItem(KEY, rdns)
  } catch {
    // Without storage the connection lasts as long as the page.
  }
}
