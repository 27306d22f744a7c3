// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";

/// @title OpenZeppelin's mulDiv where the product fits a word: floor(x * y / denominator). Larger products are not proven.
contract ProductsProof {
    modifier fits(uint256 x, uint256 y) {
        if (x == 0 || y <= type(uint256).max / x) _;
    }

    /// @dev mulDiv leaves by its first branch: the upper half of the product is zero, the lower is the word's product.
    function check_branch(uint256 x, uint256 y) external pure fits(x, y) {
        (uint256 high, uint256 low) = Math.mul512(x, y);
        assert(high == 0);
        assert(low == x * y);
    }

    function check_quotient(uint256 x, uint256 y, uint256 denominator) external pure fits(x, y) {
        if (denominator == 0) return;
        assert(Math.mulDiv(x, y, denominator) == x * y / denominator);
    }

    /// @dev Down, and by less than one unit.
    function check_rounding(uint256 x, uint256 y, uint256 denominator) external pure fits(x, y) {
        if (denominator == 0) return;
        uint256 quotient = Math.mulDiv(x, y, denominator);
        assert(quotient * denominator <= x * y);
        assert(x * y - quotient * denominator < denominator);
    }
}
