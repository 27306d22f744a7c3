// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Who a job remembers from round to round, and in which order: of reputations and of running sums alike.
/// @dev A memory is a list of entries of one size, each beginning with a trainer's address: first the trainers of the
/// latest round, in the order of their commitments, then absent ones as they were, at most 128 in all. The same as
/// aggregator/roster.py.
library Roster {
    uint256 internal constant MAX_ENTRIES = 128;

    error Roster_WrongLength(uint256 length, uint256 entryBytes);
    error Roster_TooManyTrainers(uint256 trainers);

    /// @return places For each trainer one more than the number of its first entry; 0 for a newcomer.
    /// @return taken Bit k set: entry k belongs to a trainer of the round.
    function find(bytes calldata remembered, uint256 entryBytes, address[] calldata trainers)
        internal
        pure
        returns (uint256[] memory places, uint256 taken)
    {
        uint256 count = remembered.length / entryBytes;
        if (count * entryBytes != remembered.length || count > MAX_ENTRIES) {
            revert Roster_WrongLength(remembered.length, entryBytes);
        }
        uint256 n = trainers.length;
        if (n > MAX_ENTRIES) revert Roster_TooManyTrainers(n);
        places = new uint256[](n);
        unchecked {
            for (uint256 i = 0; i < n; ++i) {
                uint256 place = _find(remembered, entryBytes, trainers[i]);
                places[i] = place;
                if (place != 0) taken |= 1 << (place - 1);
            }
        }
    }

    /// @dev Room for the next memory: n entries, which the caller writes in order, and then the absent, for `addAbsent`.
    /// A word may be written where less of an entry is left, also of the last.
    function room(bytes calldata remembered, uint256 entryBytes, uint256 n, uint256 taken)
        internal
        pure
        returns (bytes memory next)
    {
        uint256 count = remembered.length / entryBytes;
        uint256 entries = n;
        for (uint256 k = 0; k < count; ++k) {
            if ((taken >> k) & 1 == 0) ++entries;
        }
        if (entries > MAX_ENTRIES) entries = MAX_ENTRIES;
        next = new bytes(entries * entryBytes + 32);
        assembly ("memory-safe") {
            mstore(next, sub(mload(next), 32))
        }
    }

    /// @dev Copies the entries that belong to no trainer of the round behind the first n, as long as there is room.
    function addAbsent(bytes memory next, bytes calldata remembered, uint256 entryBytes, uint256 n, uint256 taken)
        internal
        pure
    {
        assembly ("memory-safe") {
            let target := add(add(next, 32), mul(n, entryBytes))
            let end := add(add(next, 32), mload(next))
            let source := remembered.offset
            for {} lt(target, end) { taken := shr(1, taken) } {
                if iszero(and(taken, 1)) {
                    calldatacopy(target, source, entryBytes)
                    target := add(target, entryBytes)
                }
                source := add(source, entryBytes)
            }
        }
    }

    function _find(bytes calldata remembered, uint256 entryBytes, address trainer) private pure returns (uint256 place) {
        assembly ("memory-safe") {
            let wanted := shr(96, shl(96, trainer))
            let source := remembered.offset
            let end := add(source, remembered.length)
            for {} lt(source, end) { source := add(source, entryBytes) } {
                if eq(shr(96, calldataload(source)), wanted) {
                    place := add(div(sub(source, remembered.offset), entryBytes), 1)
                    break
                }
            }
        }
    }
}
