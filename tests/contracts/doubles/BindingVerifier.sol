// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IProofVerifier} from "../../../contracts/interfaces/IProofVerifier.sol";

/// @title Stands for a proof system: the "proof" of a statement is the hash of all its fields, and of no other statement;
/// evidence against an aggregate likewise.
contract BindingVerifier is IProofVerifier {
    error Binding_WrongProof(bytes32 expected);
    error Binding_WrongEvidence(bytes32 expected);

    /// @inheritdoc IProofVerifier
    function verify(Statement calldata statement, bytes calldata proof) external pure {
        bytes32 expected = keccak256(abi.encode(statement));
        if (keccak256(proof) != keccak256(abi.encodePacked(expected))) revert Binding_WrongProof(expected);
    }

    /// @inheritdoc IProofVerifier
    function verifyFault(AggregateClaim calldata aggregate, bytes calldata evidence) external pure {
        bytes32 expected = keccak256(abi.encode(aggregate));
        if (keccak256(evidence) != keccak256(abi.encodePacked(expected))) revert Binding_WrongEvidence(expected);
    }

    /// @inheritdoc IProofVerifier
    function supportsJob(bytes32, bytes32, uint64, bool, uint16) external pure returns (bool) {
        return true;
    }
}
