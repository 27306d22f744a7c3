/** Chain time: a market's head, carried on by this machine's clock between blocks. */
import type { Head } from '../api/types'

/** Seconds since the epoch on this machine, once a second. */
class Ticker {
  now = $state(Date.now() / 1000)

  start(): () => void {
    const timer = setInterval(() => (this.now = Date.now() / 1000), 1000)
    return () => clearInterval(timer)
  }
}

export const ticker = new Ticker()

/** How far a chain's time is ahead of this machine's, in seconds, as its heads show. */
export class ChainOffset {
  #block = -1
  #seconds = 0

  /**
   * Take note of a head that an answer brought at `readAt` (milliseconds since the epoch).
   *
   * A block that appears while the page watches tells the offset. Before that an old head says only that the chain is quiet, and a
   * head in the future that the chain is ahead.
   */
  observe(head: Head, readAt: number): void {
    if (head.block === this.#block) return
    const ahead = head.timestamp - (readAt / 1000 - head.lag_seconds)
    this.#seconds = this.#block < 0 ? Math.max(0, ahead) : ahead
    this.#block = head.block
  }

  get seconds(): number {
    return this.#seconds
  }
}
