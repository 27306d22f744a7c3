// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ERC2771Context} from "@openzeppelin/contracts/metatx/ERC2771Context.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {IMarket} from "../interfaces/IMarket.sol";
import {IProofVerifier} from "../interfaces/IProofVerifier.sol";
import {Bn254} from "../libraries/Bn254.sol";

/// @title What the market keeps on record, phases by the clock, and the views.
/// @dev Every unit is in exactly one account: a job's escrow, a stake, a bond behind a settlement, an unclaimed payout, or a
/// free balance. The contract's own balance is never read for bookkeeping, so coins forced into it belong to no account.
abstract contract Books is IMarket, ERC2771Context, ReentrancyGuardTransient {
    uint256 internal constant WHOLE_BPS = 10_000;
    uint256 internal constant OWNERS = 1 << 128;

    /// @dev A committed update, by its commitment: that it is there, and what it earned. The first flag is set when
    /// it is committed, so that a settlement writes payouts into slots that are in use, at a quarter of the gas.
    struct Update {
        bool committed;
        bool claimed;
        uint128 payout;
    }

    uint256 public jobCount;
    mapping(uint256 jobId => JobTerms) internal _terms;
    mapping(uint256 jobId => Job) internal _jobs;
    mapping(uint256 jobId => mapping(address trainer => uint256)) public stakeOf;
    mapping(uint256 jobId => mapping(address trainer => address aggregator)) public namedBy;
    /// @dev How many trainers name the account; OWNERS more where the owner does.
    mapping(uint256 jobId => mapping(address aggregator => uint256)) internal _namings;
    mapping(uint256 jobId => mapping(address aggregator => bool)) internal _dismissed;
    mapping(uint256 jobId => mapping(uint32 number => Round)) internal _rounds;
    mapping(uint256 jobId => mapping(uint32 number => mapping(uint256 index => address))) internal _committed;
    mapping(uint256 jobId => mapping(uint32 number => mapping(address trainer => bytes32))) public commitmentOf;
    mapping(uint256 jobId => mapping(uint32 number => mapping(bytes32 commitment => Update))) internal _updates;
    mapping(address token => mapping(address account => uint256)) public balanceOf;
    mapping(address account => bytes32) public encryptionKeyOf;

    modifier known(uint256 jobId) {
        _requireKnown(jobId);
        _;
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
    function isAggregator(uint256 jobId, address account) public view returns (bool) {
        return _namings[jobId][account] != 0 && !_dismissed[jobId][account];
    }

    /// @inheritdoc IMarket
    /// @dev None for every round of a job that there is not.
    function phase(uint256 jobId, uint32 number) public view returns (Phase) {
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

    /// @dev Puts the books of the latest round, which is terminal, in order: its bond is free, and where void rounds are
    /// refunded its budget is the owner's. No deadline depends on when this happens.
    function _conclude(uint256 jobId) internal {
        Job storage j = _jobs[jobId];
        JobTerms storage t = _terms[jobId];
        Round storage r = _rounds[jobId][j.round];
        if (r.bonded) _releaseBond(jobId, j.round);
        if (!t.refundVoid || r.refunded || phase(jobId, j.round) != Phase.Void) return;
        r.refunded = true;
        j.used += 1;
        j.escrow -= t.roundBudget;
        _credit(t.token, j.owner, t.roundBudget);
        emit RoundRefunded(jobId, j.round, t.roundBudget);
    }

    /// @dev Frees the bond behind a settlement, which is there.
    function _releaseBond(uint256 jobId, uint32 number) internal {
        Round storage r = _rounds[jobId][number];
        uint256 bond = _terms[jobId].aggregatorBond;
        r.bonded = false;
        _credit(_terms[jobId].token, r.settledBy, bond);
        emit BondReleased(jobId, number, r.settledBy, bond);
    }

    /// @dev Splits what a fault costs: the challenger's share is rounded down, the rest is the owner's.
    function _slash(uint256 jobId, uint256 amount) internal returns (uint256 reward) {
        JobTerms storage t = _terms[jobId];
        reward = amount * t.challengerShareBps / WHOLE_BPS;
        _credit(t.token, _msgSender(), reward);
        _credit(t.token, _jobs[jobId].owner, amount - reward);
    }

    /// @dev Adds to a free balance.
    function _credit(address token, address account, uint256 amount) internal {
        balanceOf[token][account] += amount;
    }

    /// @dev Takes from a free balance.
    function _debit(address token, address account, uint256 amount) internal {
        uint256 free = balanceOf[token][account];
        if (free < amount) revert Market_InsufficientBalance(token, account, amount);
        balanceOf[token][account] = free - amount;
    }

    function _compressed(IProofVerifier.Point calldata point) internal pure returns (bytes32) {
        if (!Bn254.isPoint(point.x, point.y)) revert Market_InvalidCommitment(point.x, point.y);
        return Bn254.compress(point.x, point.y);
    }

    function _requireKnown(uint256 jobId) internal view {
        if (jobId == 0 || jobId > jobCount) revert Market_UnknownJob(jobId);
    }

    function _requireOwner(uint256 jobId) internal view {
        if (_msgSender() != _jobs[jobId].owner) revert Market_NotOwner(jobId, _msgSender());
    }

    function _requireRunning(uint256 jobId) internal view {
        if (_jobs[jobId].closed) revert Market_JobClosed(jobId);
    }

    function _requireRecipient(address recipient) internal pure {
        if (recipient == address(0)) revert Market_ZeroRecipient();
    }

    function _requireLength(bytes32 field, uint256 length, uint256 expected) internal pure {
        if (length != expected) revert Market_WrongLength(field, length, expected);
    }

    function _requirePhase(uint256 jobId, uint32 number, Phase required) internal view {
        Phase current = phase(jobId, number);
        if (current != required) revert Market_WrongPhase(jobId, number, current);
    }

    function _requireTerminal(uint256 jobId, uint32 number) internal view {
        Phase current = phase(jobId, number);
        if (!_isTerminal(current)) revert Market_WrongPhase(jobId, number, current);
    }

    /// @dev Round 0, before the first, counts as terminal.
    function _isTerminal(Phase current) internal pure returns (bool) {
        return current == Phase.None || current == Phase.Final || current == Phase.Void;
    }
}
