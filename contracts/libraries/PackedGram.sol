// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {GramMatrix} from "./GramMatrix.sol";

/// @title Single rows of posted inner products, read where they lie, for rules that need no whole matrix.
/// @dev The layout is that of GramMatrix.unpack, whose caller has checked the length.
library PackedGram {
    /// @dev Squared norms of the n updates: entry (i, i) of the triangle starts row i, which is n - i entries long.
    function squares(bytes calldata packed, uint256 n) internal pure returns (uint256[] memory values) {
        values = new uint256[](n);
        assembly ("memory-safe") {
            let source := packed.offset
            let target := add(values, 32)
            for { let left := n } left { left := sub(left, 1) } {
                mstore(target, shr(192, calldataload(source))) // the top 8 bytes
                source := add(source, shl(3, left))
                target := add(target, 32)
            }
        }
    }

    /// @dev Inner products of the first extra row with the n updates.
    function products(bytes calldata packed, uint256 n) internal pure returns (int256[] memory values) {
        values = new int256[](n);
        uint256 start = GramMatrix.packedLength(n, 0);
        assembly ("memory-safe") {
            let source := add(packed.offset, start)
            let target := add(values, 32)
            for { let end := add(source, shl(4, n)) } lt(source, end) { source := add(source, 16) } {
                mstore(target, sar(128, calldataload(source))) // the top 16 bytes, sign extended
                target := add(target, 32)
            }
        }
    }

    /// @dev Squared norm of the first extra row.
    function extraSquare(bytes calldata packed, uint256 n) internal pure returns (uint256 value) {
        uint256 start = GramMatrix.packedLength(n, 0) + 16 * n;
        assembly ("memory-safe") {
            value := shr(128, calldataload(add(packed.offset, start)))
        }
    }

    /// @dev For each update the sum of weight_j g_ij over the others j. Each pair stands once and is read once. The sums
    /// are below 2^95 in magnitude where the weights' sum is at most 2^32.
    function sumsOfOthers(bytes calldata packed, uint64[] memory weights) internal pure returns (int256[] memory sums) {
        sums = new int256[](weights.length);
        assembly ("memory-safe") {
            let source := packed.offset
            let ahead := sub(sums, weights) // from a weight to its sum
            let end := add(add(weights, 32), shl(5, mload(weights)))
            for { let i := add(weights, 32) } lt(i, end) { i := add(i, 32) } {
                let own := mload(i)
                let sum := mload(add(i, ahead))
                source := add(source, 8) // past the square
                for { let j := add(i, 32) } lt(j, end) { j := add(j, 32) } {
                    let value := sar(192, calldataload(source)) // the top 8 bytes, sign extended
                    sum := add(sum, mul(value, mload(j)))
                    mstore(add(j, ahead), add(mload(add(j, ahead)), mul(value, own)))
                    source := add(source, 8)
                }
                mstore(add(i, ahead), sum)
            }
        }
    }
}
