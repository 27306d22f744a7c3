// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IMarket} from "../../../contracts/interfaces/IMarket.sol";
import {Scene} from "../support/Scene.sol";

contract ViewsTest is Scene {
    uint256 internal id;

    function setUp() external {
        _deploy();
        id = create(usualTerms());
    }

    function test_WhenTheJobIsUnknown() external {
        for (uint256 job = 0; job < 3; job += 2) {
            bytes memory reason = abi.encodeWithSelector(IMarket.Market_UnknownJob.selector, job);
            vm.expectRevert(reason);
            market.terms(job);
            vm.expectRevert(reason);
            market.job(job);
            vm.expectRevert(reason);
            market.round(job, 1);
            vm.expectRevert(reason);
            market.committed(job, 1);
            vm.expectRevert(reason);
            market.payoutOf(job, 1, outsider);
            vm.assertEq(uint256(market.phase(job, 1)), uint256(IMarket.Phase.None), "phase");
            vm.assertEq(market.isAggregator(job, aggregator), false, "aggregator");
        }
    }

    function test_WhenTheJobsAreCounted() external view {
        vm.assertEq(market.jobCount(), 1, "jobs");
    }

    function test_GivenTheBoundariesOfThePhases() external {
        joinAll(id, 5);
        openAndCommit(id, 5);
        IMarket.Round memory r = market.round(id, 1);
        _boundary(r.commitEnd, IMarket.Phase.Open, IMarket.Phase.Settling);
        _boundary(r.settleEnd, IMarket.Phase.Settling, IMarket.Phase.Void);
        vm.warp(r.settleEnd - 1);
        settle(id, 1, 31, aggregator);
        r = market.round(id, 1);
        vm.warp(r.settleEnd);
        vm.assertEq(uint256(market.phase(id, 1)), uint256(IMarket.Phase.Challengeable), "settled");
        _boundary(r.challengeEnd, IMarket.Phase.Challengeable, IMarket.Phase.Final);
        vm.warp(r.challengeEnd - 1);
        overturn(id, 1);
        _boundary(r.challengeEnd, IMarket.Phase.Void, IMarket.Phase.Void);
        _boundary(r.commitEnd, IMarket.Phase.Void, IMarket.Phase.Void);
    }

    function test_GivenNothingOfARound() external view {
        IMarket.Round memory none;
        vm.assertEq(keccak256(abi.encode(market.round(id, 1))), keccak256(abi.encode(none)), "round");
        vm.assertEq(market.committed(id, 1).length, 0, "committed");
        vm.assertEq(market.payoutOf(id, 1, outsider).amount, 0, "payout");
        vm.assertEq(uint256(market.phase(id, 1)), uint256(IMarket.Phase.None), "phase");
    }

    function _boundary(uint256 time, IMarket.Phase before, IMarket.Phase after_) private {
        vm.warp(time - 1);
        vm.assertEq(uint256(market.phase(id, 1)), uint256(before), "the second before");
        vm.warp(time);
        vm.assertEq(uint256(market.phase(id, 1)), uint256(after_), "the second");
    }
}
