// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";

import {IRule} from "../interfaces/IRule.sol";
import {Clipping} from "../libraries/Clipping.sol";
import {PackedGram} from "../libraries/PackedGram.sol";
import {Running} from "../libraries/Running.sol";
import {Weighing} from "../libraries/Weighing.sol";

/// @title Marginal value: accepts updates of trainers whose running marginal value is positive, at clipped length.
/// @dev The same arithmetic as aggregator/rules/marginal_value.py, which states the definition. Bounds, with those of
/// GramMatrix.decode: squares of updates are at most 2^61, that of the reference at most 2^126; products of updates at
/// most 2^61, with the reference at most 2^93.5 and at most |r| |u_i|.
contract MarginalValue is IRule {
    int256 private constant KEPT = 49;
    int256 private constant OF = 50;
    uint256 private constant REFERENCE_BITS = 33;
    uint256 private constant VALUE_BITS = 64;

    error MarginalValue_NoUpdate();
    error MarginalValue_WrongLength(uint256 trainers, uint256 expected);

    /// @inheritdoc IRule
    function id() external pure returns (bytes32) {
        return "marginal-value";
    }

    /// @inheritdoc IRule
    function needsReference() external pure returns (bool) {
        return true;
    }

    /// @inheritdoc IRule
    function needsHistory() external pure returns (bool) {
        return false;
    }

    /// @inheritdoc IRule
    /// @dev Hint: M, the stake-weighted lower median of the squared norms.
    function decide(Round calldata round, bytes calldata memoryBefore, bytes calldata hints)
        external
        pure
        returns (uint256 accepted, uint64[] memory weights, bytes memory memoryAfter)
    {
        uint256 n = round.updates;
        if (n == 0) revert MarginalValue_NoUpdate();
        if (round.trainers.length != n) revert MarginalValue_WrongLength(round.trainers.length, n);
        Weighing.checkLength(hints, 1);
        uint256[] memory squares = PackedGram.squares(round.gram, n);
        uint256 limit = Weighing.word(hints, 0);
        uint256[] memory clips = Clipping.factors(squares, round.stakes, limit);
        (int256[] memory values, uint256 taken) = Running.recall(memoryBefore, round.trainers);
        memoryAfter = memoryBefore;
        uint256 length = round.hasReference ? Math.sqrt(PackedGram.extraSquare(round.gram, n) << 64) : 0;
        if (length != 0) {
            _move(values, _marginals(round, squares, clips, (Math.sqrt(limit << 64) << REFERENCE_BITS), length));
            memoryAfter = Running.remember(memoryBefore, round.trainers, taken, values);
        }
        accepted = _positive(values, squares);
        if (accepted == 0 && length == 0) accepted = (1 << n) - 1;
        weights = Clipping.shares(accepted, round.stakes, clips);
    }

    /// @dev x_i = 2^32 m_i / L_i with m_i = <r, u_i> factor / length - sum of q_j G_ij over the others, where `factor` is
    /// 2^33 L(M), below 2^96, `length` is L(<r, r>), and L_i = floor(2^32 |u_i|). By Cauchy and Schwarz the quotient is
    /// below 2^33 sqrt(M) |u_i| (1 + 2^-31); with |u_i| >= 1 then |x_i| < 2^33 2^31 2^32 + 2^94 < 2^97.
    function _marginals(
        Round calldata round,
        uint256[] memory squares,
        uint256[] memory clips,
        uint256 factor,
        uint256 length
    ) private pure returns (int256[] memory x) {
        uint256 n = squares.length;
        int256[] memory others = PackedGram.sumsOfOthers(round.gram, Clipping.shares((1 << n) - 1, round.stakes, clips));
        x = PackedGram.products(round.gram, n);
        unchecked {
            for (uint256 i = 0; i < n; ++i) {
                int256 marginal = x[i] * int256(factor) / int256(length) - others[i];
                x[i] = squares[i] == 0 ? int256(0) : (marginal << 32) / int256(Math.sqrt(squares[i] << 64));
            }
        }
    }

    /// @dev e_i <- (49 e_i + 2^64 x_i / floor(sqrt(sum of x_j^2))) / 50, quotients toward zero. The squares' sum is below
    /// 2^(8 + 194), and remembered values below 2^127.
    function _move(int256[] memory values, int256[] memory x) private pure {
        unchecked {
            int256 sum = 0;
            for (uint256 i = 0; i < x.length; ++i) {
                sum += x[i] * x[i];
            }
            int256 norm = int256(Math.sqrt(uint256(sum)));
            for (uint256 i = 0; i < x.length; ++i) {
                int256 moved = norm == 0 ? int256(0) : (x[i] << VALUE_BITS) / norm;
                values[i] = Running.saturated((KEPT * values[i] + moved) / OF);
            }
        }
    }

    /// @dev Bit i set: value i is positive, and update i not zero.
    function _positive(int256[] memory values, uint256[] memory squares) private pure returns (uint256 bits) {
        for (uint256 i = 0; i < values.length; ++i) {
            if (values[i] > 0 && squares[i] != 0) bits |= 1 << i;
        }
    }
}
