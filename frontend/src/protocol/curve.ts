/** BN254 (docs/protocol.md, 3.1): points and their encodings, sums, the pairing check. */

import { interleavedMSMUnsafe } from '@noble/curves/abstract/curve.js'
import { pow } from '@noble/curves/abstract/modular.js'
import { bn254 } from '@noble/curves/bn254.js'

import { concatBytes, WORD_BYTES, word, wordAt } from './bytes'
import { Refused } from './errors'
import { at } from './integers'

/** Order of the base field. */
export const P = 21888242871839275222246405745257275088696311157297823662689037894645226208583n
/** Order of the groups and of the scalar field. */
export const R = 21888242871839275222246405745257275088548364400416034343698204186575808495617n

/** A point of G1 by its affine coordinates; infinity is `(0, 0)`, as in EIP-196. */
export type Point = { readonly x: bigint; readonly y: bigint }
/** A point of G2 that is finite, on its curve and in the group. */
export type G2Point = InstanceType<typeof bn254.G2.Point>

export const POINT_BYTES = 2 * WORD_BYTES
export const G2_POINT_BYTES = 4 * WORD_BYTES
export const INFINITY: Point = { x: 0n, y: 0n }
/** `[1]_1`. */
export const GENERATOR: Point = { x: 1n, y: 2n }
/** `[1]_2`. */
export const G2_GENERATOR: G2Point = bn254.G2.Point.BASE

const WINDOW_BITS = 4
const ROOT_EXPONENT = (P + 1n) / 4n
/** Flags of a compressed point: infinity, `y ≤ (p-1)/2`, and `y` above; then 254 bits of `x`. */
const FLAG_INFINITY = 1n
const FLAG_SMALL = 2n
const FLAG_LARGE = 3n
const X_BITS = 254n

/** Whether a point is infinity. */
export function isInfinity(point: Point): boolean {
  return point.x === 0n && point.y === 0n
}

/** Whether two points are the same. */
export function samePoint(a: Point, b: Point): boolean {
  return a.x === b.x && a.y === b.y
}

/** A point unless it is refused: coordinates below `p`, on the curve, or infinity. `what` names it. */
export function checkPoint(point: Point, what: string): Point {
  if (point.x >= P || point.y >= P) throw new Refused(`${what} has a coordinate that is not below p`)
  if (!isInfinity(point) && (point.y * point.y - cube(point.x) - 3n) % P !== 0n) {
    throw new Refused(`${what} is not a point of the curve`)
  }
  return point
}

/** A point that is not infinity either. */
export function checkFinitePoint(point: Point, what: string): Point {
  if (isInfinity(point)) throw new Refused(`${what} is the point at infinity`)
  return checkPoint(point, what)
}

/** The point at a place counted in words, unchecked. */
export function pointAt(data: Uint8Array, place: number): Point {
  return { x: wordAt(data, place), y: wordAt(data, place + 1) }
}

/** Uncompressed encoding: `x ‖ y`, 64 bytes. */
export function encodePoint(point: Point): Uint8Array {
  return concatBytes(word(point.x), word(point.y))
}

/** Compressed encoding: the word `x` with two flags on top. */
export function compress(point: Point): bigint {
  if (isInfinity(point)) return FLAG_INFINITY << X_BITS
  return ((2n * point.y < P ? FLAG_SMALL : FLAG_LARGE) << X_BITS) | point.x
}

/** The point that a compressed word stands for. */
export function decompress(encoded: bigint, what: string): Point {
  if (encoded === compress(INFINITY)) return INFINITY
  const flag = encoded >> X_BITS
  if (flag !== FLAG_SMALL && flag !== FLAG_LARGE) throw new Refused(`${what} has no flags of a compressed point`)
  const x = encoded & ((1n << X_BITS) - 1n)
  const y = pow((cube(x) + 3n) % P, ROOT_EXPONENT, P)
  const small = 2n * y < P ? y : P - y
  return checkPoint({ x, y: flag === FLAG_SMALL ? small : P - small }, what)
}

/** `Σ scalar_i · point_i`; scalars of any sign are taken modulo `r`. Points have been checked. */
export function linearCombination(points: readonly Point[], scalars: readonly bigint[]): Point {
  const summands = points
    .map((point, i) => ({ point, scalar: modulo(at(scalars, i), R) }))
    .filter(({ point, scalar }) => scalar !== 0n && !isInfinity(point))
  if (summands.length === 0) return INFINITY
  const multiply = interleavedMSMUnsafe(
    bn254.G1.Point,
    summands.map(({ point }) => bn254.G1.Point.fromAffine(point)),
    WINDOW_BITS,
  )
  const total = multiply(summands.map(({ scalar }) => scalar))
  if (total.is0()) return INFINITY
  const { x, y } = total.toAffine()
  return { x, y }
}

/** A point of G2 from four words, `x_imaginary ‖ x_real ‖ y_imaginary ‖ y_real`, at a place counted in words. */
export function g2PointAt(data: Uint8Array, place: number, what: string): G2Point {
  const coordinates = [0, 1, 2, 3].map((k) => wordAt(data, place + k))
  if (coordinates.some((value) => value >= P)) throw new Refused(`${what} has a coordinate that is not below p`)
  const x = { c0: at(coordinates, 1), c1: at(coordinates, 0) }
  const y = { c0: at(coordinates, 3), c1: at(coordinates, 2) }
  try {
    const point = bn254.G2.Point.fromAffine({ x, y })
    point.assertValidity()
    return point
  } catch {
    throw new Refused(`${what} is not a finite point of G2`)
  }
}

/** Whether `Π e(first_i, second_i) = 1`. */
export function pairingCheck(pairs: readonly (readonly [Point, G2Point])[]): boolean {
  const finite = pairs.filter(([first]) => !isInfinity(first))
  const product = bn254.pairingBatch(finite.map(([g1, g2]) => ({ g1: bn254.G1.Point.fromAffine(g1), g2 })))
  return bn254.fields.Fp12.eql(product, bn254.fields.Fp12.ONE)
}

/** The representative of a residue class that is not negative. */
export function modulo(value: bigint, modulus: bigint): bigint {
  const rest = value % modulus
  return rest < 0n ? rest + modulus : rest
}

/** The inverse of a scalar that is not 0. */
export function inverse(scalar: bigint): bigint {
  return bn254.fields.Fr.inv(modulo(scalar, R))
}

function cube(x: bigint): bigint {
  return (((x * x) % P) * x) % P
}
