/** A provider for tests: a chain that mines what is sent at once or later, with whatever answers a test gives. */
import { decodeFunctionData, domainSeparator, encodeErrorResult, encodeFunctionResult, type Abi } from 'viem'
import { MARKET_ABI, MARKET_ERRORS, TOKEN_ABI } from '../../src/wallet/abi'
import { type Hex, type Provider, quantity, REJECTED, RpcError } from '../../src/wallet/eip1193'
import type { Asked } from '../../src/wallet/intents'

export const ACCOUNT: Hex = '0x7E5F4552091A69125d5DfCb7b8C2659029395Bdf'
export const MARKET: Hex = '0x2B5AD5c4795c026514f8317c7a215E218DcCD6cF'
export const TOKEN: Hex = '0x6813Eb9362372EEF6200f3b1dbC3f819671cBA69'
export const COIN = 10n ** 18n

interface Block {
  number: Hex
  timestamp: Hex
  baseFeePerGas: Hex
  transactions: { hash: string; from: string; to: string; nonce: Hex; input: string; value: Hex }[]
}

interface Sent {
  from: Hex
  to: Hex
  data: Hex
  value?: Hex
}

/** An ABI error as a wallet hands it on. */
export function reverted(errorName: string, args: readonly unknown[]): RpcError {
  const data = encodeErrorResult({ abi: MARKET_ERRORS as unknown as Abi, errorName, args } as Parameters<typeof encodeErrorResult>[0])
  return new RpcError(-32603, 'Internal JSON-RPC error.', { code: 3, message: 'execution reverted', data })
}

export class FakeChain implements Provider {
  chainId = 31337
  accounts: Hex[] = [ACCOUNT]
  blocks: Block[] = [{ number: '0x0', timestamp: '0x65000000', baseFeePerGas: '0x1', transactions: [] }]
  pool: Block['transactions'] = []
  receipts = new Map<string, { status: Hex; logs: { address: string; topics: string[] }[] }>()
  calls: { method: string; params: readonly unknown[] }[] = []
  /** What a call of the market answers: nothing, or an error. */
  refuse: (call: Sent) => RpcError | null = () => null
  tokens = { allowance: 0n, balance: 100n * COIN, permits: false, needsReset: false }
  rejecting = false
  /** The wallet sends, and then breaks off with this. */
  breaking: Error | null = null
  mining = true
  /** Of how many blocks the node has the state. */
  states = Infinity
  #nonce = 0
  #hashes = 0

  async request({ method, params = [] }: { method: string; params?: readonly unknown[] }): Promise<unknown> {
    this.calls.push({ method, params })
    const handler = this.#handlers[method]
    if (!handler) throw new RpcError(-32601, `the method ${method} does not exist`)
    return handler(params as never[])
  }

  sent(): Sent[] {
    return this.calls.filter(({ method }) => method === 'eth_sendTransaction').map(({ params }) => params[0] as Sent)
  }

  mine(status: Hex = '0x1', logs: { address: string; topics: string[] }[] = []): void {
    for (const tx of this.pool) {
      this.receipts.set(tx.hash, { status, logs })
      if (status === '0x1' && tx.to === TOKEN) {
        const { args } = decodeFunctionData({ abi: TOKEN_ABI, data: tx.input as Hex })
        this.tokens.allowance = (args as [Hex, bigint])[1]
      }
    }
    this.blocks.push({ number: quantity(this.blocks.length), timestamp: quantity(0x65000000 + this.blocks.length), baseFeePerGas: '0x1', transactions: this.pool })
    this.pool = []
  }

  /** The newest block is taken back; what was in it waits again, or is gone. */
  reorg(keep: boolean): void {
    const gone = this.blocks.pop()?.transactions ?? []
    for (const tx of gone) this.receipts.delete(tx.hash)
    if (keep) this.pool.push(...gone)
    else this.#nonce -= gone.length
  }

  /** Another transaction takes the nonce of the one that waits. */
  replace(change: Partial<Block['transactions'][number]>): string {
    const [waiting] = this.pool.splice(0, 1)
    if (!waiting) throw new Error('nothing waits')
    const other = { ...waiting, ...change, hash: this.#hash() }
    this.pool = [other]
    this.mine()
    return other.hash
  }

  #hash(): string {
    return `0x${(++this.#hashes).toString(16).padStart(64, '0')}`
  }

  readonly #handlers: Record<string, (params: never[]) => unknown> = {
    eth_chainId: () => quantity(this.chainId),
    eth_accounts: () => this.accounts,
    eth_blockNumber: () => quantity(this.blocks.length - 1),
    eth_gasPrice: () => '0x3b9aca00',
    eth_getBalance: () => quantity(10n * COIN),
    eth_getTransactionCount: ([, block = 'latest']: string[]) => {
      if (block === 'pending') return quantity(this.#nonce)
      if (block === 'latest') return quantity(this.#nonce - this.pool.length)
      if (Number(block) < this.blocks.length - this.states) throw new RpcError(-32000, 'missing trie node')
      return quantity(this.blocks.slice(0, Number(block) + 1).flatMap(({ transactions }) => transactions).length)
    },
    eth_getBlockByNumber: ([which]: string[]) => (which === 'latest' ? this.blocks.at(-1) : (this.blocks[Number(which)] ?? null)),
    eth_getTransactionByHash: ([hash]: string[]) => [...this.pool, ...this.blocks.flatMap(({ transactions }) => transactions)].find((tx) => tx.hash === hash) ?? null,
    eth_getTransactionReceipt: ([hash]: string[]) => {
      const block = this.blocks.find(({ transactions }) => transactions.some((tx) => tx.hash === hash))
      const receipt = this.receipts.get(hash ?? '')
      return block && receipt ? { ...receipt, blockNumber: block.number, gasUsed: '0x5208', effectiveGasPrice: '0x3b9aca00' } : null
    },
    eth_estimateGas: ([call]: Sent[]) => {
      this.#try(call as Sent)
      return '0x52000'
    },
    eth_call: ([call]: Sent[]) => this.#try(call as Sent),
    eth_sendTransaction: ([call]: Sent[]) => {
      if (this.rejecting) throw new RpcError(REJECTED, 'User rejected the request.')
      const { from, to, data, value = '0x0' } = call as Sent
      const hash = this.#hash()
      this.pool.push({ hash, from, to, nonce: quantity(this.#nonce++), input: data, value })
      if (this.mining) this.mine()
      if (this.breaking) throw this.breaking
      return hash
    },
    eth_signTypedData_v4: () => {
      if (this.rejecting) throw new RpcError(REJECTED, 'User rejected the request.')
      return `0x${'11'.repeat(32)}${'22'.repeat(32)}1c`
    },
  }

  #try(call: Sent): Hex {
    if (call.to === TOKEN) return this.#token(call)
    const refused = this.refuse(call)
    if (refused) throw refused
    const { functionName } = decodeFunctionData({ abi: MARKET_ABI, data: call.data })
    const pays = functionName === 'createJob' || functionName === 'extendJob'
    if (pays && call.value === undefined && this.tokens.allowance === 0n && !permitIn(call.data)) throw reverted('SafeERC20FailedOperation', [TOKEN])
    return '0x'
  }

  #token(call: Sent): Hex {
    const { functionName, args } = decodeFunctionData({ abi: TOKEN_ABI, data: call.data })
    const answers: Record<string, unknown> = { balanceOf: this.tokens.balance, allowance: this.tokens.allowance, approve: true, nonces: 0n, name: 'Permit', symbol: 'PMT', decimals: 18 }
    if (functionName === 'DOMAIN_SEPARATOR' && this.tokens.permits) return PERMIT_SEPARATOR
    if (functionName === 'approve' && this.tokens.needsReset && this.tokens.allowance > 0n && (args as [Hex, bigint])[1] > 0n) throw new RpcError(3, 'execution reverted')
    if (!(functionName in answers) || (functionName === 'nonces' && !this.tokens.permits)) throw new RpcError(3, 'execution reverted')
    return encodeFunctionResult({ abi: TOKEN_ABI, functionName, result: answers[functionName] } as Parameters<typeof encodeFunctionResult>[0])
  }
}

function permitIn(data: Hex): boolean {
  const { args } = decodeFunctionData({ abi: MARKET_ABI, data })
  return (args as readonly unknown[]).at(-1) !== '0x'
}

/** Of the token above: name "Permit", version "1", chain 31337. */
export const PERMIT_SEPARATOR = domainSeparator({ domain: { name: 'Permit', version: '1', chainId: 31337, verifyingContract: TOKEN } })

/** Extending job 7, or another, for two tokens or coins more. */
export function extension(token: Hex = '0x0000000000000000000000000000000000000000', jobId = 7): Asked {
  return {
    chainId: 31337,
    chainName: 'Test chain',
    market: MARKET,
    explorer: null,
    token: { address: token, symbol: 'PMT', decimals: 18 },
    intent: {
      kind: 'extend',
      jobId,
      rounds: 5,
      roundBudget: COIN.toString(),
      deadline: 2_000_000_000,
      deposit: (2n * COIN).toString(),
      told: { rounds: 3, roundBudget: COIN.toString() },
    },
  }
}

/** Storage in memory. */
export class Memory implements Storage {
  readonly #items = new Map<string, string>()
  get length(): number {
    return this.#items.size
  }
  clear = (): void => this.#items.clear()
  key = (place: number): string | null => [...this.#items.keys()][place] ?? null
  getItem = (key: string): string | null => this.#items.get(key) ?? null
  setItem = (key: string, value: string): void => void this.#items.set(key, value)
  removeItem = (key: string): void => void this.#items.delete(key)
}
