// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IRule} from "../interfaces/IRule.sol";
import {IScore} from "../interfaces/IScore.sol";
import {Residuals} from "../libraries/Residuals.sol";

/// @title Leave-one-out on the quadratic utility: what the round would lose without a trainer.
/// @dev s_i = q_i (4 t_i - 2 (G' q)_i + q_i g'_ii), four times the loss, with t_i = <r', u'_i> |a| / |r'|; all 0 where a
/// or r' has no length; below 2^195 in magnitude. The weights q are the rule's, long updates shortened; dashes: the
/// previous aggregate is projected out. The same as aggregator/scores/leave_one_out.py. Hint: the weighted median.
contract LeaveOneOut is IScore {
    using Residuals for Residuals.Rows;

    /// @dev Updates longer than this many times the median length are shortened to it.
    int256 private constant TIMES_MEDIAN = 3;

    error LeaveOneOut_NoReference();

    /// @inheritdoc IScore
    function id() external pure returns (bytes32) {
        return "leave-one-out";
    }

    /// @inheritdoc IScore
    function needsReference() external pure returns (bool) {
        return true;
    }

    /// @inheritdoc IScore
    function score(IRule.Round calldata round, uint64[] calldata weights, bytes calldata, bytes calldata hints)
        external
        pure
        returns (int256[] memory scores, bytes memory)
    {
        if (!round.hasReference) revert LeaveOneOut_NoReference();
        Residuals.Rows memory rows = Residuals.read(round, weights, true);
        if (rows.weightless()) return (new int256[](rows.updates), "");
        rows.clip(hints, TIMES_MEDIAN);
        rows.addProducts(round.gram);
        bool known;
        (scores, known) = rows.towardReference(round);
        if (!known) return (scores, "");
        uint256 agree = rows.agreeWithReference(round, true);
        for (uint256 i = 0; i < scores.length; ++i) {
            int256 weight = rows.weight(i);
            scores[i] = weight * (4 * scores[i] - 2 * rows.sum(i) + weight * rows.squareOf(i));
            if (scores[i] > 0 && (agree >> i) & 1 == 0) scores[i] = 0;
        }
        return (scores, "");
    }
}
