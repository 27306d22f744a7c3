// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IRule} from "../interfaces/IRule.sol";
import {GramMatrix} from "./GramMatrix.sol";

/// @title The k nearest updates of each update, and the k smallest of a list, counted instead of sorted.
/// @dev A key orders values that are not negative, and equal ones by position: 2^128 + value * 2^16 + position. Keys of a
/// row differ, so if exactly k of them are at most some threshold, those are the k smallest, whatever the threshold is.
/// A hint names the position whose key is the threshold. Added up, the keys that pass give their number (from bit 128)
/// and the sum of their values (bits 16 to 127). Values are below 2^104, and positions below 256, so neither spills over.
/// Rows are as long as the next multiple of four words; FILLER is at the end, and no sum with it looks like a count.
library Nearest {
    error Nearest_TooFewUpdates(uint256 updates);
    error Nearest_WrongHint(uint256 place);
    error Nearest_WrongHintLength(uint256 length, uint256 expected);

    uint256 private constant ONE = 1 << 128;
    uint256 private constant FILLER = 1 << 200;

    /// @dev f, capped at (n - 3) / 2, the most that n updates tolerate.
    function tolerated(uint256 n, uint256 byzantine) internal pure returns (uint256) {
        if (n < 3) revert Nearest_TooFewUpdates(n);
        return 2 * byzantine + 3 > n ? (n - 3) / 2 : byzantine;
    }

    /// @dev Number of rows beside the updates.
    function extras(IRule.Round calldata round) internal pure returns (uint256 rows) {
        if (round.hasReference) ++rows;
        if (round.previous) ++rows;
        if (round.history) rows += round.updates;
    }

    /// @dev Hints are one byte for each place, in whole words.
    function checkHintLength(bytes calldata hints, uint256 places) internal pure {
        uint256 expected = (places + 31) & ~uint256(31);
        if (hints.length != expected) revert Nearest_WrongHintLength(hints.length, expected);
    }

    /// @dev The threshold that a row's hint names.
    function threshold(uint256 row, bytes calldata hints, uint256 place) internal pure returns (uint256 value) {
        assembly ("memory-safe") {
            value := mload(add(row, shl(5, byte(0, calldataload(add(hints.offset, place))))))
        }
    }

    /// @dev Bytes of a row of n keys.
    function rowBytes(uint256 n) internal pure returns (uint256) {
        return ((n + 3) & ~uint256(3)) << 5;
    }

    /// @dev Sum of the keys of a row that are at most `highest`; reverts unless there are `count` of them.
    function sumUpTo(uint256 row, uint256 length, uint256 highest, uint256 count, uint256 place)
        internal
        pure
        returns (uint256 sum)
    {
        assembly ("memory-safe") {
            let above := add(highest, 1)
            for { let end := add(row, length) } lt(row, end) { row := add(row, 128) } {
                let a := mload(row)
                let b := mload(add(row, 32))
                let c := mload(add(row, 64))
                let d := mload(add(row, 96))
                sum :=
                    add(
                        sum,
                        add(
                            add(mul(a, lt(a, above)), mul(b, lt(b, above))),
                            add(mul(c, lt(c, above)), mul(d, lt(d, above)))
                        )
                    )
            }
        }
        if (sum >> 128 != count) revert Nearest_WrongHint(place);
        return (sum & (ONE - 1)) >> 16;
    }

    /// @dev Which keys of a row are at most `highest`, one bit each; reverts unless there are `count` of them.
    function maskUpTo(uint256 row, uint256 length, uint256 highest, uint256 count, uint256 place)
        internal
        pure
        returns (uint256 mask)
    {
        assembly ("memory-safe") {
            let above := add(highest, 1)
            for { let at := add(row, length) } gt(at, row) {} {
                at := sub(at, 128)
                mask :=
                    or(
                        shl(4, mask),
                        or(
                            or(shl(3, lt(mload(add(at, 96)), above)), shl(2, lt(mload(add(at, 64)), above))),
                            or(shl(1, lt(mload(add(at, 32)), above)), lt(mload(at), above))
                        )
                    )
            }
        }
        uint256 ones = 0;
        unchecked {
            for (uint256 rest = mask; rest != 0; rest &= rest - 1) {
                ++ones;
            }
        }
        if (ones != count) revert Nearest_WrongHint(place);
    }

    /// @dev The keys' table of n rows: |u_i - u_j|^2 from the posted upper triangle; an update comes first in its own row.
    function distanceKeys(bytes calldata gram, uint256 n, uint256 others) internal pure returns (uint256 table) {
        uint256 expected = GramMatrix.packedLength(n, others);
        if (gram.length != expected) revert GramMatrix.Gram_WrongLength("gram", gram.length, expected);
        uint256 length = rowBytes(n);
        table = allocate(n * length + 96);
        uint256 norms = _shiftedNorms(gram, n);
        uint256 source = _start(gram);
        for (uint256 i = 0; i < n; ++i) {
            source = _fillRow(table, length, norms, source, i, n);
        }
    }

    /// @dev Keys of a list of n values.
    function listKeys(uint256[] memory values) internal pure returns (uint256 row) {
        uint256 n = values.length;
        row = allocate(rowBytes(n));
        unchecked {
            for (uint256 i = 0; i < n; ++i) {
                uint256 key = ONE + (values[i] << 16) + i;
                assembly ("memory-safe") {
                    mstore(add(row, shl(5, i)), key)
                }
            }
        }
        fillUp(row, n);
    }

    /// @dev Puts FILLER behind a row's n keys.
    function fillUp(uint256 row, uint256 n) internal pure {
        assembly ("memory-safe") {
            for { let end := and(add(n, 3), not(3)) } lt(n, end) { n := add(n, 1) } {
                mstore(add(row, shl(5, n)), FILLER)
            }
        }
    }

    /// @dev Memory of its own, not cleared.
    function allocate(uint256 length) internal pure returns (uint256 start) {
        assembly ("memory-safe") {
            start := mload(0x40)
            mstore(0x40, add(start, length))
        }
    }

    /// @dev g_jj * 2^16 for each j.
    function _shiftedNorms(bytes calldata gram, uint256 n) private pure returns (uint256 norms) {
        norms = allocate(n << 5);
        assembly ("memory-safe") {
            let source := gram.offset
            for { let j := 0 } lt(j, n) { j := add(j, 1) } {
                mstore(add(norms, shl(5, j)), shl(16, sar(192, calldataload(source))))
                source := add(source, shl(3, sub(n, j)))
            }
        }
    }

    function _start(bytes calldata gram) private pure returns (uint256 source) {
        assembly ("memory-safe") {
            source := gram.offset
        }
    }

    /// @dev Row i from its diagonal on, and column i below it. Keys at (i, j) and (j, i) differ in the position only.
    function _fillRow(uint256 table, uint256 length, uint256 norms, uint256 source, uint256 i, uint256 n)
        private
        pure
        returns (uint256 next)
    {
        fillUp(table + i * length, n);
        assembly ("memory-safe") {
            let across := add(table, add(mul(i, length), shl(5, i)))
            mstore(across, ONE)
            let down := add(across, length)
            let norm := add(norms, shl(5, i))
            let base := add(mload(norm), ONE)
            source := add(source, 8)
            for { let j := add(i, 1) } lt(j, n) { j := add(j, 1) } {
                across := add(across, 32)
                norm := add(norm, 32)
                let key := add(base, sub(mload(norm), shl(17, sar(192, calldataload(source)))))
                mstore(across, add(key, j))
                mstore(down, add(key, i))
                down := add(down, length)
                source := add(source, 8)
            }
            next := source
        }
    }
}
