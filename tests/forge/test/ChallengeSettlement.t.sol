// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IMarket} from "../../../contracts/interfaces/IMarket.sol";
import {IProofVerifier} from "../../../contracts/interfaces/IProofVerifier.sol";
import {Scene} from "../support/Scene.sol";
import {Verifier} from "../support/Verifier.sol";

contract ChallengeSettlementTest is Scene {
    uint256 internal id;

    function setUp() external {
        _deploy();
        create(usualTerms());
        id = committedJob(usualTerms());
    }

    function test_WhenTheJobIsUnknown() external {
        vm.expectRevert(abi.encodeWithSelector(IMarket.Market_UnknownJob.selector, 3));
        market.challengeSettlement(3, 1, EVIDENCE);
    }

    function test_GivenNoSettlementInItsWindow() external {
        _refused(IMarket.Phase.Settling);
        settle(id, 1, 31, aggregator);
        uint256 end = market.round(id, 1).challengeEnd;
        vm.warp(end);
        _refused(IMarket.Phase.Final);
        vm.warp(end - 1);
        overturn(id, 1);
        _refused(IMarket.Phase.Void);
    }

    function test_WhenTheVerifierRefuses() external {
        settle(id, 1, 31, aggregator);
        vm.expectRevert(Verifier.Verifier_Refuses.selector);
        market.challengeSettlement(id, 1, "other");
    }

    function test_GivenABondIsHeld() external {
        settle(id, 1, 31, aggregator);
        verifier.expectClaim(
            IProofVerifier.AggregateClaim(
                block.chainid, address(market), id, 1, 1_000, 8, 45, compressed(aggregateOf(1)), keccak256("root")
            )
        );
        vm.expectEmit(address(market));
        emit IMarket.SettlementOverturned(id, 1, challenger, aggregator, 51, 12, 515);
        overturn(id, 1);
        vm.assertEq(market.balanceOf(address(0), challenger), 12, "challenger");
        vm.assertEq(market.balanceOf(address(0), owner), 39, "owner");
        vm.assertEq(market.balanceOf(address(0), aggregator), 0, "aggregator");
        vm.assertEq(market.isAggregator(id, aggregator), false, "dismissed");
        vm.assertTrue(market.isAggregator(id, second) && market.isAggregator(id - 1, aggregator), "and nowhere else");
        IMarket.Round memory r = market.round(id, 1);
        vm.assertTrue(r.overturned && r.settled && !r.bonded, "round");
        vm.assertEq(market.job(id).escrow, 3_000, "escrow");
        vm.assertEq(market.job(id).used, 0, "used");
        for (uint256 i = 0; i < 5; ++i) {
            vm.assertEq(market.payoutOf(id, 1, trainer(i)).amount, 0, "payout");
        }
    }

    function test_GivenNoBondWasAsked() external {
        IMarket.JobTerms memory t = usualTerms();
        t.aggregatorBond = 0;
        id = settledJob(t);
        vm.expectEmit(address(market));
        emit IMarket.SettlementOverturned(id, 1, challenger, aggregator, 0, 0, 515);
        overturn(id, 1);
        vm.assertEq(market.balanceOf(address(0), challenger), 0, "challenger");
        vm.assertEq(uint256(market.phase(id, 1)), uint256(IMarket.Phase.Void), "void");
    }

    function _refused(IMarket.Phase phase) private {
        vm.expectRevert(abi.encodeWithSelector(IMarket.Market_WrongPhase.selector, id, 1, phase));
        market.challengeSettlement(id, 1, EVIDENCE);
    }
}
