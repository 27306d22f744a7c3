// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Payouts} from "../../contracts/libraries/Payouts.sol";

/// @title The split of a budget, for budgets below 2^128, positive scores below 2^126 and any that are not positive.
/// @dev Math is tests/halmos/floor/Math.sol here, for Payouts alone: what ProductsProof proves of OpenZeppelin's.
contract PayoutsProof {
    uint256 private constant BUDGETS = 1 << 128;
    int256 private constant SCORES = 1 << 126;
    uint256 private constant STAKES = 1 << 112;
    uint256 private constant WHOLE_BPS = 10_000;

    function _split(
        int256[] calldata scores,
        int256[] calldata floorScores,
        uint128[] calldata stakes,
        uint256 budget,
        uint256 floorBps,
        uint256 capBps
    ) external pure returns (uint256[] memory) {
        return Payouts.split(scores, floorScores, stakes, budget, floorBps, capBps);
    }

    /// @dev One trainer gets all, or nothing.
    function check_one(int256 score, uint256 budget) external view {
        if (score >= SCORES || budget >= BUDGETS) return;
        uint256[] memory p = _shares(_list(score), budget);
        assert(p[0] == (score > 0 ? budget : 0));
    }

    /// @dev Two trainers: no more than the budget, and at most one unit less where a score is positive.
    function check_two(int256 a, int256 b, uint256 budget) external view {
        if (a >= SCORES || b >= SCORES || budget >= BUDGETS) return;
        uint256[] memory p = _shares(_list(a, b), budget);
        assert(p[0] + p[1] <= budget);
        if (a > 0 || b > 0) assert(p[0] + p[1] + 1 >= budget);
    }

    /// @dev Three trainers: no more than the budget.
    function check_three(int256 a, int256 b, int256 c, uint256 budget) external view {
        if (a >= SCORES || b >= SCORES || c >= SCORES || budget >= BUDGETS) return;
        uint256[] memory p = _shares(_list(a, b, c), budget);
        assert(p[0] + p[1] + p[2] <= budget);
    }

    /// @dev A share is rounded down, by less than one unit: p <= budget * score / total < p + 1.
    function check_rounding(uint256 a, uint256 others, uint256 budget) external view {
        if (a == 0 || a >= uint256(SCORES) || others >= uint256(SCORES) || budget >= BUDGETS) return;
        uint256[] memory p = _shares(_list(int256(a), int256(others)), budget);
        assert(p[0] * (a + others) <= budget * a);
        assert(budget * a - p[0] * (a + others) < a + others);
    }

    /// @dev Floor and rest of two trainers together are the sums of the two splits, and so no more than the budget.
    function check_floor(int256 a, int256 b, int256 c, int256 d, uint256 budget, uint256 floorBps) external view {
        if (a >= SCORES || b >= SCORES || c >= SCORES || d >= SCORES || budget >= BUDGETS) return;
        if (floorBps > WHOLE_BPS) return;
        uint256 floor = budget * floorBps / WHOLE_BPS;
        assert(floor <= budget);
        uint256[] memory p = this._split(_list(a, b), _list(c, d), new uint128[](2), budget, floorBps, 0);
        uint256[] memory floors = _shares(_list(c, d), floor);
        uint256[] memory rests = _shares(_list(a, b), budget - floor);
        assert(p[0] == floors[0] + rests[0] && p[1] == floors[1] + rests[1]);
    }

    function _shares(int256[] memory scores, uint256 budget) private view returns (uint256[] memory) {
        return this._split(scores, new int256[](scores.length), new uint128[](scores.length), budget, 0, 0);
    }

    function _list(int256 a) private pure returns (int256[] memory values) {
        values = new int256[](1);
        values[0] = a;
    }

    function _list(int256 a, int256 b) private pure returns (int256[] memory values) {
        values = new int256[](2);
        (values[0], values[1]) = (a, b);
    }

    function _list(int256 a, int256 b, int256 c) private pure returns (int256[] memory values) {
        values = new int256[](3);
        (values[0], values[1], values[2]) = (a, b, c);
    }
}
