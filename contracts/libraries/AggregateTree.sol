// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title The tree over a published aggregate file, whose root the settlement records.
/// @dev The same as aggregator/aggregate.py: leaves of 128 entries, int64 big-endian, zeros beyond the last; the number
/// of leaves is padded with zero words to a power of two. Leaves and nodes are told apart by their first byte.
library AggregateTree {
    uint256 internal constant LEAF_ENTRIES = 128;
    bytes1 private constant LEAF = 0x00;
    bytes1 private constant NODE = 0x01;

    error Tree_WrongLeafLength(uint256 length);
    error Tree_NoSuchLeaf(uint256 index, uint256 leaves);
    error Tree_WrongPathLength(uint256 length, uint256 expected);
    error Tree_WrongRoot(bytes32 computed, bytes32 recorded);

    /// @dev Reverts unless `entries` are leaf `index` of the file of `dimension` entries under `root`.
    /// @param path Siblings from the leaf up.
    function check(int64[] memory entries, uint256 index, uint256 dimension, bytes32[] memory path, bytes32 root)
        internal
        pure
    {
        if (entries.length != LEAF_ENTRIES) revert Tree_WrongLeafLength(entries.length);
        uint256 leaves = (dimension + LEAF_ENTRIES - 1) / LEAF_ENTRIES;
        if (index >= leaves) revert Tree_NoSuchLeaf(index, leaves);
        uint256 height = _height(leaves);
        if (path.length != height) revert Tree_WrongPathLength(path.length, height);
        bytes32 node = _leaf(entries);
        for (uint256 level = 0; level < height; ++level) {
            bool right = (index >> level) & 1 == 1;
            node = right ? _node(path[level], node) : _node(node, path[level]);
        }
        if (node != root) revert Tree_WrongRoot(node, root);
    }

    /// @dev ceil(log2(leaves)).
    function _height(uint256 leaves) private pure returns (uint256 height) {
        while (1 << height < leaves) ++height;
    }

    /// @dev Four entries a word.
    function _leaf(int64[] memory entries) private pure returns (bytes32) {
        uint256[LEAF_ENTRIES / 4] memory words;
        for (uint256 k = 0; k < LEAF_ENTRIES; ++k) {
            words[k / 4] = (words[k / 4] << 64) | uint64(entries[k]);
        }
        return keccak256(abi.encodePacked(LEAF, words));
    }

    function _node(bytes32 left, bytes32 right) private pure returns (bytes32) {
        return keccak256(abi.encodePacked(NODE, left, right));
    }
}
