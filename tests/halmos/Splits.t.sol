// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Payouts} from "../../contracts/libraries/Payouts.sol";
import {StakeWeights} from "../../contracts/libraries/StakeWeights.sol";

/// @title The split of a round's budget, proven for all figures within bounds: two trainers.
contract SplitsProof {
    function _split(
        int256[] memory scores,
        int256[] memory floorScores,
        uint128[] calldata stakes,
        uint256 budget,
        uint256 floorBps,
        uint256 capBps
    ) external pure returns (uint256[] memory) {
        return Payouts.split(scores, floorScores, stakes, budget, floorBps, capBps);
    }

    /// @dev Payouts and remainder are the budget; what earned nothing gets nothing; the remainder is less than a unit for
    /// each share that was rounded down.
    function check_split_conserves(int8 a, int8 b, int8 c, int8 d, uint8 budget) external view {
        if (a > 3 || b > 3 || c > 3 || d > 3 || budget > 15) return;
        uint256[] memory pay = this._split(_pair(a, b), _pair(c, d), _stakes(1, 1), budget, 5_000, 0);
        assert(pay[0] + pay[1] <= budget);
        if (a <= 0 && c <= 0) assert(pay[0] == 0);
        if ((a > 0 || b > 0) && (c > 0 || d > 0)) assert(budget - pay[0] - pay[1] <= 2);
    }

    /// @dev Every share is rounded down: paid * total <= amount * score.
    function check_share_rounds_down(uint8 a, uint8 b, uint8 budget) external view {
        if (a == 0 || a > 7 || b > 7 || budget > 15) return;
        uint256[] memory pay =
            this._split(_pair(int256(uint256(a)), int256(uint256(b))), _pair(0, 0), _stakes(1, 1), budget, 0, 0);
        uint256 total = uint256(a) + b;
        assert(pay[0] * total <= uint256(budget) * a);
        assert((pay[0] + 1) * total > uint256(budget) * a);
    }

    /// @dev A cap only ever takes away, and nobody is paid above it.
    function check_cap(uint8 a, uint8 b, uint8 s, uint8 t, uint8 budget, uint16 capBps) external view {
        if (capBps < 10_000 || s == 0 || t == 0 || s > 3 || t > 3 || a > 3 || b > 3 || budget > 15) return;
        int256[] memory scores = _pair(int256(uint256(a)), int256(uint256(b)));
        uint256[] memory free = this._split(scores, scores, _stakes(s, t), budget, 5_000, 0);
        uint256[] memory pay = this._split(scores, scores, _stakes(s, t), budget, 5_000, capBps);
        assert(pay[0] <= free[0] && pay[1] <= free[1]);
        assert(pay[0] * 10_000 * (uint256(s) + t) <= uint256(budget) * capBps * s);
    }

    function _weights(uint256 accepted, uint128[] calldata stakes) external pure returns (uint64[] memory) {
        return StakeWeights.roundedDown(accepted, stakes);
    }

    /// @dev Weights by stake are 2^32 at most, and none goes to who is not accepted.
    function check_weights(uint8 s, uint8 t, uint8 accepted) external view {
        uint64[] memory w = this._weights(accepted & 3, _stakes(s, t));
        assert(uint256(w[0]) + w[1] <= 1 << 32);
        if (accepted & 1 == 0) assert(w[0] == 0);
    }

    function _pair(int256 a, int256 b) private pure returns (int256[] memory values) {
        values = new int256[](2);
        (values[0], values[1]) = (a, b);
    }

    function _stakes(uint128 a, uint128 b) private pure returns (uint128[] memory values) {
        values = new uint128[](2);
        (values[0], values[1]) = (a, b);
    }
}
