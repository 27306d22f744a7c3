// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IProofVerifier} from "../../../contracts/interfaces/IProofVerifier.sol";
import {Settling} from "../../../contracts/libraries/Settling.sol";

/// @title Checks what follows from a Gram matrix and believes the matrix: cheap settlements for tests of the market.
contract AttestedVerifier is IProofVerifier {
    error Attested_UnexpectedProof(uint256 length);
    error Attested_NoFault();

    /// @inheritdoc IProofVerifier
    /// @dev `proof` must be empty.
    function verify(Statement calldata s, bytes calldata proof) external pure {
        if (proof.length != 0) revert Attested_UnexpectedProof(proof.length);
        Settling.check(s);
    }

    /// @inheritdoc IProofVerifier
    function verifyFault(AggregateClaim calldata, bytes calldata) external pure {
        revert Attested_NoFault();
    }

    /// @inheritdoc IProofVerifier
    function supportsJob(bytes32 rule, bytes32 score, uint64) external pure returns (bool) {
        return Settling.knows(rule, score);
    }
}
