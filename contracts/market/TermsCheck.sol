// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IMarket} from "../interfaces/IMarket.sol";

/// @title Which terms a job can have.
/// @dev A contract of its own, made by the market's constructor, because the market would be too large with it. It has no
/// state and reverts with the market's errors.
contract TermsCheck {
    uint16 private constant MAX_TRAINERS = 64;
    uint32 private constant MAX_WINDOW_SECONDS = 30 days;
    uint64 private constant MAX_DEADLINE_SECONDS = 3650 days;
    int16 private constant MAX_SCALE_EXPONENT = 64;
    uint256 private constant WHOLE_BPS = 10_000;

    /// @notice Returns where a job can have the terms at this time; reverts with the field otherwise.
    function check(IMarket.JobTerms calldata t) external view {
        if (t.token != address(0) && t.token.code.length == 0) revert IMarket.Market_InvalidTerms("token");
        if (address(t.verifier).code.length == 0) revert IMarket.Market_InvalidTerms("verifier");
        if (!t.verifier.supportsJob(t.rule, t.score, t.dimension, t.hasReference, t.maxTrainers)) {
            revert IMarket.Market_InvalidTerms("rule");
        }
        _checkMoney(t);
        _checkFigures(t);
        _checkWindows(t);
    }

    /// @notice Returns where rounds can open until then.
    function checkDeadline(uint64 deadline) public view {
        if (deadline <= block.timestamp || deadline > block.timestamp + MAX_DEADLINE_SECONDS) {
            revert IMarket.Market_InvalidTerms("deadline");
        }
    }

    function _checkMoney(IMarket.JobTerms calldata t) private pure {
        if (t.roundBudget == 0) revert IMarket.Market_InvalidTerms("roundBudget");
        if (t.rounds == 0) revert IMarket.Market_InvalidTerms("rounds");
        if (t.stakeMin == 0) revert IMarket.Market_InvalidTerms("stakeMin");
        if (t.stakeMax < t.stakeMin) revert IMarket.Market_InvalidTerms("stakeMax");
        if (t.challengerShareBps > WHOLE_BPS) revert IMarket.Market_InvalidTerms("challengerShareBps");
        if (t.floorBps > WHOLE_BPS) revert IMarket.Market_InvalidTerms("floorBps");
        if (t.capBps != 0 && t.capBps < WHOLE_BPS) revert IMarket.Market_InvalidTerms("capBps");
    }

    function _checkFigures(IMarket.JobTerms calldata t) private pure {
        if (t.maxTrainers > MAX_TRAINERS) revert IMarket.Market_InvalidTerms("maxTrainers");
        if (t.minTrainers > t.maxTrainers) revert IMarket.Market_InvalidTerms("minTrainers");
        if (t.minTrainers < 2 * uint256(t.byzantine) + 3) revert IMarket.Market_InvalidTerms("byzantine");
        if (t.bits < 4 || t.bits > 16) revert IMarket.Market_InvalidTerms("bits");
        if (uint256(t.headroomBits) + 3 > t.bits) revert IMarket.Market_InvalidTerms("headroomBits");
        // 4 d 2^(2b-2) < 2^63: every Gram entry and every distance fits an int64.
        if (t.dimension == 0 || (uint256(t.dimension) << (2 * t.bits)) >= 1 << 63) {
            revert IMarket.Market_InvalidTerms("dimension");
        }
        if (t.scaleExponent < -MAX_SCALE_EXPONENT || t.scaleExponent > MAX_SCALE_EXPONENT) {
            revert IMarket.Market_InvalidTerms("scaleExponent");
        }
    }

    function _checkWindows(IMarket.JobTerms calldata t) private view {
        if (t.commitSeconds == 0 || t.commitSeconds > MAX_WINDOW_SECONDS) {
            revert IMarket.Market_InvalidTerms("commitSeconds");
        }
        if (t.settleSeconds == 0 || t.settleSeconds > MAX_WINDOW_SECONDS) {
            revert IMarket.Market_InvalidTerms("settleSeconds");
        }
        if (t.challengeSeconds > MAX_WINDOW_SECONDS) revert IMarket.Market_InvalidTerms("challengeSeconds");
        // Without a window no bond could ever be slashed.
        if (t.challengeSeconds == 0 && t.aggregatorBond != 0) revert IMarket.Market_InvalidTerms("challengeSeconds");
        checkDeadline(t.deadline);
    }
}
