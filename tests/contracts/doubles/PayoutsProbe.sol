// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Payouts} from "../../../contracts/libraries/Payouts.sol";

/// @title Payouts.sol, to be asked from outside.
contract PayoutsProbe {
    function split(
        int256[] memory scores,
        int256[] memory floorScores,
        uint128[] calldata stakes,
        uint256 budget,
        uint256 floorBps,
        uint256 capBps
    ) external pure returns (uint256[] memory) {
        return Payouts.split(scores, floorScores, stakes, budget, floorBps, capBps);
    }

    function floorWeights(
        uint256 accepted,
        uint64[] memory weights,
        uint128[] calldata stakes,
        bool needsReference,
        uint256 byzantine
    ) external pure returns (uint64[] memory) {
        return Payouts.floorWeights(accepted, weights, stakes, needsReference, byzantine);
    }
}
