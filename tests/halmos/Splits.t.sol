// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {StakeWeights} from "../../contracts/libraries/StakeWeights.sol";

/// @title Weights by stake, proven for all figures within bounds: two trainers, stakes of four bits.
/// @dev The split of a budget goes by 512-bit products, which no solver decided in time: tests/forge fuzzes it.
contract SplitsProof {
    function _weights(uint256 accepted, uint128[] calldata stakes) external pure returns (uint64[] memory) {
        return StakeWeights.roundedDown(accepted, stakes);
    }

    /// @dev Weights by stake are 2^32 at most, and none goes to who is not accepted.
    function check_weights(uint8 s, uint8 t, uint8 accepted) external view {
        if (s > 15 || t > 15) return;
        uint64[] memory w = this._weights(accepted & 3, _stakes(s, t));
        assert(uint256(w[0]) + w[1] <= 1 << 32);
        if (accepted & 1 == 0) assert(w[0] == 0);
    }

    function _stakes(uint128 a, uint128 b) private pure returns (uint128[] memory values) {
        values = new uint128[](2);
        (values[0], values[1]) = (a, b);
    }
}
