/** Ways to tamper with words, as tests/contracts/tampering.py has them. */

import { concatBytes, word, WORD_BYTES, wordAt } from '../../src/protocol/bytes'
import { GENERATOR, P, type Point, R } from '../../src/protocol/curve'
import { at } from '../../src/protocol/integers'

export const FLIPPED_BITS = [0, 128, 255]
const ALL_ONES = (1n << 256n) - 1n
const NAMES = ['C_m.x', 'C_m.y', 'μ', 'S.x', 'S.y', 'a(z)', 'a(1/z)', 's(z)', 'h(z)', 'h(1/z)', 'W.x', 'W.y']
const SCALARS = [2, 5, 6, 7, 8, 9]
const POINTS = [0, 3, 10]

/** What was done, and what came of it. */
export type Tampered<T> = readonly [what: string, value: T]

/** One bit of every byte string's word flipped, counted from the lowest; padding included. */
export function flipped(data: Uint8Array, place: number, bit: number): Uint8Array {
  const changed = data.slice()
  const byte = place * WORD_BYTES + WORD_BYTES - 1 - Math.floor(bit / 8)
  changed[byte] = (changed[byte] ?? 0) ^ (1 << bit % 8)
  return changed
}

/** Proofs that differ from an honest one in a word, a point, two of them exchanged, or their length. */
export function tamperedProofs(proof: Uint8Array): Tampered<Uint8Array>[] {
  const words = NAMES.map((_, k) => wordAt(proof, k))
  const cases = [
    ...NAMES.flatMap((name, k) => [
      ...FLIPPED_BITS.map((bit): Tampered<Uint8Array> => [`${name}: bit ${bit}`, flipped(proof, k, bit)]),
      changed(words, `${name}: zero`, [k, 0n]),
      changed(words, `${name}: all ones`, [k, ALL_ONES]),
    ]),
    ...SCALARS.flatMap((k) => scalarChanges(words, k)),
    ...POINTS.flatMap((k) =>
      pointChanges({ x: at(words, k), y: at(words, k + 1) }).map(([what, { x, y }]) =>
        changed(words, `${at(NAMES, k)}: ${what}`, [k, x], [k + 1, y]),
      ),
    ),
    ...pairsOf(SCALARS).map(([i, j]) =>
      changed(words, `${at(NAMES, i)} and ${at(NAMES, j)} exchanged`, [i, at(words, j)], [j, at(words, i)]),
    ),
    ...pairsOf(POINTS).map(([i, j]) => {
      const changes = [0, 1].flatMap((k): [number, bigint][] => [
        [i + k, at(words, j + k)],
        [j + k, at(words, i + k)],
      ])
      return changed(words, `${at(NAMES, i)} and ${at(NAMES, j)} exchanged`, ...changes)
    }),
    ...lengthChanges(proof),
  ]
  return cases
}

/** Points that differ from a given one. */
export function pointChanges({ x, y }: Point): Tampered<Point>[] {
  return [
    ['infinity', { x: 0n, y: 0n }],
    ['negated', { x, y: P - y }],
    ['x + p', { x: x + P, y }],
    ['y + p', { x, y: y + P }],
    ['off the curve', { x, y: (y + 1n) % P }],
    ['coordinates swapped', { x: y, y: x }],
    ['another point', GENERATOR],
  ]
}

function scalarChanges(words: readonly bigint[], k: number): Tampered<Uint8Array>[] {
  const [name, value] = [at(NAMES, k), at(words, k)]
  return [
    changed(words, `${name}: + r`, [k, value + R]),
    changed(words, `${name}: + 1`, [k, (value + 1n) % R]),
    changed(words, `${name}: negated`, [k, (R - value) % R]),
    changed(words, `${name}: r`, [k, R]),
  ]
}

function lengthChanges(proof: Uint8Array): Tampered<Uint8Array>[] {
  return [
    ['empty', new Uint8Array(0)],
    ['one byte short', proof.subarray(0, -1)],
    ['one word short', proof.subarray(0, -WORD_BYTES)],
    ['one byte more', concatBytes(proof, new Uint8Array(1))],
    ['one word more', concatBytes(proof, new Uint8Array(WORD_BYTES))],
    ['twice', concatBytes(proof, proof)],
    ['zeros', new Uint8Array(proof.length)],
  ]
}

function changed(words: readonly bigint[], what: string, ...changes: [number, bigint][]): Tampered<Uint8Array> {
  const values = new Map(changes)
  return [what, concatBytes(...words.map((value, k) => word(values.get(k) ?? value)))]
}

function pairsOf(places: readonly number[]): [number, number][] {
  return places.flatMap((i, k) => places.slice(k + 1).map((j): [number, number] => [i, j]))
}
