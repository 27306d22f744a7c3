// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IRule} from "../interfaces/IRule.sol";
import {Clipping} from "../libraries/Clipping.sol";
import {PackedGram} from "../libraries/PackedGram.sol";

/// @title Centred clipping (Karimireddy, He and Jaggi, ICML 2021): the mean of updates cut to the median norm.
/// @dev The same arithmetic as aggregator/rules/centred_clipping.py, which states the definition.
contract CentredClipping is IRule {
    error CentredClipping_NoUpdate();

    /// @inheritdoc IRule
    function id() external pure returns (bytes32) {
        return "centred-clipping";
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
    /// @dev Hint: M, the stake-weighted lower median of the squared norms.
    function decide(Round calldata round, bytes calldata, bytes calldata hints)
        external
        pure
        returns (uint256 accepted, uint64[] memory weights, bytes memory)
    {
        uint256 n = round.updates;
        if (n == 0) revert CentredClipping_NoUpdate();
        return Clipping.decide(PackedGram.squares(round.gram, n), round.stakes, hints);
    }
}
