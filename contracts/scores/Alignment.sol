// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IRule} from "../interfaces/IRule.sol";
import {IScore} from "../interfaces/IScore.sol";
import {Residuals} from "../libraries/Residuals.sol";

/// @title Agreement with independent others: the score without a reference row that divides the payment floor.
/// @dev a_i = w_i sum_j w_j K_ij, K_ij = g'_ij (1 - cos'^2_ij); below 2^125 in magnitude. Dashes: the previous aggregate
/// is projected out. The same as aggregator/scores/alignment.py.
contract Alignment is IScore {
    using Residuals for Residuals.Rows;

    /// @inheritdoc IScore
    function id() external pure returns (bytes32) {
        return "alignment";
    }

    /// @inheritdoc IScore
    function needsReference() external pure returns (bool) {
        return false;
    }

    /// @inheritdoc IScore
    function score(IRule.Round calldata round, uint64[] calldata weights, bytes calldata, bytes calldata)
        external
        pure
        returns (int256[] memory scores, bytes memory)
    {
        Residuals.Rows memory rows = Residuals.read(round, weights, true);
        rows.addIndependentProducts(round.gram);
        scores = new int256[](rows.updates);
        for (uint256 i = 0; i < scores.length; ++i) {
            scores[i] = rows.weight(i) * rows.sum(i);
        }
        return (scores, "");
    }
}
