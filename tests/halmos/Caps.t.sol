// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Payouts} from "../../contracts/libraries/Payouts.sol";

/// @title The caps of payouts: budgets below 2^128, scores below 2^126, stakes below 2^112, two trainers.
/// @dev Products and quotients are functions unknown here: the proof is that the same ones are compared. Which way they are
/// rounded is ProductsProof's.
contract CapsProof {
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

    /// @dev A payout is the smaller of the share and the cap, where that is rounded down: stakes below 2^112.
    function check_cap(uint256 a, uint256 b, uint256 s, uint256 t, uint256 budget, uint256 capBps) external view {
        if (a == 0 || a >= uint256(SCORES) || b == 0 || b >= uint256(SCORES) || budget >= BUDGETS) return;
        if (s == 0 || s >= STAKES || t == 0 || t >= STAKES || capBps == 0 || capBps >= 1 << 16) return;
        uint128[] memory stakes = new uint128[](2);
        (stakes[0], stakes[1]) = (uint128(s), uint128(t));
        int256[] memory scores = _list(int256(a), int256(b));
        uint256[] memory p = this._split(scores, new int256[](2), stakes, budget, 0, capBps);
        uint256[] memory shares = this._split(scores, new int256[](2), stakes, budget, 0, 0);
        uint256 total = WHOLE_BPS * s + WHOLE_BPS * t;
        uint256 cap = budget * capBps * s / total;
        assert(p[0] == (shares[0] > cap ? cap : shares[0]));
        cap = budget * capBps * t / total;
        assert(p[1] == (shares[1] > cap ? cap : shares[1]));
    }

    function _list(int256 a, int256 b) private pure returns (int256[] memory values) {
        values = new int256[](2);
        (values[0], values[1]) = (a, b);
    }
}
