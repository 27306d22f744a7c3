// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Nearest} from "./Nearest.sol";

/// @title Nearest-neighbour mixing (Allouah et al., AISTATS 2023), on squared distances alone.
/// @dev Row i of the n x n matrix B of zeros and ones says who is mixed into row i: k ones. With D the squared distances
/// between updates and E = B D B^T, the mixed rows' squared distances times k^2 are E_il - E_ii / 2 - E_ll / 2, for any
/// symmetric matrix of inner products.
///
/// Both products are sums of rows. Three entries of a row share a word, 84 bits each: entries of D are below 2^63, and
/// n^2 times that below 2^79. What lies beyond column n is arbitrary, but in higher bits of its word than any column, so
/// it never carries into one. Rows are added by the four Russians' method: of each four rows all sixteen partial sums
/// are made once, and a row of the product then takes one of them for each four bits of B.
library Mixing {
    uint256 private constant LANE = (1 << 84) - 1;
    /// @dev Added to mixed distances, which a matrix of no true rows can make negative.
    uint256 private constant OFFSET = 1 << 90;
    uint256 private constant ONE = 1 << 128;
    /// @dev Bytes of rows that are added at a time.
    uint256 private constant PART = 352;
    /// @dev Four bits to four lanes of 64 bits: copies of the four, 63 bits apart, and the one bit that each copy is for.
    uint256 private constant SPREAD = (1 << 189) | (1 << 126) | (1 << 63) | 1;
    uint256 private constant LANES_OF_64 = (1 << 192) | (1 << 128) | (1 << 64) | 1;

    /// @dev B, one mask a row: the updates whose distance key is at most the hinted threshold. An update's own key is
    /// its row's least, so it is always mixed into its row.
    function masks(uint256 table, uint256 n, uint256 k, bytes calldata hints)
        internal
        pure
        returns (uint256[] memory mixed)
    {
        uint256 length = Nearest.rowBytes(n);
        mixed = new uint256[](n);
        unchecked {
            for (uint256 i = 0; i < n; ++i) {
                uint256 row = table + i * length;
                mixed[i] = Nearest.maskUpTo(row, length, Nearest.threshold(row, hints, i), k, i);
            }
        }
    }

    /// @dev From the table of distance keys to that of the mixed rows; the memory of the former is used again.
    function mixedKeys(uint256 table, uint256 n, uint256[] memory mixed) internal pure {
        uint256 words = (n + 2) / 3;
        uint256 stride = words << 5;
        uint256 rows = (n + 5) & ~uint256(3);
        uint256 first = Nearest.allocate(rows * stride);
        uint256 second = Nearest.allocate(rows * stride);
        uint256 halves = Nearest.allocate(96 * words);
        uint256 scratch = _scratch(table, n, stride);
        _pack(table, n, first, stride);
        _combine(first, second, stride, mixed, scratch);
        _transpose(second, first, stride, words);
        _combine(first, second, stride, mixed, scratch);
        _fillHalves(halves, second, n, stride);
        for (uint256 i = 0; i < n; ++i) {
            _fillRow(table, n, second, stride, halves, i);
        }
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

    /// @dev Rows of squared distances, three to a word.
    function _pack(uint256 table, uint256 n, uint256 target, uint256 stride) private pure {
        uint256 length = Nearest.rowBytes(n);
        assembly ("memory-safe") {
            for { let end := add(table, mul(n, length)) } lt(table, end) { table := add(table, length) } {
                let word := target
                let halt := add(table, shl(5, n))
                for { let key := table } lt(key, halt) { key := add(key, 96) } {
                    mstore(
                        word,
                        or(
                            and(shr(16, mload(key)), LANE),
                            or(
                                shl(84, and(shr(16, mload(add(key, 32))), LANE)),
                                shl(168, and(shr(16, mload(add(key, 64))), LANE))
                            )
                        )
                    )
                    word := add(word, 32)
                }
                target := add(target, stride)
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
                    _addUp(target + start + i * stride, mixed[i], scratch, sums, size);
                }
            }
        }
    }

    /// @dev Where the partial sums go: `size` bytes for each of the 16 subsets of each four of n rows, for eight fours at
    /// a time. In the table's own memory if they fit.
    function _scratch(uint256 table, uint256 n, uint256 stride) private pure returns (uint256) {
        uint256 size = stride < PART ? stride : PART;
        uint256 length = 4 * ((n + 31) & ~uint256(31)) * size;
        return length > n * Nearest.rowBytes(n) ? Nearest.allocate(length) : table;
    }

    function _clear(uint256 start, uint256 size) private pure {
        assembly ("memory-safe") {
            calldatacopy(start, calldatasize(), size)
        }
    }

    /// @dev The sums of all subsets of four rows, for `size` bytes of them: that of subset s at `sums` + s * size.
    function _partialSums(uint256 row, uint256 stride, uint256 sums, uint256 size) private pure {
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

    /// @dev Adds one partial sum for each four bits of the mask, of eight fours at a time.
    function _addUp(uint256 target, uint256 mask, uint256 sums, uint256 end, uint256 size) private pure {
        _clear(target, size);
        assembly ("memory-safe") {
            for {} lt(sums, end) {} {
                let step := shl(4, size)
                let a := add(sums, mul(and(mask, 15), size))
                sums := add(sums, step)
                let b := add(sums, mul(and(shr(4, mask), 15), size))
                sums := add(sums, step)
                let c := add(sums, mul(and(shr(8, mask), 15), size))
                sums := add(sums, step)
                let d := add(sums, mul(and(shr(12, mask), 15), size))
                sums := add(sums, step)
                let e := add(sums, mul(and(shr(16, mask), 15), size))
                sums := add(sums, step)
                let f := add(sums, mul(and(shr(20, mask), 15), size))
                sums := add(sums, step)
                let g := add(sums, mul(and(shr(24, mask), 15), size))
                sums := add(sums, step)
                let h := add(sums, mul(and(shr(28, mask), 15), size))
                sums := add(sums, step)
                mask := shr(32, mask)
                for { let at := 0 } lt(at, size) { at := add(at, 32) } {
                    let left := add(mload(add(a, at)), add(mload(add(b, at)), add(mload(add(c, at)), mload(add(d, at)))))
                    let right :=
                        add(mload(add(e, at)), add(mload(add(f, at)), add(mload(add(g, at)), mload(add(h, at)))))
                    mstore(add(target, at), add(mload(add(target, at)), add(left, right)))
                }
            }
        }
    }

    /// @dev Columns to rows, three by three entries at a time.
    function _transpose(uint256 source, uint256 target, uint256 stride, uint256 words) private pure {
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

    /// @dev Keys of row i: 2^128 + (2^90 + E_il - E_ii / 2 - E_ll / 2) * 2^16 + l; its own comes first.
    function _fillRow(uint256 table, uint256 n, uint256 sums, uint256 stride, uint256 halves, uint256 i) private pure {
        uint256 row = table + i * Nearest.rowBytes(n);
        assembly ("memory-safe") {
            let own := mload(add(halves, shl(5, i)))
            let base := add(add(ONE, shl(16, OFFSET)), sub(own, i))
            let word := add(sums, mul(i, stride))
            let to := row
            for { let halt := add(row, shl(5, n)) } lt(to, halt) { to := add(to, 96) } {
                let lanes := mload(word)
                mstore(to, add(add(base, mload(halves)), shl(16, and(lanes, LANE))))
                mstore(add(to, 32), add(add(base, mload(add(halves, 32))), shl(16, and(shr(84, lanes), LANE))))
                mstore(add(to, 64), add(add(base, mload(add(halves, 64))), shl(16, shr(168, lanes))))
                halves := add(halves, 96)
                word := add(word, 32)
            }
            mstore(add(row, shl(5, i)), ONE)
        }
        Nearest.fillUp(row, n);
    }
}
