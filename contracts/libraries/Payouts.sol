// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";

/// @title The split of a round's budget: a floor that the owner cannot steer, the job's score for the rest, and a cap.
/// @dev The same arithmetic as aggregator/payouts.py. Scores stay below 2^200, so that the sum of 64 fits.
library Payouts {
    uint256 internal constant BASIS_POINTS = 10_000;
    uint256 private constant WEIGHT_ONE = 1 << 32;

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
        uint256 total = 0;
        for (uint256 i = 0; i < n; ++i) {
            total += stakes[i];
        }
        uint64[] memory byStake = new uint64[](n);
        if (total == 0) return byStake;
        for (uint256 i = 0; i < n; ++i) {
            byStake[i] = uint64(WEIGHT_ONE * stakes[i] / total);
        }
        return byStake;
    }

    /// @dev The floor is divided by `floorScores` and the rest by `scores`, in proportion to what is positive, rounded
    /// down; nothing of a part where no score is positive. Nobody gets more than the cap. The sum never exceeds the
    /// budget.
    /// @param budget Below 2^128.
    /// @param floorBps Share of the floor in 1/10000, at most 10000.
    /// @param capBps The most that one trainer gets, in 1/10000 of the budget.
    function split(
        int256[] memory scores,
        int256[] memory floorScores,
        uint256 budget,
        uint256 floorBps,
        uint256 capBps
    ) internal pure returns (uint256[] memory payouts) {
        uint256 floor = budget * floorBps / BASIS_POINTS;
        uint256 cap = budget * capBps / BASIS_POINTS;
        payouts = new uint256[](scores.length);
        _addShares(payouts, floorScores, floor);
        _addShares(payouts, scores, budget - floor);
        for (uint256 i = 0; i < payouts.length; ++i) {
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
