// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IProofVerifier} from "../../../contracts/interfaces/IProofVerifier.sol";
import {IRule} from "../../../contracts/interfaces/IRule.sol";
import {IScore} from "../../../contracts/interfaces/IScore.sol";
import {Registry} from "../../../contracts/libraries/Registry.sol";

/// @title Checks what follows from inner products and believes these: cheap settlements for tests of the market.
contract AttestedVerifier is IProofVerifier, Registry {
    error Attested_UnexpectedProof(uint256 length);
    error Attested_NoFault();

    constructor(IRule[] memory ruleContracts, IScore[] memory scoreContracts)
        Registry(ruleContracts, scoreContracts)
    {}

    /// @inheritdoc IProofVerifier
    /// @dev `proof` must be empty.
    function verify(Statement calldata s, bytes calldata proof) external view {
        if (proof.length != 0) revert Attested_UnexpectedProof(proof.length);
        _checkOutcome(s);
    }

    /// @inheritdoc IProofVerifier
    function verifyFault(AggregateClaim calldata, bytes calldata) external pure {
        revert Attested_NoFault();
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
