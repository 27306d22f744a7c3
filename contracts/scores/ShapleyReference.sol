// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IRule} from "../interfaces/IRule.sol";
import {IScore} from "../interfaces/IScore.sol";
import {Residuals} from "../libraries/Residuals.sol";
import {Running} from "../libraries/Running.sol";

/// @title Exact Shapley values of the quadratic utility against the owner's reference row, running over the rounds.
/// @dev Phi_i <- 7/8 Phi_i + 2^64 phi_i / A, with phi_i = q_i (4 t_i - (G' q)_i), four times the Shapley value, t_i =
/// <r', u'_i> |a| / |r'|, and A the larger of w^T G w and the sum of all |phi| / 4. The score is Phi_i, at most 2^120, or 0
/// where that is positive and the update does not point where r does. The weights q are the rule's, long updates
/// shortened; dashes: the previous aggregate is projected out. The same as aggregator/scores/shapley_reference.py.
/// Memory: running values. Hint: the weighted median of the squared norms.
contract ShapleyReference is IScore {
    using Residuals for Residuals.Rows;

    /// @dev Updates longer than this many times the median length are shortened to it.
    int256 private constant TIMES_MEDIAN = 3;
    /// @dev No Shapley value of updates that exist comes near.
    int256 private constant LARGEST = 1 << 180;

    error ShapleyReference_NoReference();
    error ShapleyReference_WrongLength(uint256 trainers, uint256 expected);

    /// @inheritdoc IScore
    function id() external pure returns (bytes32) {
        return "shapley-reference";
    }

    /// @inheritdoc IScore
    function needsReference() external pure returns (bool) {
        return true;
    }

    /// @inheritdoc IScore
    function score(
        IRule.Round calldata round,
        uint64[] calldata weights,
        bytes calldata memoryBefore,
        bytes calldata hints
    ) external pure returns (int256[] memory scores, bytes memory memoryAfter) {
        if (!round.hasReference) revert ShapleyReference_NoReference();
        uint256 n = round.updates;
        if (round.trainers.length != n) revert ShapleyReference_WrongLength(round.trainers.length, n);
        Residuals.Rows memory rows = Residuals.read(round, weights, true);
        int256 square = rows.aggregateSquare(round.gram);
        if (square <= 0) return (new int256[](n), memoryBefore);
        rows.clip(hints, TIMES_MEDIAN);
        rows.addProducts(round.gram);
        int256[] memory values = _values(rows, round);
        square = _unit(values, square);
        uint256 taken;
        (scores, taken) = Running.recall(memoryBefore, round.trainers);
        for (uint256 i = 0; i < n; ++i) {
            scores[i] = Running.accumulated(scores[i], (values[i] << 64) / square);
        }
        memoryAfter = Running.remember(memoryBefore, round.trainers, taken, scores);
        uint256 agree = rows.agreeWithReference(round, false);
        for (uint256 i = 0; i < n; ++i) {
            if (scores[i] > 0 && (agree >> i) & 1 == 0) scores[i] = 0;
        }
    }

    /// @dev What a round's values are measured by: no round outweighs the others because its updates cancel.
    function _unit(int256[] memory values, int256 square) private pure returns (int256) {
        int256 sum = 0;
        for (uint256 i = 0; i < values.length; ++i) {
            sum += values[i] < 0 ? -values[i] : values[i];
        }
        return sum / 4 > square ? sum / 4 : square;
    }

    /// @dev phi_i; all 0 where a or r' has no length.
    function _values(Residuals.Rows memory rows, IRule.Round calldata round)
        private
        pure
        returns (int256[] memory values)
    {
        bool known;
        (values, known) = rows.towardReference(round);
        if (!known) return values;
        for (uint256 i = 0; i < values.length; ++i) {
            int256 value = rows.weight(i) * (4 * values[i] - rows.sum(i));
            if (value > LARGEST) value = LARGEST;
            values[i] = value < -LARGEST ? -LARGEST : value;
        }
    }
}
