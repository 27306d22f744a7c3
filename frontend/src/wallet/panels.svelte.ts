/** Which of the wallet's panels is open, and what it asks. */
import type { Flow } from './flows'
import { begin } from './flows'
import type { Asked } from './intents'
import { wallet } from './wallet.svelte'

class Panels {
  choosing = $state(false)
  listing = $state(false)
  asking = $state.raw<Flow | null>(null)
  /** Whether any has been opened: their code is fetched then. */
  readonly needed = $derived(this.choosing || this.listing || this.asking !== null)

  /** Ask the user to agree to something; without a wallet, for a wallet first. */
  ask(asked: Asked): void {
    if (wallet.account === null) this.choosing = true
    else this.asking = begin($state.snapshot(asked) as Asked, wallet.account)
  }
}

export const panels = new Panels()
