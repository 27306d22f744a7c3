// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IRule} from "../interfaces/IRule.sol";
import {Clipping} from "../libraries/Clipping.sol";
import {PackedGram} from "../libraries/PackedGram.sol";
import {Weighing} from "../libraries/Weighing.sol";

/// @title FLTrust (Cao, Fang, Liu and Gong, NDSS 2021): trust by the cosine with the owner's reference row.
/// @dev The same arithmetic as aggregator/rules/fltrust.py, which states the definition.
contract FlTrust is IRule {
    error FlTrust_NoUpdate();

    /// @inheritdoc IRule
    function id() external pure returns (bytes32) {
        return "fltrust";
    }

    /// @inheritdoc IRule
    function needsReference() external pure returns (bool) {
        return true;
    }

    /// @inheritdoc IRule
    function needsHistory() external pure returns (bool) {
        return false;
    }

    /// @inheritdoc IRule
    /// @dev Hints: floor(2^32 sqrt(square)) of the reference, and of each update whose product with it is positive.
    /// Without a reference, or with one of zeros, those of centred clipping, which then decides.
    function decide(Round calldata round, bytes calldata, bytes calldata hints)
        external
        pure
        returns (uint256 accepted, uint64[] memory weights, bytes memory)
    {
        uint256 n = round.updates;
        if (n == 0) revert FlTrust_NoUpdate();
        uint256[] memory squares = PackedGram.squares(round.gram, n);
        uint256 square = round.hasReference ? PackedGram.extraSquare(round.gram, n) : 0;
        if (square == 0) return Clipping.decide(squares, round.stakes, hints);
        uint256[] memory masses;
        (accepted, masses) = _trust(round, squares, hints);
        Weighing.normalise(masses);
        _shorten(masses, squares, accepted, square, hints);
        return (accepted, Weighing.asWeights(masses), "");
    }

    /// @dev m_i = stake_i * floor(2^64 b_i / L_i) where b_i > 0. By Cauchy and Schwarz, which the verifier has checked,
    /// b_i is at most |r| |u_i| < 2^(63 + 32), and positive only where |u_i| >= 1: 2^64 b_i < 2^159, the quotient is less
    /// than 2^32 |r| (1 + 2^-31) < 2^95 (1 + 2^-31), and 2^32 times the mass stays below 2^256.
    function _trust(Round calldata round, uint256[] memory squares, bytes calldata hints)
        private
        pure
        returns (uint256 accepted, uint256[] memory masses)
    {
        uint256 n = squares.length;
        int256[] memory products = PackedGram.products(round.gram, n);
        masses = new uint256[](n);
        uint256 used = 1;
        unchecked {
            for (uint256 i = 0; i < n; ++i) {
                if (products[i] <= 0) continue;
                uint256 quotient = (uint256(products[i]) << (2 * Weighing.LENGTH_BITS))
                    / Weighing.lengthOf(hints, used++, squares[i]);
                masses[i] = round.stakes[i] * quotient;
                accepted |= 1 << i;
            }
        }
        Weighing.checkLength(hints, used);
    }

    /// @dev Brings what is longer than the reference to its length. The roots are the ones that _trust has checked.
    function _shorten(
        uint256[] memory weights,
        uint256[] memory squares,
        uint256 accepted,
        uint256 square,
        bytes calldata hints
    ) private pure {
        uint256 length = Weighing.lengthOf(hints, 0, square);
        uint256 used = 1;
        unchecked {
            for (uint256 i = 0; i < weights.length; ++i) {
                if ((accepted >> i) & 1 == 0) continue;
                if (squares[i] > square) weights[i] = weights[i] * length / Weighing.word(hints, used);
                ++used;
            }
        }
    }
}
