// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IMarket} from "../../../contracts/interfaces/IMarket.sol";
import {Scene} from "../support/Scene.sol";

contract OpenRoundTest is Scene {
    function setUp() external {
        _deploy();
    }

    function test_WhenTheJobIsUnknown() external {
        vm.expectRevert(abi.encodeWithSelector(IMarket.Market_UnknownJob.selector, 1));
        market.openRound(1);
    }

    function test_GivenTheJobIsClosed() external {
        uint256 id = create(usualTerms());
        joinAll(id, 5);
        vm.prank(owner);
        market.closeJob(id);
        vm.expectRevert(abi.encodeWithSelector(IMarket.Market_JobClosed.selector, id));
        market.openRound(id);
    }

    function test_GivenALiveRound() external {
        uint256 id = create(usualTerms());
        joinAll(id, 5);
        openAndCommit(id, 5);
        _refused(id, IMarket.Phase.Open);
        vm.warp(market.round(id, 1).settleEnd - 1);
        _refused(id, IMarket.Phase.Settling);
        settle(id, 1, 31, aggregator);
        vm.warp(market.round(id, 1).challengeEnd - 1);
        _refused(id, IMarket.Phase.Challengeable);
    }

    function test_GivenAllRoundsAreUsed() external {
        IMarket.JobTerms memory t = usualTerms();
        t.rounds = 1;
        uint256 id = settledJob(t);
        toFinal(id, 1);
        vm.expectRevert(abi.encodeWithSelector(IMarket.Market_AllRoundsUsed.selector, id));
        market.openRound(id);
    }

    function test_GivenTheDeadlineIsHere() external {
        uint256 id = create(usualTerms());
        joinAll(id, 5);
        uint64 deadline = market.terms(id).deadline;
        vm.warp(deadline);
        vm.expectRevert(abi.encodeWithSelector(IMarket.Market_DeadlinePassed.selector, deadline));
        market.openRound(id);
        vm.warp(deadline - 1);
        market.openRound(id);
    }

    function test_GivenTooFewTrainers() external {
        uint256 id = create(usualTerms());
        joinAll(id, 4);
        vm.expectRevert(abi.encodeWithSelector(IMarket.Market_TooFewTrainers.selector, 4, 5));
        market.openRound(id);
    }

    function test_GivenNoReferenceInAJobWithOne() external {
        IMarket.JobTerms memory t = usualTerms();
        t.hasReference = true;
        uint256 id = create(t);
        joinAll(id, 5);
        vm.expectRevert(abi.encodeWithSelector(IMarket.Market_NoReference.selector, id, 1));
        market.openRound(id);
    }

    function test_GivenTheFirstRound() external {
        uint256 id = create(usualTerms());
        joinAll(id, 5);
        uint64 now_ = uint64(block.timestamp);
        vm.expectEmit(address(market));
        emit IMarket.RoundOpened(id, 1, -3, now_ + 100, now_ + 300);
        vm.prank(outsider);
        vm.assertEq(market.openRound(id), 1, "number");
        IMarket.Round memory r = market.round(id, 1);
        vm.assertEq(r.commitEnd, now_ + 100, "commitEnd");
        vm.assertEq(r.settleEnd, now_ + 300, "settleEnd");
        _given(id, 1, -3, 0, 0);
        vm.assertEq(market.job(id).round, 1, "round");
    }

    function test_GivenASettledRoundBefore() external {
        uint256 id = settledJob(usualTerms());
        toFinal(id, 1);
        vm.expectEmit(address(market));
        emit IMarket.BondReleased(id, 1, aggregator, 51);
        vm.assertEq(open(id), 2, "number");
        _given(id, 2, -2, keccak256(abi.encode(id, 1)), 1);
        vm.assertEq(market.balanceOf(address(0), aggregator), 51, "bond");
        vm.assertEq(market.job(id).escrow, 3_000 - 515, "escrow");
    }

    function test_GivenAVoidRoundBefore() external {
        uint256 id = committedJob(usualTerms());
        toVoid(id, 1);
        open(id);
        _given(id, 2, -3, 0, 0);
        vm.warp(market.round(id, 2).settleEnd);
        vm.assertEq(open(id), 3, "number");
        vm.assertEq(market.job(id).used, 0, "used");
        vm.assertEq(market.job(id).escrow, 3_000, "escrow");
    }

    function test_GivenAnOverturnedRoundBefore() external {
        uint256 id = settledJob(usualTerms());
        toFinal(id, 1);
        openAndCommit(id, 5);
        vm.warp(market.round(id, 2).commitEnd);
        IMarket.Settlement memory s = settlement(id, 2, 31);
        (s.nextScaleExponent, s.nextMemoryDigest) = (5, keccak256("false"));
        vm.prank(aggregator);
        market.settleRound(id, 2, s, PROOF);
        overturn(id, 2);
        open(id);
        _given(id, 3, -2, keccak256(abi.encode(id, 1)), 1);
    }

    function test_GivenAVoidRoundThatIsRefunded() external {
        IMarket.JobTerms memory t = usualTerms();
        (t.refundVoid, t.rounds) = (true, 2);
        uint256 id = committedJob(t);
        toVoid(id, 1);
        vm.expectEmit(address(market));
        emit IMarket.RoundRefunded(id, 1, 1_000);
        open(id);
        vm.assertEq(market.job(id).used, 1, "used");
        vm.assertEq(market.job(id).escrow, 1_000, "escrow");
        vm.assertEq(market.balanceOf(address(0), owner), 1_000, "refund");
        toVoid(id, 2);
        vm.expectRevert(abi.encodeWithSelector(IMarket.Market_AllRoundsUsed.selector, id));
        market.openRound(id);
        vm.prank(owner);
        market.closeJob(id);
        vm.assertEq(market.balanceOf(address(0), owner), 2_000, "all of it, once");
    }

    function _refused(uint256 id, IMarket.Phase phase) private {
        vm.expectRevert(abi.encodeWithSelector(IMarket.Market_WrongPhase.selector, id, 1, phase));
        market.openRound(id);
    }

    function _given(uint256 id, uint32 number, int256 scale, bytes32 memory_, uint32 previous) private view {
        IMarket.Round memory r = market.round(id, number);
        vm.assertEq(r.scaleExponent, scale, "scale");
        vm.assertEq(r.memoryDigest, memory_, "memory");
        vm.assertEq(r.previousSettled, previous, "previous");
    }
}
