// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IRule} from "../interfaces/IRule.sol";
import {GramMatrix} from "../libraries/GramMatrix.sol";
import {PackedGram} from "../libraries/PackedGram.sol";
import {Weighing} from "../libraries/Weighing.sol";

/// @title Geometric median (RFA: Pillutla, Kakade and Harchaoui, 2022) by three smoothed Weiszfeld steps.
/// @dev The same arithmetic as aggregator/rules/geometric_median.py, which states the definition. Bounds: updates'
/// products are int64, weights at most 2^32 with a sum of at most 2^32. So |(G w)_i| <= 2^95, |w^T G w| <= 2^127, squared
/// distances in units of 2^-64 are at most 2^127 + 2^128 + 2^127 = 2^129, and distances below 2^65.
contract GeometricMedian is IRule {
    uint256 private constant STEPS = 3;

    error GeometricMedian_NoUpdate();

    /// @inheritdoc IRule
    function id() external pure returns (bytes32) {
        return "geometric-median";
    }

    /// @inheritdoc IRule
    function needsReference() external pure returns (bool) {
        return false;
    }

    /// @inheritdoc IRule
    function needsHistory() external pure returns (bool) {
        return false;
    }

    /// @inheritdoc IRule
    /// @dev Hints: for each step the n distances, and their stake-weighted lower median.
    function decide(Round calldata round, bytes calldata, bytes calldata hints)
        external
        pure
        returns (uint256 accepted, uint64[] memory weights, bytes memory)
    {
        uint256 n = round.updates;
        if (n == 0) revert GeometricMedian_NoUpdate();
        Weighing.checkLength(hints, STEPS * (n + 1));
        int256[] memory g = GramMatrix.unpack(PackedGram.ofUpdates(round.gram, n), n, 0);
        uint256[] memory w = _padded(n); // from the current model: no update has a weight
        uint256[] memory values = _padded(n);
        for (uint256 step = 0; step < STEPS; ++step) {
            bytes calldata own = hints[32 * (n + 1) * step:];
            if (step != 0) _multiply(g, w, values);
            _distances(g, w, values, own);
            _masses(values, round.stakes, Weighing.word(own, n));
            if (step == STEPS - 1) accepted = _positive(values);
            Weighing.normalise(values);
            (w, values) = (values, w);
        }
        return (accepted, Weighing.asWeights(w), "");
    }

    /// @dev products_i = (G w)_i, as two's complement words. The memory of g and w is read without bounds checks, four
    /// entries at a time: the zeros after the n weights cancel what is read of the next row, or of w after the last.
    function _multiply(int256[] memory g, uint256[] memory w, uint256[] memory products) private pure {
        assembly ("memory-safe") {
            let start := add(w, 32)
            let rowBytes := shl(5, mload(w))
            let row := add(g, 32)
            let target := add(products, 32)
            for { let targetEnd := add(target, rowBytes) } lt(target, targetEnd) { target := add(target, 32) } {
                let sum := 0
                let weight := start
                let entry := row
                row := add(row, rowBytes)
                for {} lt(entry, row) { entry := add(entry, 128) } {
                    sum := add(sum, mul(mload(entry), mload(weight)))
                    sum := add(sum, mul(mload(add(entry, 32)), mload(add(weight, 32))))
                    sum := add(sum, mul(mload(add(entry, 64)), mload(add(weight, 64))))
                    sum := add(sum, mul(mload(add(entry, 96)), mload(add(weight, 96))))
                    weight := add(weight, 128)
                }
                mstore(target, sum)
            }
        }
    }

    /// @dev n zeros, and three more behind the array's end for _multiply.
    function _padded(uint256 n) private pure returns (uint256[] memory values) {
        values = new uint256[](n + 3);
        assembly ("memory-safe") {
            mstore(values, n)
        }
    }

    /// @dev From (G w)_i to d_i = floor(sqrt(2^64 G_ii - 2^33 (G w)_i + w^T G w)), a negative radicand counting as 0.
    function _distances(int256[] memory g, uint256[] memory w, uint256[] memory values, bytes calldata hints)
        private
        pure
    {
        uint256 n = w.length;
        unchecked {
            int256 square = 0;
            for (uint256 i = 0; i < n; ++i) {
                square += int256(w[i]) * int256(values[i]);
            }
            for (uint256 i = 0; i < n; ++i) {
                int256 radicand = (GramMatrix.entry(g, i * n + i) << (2 * Weighing.LENGTH_BITS))
                    - (int256(values[i]) << (Weighing.LENGTH_BITS + 1)) + square;
                values[i] = Weighing.root(hints, i, radicand > 0 ? uint256(radicand) : 0);
            }
        }
    }

    /// @dev From distances to m_i = floor(stake_i * 2^32 nu / max(nu, d_i)): the product is below 2^(128 + 32 + 65), the
    /// mass at most 2^32 stake_i. nu is the median, and at least 1.
    function _masses(uint256[] memory values, uint128[] calldata stakes, uint256 median) private pure {
        Weighing.checkLowerMedian(median, values, stakes);
        uint256 nu = median == 0 ? 1 : median;
        unchecked {
            for (uint256 i = 0; i < values.length; ++i) {
                uint256 distance = values[i];
                uint256 stake = uint256(stakes[i]) << Weighing.LENGTH_BITS;
                values[i] = distance > nu ? stake * nu / distance : stake;
            }
        }
    }

    /// @dev Bit i set: value i is not 0.
    function _positive(uint256[] memory values) private pure returns (uint256 bits) {
        for (uint256 i = 0; i < values.length; ++i) {
            if (values[i] != 0) bits |= 1 << i;
        }
    }
}
