// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IProofVerifier} from "../../../contracts/interfaces/IProofVerifier.sol";

/// @title Accepts every settlement and every challenge, so that a test sees what the market enforces by itself.
contract PermissiveVerifier is IProofVerifier {
    /// @inheritdoc IProofVerifier
    function verify(Statement calldata, bytes calldata) external view {}

    /// @inheritdoc IProofVerifier
    function verifyFault(AggregateClaim calldata, bytes calldata) external view {}

    /// @inheritdoc IProofVerifier
    function supportsJob(bytes32, bytes32, uint64, bool, uint16) external pure returns (bool) {
        return true;
    }
}
