// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";

import {IRule} from "../interfaces/IRule.sol";
import {GramMatrix} from "../libraries/GramMatrix.sol";
import {Weighing} from "../libraries/Weighing.sol";

/// @title FoolsGold (Fung, Yoon and Beschastnikh, RAID 2020): those whose running sums point the same way share a voice.
/// @dev The same arithmetic as aggregator/rules/foolsgold.py, which states the definition. Only the running sums' own
/// products are read, where they lie. The square roots are computed: hints would cost as much.
contract FoolsGold is IRule {
    /// @dev Similarities and voices are in units of 2^-32.
    uint256 private constant ONE = 1 << 32;

    error FoolsGold_NoUpdate();
    error FoolsGold_NoHistory();

    /// @param updates n.
    /// @param lengths Lengths of the running sums, floor(2^32 sqrt(square)).
    /// @param similar Similarities, n * n, 0 on the diagonal.
    /// @param closest The largest similarity of each row.
    struct Sums {
        uint256 updates;
        uint256[] lengths;
        uint256[] similar;
        uint256[] closest;
    }

    /// @inheritdoc IRule
    function id() external pure returns (bytes32) {
        return "foolsgold";
    }

    /// @inheritdoc IRule
    function needsReference() external pure returns (bool) {
        return false;
    }

    /// @inheritdoc IRule
    function needsHistory() external pure returns (bool) {
        return true;
    }

    /// @inheritdoc IRule
    /// @dev No hints. A stake is below 2^128 and a voice at most 2^32.
    function decide(Round calldata round, bytes calldata, bytes calldata hints)
        external
        pure
        returns (uint256 accepted, uint64[] memory weights, bytes memory)
    {
        uint256 n = round.updates;
        if (!round.history) revert FoolsGold_NoHistory();
        if (n == 0) revert FoolsGold_NoUpdate();
        Weighing.checkLength(hints, 0);
        uint256[] memory masses = _voices(_compare(round));
        for (uint256 i = 0; i < n; ++i) {
            masses[i] *= round.stakes[i];
            if (masses[i] != 0) accepted |= 1 << i;
        }
        Weighing.normalise(masses);
        return (accepted, Weighing.asWeights(masses), "");
    }

    /// @dev Similarities of all pairs. Of the rows of posted products, the last n end with those of the running sums.
    function _compare(Round calldata round) private pure returns (Sums memory sums) {
        uint256 n = round.updates;
        uint256 before = (round.hasReference ? 1 : 0) + (round.previous ? 1 : 0); // extra rows
        bytes calldata gram = round.gram;
        uint256 expected = GramMatrix.packedLength(n, before + n);
        if (gram.length != expected) revert GramMatrix.Gram_WrongLength("gram", gram.length, expected);
        sums = Sums(n, new uint256[](n), new uint256[](n * n), new uint256[](n));
        unchecked {
            for (uint256 i = 0; i < n; ++i) {
                uint256 row = GramMatrix.packedLength(n, before + i) + 16 * (n + before);
                sums.lengths[i] = Math.sqrt(uint256(_product(gram, row + 16 * i)) << 64);
                _compareRow(sums, gram, row, i);
            }
        }
    }

    /// @dev Similarities of sum i and those before it, from its row's products, which start at `row`: the positive part of
    /// floor(2^96 product / (a b)) for lengths a and b, at most 1. Products are below 2^127 and lengths below 2^96.
    function _compareRow(Sums memory sums, bytes calldata gram, uint256 row, uint256 i) private pure {
        (uint256 lengths, uint256 closest, uint256 across, uint256 down) =
            (_at(sums.lengths, 0), _at(sums.closest, 0), _at(sums.similar, i * sums.updates), _at(sums.similar, i));
        uint256 stride = 32 * sums.updates;
        assembly ("memory-safe") {
            let source := add(gram.offset, row)
            let length := mload(add(lengths, shl(5, i)))
            let largest := 0
            for { let offset := 0 } lt(offset, shl(5, i)) { offset := add(offset, 32) } {
                let product := sar(128, calldataload(source)) // the top 16 bytes, sign extended
                source := add(source, 16)
                if sgt(product, 0) {
                    let similarity := div(shl(96, product), mul(length, mload(add(lengths, offset))))
                    if gt(similarity, ONE) { similarity := ONE }
                    mstore(add(across, offset), similarity)
                    mstore(down, similarity)
                    if gt(similarity, largest) { largest := similarity }
                    if gt(similarity, mload(add(closest, offset))) { mstore(add(closest, offset), similarity) }
                }
                down := add(down, stride)
            }
            mstore(add(closest, shl(5, i)), largest)
        }
    }

    /// @dev Pardons, rescales, and takes the logit: each trainer's voice, 0 to 1.
    function _voices(Sums memory sums) private pure returns (uint256[] memory voices) {
        uint256 n = sums.updates;
        voices = new uint256[](n);
        uint256 largest = 0;
        unchecked {
            for (uint256 i = 0; i < n; ++i) {
                if (sums.lengths[i] == 0) continue;
                uint256 apart = ONE - _largestPardoned(sums, i);
                voices[i] = apart;
                if (apart > largest) largest = apart;
            }
            if (largest == 0) return voices;
            for (uint256 i = 0; i < n; ++i) {
                voices[i] = _logit(ONE * voices[i] / largest);
            }
        }
    }

    /// @dev The largest similarity of row i after pardoning: times v_i / v_j where v_j, the closest of j, is larger.
    function _largestPardoned(Sums memory sums, uint256 i) private pure returns (uint256 largest) {
        (uint256 across, uint256 closest) = (_at(sums.similar, i * sums.updates), _at(sums.closest, 0));
        uint256 own = sums.closest[i];
        uint256 size = 32 * sums.updates;
        assembly ("memory-safe") {
            for { let offset := 0 } lt(offset, size) { offset := add(offset, 32) } {
                let similarity := mload(add(across, offset))
                if gt(similarity, largest) {
                    let other := mload(add(closest, offset))
                    if gt(other, own) { similarity := div(mul(similarity, own), other) }
                    if gt(similarity, largest) { largest := similarity }
                }
            }
        }
    }

    /// @dev ln(a / (1 - a)) + 1/2, clipped to 0..1, as 2 artanh(x) = 2 (x + x^3/3 + ... + x^13/13) at x = 2a - 1. Where
    /// |x| >= 1/4 the clips hold.
    function _logit(uint256 a) private pure returns (uint256) {
        unchecked {
            bool above = 2 * a >= ONE;
            uint256 x = above ? 2 * a - ONE : ONE - 2 * a;
            if (x >= ONE / 4) return above ? ONE : 0;
            uint256 square = x * x / ONE;
            uint256 series = 0;
            for (uint256 odd = 13; odd > 1; odd -= 2) {
                series = (series + ONE / odd) * square / ONE;
            }
            uint256 magnitude = 2 * x * (ONE + series) / ONE;
            if (magnitude > ONE / 2) magnitude = ONE / 2;
            return above ? ONE / 2 + magnitude : ONE / 2 - magnitude;
        }
    }

    /// @dev The number in the 16 bytes from `place`.
    function _product(bytes calldata gram, uint256 place) private pure returns (int256 value) {
        assembly ("memory-safe") {
            value := sar(128, calldataload(add(gram.offset, place)))
        }
    }

    /// @dev Where element `index` lies in memory.
    function _at(uint256[] memory list, uint256 index) private pure returns (uint256 pointer) {
        assembly ("memory-safe") {
            pointer := add(add(list, 32), shl(5, index))
        }
    }
}
