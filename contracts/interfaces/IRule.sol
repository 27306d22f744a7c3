// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title A robust aggregation rule: from a round's proven inner products and stakes to weights.
/// @notice Rules are pure: no state, no funds, the same answer for ever. A verifier knows its rules by their ids.
interface IRule {
    /// @notice What a rule or score sees of a round. The layout of `gram` is that of GramMatrix.unpack.
    /// @param updates n: included updates.
    /// @param hasReference Whether the owner's reference row is there: row n.
    /// @param previous Whether the previous aggregate is there: the row after.
    /// @param history Whether the running sums of the n updates' trainers are there: the last n rows.
    /// @param byzantine f: number of Byzantine trainers that the job tolerates.
    /// @param dimension d: entries of an update.
    /// @param trainers Included trainers, in the order of their commitments.
    /// @param stakes Their stakes.
    /// @param gram The posted inner products; the verifier has checked that they could be true before it asks.
    struct Round {
        uint256 updates;
        bool hasReference;
        bool previous;
        bool history;
        uint16 byzantine;
        uint64 dimension;
        address[] trainers;
        uint128[] stakes;
        bytes gram;
    }

    /// @notice The rule's id, a left-aligned ASCII string.
    function id() external pure returns (bytes32);

    /// @notice Whether the rule reads the reference row.
    function needsReference() external pure returns (bool);

    /// @notice Whether the rule reads the running sums.
    function needsHistory() external pure returns (bool);

    /// @notice The rule's outcome; reverts where the rule does not apply, or a hint is wrong.
    /// @param memoryBefore What the rule remembers of earlier rounds of the job; empty at first.
    /// @param hints Whole words that spare the rule a computation. Whatever they are, an answer is the right one.
    /// @return accepted Bit i set: update i is accepted.
    /// @return weights w, in units of 2^-32; 0 where not accepted; the sum is at most 2^32.
    /// @return memoryAfter What it remembers for the next round; empty for rules without memory.
    function decide(Round calldata round, bytes calldata memoryBefore, bytes calldata hints)
        external
        pure
        returns (uint256 accepted, uint64[] memory weights, bytes memory memoryAfter);
}
