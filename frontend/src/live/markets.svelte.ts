/** The markets with their heads: read once for all pages, and kept fresh. */
import { getContext, setContext } from 'svelte'
import { resource, type Resource } from '../api/resource.svelte'
import type { Market, Page } from '../api/types'
import { ChainOffset, ticker } from './clock.svelte'

const POLL_MS = 10_000
const KEY = Symbol('markets')

export class Markets {
  readonly list: Resource<Page<Market>>
  #offsets = new Map<string, ChainOffset>()

  constructor() {
    this.list = resource<Page<Market>>(() => '/api/v1/markets', { topic: () => ({}) })
    $effect(() => {
      const timer = setInterval(() => this.list.reload(), POLL_MS)
      return () => clearInterval(timer)
    })
  }

  /** A market by chain and address, once it has been read. */
  find(chainId: number, address: string): Market | undefined {
    return this.list.data?.items.find((market) => market.chain_id === chainId && same(market.address, address))
  }

  /** Chain time of a market, in Unix seconds; this machine's until its head is known. */
  now(chainId: number, address: string): number {
    const market = this.find(chainId, address)
    if (!market) return ticker.now
    const key = `${chainId}/${market.address}`
    let offset = this.#offsets.get(key)
    if (!offset) this.#offsets.set(key, (offset = new ChainOffset()))
    offset.observe(market.head, this.list.at)
    return Math.floor(ticker.now + offset.seconds)
  }
}

export function provideMarkets(): Markets {
  return setContext(KEY, new Markets())
}

export function useMarkets(): Markets {
  return getContext<Markets>(KEY)
}

function same(one: string, other: string): boolean {
  return one.toLowerCase() === other.toLowerCase()
}
