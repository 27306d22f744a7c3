/** `nnm+multi-krum` (docs/protocol.md, 2.2; Allouah et al., AISTATS 2023): mixes neighbours, then Multi-Krum. */

import { at, floorQuotient, sum } from '../integers'
import type { Matrix } from '../products'
import { stakeShares } from '../weighing'
import { decided, type Rule } from './base'
import { nearestFirst, squaredDistances, tolerated } from './distances'
import { acceptedByKrum } from './multi-krum'

export const nnmMultiKrum: Rule = {
  id: 'nnm+multi-krum',
  needsReference: false,
  needsHistory: false,
  decide: ({ products, byzantine, stakes }) => {
    const { gram } = products
    const mixed = mixedRows(gram, byzantine)
    const chosen = acceptedByKrum(mixedProducts(gram, mixed), byzantine)
    const shares = stakeShares(chosen, stakes)
    const size = BigInt(at(mixed, 0).length)
    const held = gram.map((_, j) => chosen.map((ok, i) => ok && at(mixed, i).includes(j)))
    return decided(
      held.map((rows) => rows.includes(true)),
      held.map((rows) => floorQuotient(sum(shares.filter((_, i) => rows[i])), size)),
    )
  },
}

/** `N_i`: each update with the `k - 1` others nearest to it, `k = n - f'`. */
function mixedRows(gram: Matrix, byzantine: number): number[][] {
  const others = gram.length - tolerated(byzantine, gram.length) - 1
  return nearestFirst(squaredDistances(gram)).map((nearest, i) => [i, ...nearest.slice(0, others)])
}

/** `B G Bᵀ`, with `B` the zeros and ones that say who is mixed into what. */
function mixedProducts(gram: Matrix, mixed: readonly (readonly number[])[]): Matrix {
  const half = mixed.map((members) => gram.map((row) => sum(members.map((j) => at(row, j)))))
  return half.map((row) => mixed.map((members) => sum(members.map((j) => at(row, j)))))
}
