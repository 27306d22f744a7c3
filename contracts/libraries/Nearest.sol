// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IRule} from "../interfaces/IRule.sol";
import {GramMatrix} from "./GramMatrix.sol";

/// @title The k smallest of a list, and their sum, counted instead of sorted.
/// @dev A key orders values that are not negative, and equal ones by position: 2^128 + value * 2^16 + position. The keys
/// of a list differ, so if exactly k of them are at most some threshold, those are the k smallest, whatever the threshold
/// is. A hint names the position whose key is the threshold. Added up, the keys that pass give their number (from bit
/// 128) and the sum of their values (bits 16 to 127): values are below 2^103, positions below 256, and lists no longer.
/// Loops take several entries at once; FILLER behind a list is no key, and no sum with it looks like a count.
library Nearest {
    error Nearest_TooFewUpdates(uint256 updates);
    error Nearest_WrongHint(uint256 place);
    error Nearest_WrongHintLength(uint256 length, uint256 expected);

    uint256 internal constant ONE = 1 << 128;
    uint256 internal constant FILLER = 1 << 200;
    uint256 private constant FILLERS = 4;

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

    /// @dev The position that a hint names, in bytes from the start of a list of words.
    function hinted(bytes calldata hints, uint256 place) internal pure returns (uint256 offset) {
        assembly ("memory-safe") {
            offset := shl(5, byte(0, calldataload(add(hints.offset, place))))
        }
    }

    /// @dev The inner products, m = n + extras to a row, and behind them for each update g_jj * 2^16 + j, then FILLERs.
    /// So a loop that reads a few entries beyond the last row finds no number that it could take for an inner product.
    function products(IRule.Round calldata round)
        internal
        pure
        returns (uint256 rows, uint256 columns, uint256 stride)
    {
        uint256 n = round.updates;
        uint256 m = n + extras(round);
        stride = m << 5;
        int256[] memory g = GramMatrix.unpack(round.gram, n, m - n);
        columns = allocate((n + FILLERS) << 5);
        assembly ("memory-safe") {
            rows := add(g, 32)
            let diagonal := rows
            for { let j := 0 } lt(j, n) { j := add(j, 1) } {
                mstore(add(columns, shl(5, j)), add(shl(16, mload(diagonal)), j))
                diagonal := add(diagonal, shl(5, add(m, 1)))
            }
        }
        fillUp(columns + (n << 5));
    }

    /// @dev Krum scores: each update's sum of squared distances to its k nearest others.
    function distanceSums(IRule.Round calldata round, uint256 k, bytes calldata hints)
        internal
        pure
        returns (uint256[] memory sums)
    {
        (uint256 row, uint256 columns, uint256 stride) = products(round);
        uint256 n = round.updates;
        sums = new uint256[](n);
        unchecked {
            for (uint256 i = 0; i < n; ++i) {
                (uint256 base, uint256 highest) = threshold(row, columns, i, hinted(hints, i));
                base += ONE;
                highest += ONE;
                sums[i] = sumOf(_sumUpTo(row, columns, n, base, highest), ONE + i, highest, k, i);
                row += stride;
            }
        }
    }

    /// @dev The key of squared distance (i, j), less 2^128, is base + column_j - 2^17 g_ij.
    function threshold(uint256 row, uint256 columns, uint256 i, uint256 offset)
        internal
        pure
        returns (uint256 base, uint256 highest)
    {
        assembly ("memory-safe") {
            base := sub(mload(add(columns, shl(5, i))), i)
            highest := add(base, sub(mload(add(columns, offset)), shl(17, mload(add(row, offset)))))
        }
    }

    /// @dev The sum of values behind a sum of keys. `own` is the key of the update itself, which does not count.
    function sumOf(uint256 sum, uint256 own, uint256 highest, uint256 count, uint256 place)
        internal
        pure
        returns (uint256)
    {
        unchecked {
            if (own <= highest) sum -= own;
            if (sum >> 128 != count) revert Nearest_WrongHint(place);
            return (sum & (ONE - 1)) >> 16;
        }
    }

    /// @dev The `count` smallest of some values, one bit each.
    function smallest(uint256[] memory values, uint256 count, bytes calldata hints, uint256 place)
        internal
        pure
        returns (uint256 mask)
    {
        uint256 highest;
        uint256 n = values.length;
        unchecked {
            for (uint256 i = 0; i < n; ++i) {
                values[i] = (values[i] << 16) + i;
            }
            uint256 offset = hinted(hints, place);
            assembly ("memory-safe") {
                highest := mload(add(add(values, 32), offset))
            }
            for (uint256 i = 0; i < n; ++i) {
                if (values[i] <= highest) mask |= 1 << i;
            }
        }
        checkCount(mask, count, place);
    }

    /// @dev Reverts unless `count` bits are set, at most 255: ever wider fields of the word hold how many were in them.
    function checkCount(uint256 mask, uint256 count, uint256 place) internal pure {
        unchecked {
            mask -= (mask >> 1) & (type(uint256).max / 3);
            mask = (mask & (type(uint256).max / 5)) + ((mask >> 2) & (type(uint256).max / 5));
            mask = (mask + (mask >> 4)) & (type(uint256).max / 17);
            if ((mask * (type(uint256).max / 255)) >> 248 != count) revert Nearest_WrongHint(place);
        }
    }

    /// @dev FILLERs from `end` on.
    function fillUp(uint256 end) internal pure {
        assembly ("memory-safe") {
            mstore(end, FILLER)
            mstore(add(end, 32), FILLER)
            mstore(add(end, 64), FILLER)
            mstore(add(end, 96), FILLER)
        }
    }

    /// @dev Memory of its own, not cleared.
    function allocate(uint256 length) internal pure returns (uint256 start) {
        assembly ("memory-safe") {
            start := mload(0x40)
            mstore(0x40, add(start, length))
        }
    }

    /// @dev Sum of those of a row's keys that are at most `highest`. A key is base + column - 2^17 g_ij.
    function _sumUpTo(uint256 row, uint256 columns, uint256 n, uint256 base, uint256 highest)
        private
        pure
        returns (uint256 sum)
    {
        if (n == 0) return 0; // and is not inlined, which would leave too little stack
        assembly ("memory-safe") {
            let above := add(highest, 1)
            for { let end := add(row, shl(5, n)) } lt(row, end) { row := add(row, 128) } {
                let a := add(base, sub(mload(columns), shl(17, mload(row))))
                sum := add(sum, mul(a, lt(a, above)))
                let b := add(base, sub(mload(add(columns, 32)), shl(17, mload(add(row, 32)))))
                sum := add(sum, mul(b, lt(b, above)))
                let c := add(base, sub(mload(add(columns, 64)), shl(17, mload(add(row, 64)))))
                sum := add(sum, mul(c, lt(c, above)))
                let d := add(base, sub(mload(add(columns, 96)), shl(17, mload(add(row, 96)))))
                sum := add(sum, mul(d, lt(d, above)))
                columns := add(columns, 128)
            }
        }
    }
}
