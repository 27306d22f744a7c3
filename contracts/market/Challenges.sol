// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IMarket} from "../interfaces/IMarket.sol";
import {IProofVerifier} from "../interfaces/IProofVerifier.sol";
import {Settlements} from "./Settlements.sol";
import {Trainers} from "./Trainers.sol";

/// @title Challenges: whoever proves an aggregate false, or an update out of range, has it slashed.
abstract contract Challenges is Trainers, Settlements {
    /// @inheritdoc IMarket
    function challengeSettlement(uint256 jobId, uint32 number, bytes calldata evidence)
        external
        nonReentrant
        known(jobId)
    {
        _requirePhase(jobId, number, Phase.Challengeable);
        Round storage r = _rounds[jobId][number];
        _terms[jobId].verifier.verifyFault(_claim(jobId, number, r.weightSum, r.aggregateCommitment, r.aggregateRoot), evidence);
        uint256 returned = _deletePayouts(jobId, number);
        r.overturned = true;
        _dismissed[jobId][r.settledBy] = true;
        uint256 bond = r.bonded ? _terms[jobId].aggregatorBond : 0;
        r.bonded = false;
        uint256 reward = _slash(jobId, bond);
        emit SettlementOverturned(jobId, number, _msgSender(), r.settledBy, bond, reward, returned);
    }

    /// @inheritdoc IMarket
    /// @dev An update is an aggregate of one update with weight 1, of which no file is on record.
    function challengeUpdate(uint256 jobId, uint32 number, uint256 index, bytes calldata evidence)
        external
        nonReentrant
        known(jobId)
    {
        Phase current = phase(jobId, number);
        // Not while it is Open: a seat that a slash frees could be taken by one more commitment, beyond 64 in the end.
        if (current != Phase.Settling && current != Phase.Challengeable) revert Market_WrongPhase(jobId, number, current);
        Round storage r = _rounds[jobId][number];
        if (index >= r.commits) revert Market_UnknownTrainers(1 << index, r.commits);
        if ((r.slashed >> index) & 1 != 0) revert Market_SlashedTrainers(jobId, number, 1 << index);
        address trainer = _committed[jobId][number][index];
        bytes32 commitment = commitmentOf[jobId][number][trainer];
        _terms[jobId].verifier.verifyFault(_claim(jobId, number, 1, commitment, 0), evidence);
        r.slashed |= uint64(1 << index);
        uint256 returned = _updates[jobId][number][commitment].payout;
        _updates[jobId][number][commitment].payout = 0;
        _jobs[jobId].escrow += returned;
        uint256 stake = _removeTrainer(jobId, trainer);
        uint256 reward = _slash(jobId, stake);
        emit TrainerSlashed(jobId, number, _msgSender(), trainer, stake, reward, returned);
    }

    /// @dev What is on record of the challenged vector.
    function _claim(uint256 jobId, uint32 number, uint64 weightSum, bytes32 commitment, bytes32 root)
        private
        view
        returns (IProofVerifier.AggregateClaim memory)
    {
        JobTerms storage t = _terms[jobId];
        return IProofVerifier.AggregateClaim({
            chainId: block.chainid,
            market: address(this),
            jobId: jobId,
            round: number,
            dimension: t.dimension,
            bits: t.bits,
            weightSum: weightSum,
            aggregateCommitment: commitment,
            aggregateRoot: root
        });
    }
}
