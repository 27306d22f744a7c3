/** A wallet for chains that last no longer than a test: its key is in this page's memory and nowhere else. */
import type { TypedDataDefinition } from 'viem'
import { generatePrivateKey, type PrivateKeyAccount, privateKeyToAccount } from 'viem/accounts'
import { type Hex, integer, type Provider, quantity, RpcError, same, UNAUTHORIZED, UNKNOWN_CHAIN, UNSUPPORTED } from './eip1193'
import { HttpRpc } from './rpc'
import { isLocal } from './settings'

const KEY = /^(0x)?[0-9a-fA-F]{64}$/
const TIP = 1_000_000_000n

interface Transaction {
  from?: string
  to?: Hex
  data?: Hex
  value?: Hex
  gas?: Hex
  nonce?: Hex
}

/** A new random key. */
export const newKey = (): Hex => generatePrivateKey()

/** An account with its key, on one development chain. Throws an error whose message is fit to be shown. */
export class DevelopmentWallet implements Provider {
  readonly #account: PrivateKeyAccount
  readonly #rpc: Provider
  readonly #chainId: number

  constructor(key: string, chainId: number, rpc: Provider | string) {
    if (!isLocal(chainId)) throw new Error('A development wallet serves development chains only.')
    if (!KEY.test(key.trim())) throw new Error('A private key is 64 hexadecimal digits.')
    try {
      this.#account = privateKeyToAccount((key.trim().startsWith('0x') ? key.trim() : `0x${key.trim()}`) as Hex)
    } catch {
      throw new Error('This is no private key of the curve secp256k1.')
    }
    this.#rpc = typeof rpc === 'string' ? new HttpRpc(rpc) : rpc
    this.#chainId = chainId
  }

  get address(): Hex {
    return this.#account.address
  }

  async request({ method, params = [] }: { method: string; params?: readonly unknown[] }): Promise<unknown> {
    switch (method) {
      case 'eth_accounts':
      case 'eth_requestAccounts':
        return [this.#account.address]
      case 'eth_chainId':
        return quantity(this.#chainId)
      case 'wallet_switchEthereumChain':
        if (Number(integer((params[0] as { chainId: Hex }).chainId)) === this.#chainId) return null
        throw new RpcError(UNKNOWN_CHAIN, 'a development wallet stays on its chain')
      case 'personal_sign':
        this.#mine(params[1])
        return this.#account.signMessage({ message: { raw: params[0] as Hex } })
      case 'eth_signTypedData_v4':
        this.#mine(params[0])
        return this.#account.signTypedData(JSON.parse(params[1] as string) as TypedDataDefinition)
      case 'eth_sendTransaction':
        return this.#send(params[0] as Transaction)
      default:
        if (method.startsWith('wallet_')) throw new RpcError(UNSUPPORTED, `${method} is not supported`)
        return this.#rpc.request({ method, params })
    }
  }

  async #send(asked: Transaction): Promise<unknown> {
    this.#mine(asked.from)
    const [nonce, gas, head, chainId] = await Promise.all([
      asked.nonce ?? this.#rpc.request({ method: 'eth_getTransactionCount', params: [this.#account.address, 'pending'] }),
      asked.gas ?? this.#rpc.request({ method: 'eth_estimateGas', params: [asked] }),
      this.#rpc.request({ method: 'eth_getBlockByNumber', params: ['latest', false] }) as Promise<{ baseFeePerGas?: Hex }>,
      this.#rpc.request({ method: 'eth_chainId' }),
    ])
    if (Number(integer(chainId)) !== this.#chainId) throw new RpcError(4901, 'the node is on another chain now')
    const raw = await this.#account.signTransaction({
      type: 'eip1559',
      chainId: this.#chainId,
      nonce: Number(integer(nonce)),
      gas: integer(gas),
      maxPriorityFeePerGas: TIP,
      maxFeePerGas: 2n * BigInt(head.baseFeePerGas ?? 0) + TIP,
      ...(asked.to ? { to: asked.to } : {}),
      data: asked.data ?? '0x',
      value: BigInt(asked.value ?? 0),
    })
    return this.#rpc.request({ method: 'eth_sendRawTransaction', params: [raw] })
  }

  #mine(address: unknown): void {
    if (typeof address !== 'string' || !same(address, this.#account.address)) throw new RpcError(UNAUTHORIZED, 'this is not the wallet’s account')
  }
}
