// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";

import {StakeWeights} from "./StakeWeights.sol";

/// @title The split of a round's budget: a floor that the owner cannot steer, the job's score for the rest, and caps.
/// @dev The same arithmetic as aggregator/payouts.py. Scores stay below 2^200, so that the sum of 64 fits.
library Payouts {
    uint256 internal constant BASIS_POINTS = 10_000;

    /// @dev The weights with which the floor's score is computed: the rule's, but by stake over all n updates where the
    /// rule reads the reference row, which the owner chooses, or accepts fewer than n - f, which is outside its own
    /// assumption.
    /// @param accepted Bit i set: update i is accepted.
    function floorWeights(
        uint256 accepted,
        uint64[] memory weights,
        uint128[] calldata stakes,
        bool needsReference,
        uint256 byzantine
    ) internal pure returns (uint64[] memory) {
        uint256 n = weights.length;
        if (!needsReference && _count(accepted) + byzantine >= n) return weights;
        return StakeWeights.roundedDown((1 << n) - 1, stakes);
    }

    /// @dev The floor is divided by `floorScores` and the rest by `scores`, in proportion to what is positive, rounded
    /// down; nothing of a part where no score is positive. The sum never exceeds the budget.
    /// @param stakes Not all zero.
    /// @param budget Below 2^128.
    /// @param floorBps The floor, in 1/10000 of the budget: at most 10000.
    /// @param capBps The most that a trainer gets, in 1/10000 of what its share of the stakes would be: below 2^16, and 0
    /// for no cap.
    function split(
        int256[] memory scores,
        int256[] memory floorScores,
        uint128[] calldata stakes,
        uint256 budget,
        uint256 floorBps,
        uint256 capBps
    ) internal pure returns (uint256[] memory payouts) {
        uint256 floor = budget * floorBps / BASIS_POINTS;
        payouts = new uint256[](scores.length);
        _addShares(payouts, floorScores, floor);
        _addShares(payouts, scores, budget - floor);
        if (capBps != 0) _cap(payouts, stakes, budget * capBps);
    }

    /// @param all What the caps sum up to, in 1/10000.
    function _cap(uint256[] memory payouts, uint128[] calldata stakes, uint256 all) private pure {
        uint256 total = 0;
        for (uint256 i = 0; i < payouts.length; ++i) {
            total += BASIS_POINTS * stakes[i];
        }
        for (uint256 i = 0; i < payouts.length; ++i) {
            uint256 cap = Math.mulDiv(all, stakes[i], total);
            if (payouts[i] > cap) payouts[i] = cap;
        }
    }

    function _addShares(uint256[] memory payouts, int256[] memory scores, uint256 amount) private pure {
        uint256 total = 0;
        for (uint256 i = 0; i < scores.length; ++i) {
            if (scores[i] > 0) total += uint256(scores[i]);
        }
        for (uint256 i = 0; i < scores.length; ++i) {
            if (scores[i] > 0) payouts[i] += Math.mulDiv(amount, uint256(scores[i]), total);
        }
    }

    function _count(uint256 bits) private pure returns (uint256 count) {
        for (; bits != 0; bits &= bits - 1) {
            ++count;
        }
    }
}
