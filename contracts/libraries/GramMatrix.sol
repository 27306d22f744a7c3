// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Decoding of posted inner products, with the checks that hold for every true Gram matrix.
/// @dev Rows are the n updates, then the extra rows: reference, previous aggregate, running sums. Posted is the upper
/// triangle of the updates' matrix, row by row, diagonal included, as big-endian int64; then for each extra row its inner
/// products with all rows before it and with itself, as big-endian int128. The same bytes as aggregator/products.py.
/// Loops over pairs read and write memory without bounds checks: a settlement of 64 updates has to fit a transaction.
/// Every index below is less than m * m, the length that `unpack` allocates.
library GramMatrix {
    /// @dev Bound on the squares of extra rows: the previous aggregate is below 2^125, and running sums below 2^121;
    /// what is larger is not taken, so that products of two squares fit a word.
    uint256 private constant MAX_EXTRA_SQUARE = 1 << 126;

    error Gram_WrongLength(bytes32 field, uint256 length, uint256 expected);
    error Gram_OutOfRange(uint256 i, uint256 j, int256 value);
    error Gram_NotGram(uint256 i, uint256 j);

    /// @dev All m = n + extras rows' inner products, g[i * m + j], symmetric. Checks the length and nothing else.
    function unpack(bytes calldata packed, uint256 n, uint256 extras) internal pure returns (int256[] memory g) {
        uint256 expected = packedLength(n, extras);
        if (packed.length != expected) revert Gram_WrongLength("gram", packed.length, expected);
        uint256 m = n + extras;
        g = new int256[](m * m);
        _fillUpdates(g, packed, n, m);
        if (extras != 0) _fillExtras(g, packed, n, m);
    }

    /// @dev `unpack`, and refuses what is no Gram matrix of updates of this dimension and range, and extra rows.
    /// Updates: every squared norm is 0 to d * 2^(2b-2), and 2|g_ij| <= g_ii + g_jj, so that squared distances are never
    /// negative; the two together bound every |g_ij| by d * 2^(2b-2). Extra rows: the square is 0 to 2^126, and
    /// g_ej^2 <= g_ee * g_jj for every row j before (Cauchy and Schwarz).
    function decode(bytes calldata packed, uint256 n, uint256 extras, uint256 dimension, uint256 bits)
        internal
        pure
        returns (int256[] memory g)
    {
        g = unpack(packed, n, extras);
        uint256 m = n + extras;
        _checkUpdates(g, n, m, int256(dimension << (2 * bits - 2)));
        for (uint256 e = n; e < m; ++e) {
            _checkExtra(g, e, m);
        }
    }

    /// @dev Bytes of the inner products of n updates and `extras` extra rows.
    function packedLength(uint256 n, uint256 extras) internal pure returns (uint256) {
        return 4 * n * (n + 1) + 8 * extras * (2 * n + extras + 1);
    }

    /// @dev Number of extra rows beside n updates.
    function extraRows(bool hasReference, bool previous, bool history, uint256 n)
        internal
        pure
        returns (uint256 extras)
    {
        if (hasReference) ++extras;
        if (previous) ++extras;
        if (history) extras += n;
    }

    /// @dev Entry k = i * m + j.
    function entry(int256[] memory g, uint256 k) internal pure returns (int256 value) {
        assembly ("memory-safe") {
            value := mload(add(add(g, 32), shl(5, k)))
        }
    }

    function _fillUpdates(int256[] memory g, bytes calldata packed, uint256 n, uint256 m) private pure {
        assembly ("memory-safe") {
            let source := packed.offset
            let rowBytes := shl(5, m)
            let diagonal := add(g, 32)
            let rowEnd := add(diagonal, shl(5, n))
            for { let i := 0 } lt(i, n) { i := add(i, 1) } {
                let down := diagonal
                for { let across := diagonal } lt(across, rowEnd) { across := add(across, 32) } {
                    let value := sar(192, calldataload(source)) // the top 8 bytes, sign extended
                    mstore(across, value)
                    mstore(down, value)
                    down := add(down, rowBytes)
                    source := add(source, 8)
                }
                diagonal := add(diagonal, add(rowBytes, 32))
                rowEnd := add(rowEnd, rowBytes)
            }
        }
    }

    function _fillExtras(int256[] memory g, bytes calldata packed, uint256 n, uint256 m) private pure {
        assembly ("memory-safe") {
            let source := add(packed.offset, mul(4, mul(n, add(n, 1))))
            let rowBytes := shl(5, m)
            let row := add(add(g, 32), mul(n, rowBytes))
            let column := add(add(g, 32), shl(5, n))
            for { let e := n } lt(e, m) { e := add(e, 1) } {
                let down := column
                let last := add(row, shl(5, e))
                for { let across := row } iszero(gt(across, last)) { across := add(across, 32) } {
                    let value := sar(128, calldataload(source)) // the top 16 bytes, sign extended
                    mstore(across, value)
                    mstore(down, value)
                    down := add(down, rowBytes)
                    source := add(source, 16)
                }
                row := add(row, rowBytes)
                column := add(column, 32)
            }
        }
    }

    function _checkUpdates(int256[] memory g, uint256 n, uint256 m, int256 bound) private pure {
        unchecked {
            for (uint256 i = 0; i < n; ++i) {
                int256 norm = entry(g, i * m + i);
                if (norm < 0 || norm > bound) revert Gram_OutOfRange(i, i, norm);
                for (uint256 j = 0; j < i; ++j) {
                    int256 twice = 2 * entry(g, i * m + j);
                    int256 sum = norm + entry(g, j * m + j);
                    if (twice > sum || -twice > sum) revert Gram_NotGram(j, i);
                }
            }
        }
    }

    /// @dev Squares before row e are at most 2^126, and a product is an int128, so that no square or product overflows.
    function _checkExtra(int256[] memory g, uint256 e, uint256 m) private pure {
        unchecked {
            int256 square = entry(g, e * m + e);
            if (square < 0 || square > int256(MAX_EXTRA_SQUARE)) revert Gram_OutOfRange(e, e, square);
            for (uint256 j = 0; j < e; ++j) {
                int256 product = entry(g, e * m + j);
                if (product * product > square * entry(g, j * m + j)) revert Gram_NotGram(j, e);
            }
        }
    }
}
