// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IRule} from "./IRule.sol";

/// @title A contribution score: from a round's proven inner products and weights to one integer a trainer.
/// @notice Scores are pure: no state, no funds, the same answer for ever. A verifier knows its scores by their ids.
interface IScore {
    /// @notice The score's id, a left-aligned ASCII string.
    function id() external pure returns (bytes32);

    /// @notice Whether the score reads the reference row.
    function needsReference() external pure returns (bool);

    /// @notice The scores of a round; reverts where the score does not apply, or a hint is wrong.
    /// @param weights The rule's weights.
    /// @param memoryBefore What the score remembers of earlier rounds of the job; empty at first.
    /// @param hints Whole words that spare the score a computation. Whatever they are, an answer is the right one.
    /// @return scores One for each update; magnitudes below 2^200.
    /// @return memoryAfter What it remembers for the next round; empty for scores without memory.
    function score(
        IRule.Round calldata round,
        uint64[] calldata weights,
        bytes calldata memoryBefore,
        bytes calldata hints
    ) external pure returns (int256[] memory scores, bytes memory memoryAfter);
}
