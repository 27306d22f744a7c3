// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IProofVerifier} from "./interfaces/IProofVerifier.sol";
import {IRule} from "./interfaces/IRule.sol";
import {IScore} from "./interfaces/IScore.sol";
import {AggregateFault} from "./libraries/AggregateFault.sol";
import {Bn254} from "./libraries/Bn254.sol";
import {GramArgument} from "./libraries/GramArgument.sol";
import {ReferenceString} from "./libraries/ReferenceString.sol";
import {Registry} from "./libraries/Registry.sol";

/// @title Verifies settlements from a proof of the inner products.
/// @notice Proven is, for the commitments that the trainers and the owner made: the posted products are those of the
/// committed vectors; weights, scores, payouts and the next scale follow from them by the job's terms, to the last unit;
/// the aggregate's commitment is the weighted sum of theirs. The products are proven modulo the group order: that entries
/// are in range is what the aggregator checks and what `verifyFault` overturns. Not proven is that anybody trained, or
/// that an update is any good.
/// @dev Its rules and scores are contracts that it is told when it is created, for ever. Holds no funds. It trusts its
/// reference string: whoever knows its secrets can prove anything.
contract GramVerifier is IProofVerifier, GramArgument, AggregateFault, Registry {
    using Bn254 for Bn254.Sum;

    error Gram_WrongChain(uint256 posted, uint256 expected);
    error Gram_WrongAggregate(bytes32 posted, bytes32 expected);

    /// @param words The reference string's eighteen words, see ReferenceString.
    constructor(uint256[18] memory words, IRule[] memory ruleContracts, IScore[] memory scoreContracts)
        ReferenceString(words)
        Registry(ruleContracts, scoreContracts)
    {}

    /// @inheritdoc IProofVerifier
    /// @dev Cheap checks come first, so that a wrong settlement costs its sender little.
    function verify(Statement calldata s, bytes calldata proof) external view {
        if (s.gram.chainId != block.chainid) revert Gram_WrongChain(s.gram.chainId, block.chainid);
        _checkOutcome(s);
        _verifyGram(s.gram, proof);
        _checkAggregate(s);
    }

    /// @notice Returns when the matrix is the Gram matrix of the committed vectors; reverts otherwise.
    /// @dev The argument alone, for whoever trusts no other: no rule, no payouts, and any chain's statement.
    function verifyGram(GramStatement calldata s, bytes calldata proof) external view {
        _verifyGram(s, proof);
    }

    /// @inheritdoc IProofVerifier
    /// @param evidence abi.encode(AggregateFault.Evidence).
    function verifyFault(AggregateClaim calldata aggregate, bytes calldata evidence) external view {
        if (aggregate.chainId != block.chainid) revert Gram_WrongChain(aggregate.chainId, block.chainid);
        _verifyFault(aggregate, evidence);
    }

    /// @inheritdoc IProofVerifier
    function supportsJob(bytes32 rule, bytes32 score, uint64 dimension, bool hasReference, uint16 maxTrainers)
        external
        view
        returns (bool)
    {
        return _knows(rule, score, hasReference, maxTrainers) && dimension + MASK_COEFFICIENTS <= srsSize;
    }

    /// @dev sum_i w_i C_i, with the weights that have just been checked and commitments that the argument has.
    function _checkAggregate(Statement calldata s) private view {
        Bn254.Sum memory sum;
        for (uint256 i = 0; i < s.weights.length; ++i) {
            uint256 weight = s.weights[i];
            Point calldata c = s.gram.commitments[i];
            if (weight != 0) sum.addScaled(c.x, c.y, weight);
        }
        bytes32 expected = Bn254.compress(sum.x, sum.y);
        if (s.aggregateCommitment != expected) revert Gram_WrongAggregate(s.aggregateCommitment, expected);
    }
}
