/** The interface between pages and wallets (EIP-1193), and what their errors mean. */

export type Hex = `0x${string}`

export interface Provider {
  request(call: { method: string; params?: readonly unknown[] }): Promise<unknown>
  on?(event: string, listener: (value: never) => void): void
  removeListener?(event: string, listener: (value: never) => void): void
}

export const REJECTED = 4001
export const UNAUTHORIZED = 4100
export const UNSUPPORTED = 4200
export const UNKNOWN_CHAIN = 4902
export const PENDING_REQUEST = -32002

/** An error of a wallet or a node, with the code and the data that it gave. */
export class RpcError extends Error {
  readonly code: number
  readonly data: unknown

  constructor(code: number, message: string, data?: unknown) {
    super(message)
    this.name = 'RpcError'
    this.code = code
    this.data = data
  }
}

interface Layer {
  code?: unknown
  message?: unknown
  data?: unknown
  error?: unknown
  cause?: unknown
  originalError?: unknown
}

/** The layers of an error: wallets wrap what nodes answer, each in its own way. */
function* layers(error: unknown, depth = 0): Generator<Layer> {
  if (typeof error !== 'object' || error === null || depth > 6) return
  const layer = error as Layer
  yield layer
  for (const inner of [layer.data, layer.error, layer.cause, layer.originalError]) yield* layers(inner, depth + 1)
}

/** The code of an error, the outermost that there is. */
export function codeOf(error: unknown): number | null {
  for (const { code } of layers(error)) if (typeof code === 'number') return code
  return null
}

/** Whether some layer of an error has this code. */
export function hasCode(error: unknown, code: number): boolean {
  for (const layer of layers(error)) if (layer.code === code) return true
  return false
}

/** What a call that reverted returned, from whichever layer has it; null if none has. */
export function revertData(error: unknown): Hex | null {
  for (const { data } of layers(error)) if (typeof data === 'string' && /^0x([0-9a-fA-F]{2}){4,}$/.test(data)) return data as Hex
  return null
}

/** What an error says, the innermost words. */
export function messageOf(error: unknown): string {
  let said = typeof error === 'string' ? error : ''
  for (const { message } of layers(error)) if (typeof message === 'string' && message) said = message
  return said || 'no reason was given'
}

/** An unsigned integer as nodes write it. */
export const quantity = (value: bigint | number): Hex => `0x${value.toString(16)}`

/** The integer behind a node's answer; RpcError if it is none. */
export function integer(answer: unknown): bigint {
  if (typeof answer === 'string' && /^0x[0-9a-fA-F]+$/.test(answer)) return BigInt(answer)
  if (typeof answer === 'number' && Number.isSafeInteger(answer)) return BigInt(answer)
  throw new RpcError(-32603, 'the node answered something that is no number')
}

export const same = (one: string, other: string): boolean => one.toLowerCase() === other.toLowerCase()
