// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IRule} from "../interfaces/IRule.sol";
import {Nearest} from "./Nearest.sol";

/// @title Nearest-neighbour mixing (Allouah et al., AISTATS 2023), on squared distances alone.
/// @dev Row i of the n x n matrix B of zeros and ones says who is mixed into row i: k ones. With D the squared distances
/// between updates and E = B D B^T, the mixed rows' squared distances times k^2 are E_il - E_ii / 2 - E_ll / 2, for any
/// symmetric matrix of inner products.
///
/// Both products are sums of rows. Three entries of a row share a word, 84 bits each: entries of D are below 2^63, and
/// n^2 times that below 2^79. What lies beyond column n is arbitrary, but in higher bits of its word than any column, so
/// it never carries into one. Rows are added by the four Russians' method: of each four rows all sixteen partial sums
/// are made once, and a row of the product then takes one of them for each four bits of B. The functions with a loop
/// return early where there is nothing to do, which also keeps the compiler from inlining them: it would run out of
/// stack, and keep their variables in memory.
library Mixing {
    uint256 private constant LANE = (1 << 84) - 1;
    /// @dev Added to mixed distances, which a matrix of no true rows can make negative.
    uint256 private constant OFFSET = 1 << 90;
    uint256 private constant ONE = 1 << 128;
    /// @dev Bytes of rows that are added at a time.
    uint256 private constant PART = 384;
    /// @dev Four bits to four lanes of 64 bits: copies of the four, 63 bits apart, and the one bit that each copy is for.
    uint256 private constant SPREAD = (1 << 189) | (1 << 126) | (1 << 63) | 1;
    uint256 private constant LANES_OF_64 = (1 << 192) | (1 << 128) | (1 << 64) | 1;

    /// @dev B, one mask a row, and the Krum scores of the mixed rows but for a number that all of them share.
    /// @param k Updates mixed into a row.
    /// @param hints The farthest update mixed into each row; then the farthest neighbour counted in each Krum score.
    function krumScores(IRule.Round calldata round, uint256 k, uint256 neighbours, bytes calldata hints)
        internal
        pure
        returns (uint256[] memory mixed, uint256[] memory scores)
    {
        uint256 n = round.updates;
        (uint256 gram, uint256 columns, uint256 gramStride) = Nearest.products(round);
        uint256 words = (n + 2) / 3;
        uint256 stride = (words + (words & 1)) << 5;
        uint256 first = Nearest.allocate(((n + 5) & ~uint256(3)) * stride);
        uint256 second = Nearest.allocate(((n + 5) & ~uint256(3)) * stride);
        mixed = _masks(gram, columns, gramStride, first, stride, n, k, hints);
        uint256 scratch = _scratch(gram, n, stride);
        _combine(first, second, stride, mixed, scratch);
        _transpose(second, first, stride, words);
        _combine(first, second, stride, mixed, scratch);
        _fillHalves(columns, second, n, stride);
        scores = _mixedSums(second, columns, stride, n, neighbours, hints);
    }

    /// @dev w_j = floor(sum of the weights of mixed rows that j is part of / k), and who is part of an accepted one.
    function unmix(uint256 acceptedRows, uint64[] memory weights, uint256[] memory mixed, uint256 k)
        internal
        pure
        returns (uint256 accepted)
    {
        uint256 n = mixed.length;
        uint256[] memory sums = new uint256[]((n + 3) / 4);
        unchecked {
            for (uint256 i = 0; i < n; ++i) {
                if ((acceptedRows >> i) & 1 == 0) continue;
                accepted |= mixed[i];
                _spread(sums, mixed[i], weights[i]);
            }
            for (uint256 j = 0; j < n; ++j) {
                weights[j] = uint64(uint64(sums[j / 4] >> (64 * (j % 4))) / k);
            }
        }
    }

    /// @dev Adds `weight` to the lanes of 64 bits whose bits of `mask` are set. Their sums are at most 2^32.
    function _spread(uint256[] memory sums, uint256 mask, uint256 weight) private pure {
        assembly ("memory-safe") {
            let sum := add(sums, 32)
            for { let end := add(sum, shl(5, mload(sums))) } lt(sum, end) { sum := add(sum, 32) } {
                mstore(sum, add(mload(sum), mul(weight, and(mul(and(mask, 15), SPREAD), LANES_OF_64))))
                mask := shr(4, mask)
            }
        }
    }

    /// @dev For each update the k nearest, itself among them; and rows of squared distances, three to a word.
    function _masks(
        uint256 gram,
        uint256 columns,
        uint256 gramStride,
        uint256 packed,
        uint256 stride,
        uint256 n,
        uint256 k,
        bytes calldata hints
    ) private pure returns (uint256[] memory mixed) {
        mixed = new uint256[](n);
        unchecked {
            for (uint256 i = 0; i < n; ++i) {
                (uint256 base, uint256 highest) = Nearest.threshold(gram, columns, i, Nearest.hinted(hints, i));
                uint256 mask = _packRow(gram, columns, packed, n, base, highest) | (1 << i);
                Nearest.checkCount(mask, k, i);
                mixed[i] = mask;
                gram += gramStride;
                packed += stride;
            }
        }
    }

    /// @dev Packs a row of squared distances; says which of its keys are at most `highest`.
    function _packRow(uint256 row, uint256 columns, uint256 packed, uint256 n, uint256 base, uint256 highest)
        private
        pure
        returns (uint256 mask)
    {
        if (n == 0) return 0;
        assembly ("memory-safe") {
            highest := add(highest, 1)
            for { let bit := 1 } lt(bit, shl(n, 1)) { bit := shl(3, bit) } {
                let key := add(base, sub(mload(columns), shl(17, mload(row))))
                let bits := lt(key, highest)
                let word := shr(16, key)
                key := add(base, sub(mload(add(columns, 32)), shl(17, mload(add(row, 32)))))
                bits := or(bits, shl(1, lt(key, highest)))
                word := or(word, shl(84, shr(16, key)))
                key := add(base, sub(mload(add(columns, 64)), shl(17, mload(add(row, 64)))))
                mask := or(mask, mul(bit, or(bits, shl(2, lt(key, highest)))))
                mstore(packed, or(word, shl(168, shr(16, key))))
                row := add(row, 96)
                columns := add(columns, 96)
                packed := add(packed, 32)
            }
        }
    }

    /// @dev target_i = sum over the bits j of mixed_i of source_j, a part of the rows at a time.
    function _combine(uint256 source, uint256 target, uint256 stride, uint256[] memory mixed, uint256 scratch)
        private
        pure
    {
        unchecked {
            uint256 n = mixed.length;
            for (uint256 start = 0; start < stride; start += PART) {
                uint256 size = stride - start < PART ? stride - start : PART;
                uint256 sums = scratch;
                for (uint256 j = 0; j < n; j += 4) {
                    _partialSums(source + start + j * stride, stride, sums, size);
                    sums += 16 * size;
                }
                for (uint256 j = (n + 3) & ~uint256(3); j % 32 != 0; j += 4) {
                    _clear(sums, size);
                    sums += 16 * size;
                }
                for (uint256 i = 0; i < n; ++i) {
                    uint256 row = target + start + i * stride;
                    uint256 mask = mixed[i];
                    _clear(row, size);
                    for (uint256 eight = scratch; eight < sums; eight += 128 * size) {
                        _addUp(row, mask, eight, size);
                        mask >>= 32;
                    }
                }
            }
        }
    }

    /// @dev Where the partial sums go: `size` bytes for each of the 16 subsets of each four of n rows, for eight fours at
    /// a time. In the memory of the inner products, of which there are n * n or more, if they fit.
    function _scratch(uint256 gram, uint256 n, uint256 stride) private pure returns (uint256) {
        uint256 length = 4 * ((n + 31) & ~uint256(31)) * (stride < PART ? stride : PART);
        return length > n * n * 32 ? Nearest.allocate(length) : gram;
    }

    function _clear(uint256 start, uint256 size) private pure {
        assembly ("memory-safe") {
            calldatacopy(start, calldatasize(), size)
        }
    }

    /// @dev The sums of all subsets of four rows, for `size` bytes of them: that of subset s at `sums` + s * size.
    function _partialSums(uint256 row, uint256 stride, uint256 sums, uint256 size) private pure {
        if (size == 0) return;
        _clear(sums, size);
        assembly ("memory-safe") {
            for { let end := add(row, size) } lt(row, end) { row := add(row, 32) } {
                sums := add(sums, size)
                let to := sums
                let a := mload(row)
                mstore(to, a)
                to := add(to, size)
                let b := mload(add(row, stride))
                mstore(to, b)
                to := add(to, size)
                let ab := add(a, b)
                mstore(to, ab)
                to := add(to, size)
                let high := mload(add(row, shl(1, stride)))
                mstore(to, high)
                to := add(to, size)
                mstore(to, add(high, a))
                to := add(to, size)
                mstore(to, add(high, b))
                to := add(to, size)
                mstore(to, add(high, ab))
                to := add(to, size)
                let d := mload(add(row, mul(3, stride)))
                mstore(to, d)
                to := add(to, size)
                mstore(to, add(d, a))
                to := add(to, size)
                mstore(to, add(d, b))
                to := add(to, size)
                mstore(to, add(d, ab))
                to := add(to, size)
                d := add(d, high)
                mstore(to, d)
                to := add(to, size)
                mstore(to, add(d, a))
                to := add(to, size)
                mstore(to, add(d, b))
                mstore(add(to, size), add(d, ab))
                sums := add(sub(sums, size), 32)
            }
        }
    }

    /// @dev Adds one partial sum for each four of the mask's 32 lowest bits.
    function _addUp(uint256 target, uint256 mask, uint256 sums, uint256 size) private pure {
        if (uint32(mask) == 0) return;
        assembly ("memory-safe") {
            let a := add(sums, mul(and(mask, 15), size))
            sums := add(sums, shl(4, size))
            let b := add(sums, mul(and(shr(4, mask), 15), size))
            sums := add(sums, shl(4, size))
            let c := add(sums, mul(and(shr(8, mask), 15), size))
            sums := add(sums, shl(4, size))
            let d := add(sums, mul(and(shr(12, mask), 15), size))
            sums := add(sums, shl(4, size))
            let e := add(sums, mul(and(shr(16, mask), 15), size))
            sums := add(sums, shl(4, size))
            let f := add(sums, mul(and(shr(20, mask), 15), size))
            sums := add(sums, shl(4, size))
            let g := add(sums, mul(and(shr(24, mask), 15), size))
            sums := add(sums, shl(4, size))
            let h := add(sums, mul(and(shr(28, mask), 15), size))
            // Two words at a time: `size` is a multiple of 64, so at ^ 32 is the word after.
            for { let at := 0 } lt(at, size) { at := add(at, 64) } {
                let sum := add(mload(add(a, at)), add(mload(add(b, at)), add(mload(add(c, at)), mload(add(d, at)))))
                sum := add(sum, add(mload(add(e, at)), add(mload(add(f, at)), add(mload(add(g, at)), mload(add(h, at))))))
                mstore(add(target, at), add(mload(add(target, at)), sum))
                let to := xor(at, 32)
                sum := add(mload(add(a, to)), add(mload(add(b, to)), add(mload(add(c, to)), mload(add(d, to)))))
                sum := add(sum, add(mload(add(e, to)), add(mload(add(f, to)), add(mload(add(g, to)), mload(add(h, to))))))
                mstore(add(target, to), add(mload(add(target, to)), sum))
            }
        }
    }

    /// @dev Columns to rows, three by three entries at a time.
    function _transpose(uint256 source, uint256 target, uint256 stride, uint256 words) private pure {
        if (words == 0) return;
        assembly ("memory-safe") {
            let wide := mul(3, stride)
            for { let i := 0 } lt(i, words) { i := add(i, 1) } {
                let from := add(source, mul(i, wide))
                let to := add(target, shl(5, i))
                for { let halt := add(from, shl(5, words)) } lt(from, halt) { from := add(from, 32) } {
                    let a := mload(from)
                    let b := mload(add(from, stride))
                    let c := mload(add(from, add(stride, stride)))
                    mstore(to, or(and(a, LANE), or(shl(84, and(b, LANE)), shl(168, and(c, LANE)))))
                    a := shr(84, a)
                    b := shr(84, b)
                    c := shr(84, c)
                    mstore(add(to, stride), or(and(a, LANE), or(shl(84, and(b, LANE)), shl(168, and(c, LANE)))))
                    a := shr(84, a)
                    b := shr(84, b)
                    c := shr(84, c)
                    mstore(add(to, add(stride, stride)), or(and(a, LANE), or(shl(84, and(b, LANE)), shl(168, and(c, LANE)))))
                    to := add(to, wide)
                }
            }
        }
    }

    /// @dev For each row l: l - (E_ll / 2) * 2^16, the part of a key that goes with column l.
    function _fillHalves(uint256 halves, uint256 sums, uint256 n, uint256 stride) private pure {
        assembly ("memory-safe") {
            for { let l := 0 } lt(l, n) { l := add(l, 1) } {
                let word := mload(add(add(sums, mul(l, stride)), shl(5, div(l, 3))))
                let square := and(shr(mul(84, mod(l, 3)), word), LANE)
                mstore(add(halves, shl(5, l)), sub(l, shl(15, square)))
            }
        }
    }

    /// @dev Krum scores of the mixed rows, from keys 2^128 + (2^90 + E_il - E_ii / 2 - E_ll / 2) * 2^16 + l.
    function _mixedSums(
        uint256 row,
        uint256 halves,
        uint256 stride,
        uint256 n,
        uint256 neighbours,
        bytes calldata hints
    ) private pure returns (uint256[] memory scores) {
        scores = new uint256[](n);
        unchecked {
            for (uint256 i = 0; i < n; ++i) {
                uint256 base;
                assembly ("memory-safe") {
                    base := add(add(ONE, shl(16, OFFSET)), sub(mload(add(halves, shl(5, i))), i))
                }
                uint256 highest = base + _part(row, halves, Nearest.hinted(hints, n + i));
                uint256 sum = _sumUpTo(row, halves, n, base, highest);
                scores[i] = Nearest.sumOf(sum, ONE + (OFFSET << 16) + i, highest, neighbours, n + i);
                row += stride;
            }
        }
    }

    /// @dev The part of a key that goes with row and column, for the column at `offset` of `halves`.
    function _part(uint256 row, uint256 halves, uint256 offset) private pure returns (uint256 part) {
        assembly ("memory-safe") {
            let l := shr(5, offset)
            let lane := and(shr(mul(84, mod(l, 3)), mload(add(row, shl(5, div(l, 3))))), LANE)
            part := add(mload(add(halves, offset)), shl(16, lane))
        }
    }

    /// @dev Sum of those of a row's keys that are at most `highest`.
    function _sumUpTo(uint256 row, uint256 halves, uint256 n, uint256 base, uint256 highest)
        private
        pure
        returns (uint256 sum)
    {
        if (n == 0) return 0;
        assembly ("memory-safe") {
            let above := add(highest, 1)
            for { let end := add(halves, shl(5, n)) } lt(halves, end) { halves := add(halves, 96) } {
                let lanes := mload(row)
                let a := add(add(base, mload(halves)), shl(16, and(lanes, LANE)))
                sum := add(sum, mul(a, lt(a, above)))
                let b := add(add(base, mload(add(halves, 32))), and(shr(68, lanes), shl(16, LANE)))
                sum := add(sum, mul(b, lt(b, above)))
                let c := add(add(base, mload(add(halves, 64))), shl(16, shr(168, lanes)))
                sum := add(sum, mul(c, lt(c, above)))
                row := add(row, 32)
            }
        }
    }
}
