// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title What PayoutsProof puts in the place of OpenZeppelin's Math: of mulDiv, the branch that Products.t.sol shows to run.
library Math {
    /// @dev floor(x * y / denominator). Reverts where the product does not fit a word, which no input of the proofs reaches.
    function mulDiv(uint256 x, uint256 y, uint256 denominator) internal pure returns (uint256) {
        return x * y / denominator;
    }
}
