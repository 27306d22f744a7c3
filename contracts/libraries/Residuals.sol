// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";

import {IRule} from "../interfaces/IRule.sol";
import {GramMatrix} from "./GramMatrix.sol";

/// @title Inner products of a round's rows without their parts along the previous aggregate p, and their weighted sums.
/// @dev g'_ij = g_ij - g_ip g_jp / g_pp, the quotient rounded toward zero, as SDIV does; nothing is subtracted where
/// there is no p or g_pp = 0. The same arithmetic as aggregator/residuals.py. Pairs are read from the posted bytes, where
/// each stands once. A product of two int128 never overflows a word; what GramMatrix.decode has checked bounds the rest:
/// |g_ij| <= 2^61, so that |g'_ij| <= 2^62, and for the reference row r |g'_ri| <= 2^95.
library Residuals {
    /// @param updates n.
    /// @param square g_pp, or 1 where nothing is projected out.
    /// @param cells For each update one after the other: g_ip (0 where nothing is projected out), w_i, g'_ii, and a sum
    /// over pairs that starts with 0.
    struct Rows {
        uint256 updates;
        int256 square;
        int256[] cells;
    }

    uint256 private constant PREVIOUS = 0;
    uint256 private constant WEIGHT = 1;
    uint256 private constant SQUARE = 2;
    uint256 private constant SUM = 3;
    uint256 private constant COLUMNS = 4;

    error Residuals_WrongLength(bytes32 field, uint256 length, uint256 expected);

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
        rows.cells = new int256[](COLUMNS * n);
        unchecked {
            for (uint256 i = 0; i < n; ++i) {
                rows.cells[COLUMNS * i + WEIGHT] = int256(uint256(weights[i]));
            }
            if (project && round.previous) _readPrevious(rows, round);
            uint256 place = 0;
            for (uint256 i = 0; i < n; ++i) {
                uint256 cell = COLUMNS * i;
                int256 along = rows.cells[cell + PREVIOUS];
                rows.cells[cell + SQUARE] = _int64(round.gram, place) - along * along / rows.square;
                place += 8 * (n - i);
            }
        }
    }

    function weight(Rows memory rows, uint256 i) internal pure returns (int256) {
        return rows.cells[COLUMNS * i + WEIGHT];
    }

    /// @dev g'_ii
    function squareOf(Rows memory rows, uint256 i) internal pure returns (int256) {
        return rows.cells[COLUMNS * i + SQUARE];
    }

    function sum(Rows memory rows, uint256 i) internal pure returns (int256) {
        return rows.cells[COLUMNS * i + SUM];
    }

    /// @dev Adds (G' w)_i to each sum. Below 2^94, as the weights' sum is at most 2^32.
    function addProducts(Rows memory rows, bytes calldata gram) internal pure {
        assembly ("memory-safe") {
            let square := mload(add(rows, 32))
            let cells := mload(add(rows, 64))
            let end := add(add(cells, 32), shl(5, mload(cells)))
            let source := gram.offset
            for { let row := add(cells, 32) } lt(row, end) { row := add(row, 128) } {
                let along := mload(row)
                let weighing := mload(add(row, 32))
                let own := add(mload(add(row, 96)), mul(weighing, mload(add(row, 64))))
                source := add(source, 8)
                for { let other := add(row, 128) } lt(other, end) { other := add(other, 128) } {
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

    /// @dev Adds (K w)_i to each sum: K_ij = g'_ij (g'_ii g'_jj - g'_ij^2) / (g'_ii g'_jj), rounded toward zero; 0 where
    /// the second factor is not positive. Where it is, |g'_ij|^2 < g'_ii g'_jj <= 2^122, and the numerator is below 2^183.
    function addIndependentProducts(Rows memory rows, bytes calldata gram) internal pure {
        assembly ("memory-safe") {
            let square := mload(add(rows, 32))
            let cells := mload(add(rows, 64))
            let end := add(add(cells, 32), shl(5, mload(cells)))
            let source := gram.offset
            for { let row := add(cells, 32) } lt(row, end) { row := add(row, 128) } {
                let along := mload(row)
                let weighing := mload(add(row, 32))
                let length := mload(add(row, 64))
                let own := mload(add(row, 96))
                source := add(source, 8)
                for { let other := add(row, 128) } lt(other, end) { other := add(other, 128) } {
                    let product := sub(sar(192, calldataload(source)), sdiv(mul(along, mload(other)), square))
                    let squares := mul(length, mload(add(other, 64)))
                    let rest := sub(squares, mul(product, product))
                    if sgt(rest, 0) {
                        product := sdiv(mul(product, rest), squares)
                        own := add(own, mul(product, mload(add(other, 32))))
                        let place := add(other, 96)
                        mstore(place, add(mload(place), mul(product, weighing)))
                    }
                    source := add(source, 8)
                }
                mstore(add(row, 96), own)
            }
        }
    }

    /// @dev w^T G' w, once addProducts has run: the square of the aggregate, in units of 2^-64.
    function aggregateSquare(Rows memory rows) internal pure returns (int256 square) {
        for (uint256 i = 0; i < rows.updates; ++i) {
            square += weight(rows, i) * sum(rows, i);
        }
    }

    /// @dev t_i = <r', u'_i> |a'| / |r'| in units of 2^-32, for a round with a reference row r, once addProducts has run;
    /// a is the aggregate: <r', u'_i> floor(sqrt(floor(2^128 w^T G' w / |r'|^2))) / 2^64, rounded toward zero. Not
    /// `known` where the aggregate or the reference has no length. w^T G' w is below 2^127 and the root below 2^128, so
    /// that |t_i| < 2^160. Where g_pp = 0, g_rp = 0, and nothing is subtracted (Cauchy and Schwarz).
    function towardReference(Rows memory rows, IRule.Round calldata round)
        internal
        pure
        returns (int256[] memory products, bool known)
    {
        uint256 n = rows.updates;
        products = new int256[](n);
        int256 aggregate = aggregateSquare(rows);
        uint256 first = GramMatrix.packedLength(n, 0);
        int256 along = round.previous ? _int128(round.gram, first + 16 * (2 * n + 1)) : int256(0);
        int256 square = _int128(round.gram, first + 16 * n) - along * along / rows.square;
        if (aggregate <= 0 || square <= 0) return (products, false);
        int256 ratio = int256(Math.sqrt((uint256(aggregate) << 128) / uint256(square)));
        for (uint256 i = 0; i < n; ++i) {
            int256 shared = along * rows.cells[COLUMNS * i + PREVIOUS] / rows.square;
            products[i] = (_int128(round.gram, first + 16 * i) - shared) * ratio / int256(1 << 64);
        }
        return (products, true);
    }

    function _checkLengths(IRule.Round calldata round, uint256 weights) private pure {
        uint256 n = round.updates;
        if (weights != n) revert Residuals_WrongLength("weights", weights, n);
        uint256 extras = (round.hasReference ? 1 : 0) + (round.previous ? 1 : 0) + (round.history ? n : 0);
        uint256 expected = GramMatrix.packedLength(n, extras);
        if (round.gram.length != expected) revert Residuals_WrongLength("gram", round.gram.length, expected);
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
