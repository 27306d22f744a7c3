// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IMarket} from "../../../contracts/interfaces/IMarket.sol";
import {Scene} from "../support/Scene.sol";

contract StopJobTest is Scene {
    uint256 internal id;

    function setUp() external {
        _deploy();
        id = create(usualTerms());
    }

    function test_WhenTheJobIsUnknown() external {
        vm.expectRevert(abi.encodeWithSelector(IMarket.Market_UnknownJob.selector, 2));
        market.stopJob(2);
    }

    function test_WhenTheCallerIsNotTheOwner() external {
        vm.expectRevert(abi.encodeWithSelector(IMarket.Market_NotOwner.selector, id, aggregator));
        vm.prank(aggregator);
        market.stopJob(id);
    }

    function test_GivenTheJobIsClosed() external {
        vm.prank(owner);
        market.closeJob(id);
        vm.expectRevert(abi.encodeWithSelector(IMarket.Market_JobClosed.selector, id));
        vm.prank(owner);
        market.stopJob(id);
    }

    function test_GivenTheDeadlineIsHere() external {
        uint64 deadline = market.terms(id).deadline;
        vm.warp(deadline);
        vm.expectRevert(abi.encodeWithSelector(IMarket.Market_DeadlinePassed.selector, deadline));
        vm.prank(owner);
        market.stopJob(id);
    }

    function test_GivenTheDeadlineIsToCome() external {
        joinAll(id, 5);
        openAndCommit(id, 5);
        bytes32 before = keccak256(abi.encode(market.round(id, 1)));
        vm.warp(block.timestamp + 9);
        vm.expectEmit(address(market));
        emit IMarket.JobStopped(id, uint64(block.timestamp));
        vm.prank(owner);
        market.stopJob(id);
        vm.assertEq(market.terms(id).deadline, block.timestamp, "deadline");
        vm.assertEq(keccak256(abi.encode(market.round(id, 1))), before, "round");
        vm.assertEq(market.job(id).closed, false, "closed");
    }
}
