// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";

import {IMarket} from "../../../contracts/interfaces/IMarket.sol";
import {Split} from "../support/Split.sol";

/// @title Figures of any size: what comes in is split, and nothing is lost or made.
contract FuzzTest is Split {
    function setUp() external {
        _deploy();
        _deployProbe();
    }

    function testFuzz_DepositsComeBack(uint128 paid, uint128 taken, bool inToken) external {
        vm.assume(paid != 0 && taken != 0);
        address token_ = inToken ? address(token) : address(0);
        uint256 value = fund(token_, outsider, paid);
        vm.prank(outsider);
        market.deposit{value: value}(token_, paid, "");
        if (taken > paid) vm.expectRevert();
        vm.prank(outsider);
        market.withdraw(token_, taken, recipient);
        uint256 left = taken > paid ? paid : paid - taken;
        vm.assertEq(market.balanceOf(token_, outsider), left, "balance");
        vm.assertEq(holding(token_, address(market)), left, "held");
    }

    function testFuzz_PayoutsAndRemainderAreTheBudget(uint128 budget, uint128[5] memory pay, uint8 left) external {
        IMarket.JobTerms memory t = usualTerms();
        t.roundBudget = budget == 0 ? 1 : budget;
        uint256 id = committedJob(t);
        putDown(id, aggregator);
        IMarket.Settlement memory s = settlement(id, 1, 31);
        uint256 sum = 0;
        for (uint256 i = 0; i < 5; ++i) {
            s.payouts[i] = left % 2 == 0 ? pay[i] : pay[i] % uint128(t.roundBudget / 5 + 1);
            sum += s.payouts[i];
        }
        if (sum > t.roundBudget) {
            vm.expectRevert(abi.encodeWithSelector(IMarket.Market_BudgetExceeded.selector, sum, t.roundBudget));
            sum = 0;
        }
        vm.prank(aggregator);
        market.settleRound(id, 1, s, PROOF);
        vm.assertEq(market.job(id).escrow + sum, uint256(t.roundBudget) * 3, "nothing lost, nothing made");
    }

    function testFuzz_ABondIsSplitToTheUnit(uint128 bond, uint16 share) external {
        IMarket.JobTerms memory t = usualTerms();
        (t.aggregatorBond, t.challengerShareBps) = (bond, share % 10_001);
        uint256 id = settledJob(t);
        overturn(id, 1);
        uint256 reward = market.balanceOf(address(0), challenger);
        vm.assertEq(reward + market.balanceOf(address(0), owner), bond, "all of it");
        vm.assertLe(reward * 10_000, uint256(bond) * t.challengerShareBps, "rounded down");
        vm.assertTrue((reward + 1) * 10_000 > uint256(bond) * t.challengerShareBps, "by less than a unit");
    }

    function testFuzz_AnExtensionPaysForTheRoundsToCome(uint32 rounds, uint128 budget, uint32 more, uint128 raise)
        external
    {
        IMarket.JobTerms memory t = usualTerms();
        t.rounds = 1 + rounds % 1_000_000;
        t.roundBudget = 600 + budget % 1e30;
        uint256 id = settledJob(t);
        toFinal(id, 1);
        uint256 escrow = market.job(id).escrow;
        (more, raise) = (t.rounds + more % 1_000_000, t.roundBudget + raise % 1e30);
        if (more == t.rounds && raise == t.roundBudget) return;
        uint256 amount = uint256(raise) * (more - 1) - uint256(t.roundBudget) * (t.rounds - 1);
        vm.deal(owner, amount);
        vm.prank(owner);
        market.extendJob{value: amount}(id, more, raise, t.deadline, "");
        vm.assertEq(market.job(id).escrow, escrow + amount, "escrow");
        vm.assertGe(market.job(id).escrow, uint256(raise) * (more - 1), "covers the rounds to come");
    }

    /// @dev Whatever was included and slashed, a second settlement holds all the others and one more.
    function testFuzz_AnotherSettlementHasMore(uint8 first, uint8 then, uint8 slashed) external {
        IMarket.JobTerms memory t = usualTerms();
        (t.minTrainers, t.byzantine, t.maxTrainers) = (5, 1, 8);
        uint256 id = create(t);
        joinAll(id, 8);
        openAndCommit(id, 8);
        vm.warp(market.round(id, 1).commitEnd);
        first = uint8(255 ^ (uint256(1) << (first % 9)));
        settle(id, 1, first, aggregator);
        slashed = slashed % 8;
        vm.prank(challenger);
        market.challengeUpdate(id, 1, slashed, EVIDENCE);
        uint256 sound = 255 & ~(uint256(1) << slashed);
        then = uint8(then % 3 == 0 ? sound : then & sound);
        bool more = then & ~first != 0 && first & sound & ~then == 0;
        bool enough = _ones(sound) - _ones(then) <= 1;
        putDown(id, second);
        IMarket.Settlement memory s = settlement(id, 1, then);
        if (!more) vm.expectRevert(abi.encodeWithSelector(IMarket.Market_NotSuperset.selector, id, 1, then));
        else if (!enough) vm.expectRevert();
        vm.prank(second);
        market.settleRound(id, 1, s, PROOF);
        vm.assertEq(market.round(id, 1).included, more && enough ? then : first, "included");
    }

    function testFuzz_ASplitNeverExceedsTheBudget(
        int192[4] memory scores,
        int192[4] memory floorScores,
        uint128[4] memory stakes,
        uint128 budget,
        uint16 floorBps,
        uint16 capBps
    ) external view {
        if (capBps < 10_000) capBps = 0;
        uint256[] memory split = probe.split(
            _list(scores), _list(floorScores), _stakes(stakes), budget, floorBps % 10_001, capBps
        );
        uint256 sum = 0;
        uint256 total = 0;
        for (uint256 i = 0; i < 4; ++i) {
            sum += split[i];
            total += stakes[i] == 0 ? 1 : stakes[i];
        }
        vm.assertLe(sum, budget, "budget");
        for (uint256 i = 0; i < 4; ++i) {
            if (scores[i] <= 0 && floorScores[i] <= 0) vm.assertEq(split[i], 0, "nothing earned, nothing paid");
            uint256 stake = stakes[i] == 0 ? 1 : stakes[i];
            uint256 cap = Math.mulDiv(uint256(budget) * capBps, stake, total * 10_000);
            if (capBps != 0) vm.assertLe(split[i], cap, "cap");
        }
    }

    function testFuzz_WithoutCapTheRemainderIsBelowAUnitAScore(uint192[4] memory scores, uint128 budget, uint16 floorBps)
        external
        view
    {
        int256[] memory list = new int256[](4);
        for (uint256 i = 0; i < 4; ++i) {
            list[i] = int256(uint256(scores[i]) + 1);
        }
        uint128[4] memory stakes;
        uint256[] memory split = probe.split(list, list, _stakes(stakes), budget, floorBps % 10_001, 0);
        uint256 sum = split[0] + split[1] + split[2] + split[3];
        vm.assertLe(sum, budget, "budget");
        vm.assertTrue(budget - sum < 8, "dust");
    }

    function testFuzz_FloorWeights(uint8 accepted, uint128[4] memory stakes, bool needsReference, uint8 byzantine)
        external
        view
    {
        uint64[] memory weights = new uint64[](4);
        for (uint256 i = 0; i < 4; ++i) {
            weights[i] = uint64(5 + i);
        }
        accepted &= 15;
        byzantine %= 5;
        uint64[] memory found = probe.floorWeights(accepted, weights, _stakes(stakes), needsReference, byzantine);
        bool kept = !needsReference && _ones(accepted) + byzantine >= 4;
        uint256 sum = 0;
        for (uint256 i = 0; i < 4; ++i) {
            if (kept) vm.assertEq(found[i], weights[i], "the rule's");
            sum += found[i];
        }
        if (!kept) vm.assertTrue(sum <= 1 << 32 && sum + 4 > 1 << 32, "by stake");
    }

    function _list(int192[4] memory values) private pure returns (int256[] memory list) {
        list = new int256[](4);
        for (uint256 i = 0; i < 4; ++i) {
            list[i] = values[i];
        }
    }

    function _stakes(uint128[4] memory values) private pure returns (uint128[] memory list) {
        list = new uint128[](4);
        for (uint256 i = 0; i < 4; ++i) {
            list[i] = values[i] == 0 ? 1 : values[i];
        }
    }

    function _ones(uint256 bits) private pure returns (uint256 count) {
        for (; bits != 0; bits &= bits - 1) {
            ++count;
        }
    }
}
