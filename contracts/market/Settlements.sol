// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IMarket} from "../interfaces/IMarket.sol";
import {IProofVerifier} from "../interfaces/IProofVerifier.sol";
import {Bn254} from "../libraries/Bn254.sol";
import {Cids} from "../libraries/Cids.sol";
import {Books} from "./Books.sol";

/// @title Rounds: opened by anybody, settled by aggregators, settled anew by who includes more.
abstract contract Settlements is Books {
    int16 private constant MAX_SCALE_EXPONENT = 64;
    uint256 private constant X_BITS = (1 << 254) - 1; // of a compressed point; the two above are the sign of y
    uint256 private constant REFERENCE_BIT = 1 << 255; // of Settlement.included

    /// @inheritdoc IMarket
    function openRound(uint256 jobId) external known(jobId) returns (uint32 number) {
        _requireRunning(jobId);
        JobTerms storage t = _terms[jobId];
        Job storage j = _jobs[jobId];
        _requireTerminal(jobId, j.round);
        _conclude(jobId);
        if (j.used == t.rounds) revert Market_AllRoundsUsed(jobId);
        if (block.timestamp >= t.deadline) revert Market_DeadlinePassed(t.deadline);
        if (j.joined < t.minTrainers) revert Market_TooFewTrainers(j.joined, t.minTrainers);
        number = j.round + 1;
        Round storage r = _rounds[jobId][number];
        if (t.hasReference && r.referenceCommitment == 0) revert Market_NoReference(jobId, number);
        r.commitEnd = uint64(block.timestamp) + t.commitSeconds;
        r.settleEnd = r.commitEnd + t.settleSeconds;
        _inherit(jobId, r, j.round);
        j.round = number;
        emit RoundOpened(jobId, number, r.scaleExponent, r.commitEnd, r.settleEnd);
    }

    /// @inheritdoc IMarket
    function settleRound(uint256 jobId, uint32 number, Settlement calldata settlement, bytes calldata proof)
        external
        nonReentrant
        known(jobId)
    {
        if (!isAggregator(jobId, _msgSender())) revert Market_NotAggregator(jobId, _msgSender());
        _requireSettleable(jobId, number, settlement.included);
        Cids.check(settlement.aggregateCid);
        (address[] memory trainers, bytes32[] memory commitments) =
            _includedTrainers(jobId, number, settlement.included);
        IProofVerifier.Statement memory statement = _statement(jobId, number, settlement);
        statement.gram.trainers = trainers;
        statement.gram.stakes = _stakesOf(jobId, trainers);
        statement.gram.commitments = _rows(jobId, number, statement.gram, commitments, settlement);
        _terms[jobId].verifier.verify(statement, proof);
        if (_rounds[jobId][number].settled) _replace(jobId, number);
        _takeBond(jobId, number);
        uint256 paid = _record(jobId, number, commitments, settlement);
        emit RoundSettled(
            jobId,
            number,
            _msgSender(),
            statement,
            Published(settlement.included, settlement.aggregateRoot, settlement.aggregateCid, settlement.aggregateBytes),
            proof,
            paid,
            _rounds[jobId][number].challengeEnd
        );
    }

    /// @inheritdoc IMarket
    function releaseBond(uint256 jobId, uint32 number) external known(jobId) {
        _requirePhase(jobId, number, Phase.Final);
        if (!_rounds[jobId][number].bonded) revert Market_NotBonded(jobId, number);
        _releaseBond(jobId, number);
    }

    /// @dev Takes a round's payouts back; none can have been claimed before the round is final.
    function _deletePayouts(uint256 jobId, uint32 number) internal returns (uint256 returned) {
        uint256 total = _rounds[jobId][number].commits;
        for (uint256 i = 0; i < total; ++i) {
            address trainer = _committed[jobId][number][i];
            Update storage update = _updates[jobId][number][commitmentOf[jobId][number][trainer]];
            returned += update.payout;
            update.payout = 0;
        }
        _jobs[jobId].escrow += returned;
        _jobs[jobId].used -= 1;
    }

    /// @dev A round is settled in its Settling phase, without a reference that the job has only by those to whom the owner
    /// seals it: nobody else knows that it cannot be opened. In its challenge window it is settled by who includes all
    /// that the settlement on record does, those since slashed aside, and more.
    function _requireSettleable(uint256 jobId, uint32 number, uint256 included) private view {
        Phase current = phase(jobId, number);
        if (current == Phase.Settling) {
            bool without = _terms[jobId].hasReference && included < REFERENCE_BIT;
            if (without && _namings[jobId][_msgSender()] < OWNERS) revert Market_NoReference(jobId, number);
            return;
        }
        if (current != Phase.Challengeable) revert Market_WrongPhase(jobId, number, current);
        Round storage r = _rounds[jobId][number];
        uint256 before = r.included | (r.referenceIncluded ? REFERENCE_BIT : 0);
        if (before & ~uint256(r.slashed) & ~included != 0 || included & ~before == 0) {
            revert Market_NotSuperset(jobId, number, included);
        }
    }

    /// @dev Takes the settlement on record back, and frees its bond: who left a trainer out may not have had its payload.
    function _replace(uint256 jobId, uint32 number) private {
        uint256 returned = _deletePayouts(jobId, number);
        emit SettlementReplaced(jobId, number, _rounds[jobId][number].settledBy, returned);
        if (_rounds[jobId][number].bonded) _releaseBond(jobId, number);
    }

    function _takeBond(uint256 jobId, uint32 number) private {
        JobTerms storage t = _terms[jobId];
        uint256 bond = t.aggregatorBond;
        if (bond == 0) return;
        _debit(t.token, _msgSender(), bond);
        _rounds[jobId][number].bonded = true;
    }

    /// @dev Writes a verified settlement. The verifier is the owner's choice, so the market checks for itself what
    /// protects others: one entry a trainer, and no more than the round's budget.
    function _record(
        uint256 jobId,
        uint32 number,
        bytes32[] memory commitments,
        Settlement calldata settlement
    ) private returns (uint256 paid) {
        JobTerms storage t = _terms[jobId];
        _requireLength("payouts", settlement.payouts.length, commitments.length);
        for (uint256 i = 0; i < commitments.length; ++i) {
            uint128 amount = settlement.payouts[i];
            paid += amount;
            if (amount != 0) _updates[jobId][number][commitments[i]].payout = amount;
        }
        if (paid > t.roundBudget) revert Market_BudgetExceeded(paid, t.roundBudget);
        int16 exponent = settlement.nextScaleExponent;
        if (exponent < -MAX_SCALE_EXPONENT || exponent > MAX_SCALE_EXPONENT) revert Market_InvalidTerms("scaleExponent");
        Job storage j = _jobs[jobId];
        j.escrow -= paid;
        j.used += 1;
        Round storage r = _rounds[jobId][number];
        r.settled = true;
        r.challengeEnd = uint64(block.timestamp) + t.challengeSeconds;
        r.nextScaleExponent = exponent;
        r.aggregateCommitment = settlement.aggregateCommitment;
        r.aggregateRoot = settlement.aggregateRoot;
        r.settledBy = _msgSender();
        r.weightSum = _sum(settlement.weights);
        r.nextMemoryDigest = settlement.nextMemoryDigest;
        r.included = uint64(settlement.included);
        r.referenceIncluded = settlement.included & REFERENCE_BIT != 0;
    }

    /// @dev What a settlement says about its round; the caller adds trainers and commitments.
    function _statement(uint256 jobId, uint32 number, Settlement calldata settlement)
        private
        view
        returns (IProofVerifier.Statement memory s)
    {
        _fillTerms(s, jobId, number);
        s.gram.hasReference = settlement.included & REFERENCE_BIT != 0;
        s.gram.previous = _previousCommitment(jobId, number) != 0;
        s.gram.history = settlement.history.length != 0;
        s.gram.gram = settlement.gram;
        s.weights = settlement.weights;
        s.scores = settlement.scores;
        s.payouts = settlement.payouts;
        s.aggregateCommitment = settlement.aggregateCommitment;
        s.nextScaleExponent = settlement.nextScaleExponent;
        s.nextMemoryDigest = settlement.nextMemoryDigest;
        s.witness = settlement.witness;
    }

    /// @dev What the job and the round say by themselves.
    function _fillTerms(IProofVerifier.Statement memory s, uint256 jobId, uint32 number) private view {
        JobTerms storage t = _terms[jobId];
        Round storage r = _rounds[jobId][number];
        IProofVerifier.GramStatement memory g = s.gram;
        g.chainId = block.chainid;
        g.market = address(this);
        g.jobId = jobId;
        g.round = number;
        g.aggregator = _msgSender();
        g.rule = t.rule;
        g.score = t.score;
        g.byzantine = t.byzantine;
        g.dimension = t.dimension;
        g.bits = t.bits;
        g.headroomBits = t.headroomBits;
        g.scaleExponent = r.scaleExponent;
        g.budget = t.roundBudget;
        g.floorBps = t.floorBps;
        g.capBps = t.capBps;
        s.referenceExpected = t.hasReference;
        s.memoryDigest = r.memoryDigest;
    }

    /// @dev The latest aggregate's commitment; 0 where there is none, or it is infinity: all weights were 0.
    function _previousCommitment(uint256 jobId, uint32 number) private view returns (bytes32 word) {
        word = _rounds[jobId][_rounds[jobId][number].previousSettled].aggregateCommitment; // round 0 has none
        if (word == Bn254.INFINITY) word = 0;
    }

    /// @dev The commitments of all rows: of updates, reference and previous aggregate x and the sign of y are on record,
    /// y comes with the settlement; what the running sums' are the verifier knows.
    function _rows(
        uint256 jobId,
        uint32 number,
        IProofVerifier.GramStatement memory g,
        bytes32[] memory commitments,
        Settlement calldata settlement
    ) private view returns (IProofVerifier.Point[] memory points) {
        uint256[] calldata ys = settlement.commitmentYs;
        uint256 count = commitments.length;
        uint256 total = count + (g.hasReference ? 1 : 0) + (g.previous ? 1 : 0);
        _requireLength("commitmentYs", ys.length, total);
        if (g.history) _requireLength("history", settlement.history.length, count);
        points = new IProofVerifier.Point[](total + settlement.history.length);
        for (uint256 i = 0; i < count; ++i) {
            points[i] = _point(commitments[i], ys[i], i);
        }
        if (g.hasReference) {
            points[count] = _point(_rounds[jobId][number].referenceCommitment, ys[count], count);
        }
        if (g.previous) points[total - 1] = _point(_previousCommitment(jobId, number), ys[total - 1], total - 1);
        for (uint256 i = 0; i < settlement.history.length; ++i) {
            points[total + i] = settlement.history[i];
        }
    }

    function _point(bytes32 word, uint256 y, uint256 index) private pure returns (IProofVerifier.Point memory) {
        uint256 x = uint256(word) & X_BITS;
        if (!Bn254.isPoint(x, y) || Bn254.compress(x, y) != word) revert Market_WrongCommitment(index);
        return IProofVerifier.Point(x, y);
    }

    function _stakesOf(uint256 jobId, address[] memory trainers) private view returns (uint128[] memory stakes) {
        stakes = new uint128[](trainers.length);
        for (uint256 i = 0; i < trainers.length; ++i) {
            stakes[i] = uint128(stakeOf[jobId][trainers[i]]); // at most stakeMax, a uint128
        }
    }

    /// @dev Reverts (Panic 0x11) where the sum does not fit.
    function _sum(uint64[] calldata weights) private pure returns (uint64 sum) {
        for (uint256 i = 0; i < weights.length; ++i) {
            sum += weights[i];
        }
    }

    /// @dev The trainers whose bits are set, in the order of their commitments, and these. Slashed ones are out, and count
    /// neither as committed nor as left out.
    function _includedTrainers(uint256 jobId, uint32 number, uint256 included)
        private
        view
        returns (address[] memory trainers, bytes32[] memory commitments)
    {
        JobTerms storage t = _terms[jobId];
        uint256 total = _rounds[jobId][number].commits;
        if (t.hasReference) included &= ~REFERENCE_BIT;
        if (included >> total != 0) revert Market_UnknownTrainers(included, total);
        uint256 slashed = _rounds[jobId][number].slashed;
        if (included & slashed != 0) revert Market_SlashedTrainers(jobId, number, included & slashed);
        uint256 sound = total - _countOf(slashed);
        // Once it is settled, slashes must not keep who was left out from being included.
        if (!_rounds[jobId][number].settled && sound < t.minTrainers) {
            revert Market_TooFewTrainers(sound, t.minTrainers);
        }
        trainers = new address[](total);
        commitments = new bytes32[](total);
        uint256 count = 0;
        for (uint256 i = 0; i < total; ++i) {
            if ((included >> i) & 1 == 0) continue;
            trainers[count] = _committed[jobId][number][i];
            commitments[count] = commitmentOf[jobId][number][trainers[count]];
            ++count;
        }
        if (sound - count > t.byzantine) revert Market_TooManyExcluded(sound - count, t.byzantine);
        assembly ("memory-safe") {
            mstore(trainers, count) // shrink to the trainers found
            mstore(commitments, count)
        }
    }

    function _countOf(uint256 bits) private pure returns (uint256 count) {
        for (; bits != 0; bits &= bits - 1) {
            ++count;
        }
    }

    /// @dev What a new round takes from the one before it: the scale and the memory that a settlement agreed on, and
    /// whose aggregate is the latest. Void rounds, overturned ones too, hand on what they were given.
    function _inherit(uint256 jobId, Round storage r, uint32 before) private {
        Round storage b = _rounds[jobId][before];
        if (before == 0) {
            r.scaleExponent = _terms[jobId].scaleExponent;
        } else if (b.settled && !b.overturned) {
            (r.scaleExponent, r.memoryDigest, r.previousSettled) = (b.nextScaleExponent, b.nextMemoryDigest, before);
        } else {
            (r.scaleExponent, r.memoryDigest, r.previousSettled) = (b.scaleExponent, b.memoryDigest, b.previousSettled);
        }
    }
}
