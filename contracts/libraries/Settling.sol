// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IProofVerifier} from "../interfaces/IProofVerifier.sol";
import {GramMatrix} from "./GramMatrix.sol";
import {MultiKrum} from "./MultiKrum.sol";

/// @title From a Gram matrix to accepted updates, weights, scores, payouts and the next scale.
/// @dev The same integer arithmetic as aggregator/scores.py and aggregator/fixedpoint.py; tests/vectors binds the two.
library Settling {
    /// @dev Weights are in units of 2^-32.
    uint256 internal constant WEIGHT_ONE = 1 << 32;
    int256 private constant MAX_SCALE_STEP = 2;
    int256 internal constant MAX_SCALE_EXPONENT = 64;

    bytes32 internal constant MULTI_KRUM = "multi-krum";
    bytes32 internal constant MEAN = "mean";
    bytes32 internal constant SHAPLEY = "shapley";

    error Settling_Unsupported(bytes32 rule, bytes32 score);
    error Settling_WrongLength(bytes32 field, uint256 length, uint256 expected);
    error Settling_WrongWeight(uint256 index, uint256 posted, uint256 expected);
    error Settling_WrongScore(uint256 index, int256 posted, int256 expected);
    error Settling_WrongPayout(uint256 index, uint256 posted, uint256 expected);
    error Settling_WrongScale(int256 posted, int256 expected);

    /// @dev Whether rule and score are known here.
    function knows(bytes32 rule, bytes32 score) internal pure returns (bool) {
        return (rule == MULTI_KRUM || rule == MEAN) && score == SHAPLEY;
    }

    /// @dev Reverts unless weights, scores, payouts and the next scale follow from the posted matrix by the job's rule,
    /// to the last unit, and the matrix could be one of updates of the job's dimension and range.
    function check(IProofVerifier.Statement calldata s) internal pure {
        IProofVerifier.GramStatement calldata q = s.gram;
        if (!knows(q.rule, q.score)) revert Settling_Unsupported(q.rule, q.score);
        uint256 n = q.trainers.length;
        if (q.stakes.length != n) revert Settling_WrongLength("stakes", q.stakes.length, n);
        int256[] memory g = GramMatrix.decode(q.gram, n, 0, q.dimension, q.bits);
        bool[] memory accepted = q.rule == MULTI_KRUM ? MultiKrum.accept(g, n, q.byzantine) : _all(n);
        uint256[] memory weights = stakeWeights(accepted, q.stakes);
        _checkWeights(s.weights, weights);
        int256[] memory scores = shapley(g, weights);
        _checkScores(s.scores, scores);
        _checkPayouts(s.payouts, payoutsRoundedDown(scores, q.budget));
        int256 exponent = nextScaleExponent(g, accepted, q.scaleExponent, q.dimension, q.bits, q.headroomBits);
        if (s.nextScaleExponent != exponent) revert Settling_WrongScale(s.nextScaleExponent, exponent);
    }

    /// @dev w_i = floor(2^32 * stake_i / sum of the accepted stakes); 0 where not accepted.
    function stakeWeights(bool[] memory accepted, uint128[] calldata stakes)
        internal
        pure
        returns (uint256[] memory weights)
    {
        uint256 n = accepted.length;
        weights = new uint256[](n);
        uint256 total = 0;
        for (uint256 i = 0; i < n; ++i) {
            if (accepted[i]) total += stakes[i];
        }
        if (total == 0) return weights;
        for (uint256 i = 0; i < n; ++i) {
            if (accepted[i]) weights[i] = WEIGHT_ONE * stakes[i] / total;
        }
    }

    /// @dev s_i = w_i (G w)_i: twice the Shapley value of the quadratic utility v(S) = <r, u_S> - |u_S|^2 / 2 with the
    /// aggregate itself as reference r. |G w| < 2^96 and w_i <= 2^32, so nothing overflows.
    function shapley(int256[] memory g, uint256[] memory weights) internal pure returns (int256[] memory scores) {
        uint256 n = weights.length;
        scores = new int256[](n);
        for (uint256 i = 0; i < n; ++i) {
            if (weights[i] == 0) continue;
            int256 product = 0;
            unchecked {
                for (uint256 j = 0; j < n; ++j) {
                    product += GramMatrix.entry(g, i * n + j) * int256(weights[j]);
                }
            }
            scores[i] = int256(weights[i]) * product;
        }
    }

    /// @dev payout_i = floor(budget * max(s_i, 0) / sum of max(s_j, 0)); nothing when that sum is 0. Rounds down, so the
    /// sum never exceeds the budget, and less than n units are left over.
    function payoutsRoundedDown(int256[] memory scores, uint256 budget)
        internal
        pure
        returns (uint256[] memory payouts)
    {
        uint256 n = scores.length;
        payouts = new uint256[](n);
        uint256 total = 0;
        for (uint256 i = 0; i < n; ++i) {
            if (scores[i] > 0) total += uint256(scores[i]);
        }
        if (total == 0) return payouts;
        for (uint256 i = 0; i < n; ++i) {
            if (scores[i] > 0) payouts[i] = budget * uint256(scores[i]) / total;
        }
    }

    /// @dev The scale rule: the smallest step k in -2..2 with median |u|^2 <= d * 2^(2(b-1-h) + 1 + 2k), the median
    /// taken over accepted updates (the lower one when their number is even); the exponent stays in -64..64.
    function nextScaleExponent(
        int256[] memory g,
        bool[] memory accepted,
        int256 exponent,
        uint256 dimension,
        uint256 bits,
        uint256 headroomBits
    ) internal pure returns (int256) {
        uint256 median = uint256(_lowerMedianNorm(g, accepted));
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

    function _lowerMedianNorm(int256[] memory g, bool[] memory accepted) private pure returns (int256) {
        int256[] memory norms = _acceptedNorms(g, accepted);
        uint256 count = norms.length;
        if (count == 0) return 0;
        uint256 middle = (count - 1) / 2;
        for (uint256 i = 0; i < count; ++i) {
            int256 norm = norms[i];
            uint256 less = 0;
            uint256 equal = 0;
            unchecked {
                for (uint256 j = 0; j < count; ++j) {
                    int256 other = norms[j];
                    if (other < norm) ++less;
                    else if (other == norm) ++equal;
                }
            }
            if (less <= middle && middle < less + equal) return norm;
        }
        return 0; // unreachable: some norm is the median
    }

    function _acceptedNorms(int256[] memory g, bool[] memory accepted) private pure returns (int256[] memory norms) {
        uint256 n = accepted.length;
        norms = new int256[](n);
        uint256 count = 0;
        for (uint256 i = 0; i < n; ++i) {
            if (accepted[i]) norms[count++] = g[i * n + i];
        }
        assembly ("memory-safe") {
            mstore(norms, count) // shrink to the norms found
        }
    }

    function _all(uint256 n) private pure returns (bool[] memory accepted) {
        accepted = new bool[](n);
        for (uint256 i = 0; i < n; ++i) {
            accepted[i] = true;
        }
    }

    function _checkWeights(uint64[] calldata posted, uint256[] memory expected) private pure {
        if (posted.length != expected.length) {
            revert Settling_WrongLength("weights", posted.length, expected.length);
        }
        for (uint256 i = 0; i < expected.length; ++i) {
            if (posted[i] != expected[i]) revert Settling_WrongWeight(i, posted[i], expected[i]);
        }
    }

    function _checkScores(int256[] calldata posted, int256[] memory expected) private pure {
        if (posted.length != expected.length) revert Settling_WrongLength("scores", posted.length, expected.length);
        for (uint256 i = 0; i < expected.length; ++i) {
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
