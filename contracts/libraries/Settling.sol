// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IProofVerifier} from "../interfaces/IProofVerifier.sol";
import {IRule} from "../interfaces/IRule.sol";
import {IScore} from "../interfaces/IScore.sol";
import {Carried} from "./Carried.sol";
import {GramMatrix} from "./GramMatrix.sol";
import {Payouts} from "./Payouts.sol";

/// @title From proven inner products to accepted updates, weights, scores, payouts and the next scale.
/// @dev The same integer arithmetic as aggregator/settlement.py and aggregator/fixedpoint.py; tests/vectors binds the two.
library Settling {
    int256 private constant MAX_SCALE_STEP = 2;
    int256 internal constant MAX_SCALE_EXPONENT = 64;

    error Settling_UnexpectedReference();
    error Settling_WrongHistory(bool posted, bool expected);
    error Settling_InvalidShares(uint256 floorBps, uint256 capBps);
    error Settling_WrongLength(bytes32 field, uint256 length, uint256 expected);
    error Settling_WrongWeight(uint256 index, uint256 posted, uint256 expected);
    error Settling_WrongScore(uint256 index, int256 posted, int256 expected);
    error Settling_WrongPayout(uint256 index, uint256 posted, uint256 expected);
    error Settling_WrongScale(int256 posted, int256 expected);

    /// @param rule, score The job's.
    /// @param floor The score that splits what does not depend on the reference.
    struct Contracts {
        IRule rule;
        IScore score;
        IScore floor;
    }

    /// @dev Reverts unless weights, scores, payouts and the next scale follow from the posted products by the job's
    /// terms, to the last unit, and the products could be those of rows of the job's dimension and range. Where a job has
    /// a reference but its row is missing, the floor's score splits the whole budget and is posted, and what the job's
    /// own score remembers stays as it was; its rule does without the row.
    /// @param memories What rule and scores remember; afterwards, for the next round.
    function check(IProofVerifier.Statement calldata s, Contracts memory c, Carried.Memories memory memories)
        internal
        pure
    {
        IProofVerifier.GramStatement calldata q = s.gram;
        _checkTerms(s, c.rule);
        uint256[] memory squares = _checkProducts(q);
        IRule.Round memory round = _round(q);
        (uint256 accepted, uint64[] memory weights, bytes memory memoryAfter) =
            c.rule.decide(round, memories.rule, s.witness.ruleHints);
        memories.rule = memoryAfter;
        _checkWeights(s.weights, weights, squares.length);
        _checkScale(s, squares, accepted);
        weights = Payouts.floorWeights(accepted, weights, q.stakes, c.rule.needsReference(), q.byzantine);
        _checkShares(s, c, round, memories, weights);
    }

    /// @dev Scores and payouts, with the floor's `weights`.
    function _checkShares(
        IProofVerifier.Statement calldata s,
        Contracts memory c,
        IRule.Round memory round,
        Carried.Memories memory memories,
        uint64[] memory weights
    ) private pure {
        bool unusable = s.referenceExpected && !s.gram.hasReference;
        uint256 floorBps = unusable ? Payouts.BASIS_POINTS : s.gram.floorBps;
        int256[] memory floorScores = new int256[](weights.length);
        if (floorBps != 0) {
            (floorScores, memories.floor) = c.floor.score(round, weights, memories.floor, s.witness.floorHints);
        }
        int256[] memory scores = floorScores;
        if (!unusable) {
            (scores, memories.score) = c.score.score(round, s.weights, memories.score, s.witness.scoreHints);
        }
        _checkScores(s.scores, scores, weights.length);
        IProofVerifier.GramStatement calldata q = s.gram;
        _checkPayouts(s.payouts, Payouts.split(scores, floorScores, q.stakes, q.budget, floorBps, q.capBps));
    }

    function _checkScale(IProofVerifier.Statement calldata s, uint256[] memory squares, uint256 accepted)
        private
        pure
    {
        IProofVerifier.GramStatement calldata q = s.gram;
        int256 exponent =
            nextScaleExponent(squares, accepted, q.scaleExponent, q.dimension, q.bits, q.headroomBits);
        if (s.nextScaleExponent != exponent) revert Settling_WrongScale(s.nextScaleExponent, exponent);
    }

    /// @dev The scale rule: the smallest step k in -2..2 with median |u|^2 <= d * 2^(2(b-1-h) + 1 + 2k), the median
    /// taken over accepted updates (the lower one when their number is even); the exponent stays in -64..64.
    /// @param squares |u_i|^2.
    /// @param accepted Bit i set: update i counts.
    function nextScaleExponent(
        uint256[] memory squares,
        uint256 accepted,
        int256 exponent,
        uint256 dimension,
        uint256 bits,
        uint256 headroomBits
    ) internal pure returns (int256) {
        uint256 median = _lowerMedian(_accepted(squares, accepted));
        uint256 shift = 2 * (bits - 1 - headroomBits) + 1 - 4;
        int256 step = -MAX_SCALE_STEP;
        while (step < MAX_SCALE_STEP && median > dimension << shift) {
            ++step;
            shift += 2;
        }
        exponent += step;
        if (exponent > MAX_SCALE_EXPONENT) return MAX_SCALE_EXPONENT;
        return exponent < -MAX_SCALE_EXPONENT ? -MAX_SCALE_EXPONENT : exponent;
    }

    function _checkTerms(IProofVerifier.Statement calldata s, IRule rule) private pure {
        IProofVerifier.GramStatement calldata q = s.gram;
        if (q.stakes.length != q.trainers.length) {
            revert Settling_WrongLength("stakes", q.stakes.length, q.trainers.length);
        }
        if (q.hasReference && !s.referenceExpected) revert Settling_UnexpectedReference();
        bool history = rule.needsHistory();
        if (q.history != history) revert Settling_WrongHistory(q.history, history);
        if (q.floorBps > Payouts.BASIS_POINTS || (q.capBps != 0 && q.capBps < Payouts.BASIS_POINTS)) {
            revert Settling_InvalidShares(q.floorBps, q.capBps);
        }
    }

    /// @dev Checks the products and returns the updates' squared norms; the matrix, which may be large, is given up.
    function _checkProducts(IProofVerifier.GramStatement calldata q) private pure returns (uint256[] memory squares) {
        uint256 n = q.trainers.length;
        uint256 extras = GramMatrix.extraRows(q.hasReference, q.previous, q.history, n);
        squares = new uint256[](n);
        uint256 free;
        assembly ("memory-safe") {
            free := mload(0x40)
        }
        int256[] memory g = GramMatrix.decode(q.gram, n, extras, q.dimension, q.bits);
        for (uint256 i = 0; i < n; ++i) {
            squares[i] = uint256(g[i * (n + extras) + i]);
        }
        assembly ("memory-safe") {
            mstore(0x40, free)
        }
    }

    function _round(IProofVerifier.GramStatement calldata q) private pure returns (IRule.Round memory round) {
        round.updates = q.trainers.length;
        round.hasReference = q.hasReference;
        round.previous = q.previous;
        round.history = q.history;
        round.byzantine = q.byzantine;
        round.dimension = q.dimension;
        round.trainers = q.trainers;
        round.stakes = q.stakes;
        round.gram = q.gram;
    }

    /// @dev The element that at most half of the others are below, the lower of the two in the middle; 0 of none.
    function _lowerMedian(uint256[] memory values) private pure returns (uint256) {
        uint256 count = values.length;
        if (count == 0) return 0;
        uint256 middle = (count - 1) / 2;
        for (uint256 i = 0; i < count; ++i) {
            uint256 value = values[i];
            uint256 less = 0;
            uint256 equal = 0;
            unchecked {
                for (uint256 j = 0; j < count; ++j) {
                    uint256 other = values[j];
                    if (other < value) ++less;
                    else if (other == value) ++equal;
                }
            }
            if (less <= middle && middle < less + equal) return value;
        }
        return 0; // unreachable: some element is the median
    }

    function _accepted(uint256[] memory squares, uint256 accepted) private pure returns (uint256[] memory found) {
        uint256 n = squares.length;
        found = new uint256[](n);
        uint256 count = 0;
        for (uint256 i = 0; i < n; ++i) {
            if ((accepted >> i) & 1 == 1) found[count++] = squares[i];
        }
        assembly ("memory-safe") {
            mstore(found, count) // shrink to those found
        }
    }

    function _checkWeights(uint64[] calldata posted, uint64[] memory expected, uint256 n) private pure {
        if (posted.length != n) revert Settling_WrongLength("weights", posted.length, n);
        for (uint256 i = 0; i < n; ++i) {
            if (posted[i] != expected[i]) revert Settling_WrongWeight(i, posted[i], expected[i]);
        }
    }

    function _checkScores(int256[] calldata posted, int256[] memory expected, uint256 n) private pure {
        if (posted.length != n) revert Settling_WrongLength("scores", posted.length, n);
        for (uint256 i = 0; i < n; ++i) {
            if (posted[i] != expected[i]) revert Settling_WrongScore(i, posted[i], expected[i]);
        }
    }

    function _checkPayouts(uint128[] calldata posted, uint256[] memory expected) private pure {
        if (posted.length != expected.length) {
            revert Settling_WrongLength("payouts", posted.length, expected.length);
        }
        for (uint256 i = 0; i < expected.length; ++i) {
            if (posted[i] != expected[i]) revert Settling_WrongPayout(i, posted[i], expected[i]);
        }
    }
}
