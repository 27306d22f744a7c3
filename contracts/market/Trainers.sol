// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IMarket} from "../interfaces/IMarket.sol";
import {IProofVerifier} from "../interfaces/IProofVerifier.sol";
import {Assets} from "../libraries/Assets.sol";
import {Cids} from "../libraries/Cids.sol";
import {Books} from "./Books.sol";

/// @title What trainers do: join with a stake, name an aggregator, commit updates, claim payouts, leave.
abstract contract Trainers is Books {
    /// @inheritdoc IMarket
    function joinJob(uint256 jobId, uint256 stake, bytes calldata permit)
        external
        payable
        nonReentrant
        known(jobId)
    {
        _requireRunning(jobId);
        JobTerms storage t = _terms[jobId];
        Job storage j = _jobs[jobId];
        address trainer = _msgSender();
        if (stakeOf[jobId][trainer] != 0) revert Market_AlreadyJoined(jobId, trainer);
        if (j.joined >= t.maxTrainers) revert Market_JobFull(jobId, t.maxTrainers);
        if (stake < t.stakeMin || stake > t.stakeMax) revert Market_StakeOutOfRange(stake, t.stakeMin, t.stakeMax);
        j.joined += 1;
        stakeOf[jobId][trainer] = stake;
        emit TrainerJoined(jobId, trainer, stake);
        Assets.receiveExact(t.token, trainer, stake, permit);
    }

    /// @inheritdoc IMarket
    function leaveJob(uint256 jobId, address recipient) external nonReentrant known(jobId) {
        address trainer = _msgSender();
        _requireTrainer(jobId, trainer);
        _requireRecipient(recipient);
        uint32 latest = _jobs[jobId].round;
        if (commitmentOf[jobId][latest][trainer] != 0 && !_isTerminal(phase(jobId, latest))) {
            revert Market_StakeLocked(jobId, latest);
        }
        uint256 stake = _removeTrainer(jobId, trainer);
        emit TrainerLeft(jobId, trainer, stake, recipient);
        Assets.pay(_terms[jobId].token, recipient, stake);
    }

    /// @inheritdoc IMarket
    function nameAggregator(uint256 jobId, address aggregator) external known(jobId) {
        _requireTrainer(jobId, _msgSender());
        _name(jobId, _msgSender(), aggregator);
    }

    /// @inheritdoc IMarket
    function commitUpdate(
        uint256 jobId,
        uint32 number,
        IProofVerifier.Point calldata commitment,
        bytes calldata cid,
        uint64 payloadBytes
    ) external known(jobId) {
        address trainer = _msgSender();
        _requireTrainer(jobId, trainer);
        _requirePhase(jobId, number, Phase.Open);
        if (commitmentOf[jobId][number][trainer] != 0) revert Market_AlreadyCommitted(jobId, number, trainer);
        bytes32 word = _compressed(commitment);
        Update storage update = _updates[jobId][number][word];
        if (update.committed) revert Market_DuplicateCommitment(jobId, number, word);
        Cids.check(cid);
        update.committed = true;
        commitmentOf[jobId][number][trainer] = word;
        uint256 index = _rounds[jobId][number].commits++;
        _committed[jobId][number][index] = trainer;
        emit UpdateCommitted(jobId, number, trainer, index, word, cid, payloadBytes);
    }

    /// @inheritdoc IMarket
    function claim(uint256 jobId, uint32[] calldata numbers, address recipient)
        external
        nonReentrant
        known(jobId)
        returns (uint256 amount)
    {
        _requireRecipient(recipient);
        address trainer = _msgSender();
        if (numbers.length == 0) revert Market_NothingToClaim(jobId, 0, trainer);
        for (uint256 k = 0; k < numbers.length; ++k) {
            uint32 number = numbers[k];
            _requirePhase(jobId, number, Phase.Final);
            Update storage update = _updates[jobId][number][commitmentOf[jobId][number][trainer]];
            if (update.payout == 0) revert Market_NothingToClaim(jobId, number, trainer);
            if (update.claimed) revert Market_AlreadyClaimed(jobId, number, trainer);
            update.claimed = true;
            amount += update.payout;
            emit PayoutClaimed(jobId, number, trainer, update.payout, recipient);
        }
        Assets.pay(_terms[jobId].token, recipient, amount);
    }

    /// @dev Takes a trainer's stake and place, and with them the naming of its aggregator.
    function _removeTrainer(uint256 jobId, address trainer) internal returns (uint256 stake) {
        stake = stakeOf[jobId][trainer];
        stakeOf[jobId][trainer] = 0;
        _jobs[jobId].joined -= 1;
        if (namedBy[jobId][trainer] != address(0)) _name(jobId, trainer, address(0));
    }

    function _name(uint256 jobId, address trainer, address aggregator) private {
        address before = namedBy[jobId][trainer];
        if (before != address(0)) _namings[jobId][before] -= 1;
        if (aggregator != address(0)) _namings[jobId][aggregator] += 1;
        namedBy[jobId][trainer] = aggregator;
        emit AggregatorNamed(jobId, trainer, aggregator);
    }

    function _requireTrainer(uint256 jobId, address account) private view {
        if (stakeOf[jobId][account] == 0) revert Market_NotTrainer(jobId, account);
    }
}
