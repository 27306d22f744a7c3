/** Inner products of a round's rows (docs/protocol.md, 2.1): the updates, then the extra rows that are there. */

import { readSigned } from './bytes'
import { Refused } from './errors'
import { at, magnitude, positions } from './integers'

const UPDATE_ENTRY_BYTES = 8
const EXTRA_ENTRY_BYTES = 16
const MAX_EXTRA_SQUARE = 1n << 126n

/** Square matrix of exact integers. */
export type Matrix = readonly (readonly bigint[])[]

/** Which rows there are, in this order: `updates` (n), then those of the extra rows that are there. */
export type Layout = {
  /** `n`, the included updates, in the order of their commitments. */
  readonly updates: number
  /** The owner's reference row. */
  readonly reference: boolean
  /** The aggregate of the latest settled round before. */
  readonly previous: boolean
  /** The running sums of the n trainers. */
  readonly history: boolean
}

/** Number of extra rows, `x`. */
export function extraRows(layout: Layout): number {
  return Number(layout.reference) + Number(layout.previous) + (layout.history ? layout.updates : 0)
}

/** Number of rows, `m`. */
export function totalRows(layout: Layout): number {
  return layout.updates + extraRows(layout)
}

/** Length of the posted products: `4n(n+1) + 8x(2n+x+1)` bytes. */
export function packedBytes(layout: Layout): number {
  const n = layout.updates
  const x = extraRows(layout)
  return 4 * n * (n + 1) + 8 * x * (2 * n + x + 1)
}

/** An extra row's inner products with the n updates, and with itself. */
export type ExtraRow = { readonly products: readonly bigint[]; readonly square: bigint }

/** All inner products of a round's rows; `matrix` is symmetric. */
export class Products {
  constructor(
    readonly layout: Layout,
    readonly matrix: Matrix,
  ) {}

  /** `n`, the number of updates. */
  get n(): number {
    return this.layout.updates
  }

  /** Inner product of two rows. */
  of(i: number, j: number): bigint {
    return at(at(this.matrix, i), j)
  }

  /** The updates' Gram matrix, n by n. */
  get gram(): Matrix {
    return this.#block(0)
  }

  /** The updates' squared norms. */
  get squares(): bigint[] {
    return positions(this.n).map((i) => this.of(i, i))
  }

  /** The owner's reference row; null where it is not there. */
  get reference(): ExtraRow | null {
    return this.layout.reference ? this.#extra(this.n) : null
  }

  /** The previous aggregate; null where it is not there. */
  get previous(): ExtraRow | null {
    return this.layout.previous ? this.#extra(this.#previousPlace) : null
  }

  /** Inner products of the previous aggregate with the updates and, where it is there, the reference. */
  get alongPrevious(): readonly bigint[] {
    return at(this.matrix, this.#previousPlace).slice(0, this.#previousPlace)
  }

  /** Gram matrix of the running sums, n by n; null where they are not there. */
  get history(): Matrix | null {
    return this.layout.history ? this.#block(totalRows(this.layout) - this.n) : null
  }

  get #previousPlace(): number {
    return this.n + Number(this.layout.reference)
  }

  #extra(place: number): ExtraRow {
    return { products: at(this.matrix, place).slice(0, this.n), square: this.of(place, place) }
  }

  #block(first: number): Matrix {
    return this.matrix.slice(first, first + this.n).map((row) => row.slice(first, first + this.n))
  }
}

/**
 * The products behind the posted bytes: the upper triangle over the updates of 64 bits each, then for each extra row
 * its products with all rows before it and with itself, of 128 bits each.
 */
export function unpackProducts(packed: Uint8Array, layout: Layout): Products {
  const expected = packedBytes(layout)
  const total = totalRows(layout)
  if (packed.length !== expected) {
    throw new Refused(`${packed.length} bytes are not the inner products of ${total} rows, which have ${expected}`)
  }
  const matrix = positions(total).map(() => new Array<bigint>(total).fill(0n))
  let start = 0
  const fill = (i: number, j: number, size: number): void => {
    const value = readSigned(packed.subarray(start, start + size))
    at(matrix, i)[j] = value
    at(matrix, j)[i] = value
    start += size
  }
  const n = layout.updates
  for (let i = 0; i < n; i++) for (let j = i; j < n; j++) fill(i, j, UPDATE_ENTRY_BYTES)
  for (let i = n; i < total; i++) for (let j = 0; j <= i; j++) fill(i, j, EXTRA_ENTRY_BYTES)
  return new Products(layout, matrix)
}

/** Refuses products that no rows of this dimension (`d`) and range (`b` bits) have (docs/protocol.md, 2.1). */
export function checkProducts(products: Products, dimension: bigint, bits: number): void {
  const bound = dimension << BigInt(2 * bits - 2)
  for (const i of positions(totalRows(products.layout))) {
    const square = products.of(i, i)
    if (square < 0n || square > (i < products.n ? bound : MAX_EXTRA_SQUARE)) {
      throw new Refused(`the squared norm ${square} of row ${i} is impossible`)
    }
    for (const j of positions(i)) {
      const product = products.of(i, j)
      const other = products.of(j, j)
      const impossible = i < products.n ? 2n * magnitude(product) > square + other : product * product > square * other
      if (impossible) throw new Refused(`the inner product ${product} of rows ${i} and ${j} is impossible`)
    }
  }
}
