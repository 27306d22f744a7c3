// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {GramMatrix} from "../../contracts/libraries/GramMatrix.sol";
import {PackedGram} from "../../contracts/libraries/PackedGram.sol";

/// @title How posted inner products are read, proven for all of them: two updates and two extra rows.
contract RowsProof {
    uint256 private constant N = 2;

    function _unpack(bytes calldata packed) external pure returns (int256[] memory) {
        return GramMatrix.unpack(packed, N, 2);
    }

    function _squares(bytes calldata packed) external pure returns (uint256[] memory, int256[] memory, uint256) {
        return (PackedGram.squares(packed, N), PackedGram.products(packed, N), PackedGram.extraSquare(packed, N));
    }

    /// @dev Every posted product stands at its place and at the one across the diagonal, with its sign.
    function check_unpack(int64 aa, int64 ab, int64 bb, int128[3] calldata e, int128[4] calldata f) external view {
        bytes memory packed = abi.encodePacked(abi.encodePacked(aa, ab, bb, e[0], e[1], e[2]), f[0], f[1], f[2], f[3]);
        int256[] memory g = this._unpack(packed);
        assert(g.length == 16);
        assert(g[0] == aa && g[1] == ab && g[4] == ab && g[5] == bb);
        assert(g[8] == e[0] && g[2] == e[0] && g[9] == e[1] && g[6] == e[1] && g[10] == e[2]);
        assert(g[12] == f[0] && g[3] == f[0] && g[13] == f[1] && g[7] == f[1]);
        assert(g[14] == f[2] && g[11] == f[2] && g[15] == f[3]);
    }

    /// @dev The rows read where they lie are those of the matrix.
    function check_rows(int64 aa, int64 ab, int64 bb, int128[3] calldata e) external view {
        bytes memory packed = abi.encodePacked(aa, ab, bb, e[0], e[1], e[2]);
        (uint256[] memory squares, int256[] memory products, uint256 square) = this._squares(packed);
        assert(aa < 0 || squares[0] == uint256(int256(aa)));
        assert(bb < 0 || squares[1] == uint256(int256(bb)));
        assert(products[0] == e[0] && products[1] == e[1]);
        assert(e[2] < 0 || square == uint256(int256(e[2])));
    }
}
