/** Squared distances between updates, and what the distance rules share (docs/protocol.md, 2.2). */

import { Refused } from '../errors'
import { at, order, positions } from '../integers'
import type { Matrix } from '../products'

const MIN_UPDATES = 3

/** `f' = min(f, (n-3)//2)`: at least three updates are needed, for distances to others to tell anything. */
export function tolerated(byzantine: number, n: number): number {
  if (n < MIN_UPDATES) throw new Refused(`the rule needs at least ${MIN_UPDATES} updates, not ${n}`)
  return Math.min(byzantine, Math.floor((n - 3) / 2))
}

/** `D_ij = G_ii + G_jj - 2 G_ij`. */
export function squaredDistances(gram: Matrix): Matrix {
  const squares = gram.map((row, i) => at(row, i))
  return gram.map((row, i) => row.map((product, j) => at(squares, i) + at(squares, j) - 2n * product))
}

/** For each update the others' positions, nearest first; equal distances go by position. */
export function nearestFirst(distances: Matrix): number[][] {
  return distances.map((row, i) =>
    positions(row.length)
      .filter((j) => j !== i)
      .sort((j, k) => order(at(row, j), at(row, k)) || j - k),
  )
}
