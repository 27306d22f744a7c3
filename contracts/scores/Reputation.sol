// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";

import {IRule} from "../interfaces/IRule.sol";
import {IScore} from "../interfaces/IScore.sol";
import {Residuals} from "../libraries/Residuals.sol";
import {Roster} from "../libraries/Roster.sol";

/// @title RFFL's reputation (Xu and Lyu, 2020): similarity to the aggregate, remembered from round to round.
/// @dev s_i = w_i min(r_i, phi_i), with r_i <- (19 r_i + phi_i) / 20, and phi_i the cosine of the score "cosine" where it is
/// positive; below 2^64. Memory: 28 bytes a trainer, its address and r_i as uint64. The same as
/// aggregator/scores/reputation.py, which states the definition. Hints are ignored.
contract Reputation is IScore {
    using Residuals for Residuals.Rows;

    /// @dev Similarities and reputations are in units of 2^-32.
    uint256 private constant ONE = 1 << 32;
    uint256 private constant ENTRY_BYTES = 28;
    uint256 private constant KEPT = 19;
    uint256 private constant OF = 20;

    error Reputation_WrongLength(uint256 trainers, uint256 expected);
    error Reputation_OutOfRange(uint256 entry, uint256 reputation);

    /// @inheritdoc IScore
    function id() external pure returns (bytes32) {
        return "reputation";
    }

    /// @inheritdoc IScore
    function needsReference() external pure returns (bool) {
        return false;
    }

    /// @inheritdoc IScore
    function score(
        IRule.Round calldata round,
        uint64[] calldata weights,
        bytes calldata memoryBefore,
        bytes calldata
    ) external pure returns (int256[] memory scores, bytes memory memoryAfter) {
        uint256 n = round.updates;
        if (round.trainers.length != n) revert Reputation_WrongLength(round.trainers.length, n);
        (uint256[] memory places, uint256 taken) = Roster.find(memoryBefore, ENTRY_BYTES, round.trainers);
        _checkRange(memoryBefore);
        scores = new int256[](n);
        (bool learned, uint256[] memory similar) = _similarities(round, weights);
        if (!learned) return (scores, memoryBefore);
        uint256[] memory reputations = _past(memoryBefore, places, similar, weights);
        for (uint256 i = 0; i < n; ++i) {
            reputations[i] = (KEPT * reputations[i] + similar[i]) / OF;
            scores[i] = int256(weights[i] * Math.min(reputations[i], similar[i]));
        }
        memoryAfter = Roster.room(memoryBefore, ENTRY_BYTES, n, taken);
        _write(memoryAfter, round.trainers, reputations);
        Roster.addAbsent(memoryAfter, memoryBefore, ENTRY_BYTES, n, taken);
    }

    /// @dev phi_i: floor(2^32 (G' w)_i / isqrt(g'_ii w^T G' w)), 0 where it is negative, at most 1.
    function _similarities(IRule.Round calldata round, uint64[] calldata weights)
        private
        pure
        returns (bool learned, uint256[] memory similar)
    {
        Residuals.Rows memory rows = Residuals.read(round, weights, true);
        rows.addProducts(round.gram);
        similar = new uint256[](rows.updates);
        int256 aggregate = 0;
        for (uint256 i = 0; i < similar.length; ++i) {
            aggregate += rows.weight(i) * rows.sum(i);
        }
        if (aggregate <= 0) return (false, similar);
        for (uint256 i = 0; i < similar.length; ++i) {
            int256 square = rows.squareOf(i);
            int256 sum = rows.sum(i);
            if (square <= 0 || sum <= 0) continue;
            similar[i] = Math.min(ONE, (uint256(sum) << 32) / Math.sqrt(uint256(square * aggregate)));
        }
        return (true, similar);
    }

    /// @dev Each trainer's reputation so far. A newcomer has the mean of those known, weighted by the round's weights;
    /// where none of them has weight, what it shows now.
    function _past(
        bytes calldata memoryBefore,
        uint256[] memory places,
        uint256[] memory similar,
        uint64[] calldata weights
    ) private pure returns (uint256[] memory past) {
        uint256 n = places.length;
        past = new uint256[](n);
        uint256 total = 0;
        uint256 sum = 0;
        for (uint256 i = 0; i < n; ++i) {
            if (places[i] == 0) continue;
            past[i] = _reputation(memoryBefore, places[i] - 1);
            total += weights[i];
            sum += weights[i] * past[i];
        }
        for (uint256 i = 0; i < n; ++i) {
            if (places[i] == 0) past[i] = total == 0 ? similar[i] : sum / total;
        }
    }

    function _checkRange(bytes calldata memoryBefore) private pure {
        uint256 count = memoryBefore.length / ENTRY_BYTES;
        for (uint256 k = 0; k < count; ++k) {
            uint256 reputation = _reputation(memoryBefore, k);
            if (reputation > ONE) revert Reputation_OutOfRange(k, reputation);
        }
    }

    /// @dev The reputation in entry k, of which there are more.
    function _reputation(bytes calldata memoryBefore, uint256 k) private pure returns (uint256 value) {
        assembly ("memory-safe") {
            value := shr(192, calldataload(add(add(memoryBefore.offset, 20), mul(k, ENTRY_BYTES))))
        }
    }

    /// @dev Writes the round's trainers in order. Four bytes beyond each entry are cleared before the next is written.
    function _write(bytes memory target, address[] calldata trainers, uint256[] memory reputations) private pure {
        for (uint256 i = 0; i < reputations.length; ++i) {
            uint256 entry = (uint256(uint160(trainers[i])) << 96) | (reputations[i] << 32);
            assembly ("memory-safe") {
                mstore(add(add(target, 32), mul(i, ENTRY_BYTES)), entry)
            }
        }
    }
}
