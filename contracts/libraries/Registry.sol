// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IProofVerifier} from "../interfaces/IProofVerifier.sol";
import {IRule} from "../interfaces/IRule.sol";
import {IScore} from "../interfaces/IScore.sol";
import {Carried} from "./Carried.sol";
import {History} from "./History.sol";
import {Settling} from "./Settling.sol";

/// @title What a verifier asks: the contracts of its rules and scores by their ids, told once and for ever.
abstract contract Registry {
    /// @dev Id of the score that splits the part of a budget that does not depend on the reference.
    bytes32 private constant FLOOR = "alignment";
    /// @dev With more trainers, a settlement with running sums may pass what a transaction may use, or nodes take.
    uint256 private constant MAX_WITH_SUMS = 48;

    bytes32[] private _rules;
    bytes32[] private _scores;
    /// @notice The contract of a rule; the zero address where there is none.
    mapping(bytes32 id => IRule) public ruleOf;
    /// @notice The contract of a score; the zero address where there is none.
    mapping(bytes32 id => IScore) public scoreOf;

    error Registry_UnknownRule(bytes32 rule);
    error Registry_UnknownScore(bytes32 score);
    error Registry_DuplicateId(bytes32 id);
    error Registry_WrongMemory(bytes32 posted, bytes32 expected);

    constructor(IRule[] memory ruleContracts, IScore[] memory scoreContracts) {
        for (uint256 i = 0; i < ruleContracts.length; ++i) {
            bytes32 id = ruleContracts[i].id();
            if (address(ruleOf[id]) != address(0)) revert Registry_DuplicateId(id);
            ruleOf[id] = ruleContracts[i];
            _rules.push(id);
        }
        for (uint256 i = 0; i < scoreContracts.length; ++i) {
            bytes32 id = scoreContracts[i].id();
            if (address(scoreOf[id]) != address(0)) revert Registry_DuplicateId(id);
            scoreOf[id] = scoreContracts[i];
            _scores.push(id);
        }
        if (address(scoreOf[FLOOR]) == address(0)) revert Registry_UnknownScore(FLOOR);
    }

    /// @notice Ids of the rules that it knows.
    function rules() external view returns (bytes32[] memory) {
        return _rules;
    }

    /// @notice Ids of the scores that it knows.
    function scores() external view returns (bytes32[] memory) {
        return _scores;
    }

    /// @dev Whether rule and score are known, the reference is there where one of them reads it, and a settlement fits a
    /// transaction.
    function _knows(bytes32 rule, bytes32 score, bool hasReference, uint256 maxTrainers) internal view returns (bool) {
        (IRule r, IScore s) = (ruleOf[rule], scoreOf[score]);
        if (address(r) == address(0) || address(s) == address(0)) return false;
        if (maxTrainers > MAX_WITH_SUMS && r.needsHistory()) return false;
        return hasReference || !(r.needsReference() || s.needsReference());
    }

    /// @dev Reverts unless all that a settlement posts follows from its products, and from what the job carries: see
    /// Settling. The running sums are rows only where they follow from it, too.
    function _checkOutcome(IProofVerifier.Statement calldata s) internal view {
        IProofVerifier.GramStatement calldata q = s.gram;
        Settling.Contracts memory c = Settling.Contracts(ruleOf[q.rule], scoreOf[q.score], scoreOf[FLOOR]);
        if (address(c.rule) == address(0)) revert Registry_UnknownRule(q.rule);
        if (address(c.score) == address(0)) revert Registry_UnknownScore(q.score);
        (Carried.Memories memory memories, bytes calldata history) = Carried.split(s.witness.carried, s.memoryDigest);
        Settling.check(s, c, memories);
        bytes memory sums =
            q.history ? History.advance(history, q.trainers, q.commitments, q.scaleExponent) : bytes(history);
        bytes32 digest = Carried.digest(memories, sums);
        if (digest != s.nextMemoryDigest) revert Registry_WrongMemory(s.nextMemoryDigest, digest);
    }
}
