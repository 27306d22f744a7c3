// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IMarket} from "../../../contracts/interfaces/IMarket.sol";
import {IProofVerifier} from "../../../contracts/interfaces/IProofVerifier.sol";
import {Scene} from "../support/Scene.sol";
import {Verifier} from "../support/Verifier.sol";

contract ChallengeUpdateTest is Scene {
    uint256 internal id;

    function setUp() external {
        _deploy();
        id = create(usualTerms());
        joinAll(id, 6);
    }

    function test_WhenTheJobIsUnknown() external {
        vm.expectRevert(abi.encodeWithSelector(IMarket.Market_UnknownJob.selector, 2));
        market.challengeUpdate(2, 1, 0, EVIDENCE);
    }

    function test_GivenTheRoundIsOverOrWasNeverOpened() external {
        _refused(IMarket.Phase.None);
        _committed(6);
        uint256 end = market.round(id, 1).settleEnd;
        vm.warp(end);
        _refused(IMarket.Phase.Void);
        vm.warp(end - 1);
        settle(id, 1, 63, aggregator);
        toFinal(id, 1);
        _refused(IMarket.Phase.Final);
    }

    function test_GivenTrainersCanStillCommit() external {
        openAndCommit(id, 6);
        _refused(IMarket.Phase.Open);
        vm.warp(market.round(id, 1).commitEnd - 1);
        _refused(IMarket.Phase.Open);
        vm.warp(market.round(id, 1).commitEnd);
        _slash(0);
        vm.assertEq(market.round(id, 1).slashed, 1, "slashed");
    }

    function test_WhenTheCommitmentIsUnknown() external {
        _committed(5);
        vm.expectRevert(abi.encodeWithSelector(IMarket.Market_UnknownTrainers.selector, 32, 5));
        market.challengeUpdate(id, 1, 5, EVIDENCE);
        vm.expectRevert(abi.encodeWithSelector(IMarket.Market_UnknownTrainers.selector, 0, 5));
        market.challengeUpdate(id, 1, 256, EVIDENCE);
    }

    function test_GivenItWasSlashed() external {
        _committed(5);
        _slash(3);
        vm.expectRevert(abi.encodeWithSelector(IMarket.Market_SlashedTrainers.selector, id, 1, 8));
        market.challengeUpdate(id, 1, 3, EVIDENCE);
    }

    function test_WhenTheVerifierRefuses() external {
        _committed(5);
        vm.expectRevert(Verifier.Verifier_Refuses.selector);
        market.challengeUpdate(id, 1, 0, "other");
    }

    function test_GivenTheRoundWaitsForItsSettlement() external {
        _committed(6);
        verifier.expectClaim(
            IProofVerifier.AggregateClaim(
                block.chainid, address(market), id, 1, 1_000, 8, 1, compressed(update(1, 3)), 0
            )
        );
        vm.expectEmit(address(market));
        emit IMarket.TrainerSlashed(id, 1, challenger, trainer(3), 23, 5, 0);
        _slash(3);
        vm.assertEq(market.balanceOf(address(0), challenger), 5, "challenger");
        vm.assertEq(market.balanceOf(address(0), owner), 18, "owner");
        vm.assertEq(market.stakeOf(id, trainer(3)), 0, "stake");
        vm.assertEq(market.job(id).joined, 5, "joined");
        vm.assertEq(market.round(id, 1).slashed, 8, "slashed");
        vm.assertEq(market.round(id, 1).commits, 6, "commits");
        vm.assertEq(market.job(id).escrow, 3_000, "escrow");
        verifier.expectClaim(
            IProofVerifier.AggregateClaim(
                block.chainid, address(market), id, 1, 1_000, 8, 1, compressed(update(1, 0)), 0
            )
        );
        _slash(0);
        vm.assertEq(market.round(id, 1).slashed, 9, "both");
    }

    function test_GivenTheRoundWasSettled() external {
        _committed(6);
        settle(id, 1, 63, aggregator);
        vm.warp(market.round(id, 1).challengeEnd - 1);
        vm.expectEmit(address(market));
        emit IMarket.TrainerSlashed(id, 1, challenger, trainer(4), 24, 6, 105);
        _slash(4);
        vm.assertEq(market.payoutOf(id, 1, trainer(4)).amount, 0, "payout");
        vm.assertEq(market.payoutOf(id, 1, trainer(3)).amount, 104, "of another");
        vm.assertEq(market.job(id).escrow, 3_000 - 621 + 105, "escrow");
        vm.assertEq(market.job(id).used, 1, "used");
        vm.assertTrue(market.round(id, 1).settled, "settled");
    }

    function test_GivenTheTrainerNamedAnAggregator() external {
        vm.prank(trainer(2));
        market.nameAggregator(id, third);
        _committed(5);
        _slash(2);
        vm.assertEq(market.isAggregator(id, third), false, "aggregator");
        vm.assertEq(market.namedBy(id, trainer(2)), address(0), "named");
    }

    function test_GivenTheTrainerJoinsAgain() external {
        _committed(5);
        _slash(2);
        join(id, 2);
        _cannotCommit(2);
    }

    function test_GivenAllSeatsWereTaken() external {
        join(id, 6);
        join(id, 7);
        _committed(8);
        for (uint256 i = 6; i < 8; ++i) {
            _slash(i);
            join(id, i + 2);
            _cannotCommit(i + 2);
        }
        vm.assertEq(market.round(id, 1).commits, 8, "commits");
        toVoid(id, 1);
        for (uint256 i = 0; i < 6; ++i) {
            vm.prank(trainer(i));
            market.leaveJob(id, recipient);
        }
        vm.assertEq(recipient.balance, 20 + 21 + 22 + 23 + 24 + 25, "left");
    }

    function _committed(uint256 count) private {
        openAndCommit(id, count);
        vm.warp(market.round(id, 1).commitEnd);
    }

    function _cannotCommit(uint256 i) private {
        IProofVerifier.Point memory p = point(9);
        vm.expectRevert(
            abi.encodeWithSelector(IMarket.Market_WrongPhase.selector, id, 1, IMarket.Phase.Settling)
        );
        vm.prank(trainer(i));
        market.commitUpdate(id, 1, p, CID, 77);
    }

    function _slash(uint256 index) private {
        vm.prank(challenger);
        market.challengeUpdate(id, 1, index, EVIDENCE);
    }

    function _refused(IMarket.Phase phase) private {
        vm.expectRevert(abi.encodeWithSelector(IMarket.Market_WrongPhase.selector, id, 1, phase));
        market.challengeUpdate(id, 1, 0, EVIDENCE);
    }
}
