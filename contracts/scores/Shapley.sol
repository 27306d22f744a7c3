// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IRule} from "../interfaces/IRule.sol";
import {IScore} from "../interfaces/IScore.sol";
import {Residuals} from "../libraries/Residuals.sol";

/// @title Exact Shapley values of the quadratic utility, with the aggregate itself as the reference.
/// @dev s_i = w_i (G w)_i, twice the value; below 2^126 in magnitude. The same as aggregator/scores/shapley.py.
contract Shapley is IScore {
    using Residuals for Residuals.Rows;

    /// @inheritdoc IScore
    function id() external pure returns (bytes32) {
        return "shapley";
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
        Residuals.Rows memory rows = Residuals.read(round, weights, false);
        rows.addProducts(round.gram);
        scores = new int256[](rows.updates);
        for (uint256 i = 0; i < scores.length; ++i) {
            scores[i] = rows.weight(i) * rows.sum(i);
        }
        return (scores, "");
    }
}
