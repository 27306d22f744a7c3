// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IProofVerifier} from "../../../contracts/interfaces/IProofVerifier.sol";

/// @title Calls the market back while it verifies, and fails if a call succeeds.
/// @dev Not an IProofVerifier by inheritance: `verify` is not a view here. The market calls it as if it were.
contract ReenteringVerifier {
    error Reentering_Succeeded(bytes call);

    bytes[] private _attacks;

    /// @notice Sets the calls to try.
    function arm(bytes[] calldata attacks) external {
        _attacks = attacks;
    }

    /// @dev Same selector as IProofVerifier.verify.
    function verify(IProofVerifier.Statement calldata statement, bytes calldata) external {
        _strike(statement.gram.market);
    }

    /// @dev Same selector as IProofVerifier.verifyFault.
    function verifyFault(IProofVerifier.AggregateClaim calldata aggregate, bytes calldata) external {
        _strike(aggregate.market);
    }

    /// @dev Same selector as IProofVerifier.supportsJob.
    function supportsJob(bytes32, bytes32, uint64, bool, uint16) external pure returns (bool) {
        return true;
    }

    function _strike(address market) private {
        for (uint256 i = 0; i < _attacks.length; ++i) {
            (bool ok,) = market.call(_attacks[i]);
            if (ok) revert Reentering_Succeeded(_attacks[i]);
        }
    }
}
