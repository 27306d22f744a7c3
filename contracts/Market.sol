// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {IMarket} from "./interfaces/IMarket.sol";
import {IProofVerifier} from "./interfaces/IProofVerifier.sol";
import {Assets} from "./libraries/Assets.sol";
import {Bn254} from "./libraries/Bn254.sol";
import {Cids} from "./libraries/Cids.sol";

/// @title Escrow, stakes, bonds, rounds and payouts of all jobs.
/// @dev Money enters through createJob, joinJob and postBond and leaves through leaveJob, withdrawBond, claim,
/// withdrawRefund and withdrawReward, nowhere else. Every unit is in exactly one account: a job's escrow, a job's refund,
/// a stake, a bond, a reward, or an unclaimed payout. The contract's balance is never read for bookkeeping, so coins
/// that are forced into it belong to no account.
contract Market is IMarket, ReentrancyGuardTransient {
    uint16 public constant MAX_TRAINERS = 64;
    uint256 public constant MAX_AGGREGATORS = 8;
    uint32 public constant MAX_WINDOW_SECONDS = 30 days;
    uint64 private constant MAX_DEADLINE_SECONDS = 3650 days;
    int16 private constant MAX_SCALE_EXPONENT = 64;
    uint256 private constant WHOLE_BPS = 10_000;
    uint256 private constant X_BITS = (1 << 254) - 1; // of a compressed point; the two above are the sign of y
    uint256 private constant REFERENCE_BIT = 1 << 255; // of Settlement.included

    /// @dev A committed update, by its commitment: that it is there, and what it earned. The first flag is set when
    /// it is committed, so that a settlement writes payouts into slots that are in use, at a quarter of the gas.
    struct Update {
        bool committed;
        bool claimed;
        uint128 payout;
    }

    uint256 public jobCount;
    mapping(uint256 jobId => JobTerms) private _terms;
    mapping(uint256 jobId => Job) private _jobs;
    mapping(uint256 jobId => mapping(address account => bool)) public isAggregator;
    mapping(uint256 jobId => mapping(address aggregator => uint256)) public bondOf;
    mapping(uint256 jobId => mapping(address trainer => uint256)) public stakeOf;
    mapping(uint256 jobId => mapping(address challenger => uint256)) public rewardOf;
    mapping(address account => bytes32) public encryptionKeyOf;
    mapping(uint256 jobId => mapping(uint32 number => Round)) private _rounds;
    mapping(uint256 jobId => mapping(uint32 number => mapping(uint256 index => address))) private _committed;
    mapping(uint256 jobId => mapping(uint32 number => mapping(address trainer => bytes32))) public commitmentOf;
    mapping(uint256 jobId => mapping(uint32 number => mapping(bytes32 commitment => Update))) private _updates;

    modifier known(uint256 jobId) {
        if (jobId == 0 || jobId > jobCount) revert Market_UnknownJob(jobId);
        _;
    }

    /*//////////////////////////////////////////////////////////////
                                  OWNER
    //////////////////////////////////////////////////////////////*/

    /// @inheritdoc IMarket
    function createJob(JobTerms calldata jobTerms, address[] calldata aggregators, bytes calldata manifestCid)
        external
        payable
        nonReentrant
        returns (uint256 jobId)
    {
        _checkTerms(jobTerms);
        _checkWindows(jobTerms);
        Cids.check(manifestCid);
        jobId = ++jobCount;
        _setAggregators(jobId, aggregators);
        uint256 escrow = uint256(jobTerms.roundBudget) * jobTerms.rounds;
        _terms[jobId] = jobTerms;
        _jobs[jobId].owner = msg.sender;
        _jobs[jobId].escrow = escrow;
        emit JobCreated(jobId, msg.sender, jobTerms, aggregators, manifestCid);
        Assets.receiveExact(jobTerms.token, escrow);
    }

    /// @inheritdoc IMarket
    function commitReference(
        uint256 jobId,
        IProofVerifier.Point calldata commitment,
        bytes calldata cid,
        uint64 payloadBytes
    ) external known(jobId) {
        Job storage j = _jobs[jobId];
        if (msg.sender != j.owner) revert Market_NotOwner(jobId, msg.sender);
        if (!_terms[jobId].hasReference) revert Market_NoReferenceAsked(jobId);
        if (j.closed) revert Market_JobClosed(jobId);
        Phase current = phase(jobId, j.round);
        if (current == Phase.Open || current == Phase.Settling) revert Market_WrongPhase(jobId, j.round, current);
        bytes32 word = _compressed(commitment);
        Cids.check(cid);
        uint32 number = j.round + 1;
        _rounds[jobId][number].referenceCommitment = word;
        emit ReferenceCommitted(jobId, number, word, cid, payloadBytes);
    }

    /// @inheritdoc IMarket
    function closeJob(uint256 jobId) external known(jobId) {
        Job storage j = _jobs[jobId];
        if (j.closed) revert Market_JobClosed(jobId);
        _requireTerminal(jobId, j.round);
        JobTerms storage t = _terms[jobId];
        bool finished = j.settled == t.rounds || block.timestamp >= t.deadline;
        bool unused = msg.sender == j.owner && j.joined == 0;
        if (!finished && !unused) revert Market_JobRunning(jobId);
        uint256 refund = j.escrow;
        j.closed = true;
        j.escrow = 0;
        j.refund += refund;
        emit JobClosed(jobId, refund);
    }

    /// @inheritdoc IMarket
    function withdrawRefund(uint256 jobId, address recipient)
        external
        nonReentrant
        known(jobId)
        returns (uint256 amount)
    {
        Job storage j = _jobs[jobId];
        if (msg.sender != j.owner) revert Market_NotOwner(jobId, msg.sender);
        if (recipient == address(0)) revert Market_ZeroRecipient();
        amount = j.refund;
        if (amount == 0) revert Market_NothingToWithdraw(jobId);
        j.refund = 0;
        emit RefundWithdrawn(jobId, msg.sender, amount, recipient);
        Assets.pay(_terms[jobId].token, recipient, amount);
    }

    /*//////////////////////////////////////////////////////////////
                                 TRAINER
    //////////////////////////////////////////////////////////////*/

    /// @inheritdoc IMarket
    function joinJob(uint256 jobId, uint256 stake) external payable nonReentrant known(jobId) {
        JobTerms storage t = _terms[jobId];
        Job storage j = _jobs[jobId];
        if (j.closed) revert Market_JobClosed(jobId);
        if (stakeOf[jobId][msg.sender] != 0) revert Market_AlreadyJoined(jobId, msg.sender);
        if (j.joined >= t.maxTrainers) revert Market_JobFull(jobId, t.maxTrainers);
        if (stake < t.stakeMin || stake > t.stakeMax) revert Market_StakeOutOfRange(stake, t.stakeMin, t.stakeMax);
        j.joined += 1;
        stakeOf[jobId][msg.sender] = stake;
        emit TrainerJoined(jobId, msg.sender, stake);
        Assets.receiveExact(t.token, stake);
    }

    /// @inheritdoc IMarket
    function leaveJob(uint256 jobId, address recipient) external nonReentrant known(jobId) {
        uint256 stake = stakeOf[jobId][msg.sender];
        if (stake == 0) revert Market_NotTrainer(jobId, msg.sender);
        if (recipient == address(0)) revert Market_ZeroRecipient();
        Job storage j = _jobs[jobId];
        if (commitmentOf[jobId][j.round][msg.sender] != 0 && !_isTerminal(phase(jobId, j.round))) {
            revert Market_StakeLocked(jobId, j.round);
        }
        j.joined -= 1;
        stakeOf[jobId][msg.sender] = 0;
        emit TrainerLeft(jobId, msg.sender, stake, recipient);
        Assets.pay(_terms[jobId].token, recipient, stake);
    }

    /// @inheritdoc IMarket
    function commitUpdate(
        uint256 jobId,
        uint32 number,
        IProofVerifier.Point calldata commitment,
        bytes calldata cid,
        uint64 payloadBytes
    ) external known(jobId) {
        if (stakeOf[jobId][msg.sender] == 0) revert Market_NotTrainer(jobId, msg.sender);
        _requirePhase(jobId, number, Phase.Open);
        if (commitmentOf[jobId][number][msg.sender] != 0) {
            revert Market_AlreadyCommitted(jobId, number, msg.sender);
        }
        bytes32 word = _compressed(commitment);
        Update storage update = _updates[jobId][number][word];
        if (update.committed) revert Market_DuplicateCommitment(jobId, number, word);
        Cids.check(cid);
        update.committed = true;
        commitmentOf[jobId][number][msg.sender] = word;
        uint256 index = _rounds[jobId][number].commits++;
        _committed[jobId][number][index] = msg.sender;
        emit UpdateCommitted(jobId, number, msg.sender, index, word, cid, payloadBytes);
    }

    /// @inheritdoc IMarket
    function claim(uint256 jobId, uint32[] calldata numbers, address recipient)
        external
        nonReentrant
        known(jobId)
        returns (uint256 amount)
    {
        if (recipient == address(0)) revert Market_ZeroRecipient();
        if (numbers.length == 0) revert Market_NothingToClaim(jobId, 0, msg.sender);
        for (uint256 k = 0; k < numbers.length; ++k) {
            uint32 number = numbers[k];
            _requirePhase(jobId, number, Phase.Final);
            Update storage update = _updates[jobId][number][commitmentOf[jobId][number][msg.sender]];
            if (update.payout == 0) revert Market_NothingToClaim(jobId, number, msg.sender);
            if (update.claimed) revert Market_AlreadyClaimed(jobId, number, msg.sender);
            update.claimed = true;
            amount += update.payout;
            emit PayoutClaimed(jobId, number, msg.sender, update.payout, recipient);
        }
        Assets.pay(_terms[jobId].token, recipient, amount);
    }

    /*//////////////////////////////////////////////////////////////
                               AGGREGATOR
    //////////////////////////////////////////////////////////////*/

    /// @inheritdoc IMarket
    function publishKey(bytes32 key) external {
        encryptionKeyOf[msg.sender] = key;
        emit KeyPublished(msg.sender, key);
    }

    /// @inheritdoc IMarket
    function postBond(uint256 jobId) external payable nonReentrant known(jobId) {
        JobTerms storage t = _terms[jobId];
        if (!isAggregator[jobId][msg.sender]) revert Market_NotAggregator(jobId, msg.sender);
        if (_jobs[jobId].closed) revert Market_JobClosed(jobId);
        uint256 bond = t.aggregatorBond;
        if (bond == 0) revert Market_NoBondAsked(jobId);
        if (bondOf[jobId][msg.sender] != 0) revert Market_AlreadyBonded(jobId, msg.sender);
        bondOf[jobId][msg.sender] = bond;
        emit BondPosted(jobId, msg.sender, bond);
        Assets.receiveExact(t.token, bond);
    }

    /// @inheritdoc IMarket
    function withdrawBond(uint256 jobId, address recipient) external nonReentrant known(jobId) {
        uint256 bond = bondOf[jobId][msg.sender];
        if (bond == 0) revert Market_NotBonded(jobId, msg.sender);
        if (recipient == address(0)) revert Market_ZeroRecipient();
        uint32 number = _jobs[jobId].round; // an earlier round is terminal, whoever settled it
        if (_rounds[jobId][number].settledBy == msg.sender && !_isTerminal(phase(jobId, number))) {
            revert Market_BondLocked(jobId, number);
        }
        bondOf[jobId][msg.sender] = 0;
        emit BondWithdrawn(jobId, msg.sender, bond, recipient);
        Assets.pay(_terms[jobId].token, recipient, bond);
    }

    /*//////////////////////////////////////////////////////////////
                               CHALLENGER
    //////////////////////////////////////////////////////////////*/

    /// @inheritdoc IMarket
    function challengeSettlement(uint256 jobId, uint32 number, bytes calldata evidence)
        external
        nonReentrant
        known(jobId)
    {
        _requirePhase(jobId, number, Phase.Challengeable);
        _terms[jobId].verifier.verifyFault(_aggregateClaim(jobId, number), evidence);
        uint256 returned = _deletePayouts(jobId, number);
        _rounds[jobId][number].overturned = true;
        _jobs[jobId].escrow += returned;
        _jobs[jobId].settled -= 1;
        _slash(jobId, number, returned);
    }

    /// @inheritdoc IMarket
    function withdrawReward(uint256 jobId, address recipient)
        external
        nonReentrant
        known(jobId)
        returns (uint256 amount)
    {
        if (recipient == address(0)) revert Market_ZeroRecipient();
        amount = rewardOf[jobId][msg.sender];
        if (amount == 0) revert Market_NothingToWithdraw(jobId);
        rewardOf[jobId][msg.sender] = 0;
        emit RewardWithdrawn(jobId, msg.sender, amount, recipient);
        Assets.pay(_terms[jobId].token, recipient, amount);
    }

    /*//////////////////////////////////////////////////////////////
                                 ROUNDS
    //////////////////////////////////////////////////////////////*/

    /// @inheritdoc IMarket
    function openRound(uint256 jobId) external known(jobId) returns (uint32 number) {
        JobTerms storage t = _terms[jobId];
        Job storage j = _jobs[jobId];
        if (j.closed) revert Market_JobClosed(jobId);
        _requireTerminal(jobId, j.round);
        if (j.settled == t.rounds) revert Market_AllRoundsSettled(jobId);
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
        if (!isAggregator[jobId][msg.sender]) revert Market_NotAggregator(jobId, msg.sender);
        if (bondOf[jobId][msg.sender] != _terms[jobId].aggregatorBond) revert Market_NotBonded(jobId, msg.sender);
        _requirePhase(jobId, number, Phase.Settling);
        Cids.check(settlement.aggregateCid);
        (address[] memory trainers, bytes32[] memory commitments) =
            _includedTrainers(jobId, number, settlement.included);
        IProofVerifier.Statement memory statement = _statement(jobId, number, settlement);
        statement.gram.trainers = trainers;
        statement.gram.stakes = _stakesOf(jobId, trainers);
        statement.gram.commitments = _rows(jobId, number, statement.gram, commitments, settlement);
        _terms[jobId].verifier.verify(statement, proof);
        uint256 paid = _record(jobId, number, commitments, settlement);
        emit RoundSettled(jobId, number, msg.sender, settlement, paid, _rounds[jobId][number].challengeEnd);
    }

    /*//////////////////////////////////////////////////////////////
                                  VIEWS
    //////////////////////////////////////////////////////////////*/

    /// @inheritdoc IMarket
    function terms(uint256 jobId) external view known(jobId) returns (JobTerms memory) {
        return _terms[jobId];
    }

    /// @inheritdoc IMarket
    function job(uint256 jobId) external view known(jobId) returns (Job memory) {
        return _jobs[jobId];
    }

    /// @inheritdoc IMarket
    function round(uint256 jobId, uint32 number) external view known(jobId) returns (Round memory) {
        return _rounds[jobId][number];
    }

    /// @inheritdoc IMarket
    function committed(uint256 jobId, uint32 number)
        external
        view
        known(jobId)
        returns (address[] memory trainers)
    {
        trainers = new address[](_rounds[jobId][number].commits);
        for (uint256 i = 0; i < trainers.length; ++i) {
            trainers[i] = _committed[jobId][number][i];
        }
    }

    /// @inheritdoc IMarket
    function payoutOf(uint256 jobId, uint32 number, address trainer)
        external
        view
        known(jobId)
        returns (Payout memory)
    {
        Update storage update = _updates[jobId][number][commitmentOf[jobId][number][trainer]];
        return Payout(update.payout, update.claimed);
    }

    /// @inheritdoc IMarket
    function phase(uint256 jobId, uint32 number) public view known(jobId) returns (Phase) {
        Round storage r = _rounds[jobId][number];
        if (r.commitEnd == 0) return Phase.None;
        if (r.overturned) return Phase.Void;
        if (r.settled) return block.timestamp < r.challengeEnd ? Phase.Challengeable : Phase.Final;
        if (block.timestamp < r.commitEnd) return Phase.Open;
        return block.timestamp < r.settleEnd ? Phase.Settling : Phase.Void;
    }

    /*//////////////////////////////////////////////////////////////
                                INTERNAL
    //////////////////////////////////////////////////////////////*/

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
        _checkScaleExponent(settlement.nextScaleExponent);
        Job storage j = _jobs[jobId];
        j.escrow -= paid;
        j.settled += 1;
        Round storage r = _rounds[jobId][number];
        r.settled = true;
        r.challengeEnd = uint64(block.timestamp) + t.challengeSeconds;
        r.nextScaleExponent = settlement.nextScaleExponent;
        r.aggregateCommitment = settlement.aggregateCommitment;
        r.aggregateRoot = settlement.aggregateRoot;
        r.settledBy = msg.sender;
        r.weightSum = _sum(settlement.weights);
        r.nextMemoryDigest = settlement.nextMemoryDigest;
    }

    /// @dev Takes a round's payouts back; none can have been claimed before the round is final.
    function _deletePayouts(uint256 jobId, uint32 number) private returns (uint256 returned) {
        uint256 total = _rounds[jobId][number].commits;
        for (uint256 i = 0; i < total; ++i) {
            address trainer = _committed[jobId][number][i];
            Update storage update = _updates[jobId][number][commitmentOf[jobId][number][trainer]];
            returned += update.payout;
            update.payout = 0;
        }
    }

    /// @dev Takes the bond and the place of the aggregator who settled a round: the challenger's share is rounded down.
    function _slash(uint256 jobId, uint32 number, uint256 returned) private {
        address aggregator = _rounds[jobId][number].settledBy;
        uint256 bond = bondOf[jobId][aggregator];
        uint256 reward = bond * _terms[jobId].challengerShareBps / WHOLE_BPS;
        isAggregator[jobId][aggregator] = false;
        bondOf[jobId][aggregator] = 0;
        rewardOf[jobId][msg.sender] += reward;
        _jobs[jobId].refund += bond - reward;
        emit SettlementOverturned(jobId, number, msg.sender, aggregator, bond, reward, returned);
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

    function _aggregateClaim(uint256 jobId, uint32 number)
        private
        view
        returns (IProofVerifier.AggregateClaim memory)
    {
        JobTerms storage t = _terms[jobId];
        Round storage r = _rounds[jobId][number];
        return IProofVerifier.AggregateClaim({
            chainId: block.chainid,
            market: address(this),
            jobId: jobId,
            round: number,
            dimension: t.dimension,
            bits: t.bits,
            weightSum: r.weightSum,
            aggregateCommitment: r.aggregateCommitment,
            aggregateRoot: r.aggregateRoot
        });
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

    function _compressed(IProofVerifier.Point calldata point) private pure returns (bytes32) {
        if (!Bn254.isPoint(point.x, point.y)) revert Market_InvalidCommitment(point.x, point.y);
        return Bn254.compress(point.x, point.y);
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

    /// @dev The trainers whose bits are set, in the order of their commitments, and these.
    function _includedTrainers(uint256 jobId, uint32 number, uint256 included)
        private
        view
        returns (address[] memory trainers, bytes32[] memory commitments)
    {
        JobTerms storage t = _terms[jobId];
        uint256 total = _rounds[jobId][number].commits;
        if (total < t.minTrainers) revert Market_TooFewTrainers(total, t.minTrainers);
        if (t.hasReference) included &= ~REFERENCE_BIT;
        if (included >> total != 0) revert Market_UnknownTrainers(included, total);
        trainers = new address[](total);
        commitments = new bytes32[](total);
        uint256 count = 0;
        for (uint256 i = 0; i < total; ++i) {
            if ((included >> i) & 1 == 0) continue;
            trainers[count] = _committed[jobId][number][i];
            commitments[count] = commitmentOf[jobId][number][trainers[count]];
            ++count;
        }
        if (total - count > t.byzantine) revert Market_TooManyExcluded(total - count, t.byzantine);
        assembly ("memory-safe") {
            mstore(trainers, count) // shrink to the trainers found
            mstore(commitments, count)
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

    function _setAggregators(uint256 jobId, address[] calldata aggregators) private {
        if (aggregators.length == 0 || aggregators.length > MAX_AGGREGATORS) {
            revert Market_InvalidTerms("aggregators");
        }
        for (uint256 i = 0; i < aggregators.length; ++i) {
            if (aggregators[i] == address(0)) revert Market_InvalidTerms("aggregators");
            isAggregator[jobId][aggregators[i]] = true;
        }
    }

    function _checkTerms(JobTerms calldata t) private view {
        if (t.token != address(0) && t.token.code.length == 0) revert Market_InvalidTerms("token");
        if (address(t.verifier).code.length == 0) revert Market_InvalidTerms("verifier");
        if (!t.verifier.supportsJob(t.rule, t.score, t.dimension, t.hasReference, t.maxTrainers)) {
            revert Market_InvalidTerms("rule");
        }
        if (t.roundBudget == 0) revert Market_InvalidTerms("roundBudget");
        if (t.rounds == 0) revert Market_InvalidTerms("rounds");
        if (t.stakeMin == 0) revert Market_InvalidTerms("stakeMin");
        if (t.stakeMax < t.stakeMin) revert Market_InvalidTerms("stakeMax");
        if (t.challengerShareBps > WHOLE_BPS) revert Market_InvalidTerms("challengerShareBps");
        if (t.floorBps > WHOLE_BPS) revert Market_InvalidTerms("floorBps");
        if (t.capBps != 0 && t.capBps < WHOLE_BPS) revert Market_InvalidTerms("capBps");
        if (t.maxTrainers > MAX_TRAINERS) revert Market_InvalidTerms("maxTrainers");
        if (t.minTrainers > t.maxTrainers) revert Market_InvalidTerms("minTrainers");
        if (t.minTrainers < 2 * uint256(t.byzantine) + 3) revert Market_InvalidTerms("byzantine");
        if (t.bits < 4 || t.bits > 16) revert Market_InvalidTerms("bits");
        if (uint256(t.headroomBits) + 3 > t.bits) revert Market_InvalidTerms("headroomBits");
        // 4 d 2^(2b-2) < 2^63: every Gram entry and every distance fits an int64.
        if (t.dimension == 0 || (uint256(t.dimension) << (2 * t.bits)) >= 1 << 63) {
            revert Market_InvalidTerms("dimension");
        }
        _checkScaleExponent(t.scaleExponent);
    }

    function _checkWindows(JobTerms calldata t) private view {
        if (t.commitSeconds == 0 || t.commitSeconds > MAX_WINDOW_SECONDS) revert Market_InvalidTerms("commitSeconds");
        if (t.settleSeconds == 0 || t.settleSeconds > MAX_WINDOW_SECONDS) revert Market_InvalidTerms("settleSeconds");
        if (t.challengeSeconds > MAX_WINDOW_SECONDS) revert Market_InvalidTerms("challengeSeconds");
        // Without a window no bond could ever be slashed.
        if (t.challengeSeconds == 0 && t.aggregatorBond != 0) revert Market_InvalidTerms("challengeSeconds");
        if (t.deadline <= block.timestamp || t.deadline > block.timestamp + MAX_DEADLINE_SECONDS) {
            revert Market_InvalidTerms("deadline");
        }
    }

    function _checkScaleExponent(int16 exponent) private pure {
        if (exponent < -MAX_SCALE_EXPONENT || exponent > MAX_SCALE_EXPONENT) {
            revert Market_InvalidTerms("scaleExponent");
        }
    }

    function _requireLength(bytes32 field, uint256 length, uint256 expected) private pure {
        if (length != expected) revert Market_WrongLength(field, length, expected);
    }

    function _requirePhase(uint256 jobId, uint32 number, Phase required) private view {
        Phase current = phase(jobId, number);
        if (current != required) revert Market_WrongPhase(jobId, number, current);
    }

    function _requireTerminal(uint256 jobId, uint32 number) private view {
        Phase current = phase(jobId, number);
        if (!_isTerminal(current)) revert Market_WrongPhase(jobId, number, current);
    }

    /// @dev Round 0, before the first, counts as terminal.
    function _isTerminal(Phase current) private pure returns (bool) {
        return current == Phase.None || current == Phase.Final || current == Phase.Void;
    }
}
