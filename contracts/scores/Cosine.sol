// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";

import {IRule} from "../interfaces/IRule.sol";
import {IScore} from "../interfaces/IScore.sol";
import {Residuals} from "../libraries/Residuals.sol";

/// @title Cosine to the aggregate (CGSV; Xu et al., NeurIPS 2021), times the weight.
/// @dev s_i = w_i sgn((G w)_i) isqrt(2^64 (G w)_i^2 / (g_ii w^T G w)), 0 where the update or the aggregate has no length;
/// below 2^160 in magnitude. The same as aggregator/scores/cosine.py. The square roots are computed: a hint's bytes would
/// cost as much.
contract Cosine is IScore {
    using Residuals for Residuals.Rows;

    /// @inheritdoc IScore
    function id() external pure returns (bytes32) {
        return "cosine";
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
        int256 aggregate = rows.residualSquare();
        if (aggregate <= 0) return (scores, "");
        for (uint256 i = 0; i < scores.length; ++i) {
            int256 squares = rows.squareOf(i) * aggregate;
            if (squares <= 0) continue;
            int256 product = rows.sum(i);
            int256 cosine = int256(Math.sqrt((uint256(product * product) << 64) / uint256(squares)));
            scores[i] = rows.weight(i) * (product < 0 ? -cosine : cosine);
        }
        return (scores, "");
    }
}
