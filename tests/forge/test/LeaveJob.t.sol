// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IMarket} from "../../../contracts/interfaces/IMarket.sol";
import {Scene} from "../support/Scene.sol";

contract LeaveJobTest is Scene {
    uint256 internal id;

    function setUp() external {
        _deploy();
        id = create(usualTerms());
        joinAll(id, 6);
    }

    function test_WhenTheJobIsUnknown() external {
        vm.expectRevert(abi.encodeWithSelector(IMarket.Market_UnknownJob.selector, 2));
        vm.prank(trainer(0));
        market.leaveJob(2, recipient);
    }

    function test_GivenTheCallerHasNotJoined() external {
        vm.expectRevert(abi.encodeWithSelector(IMarket.Market_NotTrainer.selector, id, outsider));
        vm.prank(outsider);
        market.leaveJob(id, recipient);
    }

    function test_WhenTheRecipientIsZero() external {
        vm.expectRevert(IMarket.Market_ZeroRecipient.selector);
        vm.prank(trainer(0));
        market.leaveJob(id, address(0));
    }

    function test_GivenALiveRoundWithItsCommitment() external {
        openAndCommit(id, 5);
        _locked(0);
        vm.warp(market.round(id, 1).commitEnd);
        _locked(4);
        settle(id, 1, 31, aggregator);
        vm.warp(market.round(id, 1).challengeEnd - 1);
        _locked(2);
    }

    function test_GivenALiveRoundWithoutItsCommitment() external {
        openAndCommit(id, 5);
        vm.recordLogs();
        _leaves(5);
        vm.assertEq(vm.getRecordedLogs().length, 2, "the one expected and the one emitted");
    }

    function test_GivenItsRoundIsFinalOrVoid() external {
        openAndCommit(id, 5);
        vm.warp(market.round(id, 1).commitEnd);
        settle(id, 1, 31, aggregator);
        toFinal(id, 1);
        _leaves(0);
        join(id, 0);
        openAndCommit(id, 5);
        toVoid(id, 2);
        _leaves(1);
    }

    function test_GivenItNamedAnAggregator() external {
        vm.prank(trainer(0));
        market.nameAggregator(id, third);
        vm.expectEmit(address(market));
        emit IMarket.AggregatorNamed(id, trainer(0), address(0));
        _leaves(0);
        vm.assertEq(market.namedBy(id, trainer(0)), address(0), "named");
        vm.assertEq(market.isAggregator(id, third), false, "aggregator");
    }

    function test_GivenTheJobIsClosed() external {
        vm.prank(owner);
        market.closeJob(id);
        _leaves(3);
    }

    function test_WhenTheRecipientRefuses() external {
        vm.expectRevert();
        vm.prank(trainer(0));
        market.leaveJob(id, address(verifier));
        vm.assertEq(market.stakeOf(id, trainer(0)), stakeOf(0), "stake");
    }

    function test_WhenItComesBack() external {
        open(id);
        _leaves(0);
        join(id, 0);
        commit(id, 1, 0);
        vm.assertEq(market.round(id, 1).commits, 1, "commits");
        vm.assertEq(market.job(id).joined, 6, "joined");
    }

    function _locked(uint256 i) private {
        vm.expectRevert(abi.encodeWithSelector(IMarket.Market_StakeLocked.selector, id, 1));
        vm.prank(trainer(i));
        market.leaveJob(id, recipient);
    }

    function _leaves(uint256 i) private {
        uint256 had = recipient.balance;
        uint16 joined = market.job(id).joined;
        vm.expectEmit(address(market));
        emit IMarket.TrainerLeft(id, trainer(i), stakeOf(i), recipient);
        vm.prank(trainer(i));
        market.leaveJob(id, recipient);
        vm.assertEq(recipient.balance, had + stakeOf(i), "paid");
        vm.assertEq(market.stakeOf(id, trainer(i)), 0, "stake");
        vm.assertEq(market.job(id).joined, joined - 1, "joined");
    }
}
