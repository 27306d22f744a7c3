// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IMarket} from "../../../contracts/interfaces/IMarket.sol";
import {Scene} from "../support/Scene.sol";

contract CloseJobTest is Scene {
    function setUp() external {
        _deploy();
    }

    function test_WhenTheJobIsUnknown() external {
        uint256 id = create(usualTerms());
        vm.expectRevert(abi.encodeWithSelector(IMarket.Market_UnknownJob.selector, id + 1));
        market.closeJob(id + 1);
        vm.expectRevert(abi.encodeWithSelector(IMarket.Market_UnknownJob.selector, 0));
        market.closeJob(0);
    }

    function test_GivenTheJobIsClosed() external {
        uint256 id = create(usualTerms());
        vm.prank(owner);
        market.closeJob(id);
        vm.expectRevert(abi.encodeWithSelector(IMarket.Market_JobClosed.selector, id));
        vm.prank(owner);
        market.closeJob(id);
    }

    function test_GivenALiveRound() external {
        uint256 id = create(usualTerms());
        joinAll(id, 5);
        openAndCommit(id, 5);
        _refused(id, IMarket.Phase.Open);
        vm.warp(market.round(id, 1).commitEnd);
        _refused(id, IMarket.Phase.Settling);
        settle(id, 1, 31, aggregator);
        _refused(id, IMarket.Phase.Challengeable);
    }

    function test_GivenRoundsAreLeftAndTheDeadlineIsToCome_WhenTheCallerIsNotTheOwner() external {
        uint256 id = create(usualTerms());
        vm.warp(market.terms(id).deadline - 1);
        vm.expectRevert(abi.encodeWithSelector(IMarket.Market_JobRunning.selector, id));
        vm.prank(outsider);
        market.closeJob(id);
    }

    function test_GivenRoundsAreLeftAndTheDeadlineIsToCome_WhenTheCallerIsTheOwner() external {
        uint256 id = create(usualTerms());
        _closes(id, owner, 3_000);
        vm.assertEq(market.balanceOf(address(0), owner), 3_000, "balance");
    }

    function test_GivenAllRoundsAreUsed() external {
        IMarket.JobTerms memory t = usualTerms();
        t.rounds = 1;
        uint256 id = settledJob(t);
        toFinal(id, 1);
        _closes(id, outsider, 1_000 - 515);
        vm.assertEq(market.balanceOf(address(0), owner), 1_000 - 515, "balance");
    }

    function test_GivenTheDeadlineIsHere() external {
        uint256 id = create(usualTerms());
        vm.warp(market.terms(id).deadline);
        _closes(id, outsider, 3_000);
    }

    function test_GivenABondOfAFinalRoundIsHeld() external {
        uint256 id = settledJob(usualTerms());
        toFinal(id, 1);
        vm.expectEmit(address(market));
        emit IMarket.BondReleased(id, 1, aggregator, 51);
        _closes(id, owner, 3_000 - 515);
        vm.assertEq(market.balanceOf(address(0), aggregator), 51, "bond");
        vm.assertEq(market.round(id, 1).bonded, false, "bonded");
    }

    function test_GivenAVoidRoundThatIsRefunded() external {
        IMarket.JobTerms memory t = usualTerms();
        t.refundVoid = true;
        uint256 id = committedJob(t);
        toVoid(id, 1);
        vm.expectEmit(address(market));
        emit IMarket.RoundRefunded(id, 1, 1_000);
        _closes(id, owner, 2_000);
        vm.assertEq(market.balanceOf(address(0), owner), 3_000, "balance");
        vm.assertEq(market.job(id).used, 1, "used");
        vm.assertTrue(market.round(id, 1).refunded, "refunded");
    }

    function test_GivenAVoidRoundThatIsRepeated() external {
        uint256 id = committedJob(usualTerms());
        toVoid(id, 1);
        _closes(id, owner, 3_000);
        vm.assertEq(market.job(id).used, 0, "used");
        vm.assertEq(market.round(id, 1).refunded, false, "refunded");
    }

    function _refused(uint256 id, IMarket.Phase phase) private {
        vm.expectRevert(abi.encodeWithSelector(IMarket.Market_WrongPhase.selector, id, 1, phase));
        vm.prank(owner);
        market.closeJob(id);
    }

    function _closes(uint256 id, address by, uint256 refund) private {
        vm.expectEmit(address(market));
        emit IMarket.JobClosed(id, refund);
        vm.prank(by);
        market.closeJob(id);
        vm.assertTrue(market.job(id).closed, "closed");
        vm.assertEq(market.job(id).escrow, 0, "escrow");
    }
}
