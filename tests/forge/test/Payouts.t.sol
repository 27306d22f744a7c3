// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Split} from "../support/Split.sol";

contract PayoutsTest is Split {
    function setUp() external {
        _deployProbe();
    }

    function test_GivenAFloorAndNoCap() external view {
        _splits([int256(1), 2, 4], [int256(3), 3, 1], [uint128(1), 1, 1], 1_001, 3_333, 0, [uint256(237), 332, 428]);
        _splits([int256(1), 2, 4], [int256(3), 3, 1], [uint128(1), 1, 1], 1_001, 10_000, 0, [uint256(429), 429, 143]);
        _splits([int256(1), 2, 4], [int256(3), 3, 1], [uint128(1), 1, 1], 1_001, 0, 0, [uint256(143), 286, 572]);
    }

    function test_GivenScoresThatAreNotPositive() external view {
        _splits([int256(-5), 0, 1], [int256(0), 1, -9], [uint128(1), 1, 1], 100, 5_000, 0, [uint256(0), 50, 50]);
    }

    function test_GivenNoPositiveScoreInAPart() external view {
        _splits([int256(0), -1, 0], [int256(1), 1, 2], [uint128(1), 1, 1], 100, 4_000, 0, [uint256(10), 10, 20]);
        _splits([int256(1), 1, 2], [int256(0), 0, -3], [uint128(1), 1, 1], 100, 4_000, 0, [uint256(15), 15, 30]);
    }

    function test_GivenACap() external view {
        _splits([int256(8), 1, 1], [int256(8), 1, 1], [uint128(1), 1, 1], 100, 5_000, 10_000, [uint256(33), 10, 10]);
        _splits([int256(8), 1, 1], [int256(8), 1, 1], [uint128(3), 1, 1], 100, 5_000, 10_000, [uint256(60), 10, 10]);
        _splits([int256(8), 1, 1], [int256(8), 1, 1], [uint128(3), 1, 1], 100, 5_000, 12_345, [uint256(74), 10, 10]);
        _splits([int256(8), 1, 1], [int256(8), 1, 1], [uint128(3), 1, 1], 100, 5_000, 65_535, [uint256(80), 10, 10]);
    }

    function test_GivenTheLargestFigures() external view {
        uint256 budget = type(uint128).max;
        int256 most = int256(1) << 199;
        uint128 stake = type(uint128).max;
        uint256 half = budget / 2;
        uint256 rest = budget - half;
        _splits([most, most, most], [most, -most, 0], [stake, stake, stake], budget, 5_000, 0, [
            half + rest / 3, rest / 3, rest / 3
        ]);
        _splits([most, 1, 0], [most, 1, 0], [stake, stake, stake], budget, 0, 65_535, [budget - 1, 0, 0]);
    }

    function test_GivenARuleWithinItsAssumption() external view {
        _weighs(3, 1, false, [uint64(5), 6, 7]);
        _weighs(7, 0, false, [uint64(5), 6, 7]);
        _weighs(0, 3, false, [uint64(5), 6, 7]);
    }

    function test_GivenARuleThatAcceptsTooFew() external view {
        uint64 third = uint64((uint256(1) << 32) / 6);
        _weighs(3, 0, false, [third, 2 * third + 1, uint64(1 << 31)]);
        _weighs(4, 1, false, [third, 2 * third + 1, uint64(1 << 31)]);
        _weighs(0, 2, false, [third, 2 * third + 1, uint64(1 << 31)]);
    }

    function test_GivenNoStakeAtAll() external view {
        uint64[] memory found = probe.floorWeights(0, new uint64[](3), _stakes([uint128(0), 0, 0]), true, 0);
        vm.assertEq(found.length, 3, "length");
        vm.assertEq(uint256(found[0]) + found[1] + found[2], 0, "weights");
    }

    function test_GivenARuleThatReadsTheReference() external view {
        uint64 third = uint64((uint256(1) << 32) / 6);
        _weighs(7, 0, true, [third, 2 * third + 1, uint64(1 << 31)]);
    }

    function _splits(
        int256[3] memory scores,
        int256[3] memory floorScores,
        uint128[3] memory stakes,
        uint256 budget,
        uint256 floorBps,
        uint256 capBps,
        uint256[3] memory expected
    ) private view {
        uint256[] memory split =
            probe.split(_list(scores), _list(floorScores), _stakes(stakes), budget, floorBps, capBps);
        vm.assertEq(split.length, 3, "length");
        for (uint256 i = 0; i < 3; ++i) {
            vm.assertEq(split[i], expected[i], "payout");
        }
    }

    function _weighs(uint256 accepted, uint256 byzantine, bool needsReference, uint64[3] memory expected) private view {
        uint64[] memory weights = new uint64[](3);
        (weights[0], weights[1], weights[2]) = (5, 6, 7);
        uint128[3] memory stakes = [uint128(1), 2, 3];
        uint64[] memory found = probe.floorWeights(accepted, weights, _stakes(stakes), needsReference, byzantine);
        for (uint256 i = 0; i < 3; ++i) {
            vm.assertEq(found[i], expected[i], "weight");
        }
    }

    function _list(int256[3] memory values) private pure returns (int256[] memory list) {
        list = new int256[](3);
        (list[0], list[1], list[2]) = (values[0], values[1], values[2]);
    }

    function _stakes(uint128[3] memory values) private pure returns (uint128[] memory list) {
        list = new uint128[](3);
        (list[0], list[1], list[2]) = (values[0], values[1], values[2]);
    }
}
