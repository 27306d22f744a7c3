/** What a node is asked about a settlement, and what comes out. */
import type { Evidence } from './evidence'

/** Somebody who answers for a chain (EIP-1193). */
export interface Node {
  request(call: { method: string; params?: readonly unknown[] }): Promise<unknown>
}

/** Evidence, with the block in which a node has to have its log. */
export type Located = Evidence & { readonly log: { readonly block_hash: string } }

/** What is compared, in this order. */
export const COMPARISONS = ['chain', 'log', 'record', 'terms', 'market', 'verifier', 'reference string'] as const
export type ComparisonName = (typeof COMPARISONS)[number]
export type Comparison = { readonly name: ComparisonName; readonly ok: boolean; readonly detail: string }
