// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IMarket} from "../../../contracts/interfaces/IMarket.sol";
import {IProofVerifier} from "../../../contracts/interfaces/IProofVerifier.sol";
import {Cids} from "../../../contracts/libraries/Cids.sol";
import {Statements} from "../support/Statements.sol";
import {Verifier} from "../support/Verifier.sol";

contract SettleRoundTest is Statements {
    uint256 internal id;

    function setUp() external {
        _deploy();
        id = committedJob(usualTerms());
        putDown(id, aggregator);
    }

    function test_WhenTheJobIsUnknown() external {
        IMarket.Settlement memory s = settlement(id, 1, 31);
        vm.expectRevert(abi.encodeWithSelector(IMarket.Market_UnknownJob.selector, 2));
        vm.prank(aggregator);
        market.settleRound(2, 1, s, PROOF);
    }

    function test_WhenTheCallerIsNoAggregator() external {
        IMarket.Settlement memory s = settlement(id, 1, 31);
        vm.expectRevert(abi.encodeWithSelector(IMarket.Market_NotAggregator.selector, id, owner));
        vm.prank(owner);
        market.settleRound(id, 1, s, PROOF);
    }

    function test_WhenATrainerNamedTheCaller() external {
        _names(3, third);
        settle(id, 1, 31, third);
        vm.assertEq(market.round(id, 1).settledBy, third, "settledBy");
    }

    function test_GivenAReferenceAndOnlyTrainersNamedTheCaller_WhenTheReferenceIsLeftOut() external {
        id = _secondRound(true);
        for (uint256 i = 0; i < 5; ++i) {
            _names(i, third);
        }
        putDown(id, third);
        IMarket.Settlement memory s = settlement(id, 2, 31);
        vm.expectRevert(abi.encodeWithSelector(IMarket.Market_NoReference.selector, id, 2));
        vm.prank(third);
        market.settleRound(id, 2, s, PROOF);
    }

    function test_GivenAReferenceAndOnlyTrainersNamedTheCaller_WhenTheReferenceIsIncluded() external {
        id = _secondRound(true);
        _names(3, third);
        settle(id, 2, 31 | REFERENCE_BIT, third);
        vm.assertEq(market.round(id, 2).settledBy, third, "settledBy");
    }

    function test_WhenTheOwnerAndATrainerNamedTheCaller() external {
        _names(0, aggregator);
        _names(1, aggregator);
        _names(0, address(0));
        settle(id, 1, 31, aggregator);
        vm.assertEq(market.round(id, 1).settledBy, aggregator, "settledBy");
    }

    function test_GivenTheAggregatorWasSlashed() external {
        settle(id, 1, 31, aggregator);
        overturn(id, 1);
        openAndCommit(id, 5);
        vm.warp(market.round(id, 2).commitEnd);
        IMarket.Settlement memory s = settlement(id, 2, 31);
        vm.expectRevert(abi.encodeWithSelector(IMarket.Market_NotAggregator.selector, id, aggregator));
        vm.prank(aggregator);
        market.settleRound(id, 2, s, PROOF);
    }

    function test_GivenTheRoundDoesNotWaitForASettlement() external {
        _refused(settlement(id, 2, 0), 2, _wrongPhase(2, IMarket.Phase.None));
        vm.warp(market.round(id, 1).commitEnd - 1);
        _refused(settlement(id, 1, 31), 1, _wrongPhase(1, IMarket.Phase.Open));
        toVoid(id, 1);
        _refused(settlement(id, 1, 31), 1, _wrongPhase(1, IMarket.Phase.Void));
    }

    function test_WhenTheAggregateIsNoCID() external {
        IMarket.Settlement memory s = settlement(id, 1, 31);
        s.aggregateCid = "x";
        _refused(s, 1, abi.encodeWithSelector(Cids.Cids_Invalid.selector, bytes("x")));
    }

    function test_WhenOthersThanThoseCommittedAreIncluded() external {
        IMarket.Settlement memory s = settlement(id, 1, 31);
        s.included = 63;
        _refused(s, 1, abi.encodeWithSelector(IMarket.Market_UnknownTrainers.selector, 63, 5));
    }

    function test_WhenTheReferenceIsIncludedInAJobWithoutOne() external {
        IMarket.Settlement memory s = settlement(id, 1, 31);
        s.included = 31 | REFERENCE_BIT;
        _refused(s, 1, abi.encodeWithSelector(IMarket.Market_UnknownTrainers.selector, 31 | REFERENCE_BIT, 5));
    }

    function test_WhenASlashedTrainerIsIncluded() external {
        id = _sixCommitted(usualTerms());
        _slash(2);
        bytes memory reason = abi.encodeWithSelector(IMarket.Market_SlashedTrainers.selector, id, 1, 4);
        _refused(settlement(id, 1, 63), 1, reason);
        settle(id, 1, 59, aggregator);
        vm.assertEq(market.round(id, 1).included, 59, "included");
    }

    function test_GivenTooFewCommitted() external {
        id = create(usualTerms());
        joinAll(id, 5);
        openAndCommit(id, 4);
        vm.warp(market.round(id, 1).commitEnd);
        _refused(settlement(id, 1, 15), 1, abi.encodeWithSelector(IMarket.Market_TooFewTrainers.selector, 4, 5));
    }

    function test_GivenTooFewAreLeftThatWereNotSlashed() external {
        _slash(4);
        _refused(settlement(id, 1, 15), 1, abi.encodeWithSelector(IMarket.Market_TooFewTrainers.selector, 4, 5));
    }

    function test_WhenTooManyAreLeftOut() external {
        _refused(settlement(id, 1, 7), 1, abi.encodeWithSelector(IMarket.Market_TooManyExcluded.selector, 2, 1));
        _refused(settlement(id, 1, 0), 1, abi.encodeWithSelector(IMarket.Market_TooManyExcluded.selector, 5, 1));
        id = _sixCommitted(usualTerms());
        _slash(0);
        _refused(settlement(id, 1, 14), 1, abi.encodeWithSelector(IMarket.Market_TooManyExcluded.selector, 2, 1));
        settle(id, 1, 30, aggregator);
    }

    function test_WhenAPointIsNotTheOneCommitted() external {
        for (uint256 i = 0; i < 5; ++i) {
            IMarket.Settlement memory s = settlement(id, 1, 31);
            s.commitmentYs[i] = P - s.commitmentYs[i];
            _refused(s, 1, abi.encodeWithSelector(IMarket.Market_WrongCommitment.selector, i));
            s = settlement(id, 1, 31);
            s.commitmentYs[i] += 1;
            _refused(s, 1, abi.encodeWithSelector(IMarket.Market_WrongCommitment.selector, i));
            s = settlement(id, 1, 31);
            s.commitmentYs[i] += P;
            _refused(s, 1, abi.encodeWithSelector(IMarket.Market_WrongCommitment.selector, i));
        }
        id = _secondRound(true);
        for (uint256 i = 5; i < 7; ++i) {
            IMarket.Settlement memory s = settlement(id, 2, 31 | REFERENCE_BIT);
            s.commitmentYs[i] = P - s.commitmentYs[i];
            _refused(s, 2, abi.encodeWithSelector(IMarket.Market_WrongCommitment.selector, i));
        }
    }

    function test_WhenAListIsTooShortOrTooLong() external {
        IMarket.Settlement memory s = settlement(id, 1, 31);
        s.commitmentYs = new uint256[](6);
        _refused(s, 1, _wrongLength("commitmentYs", 6, 5));
        s.commitmentYs = new uint256[](4);
        _refused(s, 1, _wrongLength("commitmentYs", 4, 5));
        s = settlement(id, 1, 31);
        s.history = new IProofVerifier.Point[](4);
        _refused(s, 1, _wrongLength("history", 4, 5));
        s.history = new IProofVerifier.Point[](6);
        _refused(s, 1, _wrongLength("history", 6, 5));
        s = settlement(id, 1, 31);
        s.payouts = new uint128[](4);
        _refused(s, 1, _wrongLength("payouts", 4, 5));
        s.payouts = new uint128[](6);
        _refused(s, 1, _wrongLength("payouts", 6, 5));
        id = _secondRound(true);
        s = settlement(id, 2, 31 | REFERENCE_BIT);
        s.commitmentYs = new uint256[](6);
        _refused(s, 2, _wrongLength("commitmentYs", 6, 7));
    }

    function test_WhenTheVerifierRefuses() external {
        verifier.refuse(true);
        _refused(settlement(id, 1, 31), 1, abi.encodeWithSelector(Verifier.Verifier_Refuses.selector));
    }

    function test_WhenTheFreeBalanceIsBelowTheBond() external {
        vm.prank(aggregator);
        market.withdraw(address(0), 1, recipient);
        bytes memory reason =
            abi.encodeWithSelector(IMarket.Market_InsufficientBalance.selector, address(0), aggregator, 51);
        _refused(settlement(id, 1, 31), 1, reason);
    }

    function test_WhenThePayoutsAreMoreThanTheBudget() external {
        IMarket.Settlement memory s = settlement(id, 1, 31);
        s.payouts[0] = 1_000 - 515 + 101 + 1;
        _refused(s, 1, abi.encodeWithSelector(IMarket.Market_BudgetExceeded.selector, 1_001, 1_000));
        s.payouts[0] = type(uint128).max;
        s.payouts[1] = type(uint128).max;
        vm.expectRevert();
        vm.prank(aggregator);
        market.settleRound(id, 1, s, PROOF);
    }

    function test_WhenThePayoutsAreTheBudget() external {
        IMarket.Settlement memory s = settlement(id, 1, 31);
        s.payouts[0] = 1_000 - 515 + 101;
        s.payouts[4] = 0;
        s.payouts[3] += 105;
        vm.prank(aggregator);
        market.settleRound(id, 1, s, PROOF);
        vm.assertEq(market.job(id).escrow, 2_000, "escrow");
        vm.assertEq(market.payoutOf(id, 1, trainer(0)).amount, 586, "payout");
        vm.assertEq(market.payoutOf(id, 1, trainer(4)).amount, 0, "no payout");
    }

    function test_WhenTheScaleIsOutOfRange() external {
        IMarket.Settlement memory s = settlement(id, 1, 31);
        bytes memory reason = abi.encodeWithSelector(IMarket.Market_InvalidTerms.selector, bytes32("scaleExponent"));
        s.nextScaleExponent = 65;
        _refused(s, 1, reason);
        s.nextScaleExponent = -65;
        _refused(s, 1, reason);
        s.nextScaleExponent = 64;
        vm.prank(aggregator);
        market.settleRound(id, 1, s, PROOF);
        id = committedJob(usualTerms());
        putDown(id, aggregator);
        s = settlement(id, 1, 31);
        s.nextScaleExponent = -64;
        vm.prank(aggregator);
        market.settleRound(id, 1, s, PROOF);
        vm.assertEq(market.round(id, 1).nextScaleExponent, -64, "the least");
    }

    function test_WhenTheWeightsDoNotFit() external {
        IMarket.Settlement memory s = settlement(id, 1, 31);
        s.weights[1] = type(uint64).max;
        _refused(s, 1, abi.encodeWithSignature("Panic(uint256)", 0x11));
    }

    function test_GivenAllTrainersAreIncluded() external {
        IMarket.Settlement memory s = settlement(id, 1, 31);
        _settles(s, 1, 515);
        IMarket.Round memory r = market.round(id, 1);
        vm.assertTrue(r.settled && r.bonded && !r.overturned && !r.referenceIncluded, "settled and bonded");
        vm.assertEq(r.challengeEnd, block.timestamp + 300, "challengeEnd");
        vm.assertEq(r.nextScaleExponent, -2, "scale");
        vm.assertEq(r.aggregateCommitment, s.aggregateCommitment, "commitment");
        vm.assertEq(r.aggregateRoot, s.aggregateRoot, "root");
        vm.assertEq(r.settledBy, aggregator, "settledBy");
        vm.assertEq(r.weightSum, 7 + 8 + 9 + 10 + 11, "weightSum");
        vm.assertEq(r.nextMemoryDigest, s.nextMemoryDigest, "memory");
        vm.assertEq(r.included, 31, "included");
        for (uint256 i = 0; i < 5; ++i) {
            vm.assertEq(market.payoutOf(id, 1, trainer(i)).amount, 101 + i, "payout");
        }
        vm.assertEq(market.job(id).escrow, 3_000 - 515, "escrow");
        vm.assertEq(market.job(id).used, 1, "used");
        vm.assertEq(market.balanceOf(address(0), aggregator), 0, "free balance");
    }

    function test_GivenATrainerIsLeftOut() external {
        _settles(settlement(id, 1, 27), 1, 515 - 103);
        vm.assertEq(market.payoutOf(id, 1, trainer(2)).amount, 0, "left out");
        vm.assertEq(market.payoutOf(id, 1, trainer(4)).amount, 105, "payout");
        vm.assertEq(market.round(id, 1).included, 27, "included");
    }

    function test_GivenAReferenceAndAnAggregateAndRunningSums() external {
        id = _secondRound(true);
        IMarket.Settlement memory s = settlement(id, 2, 31 | REFERENCE_BIT);
        s.history = new IProofVerifier.Point[](5);
        for (uint256 i = 0; i < 5; ++i) {
            s.history[i] = point(70 + i);
        }
        _settles(s, 2, 515);
        vm.assertTrue(market.round(id, 2).referenceIncluded, "reference");
        vm.assertEq(market.round(id, 2).included, 31, "included");
    }

    function test_GivenTheReferenceIsLeftOut() external {
        id = _secondRound(true);
        _settles(settlement(id, 2, 31), 2, 515);
        vm.assertEq(market.round(id, 2).referenceIncluded, false, "reference");
    }

    function test_GivenTheAggregateBeforeIsInfinity() external {
        IMarket.Settlement memory s = settlement(id, 1, 31);
        s.aggregateCommitment = bytes32(uint256(0x40) << 248);
        vm.prank(aggregator);
        market.settleRound(id, 1, s, PROOF);
        toFinal(id, 1);
        openAndCommit(id, 5);
        vm.warp(market.round(id, 2).commitEnd);
        s = settlement(id, 2, 31);
        uint256[] memory ys = s.commitmentYs;
        assembly ("memory-safe") {
            mstore(ys, 5)
        }
        vm.prank(aggregator);
        market.settleRound(id, 2, s, PROOF);
        vm.assertTrue(market.round(id, 2).settled, "settled");
    }

    function test_GivenNoBondIsAsked() external {
        IMarket.JobTerms memory t = usualTerms();
        (t.aggregatorBond, t.challengeSeconds) = (0, 0);
        id = settledJob(t);
        vm.assertEq(market.round(id, 1).bonded, false, "bonded");
        vm.assertEq(uint256(market.phase(id, 1)), uint256(IMarket.Phase.Final), "no window");
    }

    function test_GivenASettlementInItsWindow_WhenNoMoreAreIncluded() external {
        settle(id, 1, 31, aggregator);
        _refused(settlement(id, 1, 31), 1, _notSuperset(31));
    }

    function test_GivenASettlementInItsWindow_WhenOneOfThemIsLeftOut() external {
        settle(id, 1, 15, aggregator);
        _refused(settlement(id, 1, 30), 1, _notSuperset(30));
        _refused(settlement(id, 1, 7), 1, _notSuperset(7));
    }

    function test_GivenASettlementInItsWindow_WhenMoreAreIncluded() external {
        settle(id, 1, 30, second);
        uint256 end = market.round(id, 1).challengeEnd;
        vm.warp(end - 1);
        IMarket.Settlement memory s = settlement(id, 1, 31);
        s.payouts[1] = 0;
        verifier.expectStatement(statementOf(id, 1, s, aggregator));
        vm.expectEmit(address(market));
        emit IMarket.SettlementReplaced(id, 1, second, 414);
        vm.expectEmit(address(market));
        emit IMarket.BondReleased(id, 1, second, 51);
        vm.prank(aggregator);
        market.settleRound(id, 1, s, PROOF);
        vm.assertEq(market.balanceOf(address(0), second), 51, "released");
        vm.assertEq(market.balanceOf(address(0), aggregator), 0, "held");
        IMarket.Round memory r = market.round(id, 1);
        vm.assertTrue(r.bonded, "bonded");
        vm.assertEq(r.settledBy, aggregator, "settledBy");
        vm.assertEq(r.challengeEnd, end - 1 + 300, "challengeEnd");
        vm.assertEq(market.payoutOf(id, 1, trainer(0)).amount, 101, "payout");
        vm.assertEq(market.payoutOf(id, 1, trainer(1)).amount, 0, "payout of before");
        vm.assertEq(market.job(id).escrow, 3_000 - 515 + 102, "escrow");
        vm.assertEq(market.job(id).used, 1, "used");
    }

    function test_GivenASettlementInItsWindow_WhenMoreAreIncludedByWhomATrainerNamed() external {
        _names(3, third);
        settle(id, 1, 23, aggregator);
        settle(id, 1, 31, third);
        vm.assertEq(market.round(id, 1).settledBy, third, "settledBy");
        vm.assertEq(market.payoutOf(id, 1, trainer(3)).amount, 104, "payout");
    }

    function test_GivenASettlementInItsWindow_WhenMoreAreIncludedByWhomATrainerNamedAndNeitherIncludesTheReference()
        external
    {
        id = _secondRound(true);
        _names(3, third);
        settle(id, 2, 23, aggregator);
        settle(id, 2, 31, third);
        vm.assertEq(market.round(id, 2).settledBy, third, "settledBy");
    }

    function test_GivenASettlementInItsWindow_WhenSlashesLeaveFewerThanAFirstSettlementNeeds() external {
        settle(id, 1, 29, aggregator);
        _slash(4);
        settle(id, 1, 15, second);
        vm.assertEq(market.round(id, 1).included, 15, "included");
        vm.assertEq(market.payoutOf(id, 1, trainer(1)).amount, 102, "who was left out");
        vm.assertEq(market.job(id).escrow, 3_000 - 101 - 102 - 103 - 104, "escrow");
    }

    function test_GivenASettlementInItsWindow_WhenEverybodyWasIncludedAndOneOfThemSlashed() external {
        settle(id, 1, 31, aggregator);
        _slash(4);
        join(id, 4);
        putDown(id, aggregator);
        _refused(settlement(id, 1, 31), 1, _notSuperset(31));
        _refused(settlement(id, 1, 15), 1, _notSuperset(15));
    }

    function test_GivenASettlementInItsWindow_WhenOneOfThemWasSlashed() external {
        id = _sixCommitted(usualTerms());
        settle(id, 1, 31, aggregator);
        _slash(1);
        putDown(id, aggregator);
        _refused(settlement(id, 1, 29), 1, _notSuperset(29));
        settle(id, 1, 61, aggregator);
        vm.assertEq(market.round(id, 1).included, 61, "included");
        vm.assertEq(market.job(id).escrow, 3_000 - 101 - 103 - 104 - 105 - 106, "escrow");
    }

    function test_GivenASettlementInItsWindow_WhenTheReferenceIsAdded() external {
        id = _secondRound(true);
        settle(id, 2, 31, aggregator);
        settle(id, 2, 31 | REFERENCE_BIT, second);
        vm.assertTrue(market.round(id, 2).referenceIncluded, "reference");
    }

    function test_GivenASettlementInItsWindow_WhenTheReferenceIsLeftOut() external {
        id = _secondRound(true);
        settle(id, 2, 15 | REFERENCE_BIT, aggregator);
        putDown(id, aggregator);
        _refused(settlement(id, 2, 31), 2, abi.encodeWithSelector(IMarket.Market_NotSuperset.selector, id, 2, 31));
    }

    function test_GivenASettlementInItsWindow_GivenTheWindowIsOver() external {
        settle(id, 1, 15, aggregator);
        toFinal(id, 1);
        _refused(settlement(id, 1, 31), 1, _wrongPhase(1, IMarket.Phase.Final));
    }

    function _sixCommitted(IMarket.JobTerms memory t) private returns (uint256 made) {
        made = create(t);
        joinAll(made, 6);
        openAndCommit(made, 6);
        vm.warp(market.round(made, 1).commitEnd);
    }

    function _reference(uint256 job, uint32 number) private {
        IProofVerifier.Point memory p = referenceOf(number);
        vm.prank(owner);
        market.commitReference(job, p, CID, 5);
    }

    /// @dev A job whose second round waits for its settlement; with a reference, or without.
    function _secondRound(bool hasReference) private returns (uint256 made) {
        IMarket.JobTerms memory t = usualTerms();
        t.hasReference = hasReference;
        made = create(t);
        _reference(made, 1);
        joinAll(made, 5);
        openAndCommit(made, 5);
        vm.warp(market.round(made, 1).commitEnd);
        settle(made, 1, 31 | REFERENCE_BIT, aggregator);
        toFinal(made, 1);
        _reference(made, 2);
        openAndCommit(made, 5);
        vm.warp(market.round(made, 2).commitEnd);
    }

    function _names(uint256 i, address account) private {
        vm.prank(trainer(i));
        market.nameAggregator(id, account);
    }

    function _slash(uint256 index) private {
        vm.prank(challenger);
        market.challengeUpdate(id, 1, index, EVIDENCE);
    }

    function _settles(IMarket.Settlement memory s, uint32 number, uint256 paid) private {
        IProofVerifier.Statement memory q = statementOf(id, number, s, aggregator);
        verifier.expectStatement(q);
        vm.expectEmit(address(market));
        emit IMarket.RoundSettled(
            id,
            number,
            aggregator,
            q,
            IMarket.Published(s.included, s.aggregateRoot, CID, 99),
            PROOF,
            paid,
            uint64(block.timestamp + 300)
        );
        vm.prank(aggregator);
        market.settleRound(id, number, s, PROOF);
    }

    function _refused(IMarket.Settlement memory s, uint32 number, bytes memory reason) private {
        vm.expectRevert(reason);
        vm.prank(aggregator);
        market.settleRound(id, number, s, PROOF);
    }

    function _wrongPhase(uint32 number, IMarket.Phase phase) private view returns (bytes memory) {
        return abi.encodeWithSelector(IMarket.Market_WrongPhase.selector, id, number, phase);
    }

    function _wrongLength(bytes32 field, uint256 length, uint256 expected) private pure returns (bytes memory) {
        return abi.encodeWithSelector(IMarket.Market_WrongLength.selector, field, length, expected);
    }

    function _notSuperset(uint256 included) private view returns (bytes memory) {
        return abi.encodeWithSelector(IMarket.Market_NotSuperset.selector, id, 1, included);
    }
}
