// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title What a job carries from round to round: the market keeps a digest, a settlement brings the bytes behind it.
/// @dev The memories of rule, score and floor's score, each after its length as uint32, then the running sums of History;
/// nothing at all, and digest 0, where all four are empty. The same as aggregator/carried.py.
library Carried {
    error Carried_WrongDigest(bytes32 found, bytes32 expected);
    error Carried_Malformed(uint256 length);

    /// @dev What the rule, the score and the floor's score remember.
    struct Memories {
        bytes rule;
        bytes score;
        bytes floor;
    }

    /// @dev The parts of the bytes behind a digest.
    function split(bytes calldata carried, bytes32 expected)
        internal
        pure
        returns (Memories memory memories, bytes calldata history)
    {
        bytes32 found = carried.length == 0 ? bytes32(0) : keccak256(carried);
        if (found != expected) revert Carried_WrongDigest(found, expected);
        history = carried;
        if (carried.length == 0) return (memories, history);
        (memories.rule, history) = _cut(history);
        (memories.score, history) = _cut(history);
        (memories.floor, history) = _cut(history);
    }

    /// @dev The digest of what the next round is given.
    function digest(Memories memory memories, bytes memory history) internal pure returns (bytes32) {
        bytes memory encoded = abi.encodePacked(
            uint32(memories.rule.length),
            memories.rule,
            uint32(memories.score.length),
            memories.score,
            uint32(memories.floor.length),
            memories.floor,
            history
        );
        return encoded.length == 12 ? bytes32(0) : keccak256(encoded);
    }

    function _cut(bytes calldata data) private pure returns (bytes calldata part, bytes calldata rest) {
        if (data.length < 4) revert Carried_Malformed(data.length);
        uint256 end = 4 + uint256(uint32(bytes4(data[:4])));
        if (end > data.length) revert Carried_Malformed(data.length);
        return (data[4:end], data[end:]);
    }
}
