// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IRule} from "../interfaces/IRule.sol";
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
        uint256[] memory squares = PackedGram.squares(round.gram, n);
        uint256[] memory w = new uint256[](n); // from the current model: no update has a weight
        for (uint256 step = 0; step < STEPS; ++step) {
            int256[] memory sums =
                step == 0 ? new int256[](n) : PackedGram.sumsOfOthers(round.gram, Weighing.asWeights(w));
            bytes calldata own = hints[32 * (n + 1) * step:];
            _distances(squares, sums, w, own);
            _masses(w, round.stakes, Weighing.word(own, n));
            if (step == STEPS - 1) accepted = _positive(w);
            Weighing.normalise(w);
        }
        return (accepted, Weighing.asWeights(w), "");
    }

    /// @dev From weights, and each update's sum over the others, to d_i = floor(sqrt(2^64 G_ii - 2^33 (G w)_i + w^T G w)),
    /// written over the weights. A negative radicand counts as 0.
    function _distances(
        uint256[] memory squares,
        int256[] memory sums,
        uint256[] memory w,
        bytes calldata hints
    ) private pure {
        unchecked {
            int256 square = 0;
            for (uint256 i = 0; i < w.length; ++i) {
                int256 weight = int256(w[i]);
                sums[i] += int256(squares[i]) * weight;
                square += sums[i] * weight;
            }
            for (uint256 i = 0; i < w.length; ++i) {
                int256 radicand = (int256(squares[i]) << (2 * Weighing.LENGTH_BITS))
                    - (sums[i] << (Weighing.LENGTH_BITS + 1)) + square;
                w[i] = Weighing.root(hints, i, radicand > 0 ? uint256(radicand) : 0);
            }
        }
    }

    /// @dev From distances to m_i = floor(stake_i * 2^32 nu / max(nu, d_i)): the product is below 2^(128 + 32 + 65), the
    /// mass at most 2^32 stake_i. nu is the median, and at least 1.
    function _masses(uint256[] memory values, uint128[] calldata stakes, uint256 median) private pure {
        Weighing.checkLowerMedian(median, values, stakes, Weighing.ALL);
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
