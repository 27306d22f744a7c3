/** A chain over HTTP, as a provider that reads: without keys. */
import { type Provider, RpcError } from './eip1193'

const TIMEOUT_MS = 20_000

export class HttpRpc implements Provider {
  #id = 0

  constructor(readonly url: string) {}

  /** Ask the node. Throws `RpcError`, also where it cannot be reached. */
  async request({ method, params = [] }: { method: string; params?: readonly unknown[] }): Promise<unknown> {
    let body: { result?: unknown; error?: { code?: number; message?: string; data?: unknown } }
    try {
      const response = await fetch(this.url, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ jsonrpc: '2.0', id: ++this.#id, method, params }),
        signal: AbortSignal.timeout(TIMEOUT_MS),
      })
      body = await response.json()
    } catch {
      throw new RpcError(-32000, `the chain at ${this.url} cannot be reached`)
    }
    if (body.error) throw new RpcError(body.error.code ?? -32603, body.error.message ?? 'the node refused', body.error.data)
    return body.result
  }
}
