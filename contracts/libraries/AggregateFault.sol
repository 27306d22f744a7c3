// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IProofVerifier} from "../interfaces/IProofVerifier.sol";
import {AggregateTree} from "./AggregateTree.sol";
import {Bn254} from "./Bn254.sol";
import {ChunkOpening} from "./ChunkOpening.sol";

/// @title Evidence that a recorded aggregate is false: entries of its commitment that no honest settlement has.
abstract contract AggregateFault is ChunkOpening {
    /// @dev An opened entry is larger than a weighted sum of updates in range, or lies beyond the last entry.
    uint8 private constant OUT_OF_RANGE = 1;
    /// @dev An opened entry is not the one that the published file has at its place.
    uint8 private constant FILE_MISMATCH = 2;

    error Fault_UnknownKind(uint8 kind);
    error Fault_WrongCommitment(bytes32 shown, bytes32 recorded);
    error Fault_WrongLength(bytes32 field, uint256 length, uint256 expected);
    error Fault_WrongStart(uint256 start);
    error Fault_NotShown();

    /// @param kind OUT_OF_RANGE or FILE_MISMATCH.
    /// @param commitment The recorded commitment, as a point or infinity.
    /// @param start First opened entry.
    /// @param values Opened entries, field elements.
    /// @param opening Proof of the opening, see ChunkOpening.
    /// @param leaf FILE_MISMATCH: the file's 128 entries from `start` on, zeros beyond the last.
    /// @param path FILE_MISMATCH: siblings from the leaf up to the recorded root.
    struct Evidence {
        uint8 kind;
        IProofVerifier.Point commitment;
        uint256 start;
        uint256[] values;
        bytes opening;
        int64[] leaf;
        bytes32[] path;
    }

    /// @dev Reverts unless the evidence shows a fault. The costly opening is checked last.
    function _verifyFault(IProofVerifier.AggregateClaim calldata c, bytes calldata evidence) internal view {
        Evidence memory e = abi.decode(evidence, (Evidence));
        if (!Bn254.isPointOrInfinity(e.commitment.x, e.commitment.y)) {
            revert Opening_InvalidPoint("commitment");
        }
        bytes32 shown = Bn254.compress(e.commitment.x, e.commitment.y);
        if (shown != c.aggregateCommitment) revert Fault_WrongCommitment(shown, c.aggregateCommitment);
        bool found;
        if (e.kind == OUT_OF_RANGE) found = _outOfRange(c, e);
        else if (e.kind == FILE_MISMATCH) found = _mismatch(c, e);
        else revert Fault_UnknownKind(e.kind);
        if (!found) revert Fault_NotShown();
        _verifyOpening(
            OpeningStatement(c.chainId, c.market, c.jobId, c.round, e.commitment, e.start, e.values), e.opening
        );
    }

    /// @dev That the values are field elements, and where they lie, the opening's own checks see to.
    function _outOfRange(IProofVerifier.AggregateClaim calldata c, Evidence memory e) private pure returns (bool) {
        if (e.leaf.length != 0) revert Fault_WrongLength("leaf", e.leaf.length, 0);
        if (e.path.length != 0) revert Fault_WrongLength("path", e.path.length, 0);
        uint256 bound = c.weightSum * ((1 << (uint256(c.bits) - 1)) - 1);
        for (uint256 t = 0; t < e.values.length; ++t) {
            uint256 value = e.values[t];
            if (value >= Bn254.R) revert Opening_InvalidValue(t);
            uint256 magnitude = value > Bn254.R / 2 ? Bn254.R - value : value;
            if (magnitude > bound) return true;
            if (value != 0 && (e.start >= c.dimension || t >= c.dimension - e.start)) return true;
        }
        return false;
    }

    function _mismatch(IProofVerifier.AggregateClaim calldata c, Evidence memory e) private pure returns (bool) {
        uint256 entries = AggregateTree.LEAF_ENTRIES;
        if (e.start % entries != 0 || e.start >= c.dimension) revert Fault_WrongStart(e.start);
        uint256 m = c.dimension - e.start < entries ? c.dimension - e.start : entries;
        if (e.values.length != m) revert Fault_WrongLength("values", e.values.length, m);
        AggregateTree.check(e.leaf, e.start / entries, c.dimension, e.path, c.aggregateRoot);
        for (uint256 t = 0; t < entries; ++t) {
            int256 entry = e.leaf[t];
            uint256 element = entry < 0 ? Bn254.R - uint256(-entry) : uint256(entry);
            if (element != (t < m ? e.values[t] : 0)) return true;
        }
        return false;
    }
}
