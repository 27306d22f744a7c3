// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IMarket} from "../interfaces/IMarket.sol";
import {IProofVerifier} from "../interfaces/IProofVerifier.sol";
import {Assets} from "../libraries/Assets.sol";
import {Cids} from "../libraries/Cids.sol";
import {Books} from "./Books.sol";
import {TermsCheck} from "./TermsCheck.sol";

/// @title What owners do: open, fund, extend, stop and close jobs, and commit reference rows.
abstract contract Jobs is Books {
    uint256 private constant MAX_AGGREGATORS = 8;
    TermsCheck private immutable _check = new TermsCheck();

    /// @inheritdoc IMarket
    function createJob(
        JobTerms calldata jobTerms,
        address[] calldata aggregators,
        bytes calldata manifestCid,
        bytes calldata permit
    ) external payable nonReentrant returns (uint256 jobId) {
        _check.check(jobTerms);
        Cids.check(manifestCid);
        address owner = _msgSender();
        jobId = ++jobCount;
        _setAggregators(jobId, aggregators);
        uint256 escrow = uint256(jobTerms.roundBudget) * jobTerms.rounds;
        _terms[jobId] = jobTerms;
        _jobs[jobId].owner = owner;
        _jobs[jobId].escrow = escrow;
        emit JobCreated(jobId, owner, jobTerms, aggregators, manifestCid);
        Assets.receiveExact(jobTerms.token, owner, escrow, permit);
    }

    /// @inheritdoc IMarket
    function extendJob(uint256 jobId, uint32 rounds, uint128 roundBudget, uint64 deadline, bytes calldata permit)
        external
        payable
        nonReentrant
        known(jobId)
    {
        _requireOwner(jobId);
        _requireRunning(jobId);
        Job storage j = _jobs[jobId];
        _requireTerminal(jobId, j.round);
        _conclude(jobId);
        JobTerms storage t = _terms[jobId];
        if (rounds < t.rounds) revert Market_InvalidTerms("rounds");
        if (roundBudget < t.roundBudget) revert Market_InvalidTerms("roundBudget");
        if (deadline < t.deadline) revert Market_InvalidTerms("deadline");
        if (deadline != t.deadline) _check.checkDeadline(deadline);
        if (rounds == t.rounds && roundBudget == t.roundBudget && deadline == t.deadline) {
            revert Market_NothingToExtend(jobId);
        }
        uint256 amount =
            uint256(roundBudget) * (rounds - j.used) - uint256(t.roundBudget) * (t.rounds - j.used);
        (t.rounds, t.roundBudget, t.deadline) = (rounds, roundBudget, deadline);
        j.escrow += amount;
        emit JobExtended(jobId, rounds, roundBudget, deadline, amount);
        Assets.receiveExact(t.token, j.owner, amount, permit);
    }

    /// @inheritdoc IMarket
    function stopJob(uint256 jobId) external known(jobId) {
        _requireOwner(jobId);
        _requireRunning(jobId);
        JobTerms storage t = _terms[jobId];
        if (block.timestamp >= t.deadline) revert Market_DeadlinePassed(t.deadline);
        t.deadline = uint64(block.timestamp);
        emit JobStopped(jobId, t.deadline);
    }

    /// @inheritdoc IMarket
    function closeJob(uint256 jobId) external known(jobId) {
        _requireRunning(jobId);
        Job storage j = _jobs[jobId];
        _requireTerminal(jobId, j.round);
        _conclude(jobId);
        JobTerms storage t = _terms[jobId];
        bool finished = j.used == t.rounds || block.timestamp >= t.deadline;
        if (!finished && _msgSender() != j.owner) revert Market_JobRunning(jobId);
        uint256 refund = j.escrow;
        j.closed = true;
        j.escrow = 0;
        _credit(t.token, j.owner, refund);
        emit JobClosed(jobId, refund);
    }

    /// @inheritdoc IMarket
    function commitReference(
        uint256 jobId,
        IProofVerifier.Point calldata commitment,
        bytes calldata cid,
        uint64 payloadBytes
    ) external known(jobId) {
        _requireOwner(jobId);
        if (!_terms[jobId].hasReference) revert Market_NoReferenceAsked(jobId);
        _requireRunning(jobId);
        uint32 current = _jobs[jobId].round;
        Phase now_ = phase(jobId, current);
        if (now_ == Phase.Open || now_ == Phase.Settling) revert Market_WrongPhase(jobId, current, now_);
        bytes32 word = _compressed(commitment);
        Cids.check(cid);
        _rounds[jobId][current + 1].referenceCommitment = word;
        emit ReferenceCommitted(jobId, current + 1, word, cid, payloadBytes);
    }

    function _setAggregators(uint256 jobId, address[] calldata aggregators) private {
        if (aggregators.length == 0 || aggregators.length > MAX_AGGREGATORS) {
            revert Market_InvalidTerms("aggregators");
        }
        for (uint256 i = 0; i < aggregators.length; ++i) {
            if (aggregators[i] == address(0)) revert Market_InvalidTerms("aggregators");
            _namings[jobId][aggregators[i]] = OWNERS;
        }
    }
}
