// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IProofVerifier} from "../../../contracts/interfaces/IProofVerifier.sol";
import {IRule} from "../../../contracts/interfaces/IRule.sol";
import {IScore} from "../../../contracts/interfaces/IScore.sol";
import {Registry} from "../../../contracts/libraries/Registry.sol";

/// @title Settles as AttestedVerifier does, and finds fault with exactly the aggregates and updates that a test has switched
/// to false.
contract FaultSwitchVerifier is IProofVerifier, Registry {
    mapping(uint256 jobId => mapping(uint32 round => bool)) public isFalse;
    mapping(uint256 jobId => mapping(uint32 round => mapping(bytes32 commitment => bool))) public isOutOfRange;

    error FaultSwitch_NoFault(uint256 jobId, uint32 round);

    constructor(IRule[] memory ruleContracts, IScore[] memory scoreContracts)
        Registry(ruleContracts, scoreContracts)
    {}

    /// @notice Switches a round's aggregate to false or back.
    function setFalse(uint256 jobId, uint32 round, bool value) external {
        isFalse[jobId][round] = value;
    }

    /// @notice Switches a committed update to out of range or back.
    function setOutOfRange(uint256 jobId, uint32 round, bytes32 commitment, bool value) external {
        isOutOfRange[jobId][round][commitment] = value;
    }

    /// @inheritdoc IProofVerifier
    function verify(Statement calldata s, bytes calldata) external view {
        _checkOutcome(s);
    }

    /// @inheritdoc IProofVerifier
    function verifyFault(AggregateClaim calldata aggregate, bytes calldata) external view {
        bool isUpdate = aggregate.weightSum == 1 && aggregate.aggregateRoot == 0;
        bool found = isUpdate
            ? isOutOfRange[aggregate.jobId][aggregate.round][aggregate.aggregateCommitment]
            : isFalse[aggregate.jobId][aggregate.round];
        if (!found) revert FaultSwitch_NoFault(aggregate.jobId, aggregate.round);
    }

    /// @inheritdoc IProofVerifier
    function supportsJob(bytes32 rule, bytes32 score, uint64, bool hasReference, uint16 maxTrainers)
        external
        view
        returns (bool)
    {
        return _knows(rule, score, hasReference, maxTrainers);
    }
}
