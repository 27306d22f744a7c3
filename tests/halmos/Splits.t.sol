// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title What weights by stake sum up to, where they are the quotients that WeightsProof shows them to be.
contract SplitsProof {
    uint256 private constant STAKES = 1 << 128;
    uint256 private constant ONE = 1 << 32;

    /// @dev Two weights are 2^32 at most together, and at most a unit less: each fits the 64 bits that it is kept in.
    function check_weights(uint256 s, uint256 t) external pure {
        if (s >= STAKES || t >= STAKES || s + t == 0) return;
        uint256 first = ONE * s / (s + t);
        uint256 second = ONE * t / (s + t);
        assert(first + second <= ONE);
        assert(first + second + 1 >= ONE);
    }
}
