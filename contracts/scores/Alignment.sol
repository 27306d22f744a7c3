// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";

import {IRule} from "../interfaces/IRule.sol";
import {IScore} from "../interfaces/IScore.sol";
import {Residuals} from "../libraries/Residuals.sol";
import {Running} from "../libraries/Running.sol";

/// @title Agreement with independent others, running over the rounds: the score that divides the payment floor.
/// @dev F_i <- 7/8 F_i + 2^64 x_i / max(w^T G w, sum of all x), with x_i = w_i (c_i max(0, a'_i) >> 32) and a_i = sum_j q_j
/// K_ij - T_i: K is the kernel of Residuals.addProductsAndKernel, and T_i = 3 isqrt(g_ii B_i / d), B_i = |sum of q_j u_j
/// over all others|^2; a'_i is the same with the previous aggregate projected out. The score is F_i, at most 2^120, where
/// w_i > 0 and a_i > 0, else 0. c and q shorten updates longer than the median. The same as
/// aggregator/scores/alignment.py. Memory: running values. Hint: the weighted median of the squared norms.
contract Alignment is IScore {
    using Residuals for Residuals.Rows;

    int256 private constant STANDARD_DEVIATIONS = 3;

    error Alignment_WrongLength(uint256 trainers, uint256 expected);

    /// @inheritdoc IScore
    function id() external pure returns (bytes32) {
        return "alignment";
    }

    /// @inheritdoc IScore
    function needsReference() external pure returns (bool) {
        return false;
    }

    /// @inheritdoc IScore
    function score(
        IRule.Round calldata round,
        uint64[] calldata weights,
        bytes calldata memoryBefore,
        bytes calldata hints
    ) external pure returns (int256[] memory scores, bytes memory memoryAfter) {
        uint256 n = round.updates;
        if (round.trainers.length != n) revert Alignment_WrongLength(round.trainers.length, n);
        Residuals.Rows memory rows = Residuals.read(round, weights, true);
        int256 square = rows.aggregateSquare(round.gram);
        if (square <= 0) return (new int256[](n), memoryBefore);
        rows.clip(hints, 1);
        int256[] memory values = _beyondChance(rows, round);
        uint256 agree = _positive(round.previous ? _beyondChance(_unprojected(round, weights, hints), round) : values, rows);
        _weigh(values, rows);
        square = _unit(values, square);
        uint256 taken;
        (scores, taken) = Running.recall(memoryBefore, round.trainers);
        for (uint256 i = 0; i < n; ++i) {
            scores[i] = Running.accumulated(scores[i], (values[i] << 64) / square);
        }
        memoryAfter = Running.remember(memoryBefore, round.trainers, taken, scores);
        for (uint256 i = 0; i < n; ++i) {
            if ((agree >> i) & 1 == 0) scores[i] = 0;
        }
    }

    /// @dev What a round's values are measured by: no round outweighs the others because its updates cancel.
    function _unit(int256[] memory values, int256 square) private pure returns (int256) {
        int256 sum = 0;
        for (uint256 i = 0; i < values.length; ++i) {
            sum += values[i];
        }
        return sum > square ? sum : square;
    }

    /// @dev The rows as they are, clipped.
    function _unprojected(IRule.Round calldata round, uint64[] calldata weights, bytes calldata hints)
        private
        pure
        returns (Residuals.Rows memory rows)
    {
        rows = Residuals.read(round, weights, false);
        rows.clip(hints, 1);
    }

    /// @dev a_i. The sum over others is below 2^128, so that its product with g_ii fits.
    function _beyondChance(Residuals.Rows memory rows, IRule.Round calldata round)
        private
        pure
        returns (int256[] memory values)
    {
        rows.addProductsAndKernel(round.gram);
        int256 aggregate = rows.residualSquare();
        if (aggregate < 0) aggregate = 0;
        int256 dimension = int256(uint256(round.dimension));
        values = new int256[](rows.updates);
        for (uint256 i = 0; i < values.length; ++i) {
            int256 q = rows.weight(i);
            int256 square = rows.squareOf(i);
            int256 others = aggregate - 2 * q * rows.sum(i) + q * q * square;
            values[i] = rows.kernelSum(i);
            if (others > 0) {
                values[i] -= STANDARD_DEVIATIONS * int256(Math.sqrt(uint256(square * others / dimension)));
            }
        }
    }

    /// @dev Bit i set: the value is positive, and update i has weight.
    function _positive(int256[] memory values, Residuals.Rows memory rows) private pure returns (uint256 bits) {
        for (uint256 i = 0; i < values.length; ++i) {
            if (values[i] > 0 && rows.ruleWeight(i) != 0) bits |= 1 << i;
        }
    }

    /// @dev From a'_i to x_i.
    function _weigh(int256[] memory values, Residuals.Rows memory rows) private pure {
        for (uint256 i = 0; i < values.length; ++i) {
            int256 value = values[i];
            values[i] = value > 0 ? rows.ruleWeight(i) * (rows.factor(i) * value >> 32) : int256(0);
        }
    }
}
