// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IProofVerifier} from "../../../contracts/interfaces/IProofVerifier.sol";

/// @title Believes a job's first round, which can so leave any past behind, and asks another verifier about later ones.
contract FirstRoundVerifier is IProofVerifier {
    IProofVerifier private immutable _later;

    constructor(IProofVerifier later) {
        _later = later;
    }

    /// @inheritdoc IProofVerifier
    function verify(Statement calldata s, bytes calldata) external view {
        address later = address(_later);
        if (s.gram.round == 1) return;
        assembly ("memory-safe") {
            let start := mload(0x40)
            calldatacopy(start, 0, calldatasize())
            if iszero(staticcall(gas(), later, start, calldatasize(), 0, 0)) {
                returndatacopy(start, 0, returndatasize())
                revert(start, returndatasize())
            }
        }
    }

    /// @inheritdoc IProofVerifier
    function verifyFault(AggregateClaim calldata aggregate, bytes calldata evidence) external view {
        _later.verifyFault(aggregate, evidence);
    }

    /// @inheritdoc IProofVerifier
    function supportsJob(bytes32 rule, bytes32 score, uint64 dimension, bool hasReference, uint16 maxTrainers)
        external
        view
        returns (bool)
    {
        return _later.supportsJob(rule, score, dimension, hasReference, maxTrainers);
    }
}
