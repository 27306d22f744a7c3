// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IProofVerifier} from "./interfaces/IProofVerifier.sol";
import {AggregateFault} from "./libraries/AggregateFault.sol";
import {Bn254} from "./libraries/Bn254.sol";
import {GramArgument} from "./libraries/GramArgument.sol";
import {ReferenceString} from "./libraries/ReferenceString.sol";
import {Settling} from "./libraries/Settling.sol";

/// @title Verifies settlements from a proof of the Gram matrix.
/// @notice Proven is, for the commitments that the trainers made: the posted matrix is the Gram matrix of the committed
/// vectors; weights, scores, payouts and the next scale follow from it by the job's rule, to the last unit; the
/// aggregate's commitment is the weighted sum of theirs. The matrix is proven modulo the group order: that entries are
/// in range is what the aggregator checks and what `verifyFault` overturns. Not proven is that anybody trained, or that
/// an update is any good.
/// @dev Keeps no state and holds no funds. It trusts its reference string: whoever knows its secrets can prove anything.
contract GramVerifier is IProofVerifier {
    using Bn254 for Bn254.Sum;

    /// @notice Names the reference string; see docs/protocol.md.
    bytes32 public immutable srsDigest;
    /// @notice Number of powers: updates have at most this many entries, less 8.
    uint256 public immutable srsSize;

    uint256 private immutable _tauX;
    uint256 private immutable _tauY;
    uint256 private immutable _etaX;
    uint256 private immutable _etaY;
    uint256 private immutable _etaTauX;
    uint256 private immutable _etaTauY;
    uint256 private immutable _tauG2XImag;
    uint256 private immutable _tauG2XReal;
    uint256 private immutable _tauG2YImag;
    uint256 private immutable _tauG2YReal;
    uint256 private immutable _tau2G2XImag;
    uint256 private immutable _tau2G2XReal;
    uint256 private immutable _tau2G2YImag;
    uint256 private immutable _tau2G2YReal;

    error Gram_WrongChain(uint256 posted, uint256 expected);
    error Gram_WrongAggregate(bytes32 posted, bytes32 expected);

    /// @param words The reference string's eighteen words, see ReferenceString.
    constructor(uint256[18] memory words) {
        ReferenceString.check(words);
        srsDigest = ReferenceString.digest(words);
        srsSize = words[ReferenceString.SIZE];
        (_tauX, _tauY) = (words[ReferenceString.TAU], words[ReferenceString.TAU + 1]);
        (_etaX, _etaY) = (words[ReferenceString.ETA], words[ReferenceString.ETA + 1]);
        (_etaTauX, _etaTauY) = (words[ReferenceString.ETA_TAU], words[ReferenceString.ETA_TAU + 1]);
        (_tauG2XImag, _tauG2XReal) = (words[ReferenceString.TAU_G2], words[ReferenceString.TAU_G2 + 1]);
        (_tauG2YImag, _tauG2YReal) = (words[ReferenceString.TAU_G2 + 2], words[ReferenceString.TAU_G2 + 3]);
        (_tau2G2XImag, _tau2G2XReal) = (words[ReferenceString.TAU2_G2], words[ReferenceString.TAU2_G2 + 1]);
        (_tau2G2YImag, _tau2G2YReal) = (words[ReferenceString.TAU2_G2 + 2], words[ReferenceString.TAU2_G2 + 3]);
    }

    /// @inheritdoc IProofVerifier
    /// @dev Cheap checks come first, so that a wrong settlement costs its sender little.
    function verify(Statement calldata s, bytes calldata proof) external view {
        if (s.gram.chainId != block.chainid) revert Gram_WrongChain(s.gram.chainId, block.chainid);
        Settling.check(s);
        GramArgument.verify(s.gram, proof, _key());
        _checkAggregate(s);
    }

    /// @notice Returns when the matrix is the Gram matrix of the committed vectors; reverts otherwise.
    /// @dev The argument alone, for whoever trusts no other: no rule, no payouts, and any chain's statement.
    function verifyGram(GramStatement calldata s, bytes calldata proof) external view {
        GramArgument.verify(s, proof, _key());
    }

    /// @inheritdoc IProofVerifier
    /// @param evidence abi.encode(AggregateFault.Evidence).
    function verifyFault(AggregateClaim calldata aggregate, bytes calldata evidence) external view {
        if (aggregate.chainId != block.chainid) revert Gram_WrongChain(aggregate.chainId, block.chainid);
        AggregateFault.check(aggregate, evidence, _key());
    }

    /// @inheritdoc IProofVerifier
    function supportsJob(bytes32 rule, bytes32 score, uint64 dimension) external view returns (bool) {
        return Settling.knows(rule, score) && dimension + GramArgument.MASK_COEFFICIENTS <= srsSize;
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

    function _key() private view returns (ReferenceString.Key memory key) {
        key.digest = srsDigest;
        key.size = srsSize;
        (key.tauX, key.tauY) = (_tauX, _tauY);
        (key.etaX, key.etaY) = (_etaX, _etaY);
        (key.etaTauX, key.etaTauY) = (_etaTauX, _etaTauY);
        key.tauG2 = Bn254.G2Point(_tauG2XImag, _tauG2XReal, _tauG2YImag, _tauG2YReal);
        key.tau2G2 = Bn254.G2Point(_tau2G2XImag, _tau2G2XReal, _tau2G2YImag, _tau2G2YReal);
    }
}
