// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IRule} from "../interfaces/IRule.sol";
import {IScore} from "../interfaces/IScore.sol";
import {Residuals} from "../libraries/Residuals.sol";

/// @title Exact Shapley values of the quadratic utility against the owner's reference row.
/// @dev s_i = w_i (4 t_i - (G' w)_i), four times the value, with t_i = <r', u'_i> |a'| / |r'|; all 0 where reference or
/// aggregate have no length; below 2^195 in magnitude. Dashes: the previous aggregate is projected out. The same as
/// aggregator/scores/shapley_reference.py.
contract ShapleyReference is IScore {
    using Residuals for Residuals.Rows;

    error ShapleyReference_NoReference();

    /// @inheritdoc IScore
    function id() external pure returns (bytes32) {
        return "shapley-reference";
    }

    /// @inheritdoc IScore
    function needsReference() external pure returns (bool) {
        return true;
    }

    /// @inheritdoc IScore
    function score(IRule.Round calldata round, uint64[] calldata weights, bytes calldata, bytes calldata)
        external
        pure
        returns (int256[] memory scores, bytes memory)
    {
        if (!round.hasReference) revert ShapleyReference_NoReference();
        Residuals.Rows memory rows = Residuals.read(round, weights, true);
        rows.addProducts(round.gram);
        bool known;
        (scores, known) = rows.towardReference(round);
        if (!known) return (scores, "");
        for (uint256 i = 0; i < scores.length; ++i) {
            scores[i] = rows.weight(i) * (4 * scores[i] - rows.sum(i));
        }
        return (scores, "");
    }
}
