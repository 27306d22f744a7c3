// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {StakeWeights} from "../../contracts/libraries/StakeWeights.sol";

/// @title Weights by stake of two trainers, for all stakes: which quotients they are. What these sum up to is SplitsProof's.
contract WeightsProof {
    function _weights(uint256 accepted, uint128[] calldata stakes) external pure returns (uint64[] memory) {
        return StakeWeights.roundedDown(accepted, stakes);
    }

    /// @dev Who is not accepted has no weight, whatever its stake.
    function check_left_out(uint128 s, uint128 t, uint8 accepted) external view {
        uint64[] memory w = this._weights(accepted, _stakes(s, t));
        if (accepted & 1 == 0) assert(w[0] == 0);
        if (accepted & 2 == 0) assert(w[1] == 0);
    }

    /// @dev Of two accepted each has floor(2^32 stake / sum of both).
    function check_both(uint128 s, uint128 t) external view {
        uint256 total = uint256(s) + t;
        if (total == 0) return;
        uint64[] memory w = this._weights(3, _stakes(s, t));
        assert(w[0] == uint64((uint256(s) << 32) / total));
        assert(w[1] == uint64((uint256(t) << 32) / total));
    }

    function _stakes(uint128 a, uint128 b) private pure returns (uint128[] memory values) {
        values = new uint128[](2);
        (values[0], values[1]) = (a, b);
    }
}
