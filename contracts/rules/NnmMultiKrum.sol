// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IRule} from "../interfaces/IRule.sol";
import {Mixing} from "../libraries/Mixing.sol";
import {Nearest} from "../libraries/Nearest.sol";
import {StakeWeights} from "../libraries/StakeWeights.sol";

/// @title Nearest-neighbour mixing (Allouah et al., AISTATS 2023), then Multi-Krum on the mixed rows.
/// @notice Accepted is what is part of an accepted mixed row. The same arithmetic as aggregator/rules/nnm.py.
/// @dev Hints: for each update, the position of the farthest one mixed into it, one byte; then Multi-Krum's for the
/// mixed rows.
contract NnmMultiKrum is IRule {
    /// @inheritdoc IRule
    function id() external pure returns (bytes32) {
        return "nnm+multi-krum";
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
    function decide(Round calldata round, bytes calldata, bytes calldata hints)
        external
        pure
        returns (uint256 accepted, uint64[] memory weights, bytes memory memoryAfter)
    {
        uint256 n = round.updates;
        uint256 f = Nearest.tolerated(n, round.byzantine);
        Nearest.checkHintLength(hints, 2 * n + 1);
        (uint256[] memory mixed, uint256[] memory scores) = Mixing.krumScores(round, n - f, n - f - 2, hints);
        uint256 rows = Nearest.smallest(scores, n - f, hints, 2 * n);
        weights = StakeWeights.roundedDown(rows, round.stakes);
        accepted = Mixing.unmix(rows, weights, mixed, n - f);
        memoryAfter = "";
    }
}
