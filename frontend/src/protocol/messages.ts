/** What passes between a page and the worker that verifies for it. */

import type { Check, Evidence, Progress } from './evidence'

/** To the worker: what to verify. */
export type Request = { readonly evidence: Evidence }

/** From the worker: each check as it is made, then all of them. */
export type Answer =
  | { readonly kind: 'progress'; readonly progress: Progress }
  | { readonly kind: 'checks'; readonly checks: readonly Check[] }
