// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IMarket} from "../../../contracts/interfaces/IMarket.sol";
import {Assets} from "../../../contracts/libraries/Assets.sol";
import {Permits} from "../support/Permits.sol";

contract ExtendJobTest is Permits {
    uint64 internal deadline;

    function setUp() external {
        _deploy();
        deadline = usualTerms().deadline;
    }

    function test_WhenTheJobIsUnknown() external {
        vm.expectRevert(abi.encodeWithSelector(IMarket.Market_UnknownJob.selector, 1));
        market.extendJob(1, 4, 1_000, deadline, "");
    }

    function test_WhenTheCallerIsNotTheOwner() external {
        uint256 id = create(usualTerms());
        vm.expectRevert(abi.encodeWithSelector(IMarket.Market_NotOwner.selector, id, outsider));
        vm.prank(outsider);
        market.extendJob(id, 4, 1_000, deadline, "");
    }

    function test_GivenTheJobIsClosed() external {
        uint256 id = create(usualTerms());
        vm.prank(owner);
        market.closeJob(id);
        vm.expectRevert(abi.encodeWithSelector(IMarket.Market_JobClosed.selector, id));
        vm.prank(owner);
        market.extendJob(id, 3, 1_000, deadline + 1, "");
    }

    function test_GivenALiveRound() external {
        uint256 id = settledJob(usualTerms());
        vm.expectRevert(
            abi.encodeWithSelector(IMarket.Market_WrongPhase.selector, id, 1, IMarket.Phase.Challengeable)
        );
        vm.prank(owner);
        market.extendJob(id, 3, 1_000, deadline + 1, "");
    }

    function test_WhenATermBecomesLess() external {
        uint256 id = create(usualTerms());
        _refused(id, 2, 1_001, deadline + 1, "rounds");
        _refused(id, 4, 999, deadline + 1, "roundBudget");
        _refused(id, 4, 1_001, deadline - 1, "deadline");
    }

    function test_WhenTheNewDeadlineIsNotToCome() external {
        uint256 id = create(usualTerms());
        _refused(id, 3, 1_000, uint64(block.timestamp + 3650 days + 1), "deadline");
        vm.warp(deadline + 10);
        _refused(id, 3, 1_000, deadline + 10, "deadline");
    }

    function test_WhenNothingChanges() external {
        uint256 id = create(usualTerms());
        vm.expectRevert(abi.encodeWithSelector(IMarket.Market_NothingToExtend.selector, id));
        vm.prank(owner);
        market.extendJob(id, 3, 1_000, deadline, "");
    }

    function test_WhenTheValueIsNotWhatTheRoundsToComeCostMore() external {
        uint256 id = create(usualTerms());
        vm.deal(owner, 10_000);
        vm.expectRevert(abi.encodeWithSelector(Assets.Assets_WrongValue.selector, 999, 1_000));
        vm.prank(owner);
        market.extendJob{value: 999}(id, 4, 1_000, deadline, "");
    }

    function test_WhenOnlyTheDeadlineIsPutOff() external {
        uint256 id = create(usualTerms());
        _extends(id, 3, 1_000, deadline + 7, 0);
        vm.assertEq(market.job(id).escrow, 3_000, "escrow");
    }

    function test_WhenRoundsAndBudgetGrow() external {
        uint256 id = settledJob(usualTerms());
        toFinal(id, 1);
        _extends(id, 5, 1_000, deadline, 2_000);
        _extends(id, 5, 1_100, deadline, 400);
        _extends(id, 6, 1_200, deadline + 1, 1_600);
        vm.assertEq(market.job(id).escrow, 3_000 - 515 + 4_000, "escrow");
        vm.assertEq(market.balanceOf(address(0), aggregator), 51, "the bond of the round that was over");
        vm.assertEq(market.round(id, 1).bonded, false, "bonded");
    }

    function test_WhenTheDeadlineHasPassedAndStays() external {
        uint256 id = create(usualTerms());
        vm.warp(deadline + 1);
        _extends(id, 4, 1_000, deadline, 1_000);
    }

    function test_WhenAPermitIsGiven() external {
        IMarket.JobTerms memory t = usualTerms();
        t.token = address(token);
        owner = signer();
        uint256 id = create(t);
        token.mint(owner, 1_000);
        bytes memory permit = permitOf(1_000);
        vm.prank(owner);
        market.extendJob(id, 4, 1_000, deadline, permit);
        vm.assertEq(token.balanceOf(address(market)), 4_000, "taken");
    }

    function test_GivenAVoidRoundThatIsRefunded() external {
        IMarket.JobTerms memory t = usualTerms();
        t.refundVoid = true;
        uint256 id = committedJob(t);
        toVoid(id, 1);
        _extends(id, 3, 1_500, deadline, 1_000);
        vm.assertEq(market.balanceOf(address(0), owner), 1_000, "refund");
        vm.assertEq(market.job(id).escrow, 3_000, "escrow");
        vm.assertEq(market.job(id).used, 1, "used");
    }

    function _refused(uint256 id, uint32 rounds, uint128 budget, uint64 until, bytes32 field) private {
        vm.expectRevert(abi.encodeWithSelector(IMarket.Market_InvalidTerms.selector, field));
        vm.prank(owner);
        market.extendJob(id, rounds, budget, until, "");
    }

    function _extends(uint256 id, uint32 rounds, uint128 budget, uint64 until, uint256 amount) private {
        vm.deal(owner, amount);
        vm.expectEmit(address(market));
        emit IMarket.JobExtended(id, rounds, budget, until, amount);
        vm.prank(owner);
        market.extendJob{value: amount}(id, rounds, budget, until, "");
        IMarket.JobTerms memory t = market.terms(id);
        vm.assertEq(t.rounds, rounds, "rounds");
        vm.assertEq(t.roundBudget, budget, "budget");
        vm.assertEq(t.deadline, until, "deadline");
    }
}
