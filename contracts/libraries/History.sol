// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IProofVerifier} from "../interfaces/IProofVerifier.sol";
import {Bn254} from "./Bn254.sol";
import {Roster} from "./Roster.sol";

/// @title Running sums: commitments to what each trainer has submitted over the rounds of a job.
/// @dev A sum H of scale exponent E, whose entries are at most M (2^(b-1) - 1), becomes 2^(E - E') H + 2^(e - E') u in a
/// round of exponent e, E' = min(E, e), and M likewise; it starts again with E' = e, H' = u, M' = 1 where M' would exceed
/// 2^30, and for newcomers. Its commitment follows. The same as aggregator/history.py, which states the definition.
/// Carried are, for each trainer, 90 bytes: address, E (int16), M (uint32), the commitment's x and y.
library History {
    using Bn254 for Bn254.Sum;

    uint256 private constant ENTRY_BYTES = 90;
    uint256 private constant MAX_MULTIPLIER_BITS = 30;

    error History_WrongLength(uint256 commitments, uint256 trainers);
    error History_WrongPoint(uint256 index, uint256 x, uint256 y);

    /// @param exponent E.
    /// @param multiplier M.
    /// @param sum The commitment.
    struct Entry {
        int256 exponent;
        uint256 multiplier;
        Bn254.Sum sum;
    }

    /// @dev Reverts unless the last n of the commitments are the n trainers' running sums after this round, whose own
    /// commitments come first. n additions on the curve, and a doubling for each step that a scale exponent has moved.
    /// @param carried The sums before the round, as this function returned them; empty at first.
    /// @param exponent e, in the range of an int16.
    /// @return next The sums after the round: the n trainers' in order, then those of absent ones, at most 128.
    function advance(
        bytes calldata carried,
        address[] calldata trainers,
        IProofVerifier.Point[] calldata commitments,
        int256 exponent
    ) internal view returns (bytes memory next) {
        uint256 n = trainers.length;
        if (commitments.length < 2 * n) revert History_WrongLength(commitments.length, n);
        (uint256[] memory places, uint256 taken) = Roster.find(carried, ENTRY_BYTES, trainers);
        next = Roster.room(carried, ENTRY_BYTES, n, taken);
        IProofVerifier.Point[] calldata posted = commitments[commitments.length - n:];
        Entry memory entry;
        for (uint256 i = 0; i < n; ++i) {
            _read(entry, carried, places[i], exponent);
            _add(entry, commitments[i], exponent);
            if (posted[i].x != entry.sum.x || posted[i].y != entry.sum.y) {
                revert History_WrongPoint(i, entry.sum.x, entry.sum.y);
            }
            _write(entry, next, i, trainers[i]);
        }
        Roster.addAbsent(next, carried, ENTRY_BYTES, n, taken);
    }

    /// @dev Reads the entry at `place`, counted from 1; at 0, that of a newcomer, the sum of nothing.
    function _read(Entry memory entry, bytes calldata carried, uint256 place, int256 exponent) private pure {
        (entry.exponent, entry.multiplier, entry.sum.x, entry.sum.y) = (exponent, 0, 0, 0);
        if (place == 0) return;
        Bn254.Sum memory sum = entry.sum;
        assembly ("memory-safe") {
            let source := add(carried.offset, mul(sub(place, 1), ENTRY_BYTES))
            let word := calldataload(source)
            mstore(entry, signextend(1, shr(80, word)))
            mstore(add(entry, 0x20), and(shr(48, word), 0xffffffff))
            calldatacopy(sum, add(source, 26), 0x40)
        }
    }

    /// @dev entry += this round's update, or starts again with it.
    function _add(Entry memory entry, IProofVerifier.Point calldata update, int256 exponent) private view {
        (uint256 oldShift, uint256 newShift) = entry.exponent > exponent
            ? (uint256(entry.exponent - exponent), uint256(0))
            : (uint256(0), uint256(exponent - entry.exponent));
        bool startsAgain = (oldShift | newShift) > MAX_MULTIPLIER_BITS;
        if (!startsAgain) {
            entry.multiplier = (entry.multiplier << oldShift) + (1 << newShift);
            startsAgain = entry.multiplier > 1 << MAX_MULTIPLIER_BITS;
        }
        if (startsAgain) {
            (entry.exponent, entry.multiplier, entry.sum.x, entry.sum.y) = (exponent, 1, update.x, update.y);
            return;
        }
        entry.exponent -= int256(oldShift);
        _double(entry.sum, oldShift);
        Bn254.Sum memory added = Bn254.Sum(update.x, update.y, 0, 0, 0);
        _double(added, newShift);
        entry.sum.add(added.x, added.y);
    }

    /// @dev One addition costs less than a multiplication, also thirty of them.
    function _double(Bn254.Sum memory sum, uint256 times) private view {
        for (; times != 0; --times) {
            sum.add(sum.x, sum.y);
        }
    }

    function _write(Entry memory entry, bytes memory next, uint256 i, address trainer) private pure {
        Bn254.Sum memory sum = entry.sum;
        assembly ("memory-safe") {
            let target := add(add(next, 0x20), mul(i, ENTRY_BYTES))
            let word := or(shl(96, trainer), shl(80, and(mload(entry), 0xffff)))
            mstore(target, or(word, shl(48, mload(add(entry, 0x20)))))
            mcopy(add(target, 26), sum, 0x40)
        }
    }
}
