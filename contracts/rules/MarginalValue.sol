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
    int256 private constant NOW = 4;
    uint256 private constant VALUE_BITS = 64;

    error MarginalValue_NoUpdate();
    error MarginalValue_WrongPile(int256 value);
    error MarginalValue_WrongPosition(uint256 position);
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
    /// @dev Hints: M', the stake-weighted lower median of the accepted updates' squared norms; the position of the
    /// (n - f)-th largest v where no v is positive, else 0; and with a reference row P, the (f + 1)-th largest pile, and M,
    /// the median of all.
    function decide(Round calldata round, bytes calldata memoryBefore, bytes calldata hints)
        external
        pure
        returns (uint256 accepted, uint64[] memory weights, bytes memory memoryAfter)
    {
        uint256 n = round.updates;
        if (n == 0) revert MarginalValue_NoUpdate();
        if (round.trainers.length != n) revert MarginalValue_WrongLength(round.trainers.length, n);
        uint256[] memory squares = PackedGram.squares(round.gram, n);
        (int256[] memory values, uint256 taken) = Running.recall(memoryBefore, round.trainers);
        memoryAfter = memoryBefore;
        bool told = round.hasReference && PackedGram.extraSquare(round.gram, n) != 0;
        Weighing.checkLength(hints, told ? 4 : 2);
        int256[] memory decisive = values;
        if (told) {
            decisive = _move(values, _marginals(round, squares, hints));
            memoryAfter = Running.remember(memoryBefore, round.trainers, taken, values);
        }
        accepted = _positive(decisive, squares);
        if (accepted == 0) {
            accepted = told
                ? _foremost(decisive, squares, round.byzantine, Weighing.word(hints, 1))
                : (1 << n) - 1;
        }
        weights = _weights(accepted, squares, round.stakes, Weighing.word(hints, 0));
    }

    /// @dev Shares in their stakes of the accepted updates, cut to their median norm; all 0 where there is none.
    function _weights(uint256 accepted, uint256[] memory squares, uint128[] calldata stakes, uint256 median)
        private
        pure
        returns (uint64[] memory)
    {
        if (accepted == 0) return new uint64[](squares.length);
        return Clipping.shares(accepted, stakes, Clipping.factors(squares, stakes, accepted, median));
    }

    /// @dev x_i = t_i - 2 max(0, p_i - max(0, P)), in units of 2^-32. |t_i| is at most 2^32 (1 + 2^-30), |p_i| below 2^95.
    function _marginals(
        Round calldata round,
        uint256[] memory squares,
        bytes calldata hints
    ) private pure returns (int256[] memory x) {
        uint256 n = squares.length;
        uint256 median = Weighing.word(hints, 3);
        uint256[] memory clips = Clipping.factors(squares, round.stakes, Weighing.ALL, median);
        int256[] memory piles = PackedGram.sumsOfOthers(round.gram, Clipping.shares((1 << n) - 1, round.stakes, clips));
        x = PackedGram.products(round.gram, n);
        _divide(piles, x, squares, median, PackedGram.extraSquare(round.gram, n));
        int256 allowed = int256(Weighing.word(hints, 2));
        _checkLargest(allowed, piles, round.byzantine);
        if (allowed < 0) allowed = 0;
        unchecked {
            for (uint256 i = 0; i < n; ++i) {
                if (piles[i] > allowed) x[i] -= 2 * (piles[i] - allowed);
            }
        }
    }

    /// @dev From sums s_i over the others to piles p_i = (2^64 s_i / L(M)) / L(G_ii), and from products with the reference
    /// to agreements t_i = 2^32 (2^64 <r, u_i> / L(<r, r>)) / L(G_ii); 0 for a zero update, and p_i where M = 0.
    /// |s_i| <= 2^93, |<r, u_i>| <= |r| |u_i| < 2^94, and L(x) = floor(2^32 sqrt(x)) >= 2^32 where x is not 0.
    function _divide(
        int256[] memory sums,
        int256[] memory products,
        uint256[] memory squares,
        uint256 median,
        uint256 square
    ) private pure {
        int256 radius = int256(Math.sqrt(median << 64));
        int256 length = int256(Math.sqrt(square << 64));
        unchecked {
            for (uint256 i = 0; i < squares.length; ++i) {
                int256 own = int256(Math.sqrt(squares[i] << 64));
                sums[i] = own == 0 || radius == 0 ? int256(0) : (sums[i] << 64) / radius / own;
                products[i] = own == 0 ? int256(0) : (((products[i] << 64) / length) << 32) / own;
            }
        }
    }

    /// @dev Reverts unless `value` is the (f + 1)-th largest: at most f values are larger, and more than f as large.
    function _checkLargest(int256 value, int256[] memory values, uint256 f) private pure {
        uint256 n = values.length;
        f = Math.min(f, (n - 1) / 2);
        uint256 larger = 0;
        uint256 asLarge = 0;
        unchecked {
            for (uint256 i = 0; i < n; ++i) {
                if (values[i] > value) ++larger;
                if (values[i] >= value) ++asLarge;
            }
        }
        if (larger > f || asLarge <= f) revert MarginalValue_WrongPile(value);
    }

    /// @dev e_i <- (49 e_i + y_i) / 50 with y_i = 2^64 x_i / floor(sqrt(sum of x_j^2)), quotients toward zero. The squares'
    /// sum is below 2^(8 + 194), and remembered values below 2^127.
    /// @return decisive KEPT e_i + NOW y_i with e_i as it was: in its own decision a round counts four times.
    function _move(int256[] memory values, int256[] memory x) private pure returns (int256[] memory decisive) {
        decisive = new int256[](x.length);
        unchecked {
            int256 sum = 0;
            for (uint256 i = 0; i < x.length; ++i) {
                sum += x[i] * x[i];
            }
            int256 norm = int256(Math.sqrt(uint256(sum)));
            for (uint256 i = 0; i < x.length; ++i) {
                int256 moved = norm == 0 ? int256(0) : (x[i] << VALUE_BITS) / norm;
                decisive[i] = KEPT * values[i] + NOW * moved;
                values[i] = Running.saturated((KEPT * values[i] + moved) / OF);
            }
        }
    }

    /// @dev Bit i set: update i is not zero, and its value one of the n - f largest among such, equal ones in order.
    /// @param last The position of the least of them: with it, they are as many as there should be.
    function _foremost(int256[] memory values, uint256[] memory squares, uint256 f, uint256 last)
        private
        pure
        returns (uint256 bits)
    {
        uint256 n = values.length;
        int256 least = values[last];
        uint256 found = 0;
        uint256 there = 0;
        unchecked {
            for (uint256 i = 0; i < n; ++i) {
                if (squares[i] == 0) continue;
                ++there;
                if (values[i] < least || (values[i] == least && i > last)) continue;
                ++found;
                bits |= 1 << i;
            }
            if (found != Math.min(there, n - Math.min(f, (n - 1) / 2))) revert MarginalValue_WrongPosition(last);
        }
    }

    /// @dev Bit i set: value i is positive, and update i not zero.
    function _positive(int256[] memory values, uint256[] memory squares) private pure returns (uint256 bits) {
        for (uint256 i = 0; i < values.length; ++i) {
            if (values[i] > 0 && squares[i] != 0) bits |= 1 << i;
        }
    }
}
