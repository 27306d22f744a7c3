// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AggregateTree} from "../../../contracts/libraries/AggregateTree.sol";
import {Bn254} from "../../../contracts/libraries/Bn254.sol";

/// @title What the core says in bytes, said by the contracts' libraries and by Solidity's own encoding.
contract CoreProbe {
    function compress(uint256 x, uint256 y) external pure returns (bytes32) {
        return Bn254.compress(x, y);
    }

    function checkLeaf(
        int64[] memory entries,
        uint256 index,
        uint256 dimension,
        bytes32[] memory path,
        bytes32 root
    ) external pure {
        AggregateTree.check(entries, index, dimension, path, root);
    }

    /// @dev The upper triangle of a Gram matrix as bytes, from its entries row by row.
    function packGram(int64[] calldata upper) external pure returns (bytes memory packed) {
        for (uint256 i = 0; i < upper.length; ++i) {
            packed = bytes.concat(packed, abi.encodePacked(upper[i]));
        }
    }
}
