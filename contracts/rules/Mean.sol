// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IRule} from "../interfaces/IRule.sol";
import {StakeWeights} from "../libraries/StakeWeights.sol";
import {Weighing} from "../libraries/Weighing.sol";

/// @title The mean, weighed by stake: accepts every update. No defence; the baseline to compare with.
/// @dev The same arithmetic as aggregator/rules/mean.py.
contract Mean is IRule {
    error Mean_NoUpdate();

    /// @inheritdoc IRule
    function id() external pure returns (bytes32) {
        return "mean";
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
    /// @dev w_i = floor(2^32 stake_i / sum of stakes). No hints.
    function decide(Round calldata round, bytes calldata, bytes calldata hints)
        external
        pure
        returns (uint256 accepted, uint64[] memory weights, bytes memory)
    {
        uint256 n = round.updates;
        if (n == 0) revert Mean_NoUpdate();
        Weighing.checkLength(hints, 0);
        accepted = (1 << n) - 1;
        return (accepted, StakeWeights.roundedDown(accepted, round.stakes), "");
    }
}
