// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IMarket} from "../../../contracts/interfaces/IMarket.sol";
import {Assets} from "../../../contracts/libraries/Assets.sol";
import {Permits} from "../support/Permits.sol";

contract JoinJobTest is Permits {
    uint256 internal id;

    function setUp() external {
        _deploy();
        id = create(usualTerms());
    }

    function test_WhenTheJobIsUnknown() external {
        vm.expectRevert(abi.encodeWithSelector(IMarket.Market_UnknownJob.selector, 2));
        market.joinJob(2, 10, "");
    }

    function test_GivenTheJobIsClosed() external {
        vm.prank(owner);
        market.closeJob(id);
        vm.expectRevert(abi.encodeWithSelector(IMarket.Market_JobClosed.selector, id));
        market.joinJob(id, 10, "");
    }

    function test_GivenTheCallerHasJoined() external {
        join(id, 0);
        vm.expectRevert(abi.encodeWithSelector(IMarket.Market_AlreadyJoined.selector, id, trainer(0)));
        vm.prank(trainer(0));
        market.joinJob(id, 10, "");
    }

    function test_GivenTheJobIsFull() external {
        joinAll(id, 8);
        vm.deal(outsider, 10);
        vm.expectRevert(abi.encodeWithSelector(IMarket.Market_JobFull.selector, id, 8));
        vm.prank(outsider);
        market.joinJob{value: 10}(id, 10, "");
    }

    function test_WhenTheStakeIsOutOfRange() external {
        vm.deal(outsider, 1_000);
        vm.expectRevert(abi.encodeWithSelector(IMarket.Market_StakeOutOfRange.selector, 9, 10, 100));
        vm.prank(outsider);
        market.joinJob{value: 9}(id, 9, "");
        vm.expectRevert(abi.encodeWithSelector(IMarket.Market_StakeOutOfRange.selector, 101, 10, 100));
        vm.prank(outsider);
        market.joinJob{value: 101}(id, 101, "");
    }

    function test_WhenTheValueIsNotTheStake() external {
        vm.deal(outsider, 1_000);
        vm.expectRevert(abi.encodeWithSelector(Assets.Assets_WrongValue.selector, 11, 10));
        vm.prank(outsider);
        market.joinJob{value: 11}(id, 10, "");
    }

    function test_WhenTheStakeIsInRange() external {
        vm.deal(outsider, 10);
        vm.deal(challenger, 100);
        vm.expectEmit(address(market));
        emit IMarket.TrainerJoined(id, outsider, 10);
        vm.prank(outsider);
        market.joinJob{value: 10}(id, 10, "");
        vm.prank(challenger);
        market.joinJob{value: 100}(id, 100, "");
        vm.assertEq(market.stakeOf(id, outsider), 10, "the least");
        vm.assertEq(market.stakeOf(id, challenger), 100, "the most");
        vm.assertEq(market.job(id).joined, 2, "joined");
    }

    function test_WhenAPermitIsGiven() external {
        IMarket.JobTerms memory t = usualTerms();
        t.token = address(token);
        id = create(t);
        token.mint(signer(), 10);
        bytes memory permit = permitOf(10);
        vm.prank(signer());
        market.joinJob(id, 10, permit);
        vm.assertEq(market.stakeOf(id, signer()), 10, "stake");
    }

    function test_GivenALiveRound() external {
        joinAll(id, 5);
        open(id);
        join(id, 5);
        commit(id, 1, 5);
        vm.assertEq(market.committed(id, 1)[0], trainer(5), "committed");
    }
}
