// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IRule} from "../interfaces/IRule.sol";
import {Nearest} from "../libraries/Nearest.sol";
import {StakeWeights} from "../libraries/StakeWeights.sol";

/// @title Multi-Krum (Blanchard et al., NeurIPS 2017): accepts the n - f updates with the smallest Krum scores.
/// @notice Accepted updates weigh by stake. The same arithmetic as aggregator/rules/multi_krum.py.
/// @dev Hints: for each update, the position of the farthest neighbour that its Krum score counts, one byte; then the
/// position of the last update accepted.
contract MultiKrum is IRule {
    /// @inheritdoc IRule
    function id() external pure returns (bytes32) {
        return "multi-krum";
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
        Nearest.checkHintLength(hints, n + 1);
        uint256[] memory scores = Nearest.distanceSums(round, n - f - 2, hints);
        accepted = Nearest.smallest(scores, n - f, hints, n);
        weights = StakeWeights.roundedDown(accepted, round.stakes);
        memoryAfter = "";
    }
}
