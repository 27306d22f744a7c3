// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Weights of accepted updates in proportion to their trainers' stakes.
/// @dev The same arithmetic as stake_weights of aggregator/rules/base.py.
library StakeWeights {
    /// @dev Weights are in units of 2^-32.
    uint256 internal constant WEIGHT_ONE = 1 << 32;

    /// @dev w_i = floor(2^32 * stake_i / sum of the accepted stakes); 0 where bit i of `accepted` is not set.
    function roundedDown(uint256 accepted, uint128[] calldata stakes) internal pure returns (uint64[] memory weights) {
        uint256 n = stakes.length;
        weights = new uint64[](n);
        unchecked {
            uint256 total = 0; // at most 256 * 2^128
            for (uint256 i = 0; i < n; ++i) {
                if ((accepted >> i) & 1 == 1) total += stakes[i];
            }
            if (total == 0) return weights;
            for (uint256 i = 0; i < n; ++i) {
                if ((accepted >> i) & 1 == 1) weights[i] = uint64(WEIGHT_ONE * stakes[i] / total);
            }
        }
    }
}
