// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title What rules that weigh by distances share: roots, the stake-weighted lower median, masses to weights.
/// @dev The same integer arithmetic as aggregator/rules/weighing.py. Roots and medians are given as hints and checked:
/// each check admits one value only, so a hint cannot change an outcome.
library Weighing {
    /// @dev Weights are in units of 2^-32, lengths in units of 2^-32 of an update's entry.
    uint256 internal constant WEIGHT_ONE = 1 << 32;
    uint256 internal constant LENGTH_BITS = 32;
    /// @dev Every update's bit.
    uint256 internal constant ALL = type(uint256).max;

    error Weighing_WrongLength(uint256 length, uint256 expected);
    error Weighing_WrongRoot(uint256 word, uint256 root, uint256 square);
    error Weighing_WrongMedian(uint256 median);

    /// @dev Reverts unless the hints are `count` words. Words may be read before; what lies beyond the hints then has to
    /// pass the same checks, and this refuses it in the end.
    function checkLength(bytes calldata hints, uint256 count) internal pure {
        if (hints.length != 32 * count) revert Weighing_WrongLength(hints.length, 32 * count);
    }

    /// @dev Word `index` of the hints.
    function word(bytes calldata hints, uint256 index) internal pure returns (uint256 value) {
        assembly ("memory-safe") {
            value := calldataload(add(hints.offset, shl(5, index)))
        }
    }

    /// @dev floor(sqrt(square)), given as word `index`: s^2 <= square < (s + 1)^2. No root reaches 2^128, so that nothing
    /// overflows.
    function root(bytes calldata hints, uint256 index, uint256 square) internal pure returns (uint256 s) {
        s = word(hints, index);
        unchecked {
            if (s >> 128 != 0 || s * s > square || square - s * s > 2 * s) {
                revert Weighing_WrongRoot(index, s, square);
            }
        }
    }

    /// @dev floor(2^32 sqrt(square)), given as word `index`. `square` is a squared norm below 2^127.
    function lengthOf(bytes calldata hints, uint256 index, uint256 square) internal pure returns (uint256) {
        return root(hints, index, square << (2 * LENGTH_BITS));
    }

    /// @dev Reverts unless `median` is the least value that, with all values below it, holds at least half of the stake.
    /// A number that is none of the values fails: the stake below it and up to it are then the same. Stakes are below
    /// 2^128 and their number below 2^32, so that no sum overflows. Reverts where no value counts.
    /// @param among Bit i set: value i counts.
    function checkLowerMedian(uint256 median, uint256[] memory values, uint128[] calldata stakes, uint256 among)
        internal
        pure
    {
        uint256 below = 0;
        uint256 upTo = 0;
        uint256 total = 0;
        unchecked {
            for (uint256 i = 0; i < values.length; ++i) {
                if ((among >> i) & 1 == 0) continue;
                uint256 value = values[i];
                uint256 stake = stakes[i];
                total += stake;
                if (value < median) below += stake;
                if (value <= median) upTo += stake;
            }
            if (2 * below >= total || 2 * upTo < total) revert Weighing_WrongMedian(median);
        }
    }

    /// @dev w_i = floor(2^32 m_i / sum m); all 0 where no mass is left. Masses are below 2^224 and their number below
    /// 2^32, so that neither the sum nor a product overflows. Written over the masses.
    function normalise(uint256[] memory masses) internal pure {
        uint256 total = 0;
        unchecked {
            for (uint256 i = 0; i < masses.length; ++i) {
                total += masses[i];
            }
            if (total == 0) return;
            for (uint256 i = 0; i < masses.length; ++i) {
                masses[i] = WEIGHT_ONE * masses[i] / total;
            }
        }
    }

    /// @dev The same numbers as uint64: weights are at most 2^32. No copy is made: both kinds take a word each.
    function asWeights(uint256[] memory values) internal pure returns (uint64[] memory weights) {
        assembly ("memory-safe") {
            weights := values
        }
    }
}
