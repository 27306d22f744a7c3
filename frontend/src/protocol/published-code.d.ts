/** Made by published-code.ts from contracts/artifacts when the pages are built. */
declare module 'virtual:published-code' {
  export interface PublishedCode {
    readonly bytes: number
    /** Where a constructor fills something in: first byte and length. */
    readonly immutables: readonly (readonly [start: number, length: number])[]
    /** keccak-256 of the code with zeros there. */
    readonly digest: string
  }
  /** Deployed code by the contract's name. */
  export const PUBLISHED: Readonly<Record<string, PublishedCode>>
  /** Creates a verifier, followed by its constructor's arguments. */
  export const VERIFIER_CREATION: `0x${string}`
}
