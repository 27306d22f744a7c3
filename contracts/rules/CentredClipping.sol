// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IRule} from "../interfaces/IRule.sol";
import {PackedGram} from "../libraries/PackedGram.sol";
import {Weighing} from "../libraries/Weighing.sol";

/// @title Centred clipping (Karimireddy, He and Jaggi, ICML 2021): the mean of updates cut to the median norm.
/// @dev The same arithmetic as aggregator/rules/centred_clipping.py, which states the definition.
contract CentredClipping is IRule {
    error CentredClipping_NoUpdate();

    /// @inheritdoc IRule
    function id() external pure returns (bytes32) {
        return "centred-clipping";
    }

    /// @inheritdoc IRule
    function needsReference() external pure returns (bool) {
        return false;
    }

    /// @inheritdoc IRule
    function needsHistory() external pure returns (bool) {
        return false;
    }

    /// @inheritdoc IRule
    /// @dev Hints: the median squared norm t, floor(2^32 sqrt(t)), and the same root of each greater squared norm.
    function decide(Round calldata round, bytes calldata, bytes calldata hints)
        external
        pure
        returns (uint256 accepted, uint64[] memory weights, bytes memory)
    {
        uint256 n = round.updates;
        if (n == 0) revert CentredClipping_NoUpdate();
        uint256[] memory squares = PackedGram.squares(round.gram, n);
        uint256 limit = Weighing.word(hints, 0);
        Weighing.checkLowerMedian(limit, squares, round.stakes);
        return ((1 << n) - 1, Weighing.asWeights(_clip(squares, round.stakes, limit, hints)), "");
    }

    /// @dev Turns squared norms into weights. 2^32 * stake * radius < 2^(32 + 128 + 64), the stakes' sum times a length
    /// less than 2^(160 + 64): squared norms are below 2^63, their roots in units of 2^-32 below 2^64.
    function _clip(uint256[] memory squares, uint128[] calldata stakes, uint256 limit, bytes calldata hints)
        private
        pure
        returns (uint256[] memory)
    {
        uint256 radius = Weighing.lengthOf(hints, 1, limit);
        uint256 total = 0;
        uint256 used = 2;
        unchecked {
            for (uint256 i = 0; i < squares.length; ++i) {
                total += stakes[i];
            }
            for (uint256 i = 0; i < squares.length; ++i) {
                uint256 square = squares[i];
                uint256 mass = Weighing.WEIGHT_ONE * stakes[i];
                squares[i] = square > limit
                    ? mass * radius / (total * Weighing.lengthOf(hints, used++, square))
                    : mass / total;
            }
        }
        Weighing.checkLength(hints, used);
        return squares;
    }
}
