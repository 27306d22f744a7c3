// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IProofVerifier} from "../../../contracts/interfaces/IProofVerifier.sol";

/// @title Burns all the gas that a settlement or a challenge brings.
contract GasBurningVerifier is IProofVerifier {
    /// @inheritdoc IProofVerifier
    function verify(Statement calldata, bytes calldata) external pure {
        assembly ("memory-safe") {
            invalid()
        }
    }

    /// @inheritdoc IProofVerifier
    function verifyFault(AggregateClaim calldata, bytes calldata) external pure {
        assembly ("memory-safe") {
            invalid()
        }
    }

    /// @inheritdoc IProofVerifier
    function supportsJob(bytes32, bytes32, uint64, bool, uint16) external pure returns (bool) {
        return true;
    }
}
