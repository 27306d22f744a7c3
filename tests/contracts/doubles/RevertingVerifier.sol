// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IProofVerifier} from "../../../contracts/interfaces/IProofVerifier.sol";

/// @title Accepts jobs and refuses all their settlements and challenges.
contract RevertingVerifier is IProofVerifier {
    error Reverting_Refused(uint256 jobId, uint32 round);

    /// @inheritdoc IProofVerifier
    function verify(Statement calldata statement, bytes calldata) external pure {
        revert Reverting_Refused(statement.gram.jobId, statement.gram.round);
    }

    /// @inheritdoc IProofVerifier
    function verifyFault(AggregateClaim calldata aggregate, bytes calldata) external pure {
        revert Reverting_Refused(aggregate.jobId, aggregate.round);
    }

    /// @inheritdoc IProofVerifier
    function supportsJob(bytes32, bytes32, uint64, bool, uint16) external pure returns (bool) {
        return true;
    }
}
