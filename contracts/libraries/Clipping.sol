// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";

import {StakeWeights} from "./StakeWeights.sol";
import {Weighing} from "./Weighing.sol";

/// @title Updates cut to a median norm, and their stakes' shares.
/// @dev The same integer arithmetic as aggregator/rules/weighing.py.
library Clipping {
    /// @dev c_i in units of 2^-32: 1, or floor(sqrt(2^64 M / G_ii)) where G_ii > M, which is less. Reverts unless `limit`
    /// is M, the stake-weighted lower median of those squares whose bit is set in `among`. Squares are below 2^63.
    function factors(uint256[] memory squares, uint128[] calldata stakes, uint256 among, uint256 limit)
        internal
        pure
        returns (uint256[] memory clips)
    {
        Weighing.checkLowerMedian(limit, squares, stakes, among);
        clips = new uint256[](squares.length);
        unchecked {
            for (uint256 i = 0; i < squares.length; ++i) {
                clips[i] = squares[i] > limit ? Math.sqrt((limit << 64) / squares[i]) : Weighing.WEIGHT_ONE;
            }
        }
    }

    /// @dev w_i = floor(b_i c_i / 2^32), with b the shares of accepted updates in their stakes.
    function shares(uint256 accepted, uint128[] calldata stakes, uint256[] memory clips)
        internal
        pure
        returns (uint64[] memory weights)
    {
        weights = StakeWeights.roundedDown(accepted, stakes);
        unchecked {
            for (uint256 i = 0; i < weights.length; ++i) {
                weights[i] = uint64((uint256(weights[i]) * clips[i]) >> 32);
            }
        }
    }

    /// @dev Centred clipping: all n updates are accepted. The only hint is M.
    function decide(uint256[] memory squares, uint128[] calldata stakes, bytes calldata hints)
        internal
        pure
        returns (uint256 accepted, uint64[] memory weights, bytes memory)
    {
        Weighing.checkLength(hints, 1);
        accepted = (1 << squares.length) - 1;
        return (accepted, shares(accepted, stakes, factors(squares, stakes, accepted, Weighing.word(hints, 0))), "");
    }
}
