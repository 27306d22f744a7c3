// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IMarket} from "../../../contracts/interfaces/IMarket.sol";
import {Scene} from "../support/Scene.sol";

contract ClaimTest is Scene {
    uint256 internal id;

    function setUp() external {
        _deploy();
        id = settledJob(usualTerms());
    }

    function test_WhenTheJobIsUnknown() external {
        vm.expectRevert(abi.encodeWithSelector(IMarket.Market_UnknownJob.selector, 2));
        market.claim(2, _numbers(1, 0), recipient);
    }

    function test_WhenTheRecipientIsZero() external {
        toFinal(id, 1);
        vm.expectRevert(IMarket.Market_ZeroRecipient.selector);
        vm.prank(trainer(0));
        market.claim(id, _numbers(1, 0), address(0));
    }

    function test_WhenNoRoundIsNamed() external {
        vm.expectRevert(abi.encodeWithSelector(IMarket.Market_NothingToClaim.selector, id, 0, trainer(0)));
        vm.prank(trainer(0));
        market.claim(id, new uint32[](0), recipient);
    }

    function test_GivenARoundIsNotFinal() external {
        vm.warp(market.round(id, 1).challengeEnd - 1);
        _refusedPhase(IMarket.Phase.Challengeable);
        overturn(id, 1);
        _refusedPhase(IMarket.Phase.Void);
    }

    function test_GivenTheCallerHasNoPayout() external {
        toFinal(id, 1);
        vm.expectRevert(abi.encodeWithSelector(IMarket.Market_NothingToClaim.selector, id, 1, outsider));
        vm.prank(outsider);
        market.claim(id, _numbers(1, 0), recipient);
    }

    function test_GivenThePayoutWasClaimed() external {
        toFinal(id, 1);
        vm.prank(trainer(0));
        market.claim(id, _numbers(1, 0), recipient);
        vm.expectRevert(abi.encodeWithSelector(IMarket.Market_AlreadyClaimed.selector, id, 1, trainer(0)));
        vm.prank(trainer(0));
        market.claim(id, _numbers(1, 0), recipient);
    }

    function test_WhenARoundIsNamedTwice() external {
        toFinal(id, 1);
        vm.expectRevert(abi.encodeWithSelector(IMarket.Market_AlreadyClaimed.selector, id, 1, trainer(0)));
        vm.prank(trainer(0));
        market.claim(id, _numbers(1, 1), recipient);
    }

    function test_GivenPayoutsOfFinalRounds() external {
        toFinal(id, 1);
        openAndCommit(id, 5);
        vm.warp(market.round(id, 2).commitEnd);
        settle(id, 2, 31, aggregator);
        toFinal(id, 2);
        vm.expectEmit(address(market));
        emit IMarket.PayoutClaimed(id, 1, trainer(3), 104, recipient);
        vm.expectEmit(address(market));
        emit IMarket.PayoutClaimed(id, 2, trainer(3), 104, recipient);
        vm.prank(trainer(3));
        uint256 amount = market.claim(id, _numbers(1, 2), recipient);
        vm.assertEq(amount, 208, "amount");
        vm.assertEq(recipient.balance, 208, "paid");
        IMarket.Payout memory payout = market.payoutOf(id, 2, trainer(3));
        vm.assertEq(payout.amount, 104, "payout");
        vm.assertTrue(payout.claimed, "claimed");
        vm.assertEq(market.payoutOf(id, 2, trainer(2)).claimed, false, "of another");
    }

    function test_GivenTheTrainerLeftAndTheJobIsClosed() external {
        toFinal(id, 1);
        vm.prank(trainer(0));
        market.leaveJob(id, recipient);
        vm.prank(owner);
        market.closeJob(id);
        vm.prank(trainer(0));
        market.claim(id, _numbers(1, 0), recipient);
        vm.assertEq(recipient.balance, stakeOf(0) + 101, "paid");
    }

    function _refusedPhase(IMarket.Phase phase) private {
        vm.expectRevert(abi.encodeWithSelector(IMarket.Market_WrongPhase.selector, id, 1, phase));
        vm.prank(trainer(0));
        market.claim(id, _numbers(1, 0), recipient);
    }

    function _numbers(uint32 first, uint32 next) private pure returns (uint32[] memory numbers) {
        numbers = new uint32[](next == 0 ? 1 : 2);
        numbers[0] = first;
        if (next != 0) numbers[1] = next;
    }
}
