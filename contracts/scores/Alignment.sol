// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";

import {IRule} from "../interfaces/IRule.sol";
import {IScore} from "../interfaces/IScore.sol";
import {Residuals} from "../libraries/Residuals.sol";
import {Running} from "../libraries/Running.sol";

/// @title Agreement with independent others, running over the rounds: the score that divides the payment floor.
/// @dev F_i <- 7/8 F_i + 2^64 x_i / max(w^T G w, sum of all x), with x_i = w_i (c_i max(0, s_i - T'_i) >> 32): s_i is the
/// winsorised sum of Residuals.addProductsAndHeldKernel, with the previous aggregate projected out. The score is F_i, at
/// most 2^120, where w_i > 0, sum_j q_j K_ij > 0 and <u_i, b_i> > T_i, else 0, with b_i = sum of q_j u_j over all others
/// and T_i = 3 isqrt(g_ii |b_i|^2 / d). c and q shorten updates longer than the median. The same as
/// aggregator/scores/alignment.py. Memory: running values. Hints: the weighted median of the squared norms, then the
/// bounds of addProductsAndHeldKernel.
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
        rows.clip(hints[:32], 1);
        rows.addProductsAndHeldKernel(round.gram, hints[32:], round.byzantine);
        int256[] memory values = _novelty(rows, round.dimension);
        uint256 agree = _agree(round, weights, hints[:32]);
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

    /// @dev x_i.
    function _novelty(Residuals.Rows memory rows, uint256 dimension) private pure returns (int256[] memory values) {
        int256 aggregate = rows.residualSquare();
        values = new int256[](rows.updates);
        for (uint256 i = 0; i < values.length; ++i) {
            int256 above = rows.kernelSum(i) - _chance(rows, i, aggregate, dimension);
            if (above > 0) values[i] = rows.ruleWeight(i) * (rows.factor(i) * above >> 32);
        }
    }

    /// @dev Bit i set: update i has weight, and points where independent others do, by more than chance, the previous
    /// aggregate left in.
    function _agree(IRule.Round calldata round, uint64[] calldata weights, bytes calldata median)
        private
        pure
        returns (uint256 agree)
    {
        Residuals.Rows memory rows = Residuals.read(round, weights, false);
        rows.clip(median, 1);
        rows.addProductsAndKernel(round.gram);
        int256 aggregate = rows.residualSquare();
        for (uint256 i = 0; i < rows.updates; ++i) {
            if (rows.ruleWeight(i) == 0 || rows.kernelSum(i) <= 0) continue;
            int256 toward = rows.sum(i) - rows.weight(i) * rows.squareOf(i);
            if (toward > _chance(rows, i, aggregate, round.dimension)) agree |= 1 << i;
        }
    }

    /// @dev T_i. |b_i|^2 is below 2^128, so that its product with g_ii fits.
    /// @param aggregate q^T G q.
    function _chance(Residuals.Rows memory rows, uint256 i, int256 aggregate, uint256 dimension)
        private
        pure
        returns (int256)
    {
        if (aggregate < 0) aggregate = 0;
        int256 q = rows.weight(i);
        int256 square = rows.squareOf(i);
        int256 others = aggregate - 2 * q * rows.sum(i) + q * q * square;
        return others > 0 ? STANDARD_DEVIATIONS * int256(Math.sqrt(uint256(square * others) / dimension)) : int256(0);
    }
}
