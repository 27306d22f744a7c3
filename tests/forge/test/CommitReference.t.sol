// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IMarket} from "../../../contracts/interfaces/IMarket.sol";
import {IProofVerifier} from "../../../contracts/interfaces/IProofVerifier.sol";
import {Cids} from "../../../contracts/libraries/Cids.sol";
import {Scene} from "../support/Scene.sol";

contract CommitReferenceTest is Scene {
    uint256 internal id;

    function setUp() external {
        _deploy();
        IMarket.JobTerms memory t = usualTerms();
        t.hasReference = true;
        id = create(t);
    }

    function test_WhenTheJobIsUnknown() external {
        _refused(2, abi.encodeWithSelector(IMarket.Market_UnknownJob.selector, 2));
    }

    function test_WhenTheCallerIsNotTheOwner() external {
        IProofVerifier.Point memory p = referenceOf(1);
        vm.expectRevert(abi.encodeWithSelector(IMarket.Market_NotOwner.selector, id, outsider));
        vm.prank(outsider);
        market.commitReference(id, p, CID, 5);
    }

    function test_GivenAJobWithoutAReference() external {
        id = create(usualTerms());
        _refused(id, abi.encodeWithSelector(IMarket.Market_NoReferenceAsked.selector, id));
    }

    function test_GivenTheJobIsClosed() external {
        vm.prank(owner);
        market.closeJob(id);
        _refused(id, abi.encodeWithSelector(IMarket.Market_JobClosed.selector, id));
    }

    function test_GivenARoundThatIsOpenOrWaitsForItsSettlement() external {
        _commits(1, referenceOf(1));
        joinAll(id, 5);
        openAndCommit(id, 5);
        _refused(id, abi.encodeWithSelector(IMarket.Market_WrongPhase.selector, id, 1, IMarket.Phase.Open));
        vm.warp(market.round(id, 1).commitEnd);
        _refused(id, abi.encodeWithSelector(IMarket.Market_WrongPhase.selector, id, 1, IMarket.Phase.Settling));
    }

    function test_WhenTheCommitmentIsNoPoint() external {
        vm.expectRevert(abi.encodeWithSelector(IMarket.Market_InvalidCommitment.selector, 1, 3));
        vm.prank(owner);
        market.commitReference(id, IProofVerifier.Point(1, 3), CID, 5);
        vm.expectRevert(abi.encodeWithSelector(IMarket.Market_InvalidCommitment.selector, 0, 0));
        vm.prank(owner);
        market.commitReference(id, IProofVerifier.Point(0, 0), CID, 5);
        vm.expectRevert(abi.encodeWithSelector(IMarket.Market_InvalidCommitment.selector, P + 1, 2));
        vm.prank(owner);
        market.commitReference(id, IProofVerifier.Point(P + 1, 2), CID, 5);
    }

    function test_WhenTheFileIsNoCID() external {
        IProofVerifier.Point memory p = referenceOf(1);
        vm.expectRevert(abi.encodeWithSelector(Cids.Cids_Invalid.selector, bytes("")));
        vm.prank(owner);
        market.commitReference(id, p, "", 5);
    }

    function test_GivenNoRoundIsLive() external {
        _commits(1, referenceOf(2));
        _commits(1, referenceOf(1));
        vm.assertEq(market.round(id, 2).referenceCommitment, 0, "of another round");
    }

    function test_GivenAChallengeWindow() external {
        _commits(1, referenceOf(1));
        joinAll(id, 5);
        openAndCommit(id, 5);
        vm.warp(market.round(id, 1).commitEnd);
        settle(id, 1, 31 | REFERENCE_BIT, aggregator);
        _commits(2, referenceOf(2));
        vm.assertEq(market.round(id, 1).referenceCommitment, compressed(referenceOf(1)), "of the settled round");
    }

    function _refused(uint256 job, bytes memory reason) private {
        IProofVerifier.Point memory p = referenceOf(1);
        vm.expectRevert(reason);
        vm.prank(owner);
        market.commitReference(job, p, CID, 5);
    }

    function _commits(uint32 number, IProofVerifier.Point memory p) private {
        vm.expectEmit(address(market));
        emit IMarket.ReferenceCommitted(id, number, compressed(p), CID, 5);
        vm.prank(owner);
        market.commitReference(id, p, CID, 5);
        vm.assertEq(market.round(id, number).referenceCommitment, compressed(p), "recorded");
    }
}
