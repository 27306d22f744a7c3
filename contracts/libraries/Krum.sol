// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Nearest} from "./Nearest.sol";

/// @title Krum scores and their ranking, from a table of distance keys.
library Krum {
    /// @dev The n - f updates with the smallest Krum scores, one bit each. A Krum score is the sum of the distances to the
    /// n - f - 2 nearest others; equal scores are ordered by position.
    /// @param hints From `place` on: the farthest neighbour counted of each update, then the last update accepted.
    function accept(uint256 table, uint256 n, uint256 f, bytes calldata hints, uint256 place)
        internal
        pure
        returns (uint256 accepted)
    {
        uint256 length = Nearest.rowBytes(n);
        uint256[] memory scores = new uint256[](n);
        unchecked {
            for (uint256 i = 0; i < n; ++i) {
                uint256 row = table + i * length;
                // One more than the neighbours: an update is the nearest to itself.
                scores[i] =
                    Nearest.sumUpTo(row, length, Nearest.threshold(row, hints, place + i), n - f - 1, place + i);
            }
            uint256 ranking = Nearest.listKeys(scores);
            uint256 last = Nearest.threshold(ranking, hints, place + n);
            return Nearest.maskUpTo(ranking, length, last, n - f, place + n);
        }
    }
}
