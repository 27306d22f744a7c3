// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";

import {IRule} from "../interfaces/IRule.sol";
import {GramMatrix} from "./GramMatrix.sol";

/// @title Inner products of a round's rows without their parts along the previous aggregate p, and their weighted sums.
/// @dev g'_ij = g_ij - g_ip g_jp / g_pp, the quotient rounded toward zero, as SDIV does; nothing is subtracted where
/// there is no p or g_pp = 0; a negative square counts as 0. The same arithmetic as aggregator/residuals.py. Pairs are
/// read from the posted bytes, where each stands once. A product of two int128 never overflows a word; what
/// GramMatrix.decode has checked bounds the rest: |g_ij| <= 2^61, so that |g'_ij| <= 2^62, and |<r, u_i>'| <= 2^95.
library Residuals {
    /// @param updates n.
    /// @param square g_pp, or 1 where nothing is projected out.
    /// @param cells A row of STRIDE bytes for each update i: g_ip (0 where nothing is projected out), the weight q_i,
    /// g'_ii, a sum over pairs that starts with 0, g_ii, the rule's weight w_i, c_i, another such sum, the bounds of its
    /// terms, and the weight of those beyond.
    struct Rows {
        uint256 updates;
        int256 square;
        int256[] cells;
    }

    uint256 private constant PREVIOUS = 0;
    uint256 private constant WEIGHT = 1;
    uint256 private constant SQUARE = 2;
    uint256 private constant SUM = 3;
    uint256 private constant PLAIN_SQUARE = 4;
    uint256 private constant RULE_WEIGHT = 5;
    uint256 private constant FACTOR = 6;
    uint256 private constant KERNEL_SUM = 7;
    uint256 private constant LEAST = 8;
    uint256 private constant GREATEST = 9;
    uint256 private constant COUNTS = 10;
    uint256 private constant COLUMNS = 11;
    uint256 private constant STRIDE = 352;

    int256 private constant ONE = 1 << 32;

    error Residuals_WrongLength(bytes32 field, uint256 length, uint256 expected);
    error Residuals_WrongMedian(uint256 posted);
    error Residuals_WrongBounds(uint256 update);

    /// @dev Weights are the rule's, until `clip` shortens them.
    /// @param project Whether the previous aggregate, where there is one, is projected out.
    function read(IRule.Round calldata round, uint64[] calldata weights, bool project)
        internal
        pure
        returns (Rows memory rows)
    {
        uint256 n = round.updates;
        _checkLengths(round, weights.length);
        rows.updates = n;
        rows.square = 1;
        int256[] memory cells = new int256[](COLUMNS * n);
        rows.cells = cells;
        if (project && round.previous) _readPrevious(rows, round);
        unchecked {
            uint256 place = 0;
            for (uint256 i = 0; i < n; ++i) {
                uint256 cell = COLUMNS * i;
                int256 along = cells[cell + PREVIOUS];
                int256 plain = _int64(round.gram, place);
                int256 rest = plain - along * along / rows.square;
                cells[cell + SQUARE] = rest > 0 ? rest : int256(0);
                cells[cell + PLAIN_SQUARE] = plain;
                cells[cell + WEIGHT] = cells[cell + RULE_WEIGHT] = int256(uint256(weights[i]));
                cells[cell + FACTOR] = ONE;
                place += 8 * (n - i);
            }
        }
    }

    /// @dev Whether all weights are 0.
    function weightless(Rows memory rows) internal pure returns (bool) {
        for (uint256 i = 0; i < rows.updates; ++i) {
            if (weight(rows, i) != 0) return false;
        }
        return true;
    }

    /// @dev q_i, the rule's weight w_i unless clipped.
    function weight(Rows memory rows, uint256 i) internal pure returns (int256) {
        return rows.cells[COLUMNS * i + WEIGHT];
    }

    function ruleWeight(Rows memory rows, uint256 i) internal pure returns (int256) {
        return rows.cells[COLUMNS * i + RULE_WEIGHT];
    }

    /// @dev c_i, in units of 2^-32; 1 unless clipped.
    function factor(Rows memory rows, uint256 i) internal pure returns (int256) {
        return rows.cells[COLUMNS * i + FACTOR];
    }

    /// @dev g'_ii
    function squareOf(Rows memory rows, uint256 i) internal pure returns (int256) {
        return rows.cells[COLUMNS * i + SQUARE];
    }

    function sum(Rows memory rows, uint256 i) internal pure returns (int256) {
        return rows.cells[COLUMNS * i + SUM];
    }

    /// @dev What addProductsAndKernel or addProductsAndHeldKernel adds beside the sum.
    function kernelSum(Rows memory rows, uint256 i) internal pure returns (int256) {
        return rows.cells[COLUMNS * i + KERNEL_SUM];
    }

    /// @dev Shortens what is longer than `times` the weighted median length: c_i = 1 where g_ii <= times^2 M, else
    /// isqrt(2^64 times^2 M / g_ii), and q_i = w_i c_i / 2^32, all rounded down. The same as aggregator/scores/clipping.py.
    /// @param hints One word: M, the least g_ii that, with all below it, holds at least half of the weight. A number that
    /// is none of the squares fails: the weight below it and up to it are then the same. The weights are not all 0.
    function clip(Rows memory rows, bytes calldata hints, int256 times) internal pure {
        if (hints.length != 32) revert Residuals_WrongLength("hints", hints.length, 32);
        uint256 median = abi.decode(hints, (uint256));
        _checkMedian(rows, median);
        int256[] memory cells = rows.cells;
        unchecked {
            int256 limit = times * times * int256(median); // a median is one of the squares, below 2^61
            for (uint256 cell = 0; cell < cells.length; cell += COLUMNS) {
                int256 square = cells[cell + PLAIN_SQUARE];
                if (square <= limit) continue;
                int256 shorter = int256(Math.sqrt(uint256(limit << 64) / uint256(square)));
                cells[cell + FACTOR] = shorter;
                cells[cell + WEIGHT] = cells[cell + RULE_WEIGHT] * shorter >> 32;
            }
        }
    }

    /// @dev Adds (G' q)_i to each sum. Below 2^94, as the weights' sum is at most 2^32.
    function addProducts(Rows memory rows, bytes calldata gram) internal pure {
        assembly ("memory-safe") {
            let square := mload(add(rows, 32))
            let cells := mload(add(rows, 64))
            let end := add(add(cells, 32), shl(5, mload(cells)))
            let source := gram.offset
            for { let row := add(cells, 32) } lt(row, end) { row := add(row, STRIDE) } {
                let along := mload(row)
                let weighing := mload(add(row, 32))
                let own := add(mload(add(row, 96)), mul(weighing, mload(add(row, 64))))
                source := add(source, 8)
                for { let other := add(row, STRIDE) } lt(other, end) { other := add(other, STRIDE) } {
                    let product := sub(sar(192, calldataload(source)), sdiv(mul(along, mload(other)), square))
                    own := add(own, mul(product, mload(add(other, 32))))
                    let place := add(other, 96)
                    mstore(place, add(mload(place), mul(product, weighing)))
                    source := add(source, 8)
                }
                mstore(add(row, 96), own)
            }
        }
    }

    /// @dev `addProducts`, and as each kernel sum the winsorised one of q_j K'_ij over all j: K'_ij, not below the lower bound
    /// nor above the upper one, is g'_ij (g'_ii g'_jj - g'_ij^2) / (g'_ii g'_jj), rounded toward zero; 0 where the second
    /// factor is not positive. Where it is, |g'_ij|^2 < g'_ii g'_jj <= 2^122, and the numerator is below 2^183.
    /// @param bounds For each update the least K'_ij that, with all below it, holds more than f/n of the rule's weight, and
    /// the greatest that does so with all above it. Each admits one value only.
    /// @param f At most (n - 1) / 2 counts.
    function addProductsAndHeldKernel(Rows memory rows, bytes calldata gram, bytes calldata bounds, uint256 f)
        internal
        pure
    {
        _readBounds(rows, bounds);
        _addTerms(rows, gram);
        _checkBounds(rows, Math.min(f, (rows.updates - 1) / 2));
    }

    function _readBounds(Rows memory rows, bytes calldata bounds) private pure {
        uint256 n = rows.updates;
        if (bounds.length != 64 * n) revert Residuals_WrongLength("hints", bounds.length, 64 * n);
        for (uint256 i = 0; i < n; ++i) {
            (rows.cells[COLUMNS * i + LEAST], rows.cells[COLUMNS * i + GREATEST]) =
                abi.decode(bounds[64 * i:64 * i + 64], (int256, int256));
        }
    }

    /// @dev Adds terms, and in lanes of 64 bits the weight of those below the lower bound, at most it, above the upper one,
    /// and at least it. Sums wrap only where bounds are wrong, which _checkBounds refuses.
    function _addTerms(Rows memory rows, bytes calldata gram) private pure {
        assembly ("memory-safe") {
            function addTerm(cell, value, other) {
                let least := mload(add(cell, 256))
                let greatest := mload(add(cell, 288))
                let place := add(cell, 320)
                if iszero(and(sgt(value, least), slt(value, greatest))) {
                    let lanes :=
                        or(
                            or(slt(value, least), shl(64, iszero(sgt(value, least)))),
                            or(shl(128, sgt(value, greatest)), shl(192, iszero(slt(value, greatest))))
                        )
                    mstore(place, add(mload(place), mul(lanes, mload(add(other, 160)))))
                    if slt(value, least) { value := least }
                    if sgt(value, greatest) { value := greatest }
                }
                place := add(cell, 224)
                mstore(place, add(mload(place), mul(value, mload(add(other, 32)))))
            }
            let square := mload(add(rows, 32))
            let cells := mload(add(rows, 64))
            let end := add(add(cells, 32), shl(5, mload(cells)))
            let source := gram.offset
            for { let row := add(cells, 32) } lt(row, end) { row := add(row, STRIDE) } {
                let weighing := mload(add(row, 32))
                let length := mload(add(row, 64))
                let own := add(mload(add(row, 96)), mul(weighing, length))
                addTerm(row, 0, row)
                source := add(source, 8)
                for { let other := add(row, STRIDE) } lt(other, end) { other := add(other, STRIDE) } {
                    let product := sub(sar(192, calldataload(source)), sdiv(mul(mload(row), mload(other)), square))
                    own := add(own, mul(product, mload(add(other, 32))))
                    let place := add(other, 96)
                    mstore(place, add(mload(place), mul(product, weighing)))
                    let squares := mul(length, mload(add(other, 64)))
                    let rest := sub(squares, mul(product, product))
                    switch sgt(rest, 0)
                    case 1 { product := sdiv(mul(product, rest), squares) }
                    default { product := 0 }
                    addTerm(row, product, other)
                    addTerm(other, product, row)
                    source := add(source, 8)
                }
                mstore(add(row, 96), own)
            }
        }
    }

    function _checkBounds(Rows memory rows, uint256 f) private pure {
        uint256 n = rows.updates;
        uint256 limit = 0;
        for (uint256 i = 0; i < n; ++i) {
            limit += f * uint256(ruleWeight(rows, i));
        }
        for (uint256 i = 0; i < n; ++i) {
            uint256 held = uint256(rows.cells[COLUMNS * i + COUNTS]);
            if (
                n * uint64(held) > limit || n * uint64(held >> 64) <= limit || n * uint64(held >> 128) > limit
                    || n * uint64(held >> 192) <= limit
            ) revert Residuals_WrongBounds(i);
        }
    }

    /// @dev `addProducts`, and as each kernel sum that of q_j K'_ij over all others, without bounds.
    function addProductsAndKernel(Rows memory rows, bytes calldata gram) internal pure {
        assembly ("memory-safe") {
            let square := mload(add(rows, 32))
            let cells := mload(add(rows, 64))
            let end := add(add(cells, 32), shl(5, mload(cells)))
            let source := gram.offset
            for { let row := add(cells, 32) } lt(row, end) { row := add(row, STRIDE) } {
                let weighing := mload(add(row, 32))
                let length := mload(add(row, 64))
                let own := add(mload(add(row, 96)), mul(weighing, length))
                let ownKernel := mload(add(row, 224))
                source := add(source, 8)
                for { let other := add(row, STRIDE) } lt(other, end) { other := add(other, STRIDE) } {
                    let product := sub(sar(192, calldataload(source)), sdiv(mul(mload(row), mload(other)), square))
                    let otherWeighing := mload(add(other, 32))
                    own := add(own, mul(product, otherWeighing))
                    let place := add(other, 96)
                    mstore(place, add(mload(place), mul(product, weighing)))
                    let squares := mul(length, mload(add(other, 64)))
                    let rest := sub(squares, mul(product, product))
                    if sgt(rest, 0) {
                        product := sdiv(mul(product, rest), squares)
                        ownKernel := add(ownKernel, mul(product, otherWeighing))
                        place := add(other, 224)
                        mstore(place, add(mload(place), mul(product, weighing)))
                    }
                    source := add(source, 8)
                }
                mstore(add(row, 96), own)
                mstore(add(row, 224), ownKernel)
            }
        }
    }

    /// @dev w^T G w, the square of the rule's aggregate in units of 2^-64; nothing is projected out or clipped.
    function aggregateSquare(Rows memory rows, bytes calldata gram) internal pure returns (int256 square) {
        assembly ("memory-safe") {
            let cells := mload(add(rows, 64))
            let end := add(add(cells, 32), shl(5, mload(cells)))
            let source := gram.offset
            for { let row := add(cells, 32) } lt(row, end) { row := add(row, STRIDE) } {
                let weighing := mload(add(row, 160))
                let later := 0
                let own := mul(weighing, sar(192, calldataload(source)))
                source := add(source, 8)
                for { let other := add(row, STRIDE) } lt(other, end) { other := add(other, STRIDE) } {
                    later := add(later, mul(sar(192, calldataload(source)), mload(add(other, 160))))
                    source := add(source, 8)
                }
                square := add(square, mul(weighing, add(own, shl(1, later))))
            }
        }
    }

    /// @dev q^T G' q, once addProducts has run: the square of the aggregate of clipped updates, in units of 2^-64.
    function residualSquare(Rows memory rows) internal pure returns (int256 square) {
        for (uint256 i = 0; i < rows.updates; ++i) {
            square += weight(rows, i) * sum(rows, i);
        }
    }

    /// @dev t_i = <r, u_i>' |a| / |r'| in units of 2^-32, for a round with a reference row r, once addProducts has run; a
    /// is the aggregate of clipped updates: <r, u_i>' isqrt(2^64 q^T G' q / |r'|^2) >> 32. Not `known` where a or r' has
    /// no length. q^T G' q is below 2^127 and the root below 2^96, so that |t_i| < 2^160. Where g_pp = 0, <r, p> = 0, and
    /// nothing is subtracted (Cauchy and Schwarz).
    function towardReference(Rows memory rows, IRule.Round calldata round)
        internal
        pure
        returns (int256[] memory products, bool known)
    {
        uint256 n = rows.updates;
        products = new int256[](n);
        int256 aggregate = residualSquare(rows);
        uint256 first = GramMatrix.packedLength(n, 0);
        int256 along = round.previous ? _int128(round.gram, first + 16 * (2 * n + 1)) : int256(0);
        int256 square = _int128(round.gram, first + 16 * n) - along * along / rows.square;
        if (aggregate <= 0 || square <= 0) return (products, false);
        int256 ratio = int256(Math.sqrt((uint256(aggregate) << 64) / uint256(square)));
        for (uint256 i = 0; i < n; ++i) {
            int256 shared = along * rows.cells[COLUMNS * i + PREVIOUS] / rows.square;
            products[i] = (_int128(round.gram, first + 16 * i) - shared) * ratio >> 32;
        }
        return (products, true);
    }

    /// @dev Bit i set: <r, u_i> is above 3 |r| |u_i| / sqrt(d), three standard deviations of noise in place of u_i, for a
    /// round with a reference row r. Squares of products are below 2^190.
    /// @param projected Whether the previous aggregate is projected out of both, if `read` was told to.
    function agreeWithReference(Rows memory rows, IRule.Round calldata round, bool projected)
        internal
        pure
        returns (uint256 agree)
    {
        uint256 n = rows.updates;
        uint256 first = GramMatrix.packedLength(n, 0);
        int256 along =
            projected && round.previous ? _int128(round.gram, first + 16 * (2 * n + 1)) : int256(0);
        int256 limit = 9 * (_int128(round.gram, first + 16 * n) - along * along / rows.square);
        int256 dimension = int256(uint256(round.dimension));
        uint256 column = projected ? SQUARE : PLAIN_SQUARE;
        for (uint256 i = 0; i < n; ++i) {
            int256 shared = along * rows.cells[COLUMNS * i + PREVIOUS] / rows.square;
            int256 product = _int128(round.gram, first + 16 * i) - shared;
            if (product > 0 && dimension * product * product > limit * rows.cells[COLUMNS * i + column]) {
                agree |= 1 << i;
            }
        }
    }

    function _checkLengths(IRule.Round calldata round, uint256 weights) private pure {
        uint256 n = round.updates;
        if (weights != n) revert Residuals_WrongLength("weights", weights, n);
        uint256 extras = (round.hasReference ? 1 : 0) + (round.previous ? 1 : 0) + (round.history ? n : 0);
        uint256 expected = GramMatrix.packedLength(n, extras);
        if (round.gram.length != expected) revert Residuals_WrongLength("gram", round.gram.length, expected);
    }

    function _checkMedian(Rows memory rows, uint256 median) private pure {
        uint256 below = 0;
        uint256 upTo = 0;
        uint256 total = 0;
        int256[] memory cells = rows.cells;
        unchecked {
            for (uint256 cell = 0; cell < cells.length; cell += COLUMNS) {
                uint256 square = uint256(cells[cell + PLAIN_SQUARE]);
                uint256 held = uint256(cells[cell + RULE_WEIGHT]);
                total += held;
                if (square < median) below += held;
                if (square <= median) upTo += held;
            }
            if (2 * below >= total || 2 * upTo < total) revert Residuals_WrongMedian(median);
        }
    }

    function _readPrevious(Rows memory rows, IRule.Round calldata round) private pure {
        unchecked {
            uint256 n = rows.updates;
            uint256 before = round.hasReference ? n + 1 : n;
            uint256 start = GramMatrix.packedLength(n, before - n);
            int256 square = _int128(round.gram, start + 16 * before);
            if (square <= 0) return;
            rows.square = square;
            for (uint256 i = 0; i < n; ++i) {
                rows.cells[COLUMNS * i + PREVIOUS] = _int128(round.gram, start + 16 * i);
            }
        }
    }

    /// @dev The number in the 8 bytes from `place`.
    function _int64(bytes calldata data, uint256 place) private pure returns (int256 value) {
        assembly ("memory-safe") {
            value := sar(192, calldataload(add(data.offset, place)))
        }
    }

    /// @dev The number in the 16 bytes from `place`.
    function _int128(bytes calldata data, uint256 place) private pure returns (int256 value) {
        assembly ("memory-safe") {
            value := sar(128, calldataload(add(data.offset, place)))
        }
    }
}
