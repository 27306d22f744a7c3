/** A list that is read page by page: which cursor now, and those behind. */

export class Pages {
  #cursors = $state<(string | null)[]>([null])
  #size: number

  constructor(size: number) {
    this.#size = size
  }

  get cursor(): string | null {
    return this.#cursors.at(-1) ?? null
  }

  /** Entries on the pages before; every page but the last is full. */
  get before(): number {
    return (this.#cursors.length - 1) * this.#size
  }

  get size(): number {
    return this.#size
  }

  next(cursor: string | null | undefined): void {
    if (cursor) this.#cursors.push(cursor)
  }

  back(): void {
    if (this.#cursors.length > 1) this.#cursors.pop()
  }

  reset(): void {
    this.#cursors = [null]
  }
}
