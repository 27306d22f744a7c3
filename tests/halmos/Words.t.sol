// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Bn254} from "../../contracts/libraries/Bn254.sol";

/// @title How the market packs points and sets of trainers into words, proven for all words.
contract WordsProof {
    uint256 private constant X_BITS = (1 << 254) - 1;

    /// @dev Of a compressed point x is read back, and the other point with this x has another word.
    function check_compressed_keeps_x_and_sign(uint256 x, uint256 y) external pure {
        if (x >= Bn254.P || y == 0 || y >= Bn254.P) return;
        bytes32 word = Bn254.compress(x, y);
        assert(uint256(word) & X_BITS == x);
        assert(word != 0 && word != Bn254.INFINITY);
        assert(word != Bn254.compress(x, Bn254.P - y));
    }

    /// @dev Two points with one word have one x, and ys on one side: the curve has one point there.
    function check_compressed_is_injective(uint256 x, uint256 y, uint256 u, uint256 v) external pure {
        if (x >= Bn254.P || u >= Bn254.P || y == 0 || y >= Bn254.P || v == 0 || v >= Bn254.P) return;
        if (Bn254.compress(x, y) != Bn254.compress(u, v)) return;
        assert(x == u);
        assert(v != Bn254.P - y);
    }

    /// @dev The market's test for a settlement anew, said of bits: it refuses where a bit of before is gone that was not
    /// slashed, or none is new. The expression is that of Settlements._requireSettleable, restated.
    function check_superset(uint256 before, uint64 slashed, uint256 included, uint8 bit) external pure {
        bool refused = before & ~uint256(slashed) & ~included != 0 || included & ~before == 0;
        if (refused) return;
        bool was = (before >> bit) & 1 == 1;
        bool sound = bit > 63 || (slashed >> bit) & 1 == 0;
        if (was && sound) assert((included >> bit) & 1 == 1);
        assert(included != before && included & ~before != 0);
    }

    /// @dev Settlements anew come to an end: each holds a trainer that none before did.
    function check_superset_grows(uint256 before, uint256 included) external pure {
        if (before & ~included != 0 || included & ~before == 0) return;
        assert(included > before);
        assert(included & before == before);
    }
}
