// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IProofVerifier} from "../../../contracts/interfaces/IProofVerifier.sol";

/// @title Accepts every settlement and every challenge, until a test says what it has to be told, or that it refuses.
contract Verifier is IProofVerifier {
    bytes32 private _statement;
    bytes32 private _claim;
    bool private _refuses;

    error Verifier_Refuses();
    error Verifier_OtherStatement(Statement statement);
    error Verifier_OtherClaim(AggregateClaim aggregate);

    function refuse(bool refuses) external {
        _refuses = refuses;
    }

    /// @notice Of settlements, only this statement is true.
    function expectStatement(Statement calldata statement) external {
        _statement = keccak256(abi.encode(statement));
    }

    /// @notice Of challenges, only one of this claim is right.
    function expectClaim(AggregateClaim calldata aggregate) external {
        _claim = keccak256(abi.encode(aggregate));
    }

    /// @inheritdoc IProofVerifier
    function verify(Statement calldata statement, bytes calldata proof) external view {
        if (_refuses || keccak256(proof) != keccak256("proof")) revert Verifier_Refuses();
        if (_statement != 0 && keccak256(abi.encode(statement)) != _statement) {
            revert Verifier_OtherStatement(statement);
        }
    }

    /// @inheritdoc IProofVerifier
    function verifyFault(AggregateClaim calldata aggregate, bytes calldata evidence) external view {
        if (_refuses || keccak256(evidence) != keccak256("evidence")) revert Verifier_Refuses();
        if (_claim != 0 && keccak256(abi.encode(aggregate)) != _claim) revert Verifier_OtherClaim(aggregate);
    }

    /// @inheritdoc IProofVerifier
    function supportsJob(bytes32 rule, bytes32 score, uint64 dimension, bool, uint16 maxTrainers)
        external
        pure
        returns (bool)
    {
        return rule == "mean" && score == "shapley" && dimension != 13 && maxTrainers != 13;
    }
}
