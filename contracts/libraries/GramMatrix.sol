// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Decoding of posted Gram matrices, with the checks that hold for every true one.
/// @dev Loops over pairs of updates read memory without bounds checks: a settlement of 64 updates has to fit a
/// transaction. Every index below is less than n * n, the length that `decode` allocates.
library GramMatrix {
    error Gram_WrongLength(bytes32 field, uint256 length, uint256 expected);
    error Gram_OutOfRange(uint256 i, uint256 j, int256 value);
    error Gram_NotGram(uint256 i, uint256 j);

    /// @dev From the upper triangle (row by row, big-endian int64) to the whole matrix, n * n, row by row.
    /// Every squared norm is 0 to d * 2^(2b-2), and 2|g_ij| <= g_ii + g_jj, so that squared distances are never
    /// negative; the two together bound every |g_ij| by d * 2^(2b-2).
    function decode(bytes calldata packed, uint256 n, uint256 dimension, uint256 bits)
        internal
        pure
        returns (int256[] memory g)
    {
        uint256 expected = packedLength(n);
        if (packed.length != expected) revert Gram_WrongLength("gram", packed.length, expected);
        g = new int256[](n * n);
        _fill(g, packed, n);
        _check(g, n, int256(dimension << (2 * bits - 2)));
    }

    /// @dev Bytes of the upper triangle.
    function packedLength(uint256 n) internal pure returns (uint256) {
        return 4 * n * (n + 1);
    }

    /// @dev Entry k = i * n + j.
    function entry(int256[] memory g, uint256 k) internal pure returns (int256 value) {
        assembly ("memory-safe") {
            value := mload(add(add(g, 32), shl(5, k)))
        }
    }

    function _fill(int256[] memory g, bytes calldata packed, uint256 n) private pure {
        assembly ("memory-safe") {
            let source := packed.offset
            let rowBytes := shl(5, n)
            let diagonal := add(g, 32)
            let rowEnd := add(diagonal, rowBytes)
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

    function _check(int256[] memory g, uint256 n, int256 bound) private pure {
        unchecked {
            for (uint256 i = 0; i < n; ++i) {
                int256 norm = entry(g, i * n + i);
                if (norm < 0 || norm > bound) revert Gram_OutOfRange(i, i, norm);
                for (uint256 j = 0; j < i; ++j) {
                    int256 twice = 2 * entry(g, i * n + j);
                    int256 sum = norm + entry(g, j * n + j);
                    if (twice > sum || -twice > sum) revert Gram_NotGram(j, i);
                }
            }
        }
    }
}
