// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Roster} from "./Roster.sol";

/// @title Running values: one integer for each trainer that a job remembers, of rules and scores with a memory.
/// @dev Entries are a trainer's address and its value as int128: first those of the latest round, in the order of their
/// commitments, then absent ones as they were, at most 128 in all. The same as aggregator/running.py.
library Running {
    uint256 internal constant ENTRY_BYTES = 36;
    /// @dev Magnitudes stay at this where a round would take them further.
    int256 internal constant LARGEST = 1 << 120;
    /// @dev The share of a running score that a round leaves as it was.
    int256 private constant KEPT = 224;
    int256 private constant OF = 256;

    /// @dev The value, or the nearest of magnitude 2^120.
    function saturated(int256 value) internal pure returns (int256) {
        if (value > LARGEST) return LARGEST;
        return value < -LARGEST ? -LARGEST : value;
    }

    /// @dev 7/8 of the value, rounded toward zero, and the addition; saturated.
    function accumulated(int256 value, int256 addition) internal pure returns (int256) {
        return saturated(KEPT * value / OF + addition);
    }

    /// @return values The trainers' values; 0 for who is not remembered.
    /// @return taken What `remember` wants: bit k set where entry k belongs to a trainer of the round.
    function recall(bytes calldata memoryBefore, address[] calldata trainers)
        internal
        pure
        returns (int256[] memory values, uint256 taken)
    {
        uint256[] memory places;
        (places, taken) = Roster.find(memoryBefore, ENTRY_BYTES, trainers);
        values = new int256[](places.length);
        unchecked {
            for (uint256 i = 0; i < places.length; ++i) {
                if (places[i] == 0) continue;
                uint256 start = ENTRY_BYTES * (places[i] - 1) + 20;
                int256 value;
                assembly ("memory-safe") {
                    value := sar(128, calldataload(add(memoryBefore.offset, start)))
                }
                values[i] = value;
            }
        }
    }

    /// @dev The next memory. Each of the trainers' new values fits an int128.
    function remember(
        bytes calldata memoryBefore,
        address[] calldata trainers,
        uint256 taken,
        int256[] memory values
    ) internal pure returns (bytes memory next) {
        uint256 n = trainers.length;
        next = Roster.room(memoryBefore, ENTRY_BYTES, n, taken);
        for (uint256 i = 0; i < n; ++i) {
            address trainer = trainers[i];
            int256 value = values[i];
            assembly ("memory-safe") {
                // what the second word clears beyond the entry is written next, or is the room's spare word
                let entry := add(add(next, 32), mul(i, 36))
                mstore(entry, shl(96, trainer))
                mstore(add(entry, 20), shl(128, value))
            }
        }
        Roster.addAbsent(next, memoryBefore, ENTRY_BYTES, n, taken);
    }
}
