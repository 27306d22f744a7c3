/** `alignment` (docs/protocol.md, 2.3): agreement with independent others, over the rounds. It splits floors. */

import { at, dot, floorQuotient, greatest, isqrt, least, ranking, sum, truncatedQuotient } from '../integers'
import type { Matrix, Products } from '../products'
import { withoutPrevious } from '../residuals'
import { accumulated, remember } from '../running'
import { aggregateSquare, diagonal, type Score, weightedSums } from './base'
import { clip } from './clipping'

const DEVIATIONS = 3n

export const alignment: Score = {
  id: 'alignment',
  needsReference: false,
  score: ({ products, weights, trainers, memory, dimension, byzantine }) => {
    const square = aggregateSquare(products.gram, weights)
    if (square <= 0n) return { scores: weights.map(() => 0n), memory }
    const { values, agree } = novelty(products, weights, dimension, byzantine)
    const unit = greatest(square, sum(values))
    const running = accumulated(
      memory,
      trainers,
      values.map((value) => floorQuotient(value << 64n, unit)),
    )
    return {
      scores: running.map((total, i) => (at(agree, i) && at(weights, i) > 0n ? total : 0n)),
      memory: remember(memory, trainers, running),
    }
  },
}

/** `x_i`, what each update brings that independent others bring, too; and whether it agrees with others now. */
function novelty(
  products: Products,
  weights: readonly bigint[],
  dimension: bigint,
  byzantine: number,
): { values: bigint[]; agree: boolean[] } {
  const clipped = clip(products.squares, weights, 1n)
  const { gram } = withoutPrevious(products)
  const kernel = independentProducts(gram)
  const bounds = boundsOf(kernel, weights, byzantine)
  const chance = towardOthers(gram, clipped.weights, dimension)
  const values = kernel.map((row, i) => {
    const { lowest, highest } = at(bounds, i)
    const shared = dot(
      clipped.weights,
      row.map((value) => least(highest, greatest(lowest, value))),
    )
    const beyond = greatest(shared - at(chance, i).threshold, 0n)
    return at(weights, i) * ((at(clipped.factors, i) * beyond) >> 32n)
  })
  const plain = weightedSums(independentProducts(products.gram), clipped.weights)
  const agree = towardOthers(products.gram, clipped.weights, dimension).map(
    ({ product, threshold }, i) => at(plain, i) > 0n && product > threshold,
  )
  return { values, agree }
}

/** `K(X)`: inner products, weighed by how far two updates are from being the same vector. */
function independentProducts(gram: Matrix): Matrix {
  const squares = diagonal(gram)
  return gram.map((row, i) =>
    row.map((product, j) => {
      const both = at(squares, i) * at(squares, j)
      const rest = both - product * product
      return rest > 0n ? truncatedQuotient(product * rest, both) : 0n
    }),
  )
}

/** `l_i` and `h_i` of each row: the entries beyond which at most the weight of f' updates lies. */
function boundsOf(
  kernel: Matrix,
  weights: readonly bigint[],
  byzantine: number,
): { lowest: bigint; highest: bigint }[] {
  const n = weights.length
  const limit = BigInt(Math.min(byzantine, Math.floor((n - 1) / 2))) * sum(weights)
  const firstBeyond = (row: readonly bigint[], places: readonly number[]): bigint => {
    let held = 0n
    for (const place of places) {
      held += at(weights, place)
      if (BigInt(n) * held > limit) return at(row, place)
    }
    return 0n
  }
  return kernel.map((row) => {
    const ascending = ranking(row)
    return { lowest: firstBeyond(row, ascending), highest: firstBeyond(row, ascending.toReversed()) }
  })
}

/** `t(X)_i`, an update's product with all others, and `T(X)_i`, three standard deviations of noise of its length. */
function towardOthers(
  gram: Matrix,
  weights: readonly bigint[],
  dimension: bigint,
): { product: bigint; threshold: bigint }[] {
  const sums = weightedSums(gram, weights)
  const square = greatest(dot(weights, sums), 0n)
  return sums.map((value, i) => {
    const weight = at(weights, i)
    const own = at(at(gram, i), i)
    const others = greatest(square - 2n * weight * value + weight * weight * own, 0n)
    return {
      product: value - weight * own,
      threshold: DEVIATIONS * isqrt(floorQuotient(own * others, dimension)),
    }
  })
}
